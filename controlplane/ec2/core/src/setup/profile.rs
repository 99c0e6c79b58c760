//! The instance profile that the settings name: a role that EC2 may give to instances, in a profile of the same
//! name. The role allows nothing: an agent calls nothing of AWS.
//!
//! ```text
//! instance profile NAME ── role NAME ── trusts EC2
//! ```
//!
//! What has not the cluster's tag is used where it is whole, and never changed.

use super::{Step, lacking};
use crate::account::{Asked, Check, Said};
use smol_str::SmolStr;

/// Who may take the role: instances, by EC2.
pub const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

/// What IAM has under a name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// The instance profile, if there is one.
    pub profile: Option<Profile>,
    /// Of the role: whether it has the cluster's tag. None if there is no role.
    pub role: Option<bool>,
}

/// An instance profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its ARN.
    pub arn: SmolStr,
    /// Whether it has the cluster's tag.
    pub ours: bool,
    /// Its role, if it has one, and whether that trusts EC2.
    pub role: Option<(SmolStr, bool)>,
}

/// The name in what settings call a profile: a name, or an ARN that ends in it.
#[must_use]
pub fn name(named: &str) -> &str {
    named.rsplit('/').next().unwrap_or(named)
}

/// What of a profile is made next; nothing once it is whole, or where IAM could not be asked.
///
/// # Errors
/// What there is cannot be completed; says why.
pub(super) fn next(named: &SmolStr, asked: &Asked<Named>) -> Result<Option<Step>, String> {
    let Ok(there) = asked else { return Ok(None) };
    let name: SmolStr = name(named).into();
    match &there.profile {
        // Where it is to be is not for a name alone to say.
        None if name != *named => Ok(None),
        None if there.role == Some(false) => Err(others("role", &name)),
        None if there.role.is_none() => Ok(Some(Step::Role(name))),
        None => Ok(Some(Step::Profile(name))),
        Some(Profile { role: Some(_), .. }) => Ok(None),
        Some(Profile { ours: false, .. }) => Err(others("instance profile", &name)),
        Some(_) => match there.role {
            None => Ok(Some(Step::Role(name))),
            Some(false) => Err(others("role", &name)),
            Some(true) => Ok(Some(Step::Join(name))),
        },
    }
}

fn others(what: &str, name: &str) -> String {
    format!(
        "{what} {name} is there without this cluster's tag, and is not whole: complete it by hand, or name \
         another instance_profile"
    )
}

impl Named {
    /// This step was made, and this is what IAM calls what it made.
    pub(super) fn made(&mut self, step: Step, id: SmolStr) {
        match (step, &mut self.profile) {
            (Step::Role(_), _) => self.role = Some(true),
            (Step::Profile(_), profile) => {
                *profile = Some(Profile { arn: id, ours: true, role: None });
            }
            (Step::Join(role), Some(profile)) => profile.role = Some((role, true)),
            _ => {}
        }
    }
}

/// Whether there is the profile that settings name, as an instance needs it.
#[must_use]
pub fn check(named: &str, asked: &Asked<Named>) -> Check {
    let what = "instance profile";
    let there = match asked {
        Ok(there) => there,
        Err(said) => return unasked(named, said),
    };
    match &there.profile {
        None if name(named) != named => {
            let todo = "make it by hand (docs/ec2.md), or name it without its ARN";
            Check::missing(what, named, "there is none", todo)
        }
        None => lacking(what, named, "there is none"),
        Some(profile) if named.starts_with("arn:") && profile.arn != named => {
            let found = format!("the one of that name is {}", profile.arn);
            Check::missing(what, named, found, "name that one, or another")
        }
        Some(Profile { role: None, .. }) => lacking(what, named, "it has no role"),
        Some(Profile { role: Some((role, false)), .. }) => {
            let found = format!("its role {role} does not trust EC2");
            Check::missing(what, named, found, "let ec2.amazonaws.com assume it")
        }
        Some(Profile { role: Some((role, true)), .. }) => {
            Check::ok(what, named, format!("its role is {role}"))
        }
    }
}

/// IAM is another service than EC2, with permissions of its own.
fn unasked(named: &str, said: &Said) -> Check {
    let (found, todo) = if said.is_permission() {
        let found = "these credentials may not look at it";
        (found.to_owned(), "allow iam:GetInstanceProfile and iam:GetRole to them (docs/ec2.md)")
    } else {
        (format!("IAM: {}", said.failure()), "try again, or make it by hand (docs/ec2.md)")
    };
    Check::cannot_say("instance profile", named, found, todo)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Status;

    fn profile(ours: bool, role: Option<(&str, bool)>) -> Option<Profile> {
        let role = role.map(|(name, trusts)| (name.into(), trusts));
        Some(Profile { arn: "arn:aws:iam::1:instance-profile/p".into(), ours, role })
    }

    #[test]
    fn what_is_made_next_and_what_is_said_of_it_follow_from_what_there_is() {
        let arn = "arn:aws:iam::1:instance-profile/p";
        let (role, make, join) =
            (Step::Role("p".into()), Step::Profile("p".into()), Step::Join("p".into()));
        let whole = |ours| profile(ours, Some(("any", true)));
        let cases = [
            ("p", None, None, Ok(Some(role.clone())), Status::Missing),
            ("p", None, Some(true), Ok(Some(make)), Status::Missing),
            ("p", None, Some(false), Err("role p is there without"), Status::Missing),
            ("p", profile(true, None), None, Ok(Some(role)), Status::Missing),
            ("p", profile(true, None), Some(true), Ok(Some(join)), Status::Missing),
            ("p", profile(true, None), Some(false), Err("role p is there"), Status::Missing),
            ("p", profile(false, None), None, Err("instance profile p is"), Status::Missing),
            ("p", whole(true), Some(true), Ok(None), Status::Ok),
            ("p", whole(false), None, Ok(None), Status::Ok),
            (arn, whole(false), None, Ok(None), Status::Ok),
            ("arn:aws:iam::2:instance-profile/p", whole(true), None, Ok(None), Status::Missing),
            (arn, None, None, Ok(None), Status::Missing),
            ("p", profile(false, Some(("any", false))), None, Ok(None), Status::Missing),
        ];
        for (named, profile, role, step, status) in cases {
            let asked = Ok(Named { profile, role });
            match (next(&named.into(), &asked), step) {
                (Ok(found), Ok(wanted)) => assert_eq!(found, wanted, "{named} {asked:?}"),
                (Err(found), Err(wanted)) => assert!(found.starts_with(wanted), "{found}"),
                (found, wanted) => panic!("{named} {asked:?}: {found:?}, not {wanted:?}"),
            }
            assert_eq!(check(named, &asked).status, status, "{named} {asked:?}");
        }
    }

    #[test]
    fn where_iam_cannot_be_asked_nothing_is_made_and_that_is_said() {
        for (code, todo) in [
            (Some("AccessDenied"), "allow iam:GetInstanceProfile"),
            (Some("ServiceUnavailable"), "try again, or make it by hand"),
            (None, "try again, or make it by hand"),
        ] {
            let said = Said { code: code.map(str::to_owned), message: "no".into(), status: None };
            let asked = Err(said);
            assert_eq!(next(&"p".into(), &asked), Ok(None));
            let check = check("p", &asked);
            assert_eq!(check.status, Status::CannotSay);
            assert!(check.todo.starts_with(todo), "{check:?}");
        }
    }
}
