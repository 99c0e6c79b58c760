//! What an account has of what settings name, judged row by row: what is there, what is missing and what to
//! do about it, and what EC2 does not tell. Pure: answers in, checks out.

use crate::refusal::{Class, Failure, bare, known};
use serde::Serialize;

mod launch;
mod network;

pub use launch::{
    NOBODYS, images, instances, key_pair, launches, limits, list_prices, told, types, untried,
};
pub use network::{GroupRow, SubnetRow, groups, subnets, zones};

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It is there, and as it must be.
    Ok,
    /// It is not there, or not as it must be: nothing is launched as it is.
    Missing,
    /// It could not be looked at: EC2 did not answer, or these credentials may not ask.
    CannotSay,
    /// EC2 tells nobody.
    NotTold,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What kind of thing.
    pub check: &'static str,
    /// Which one.
    pub of: String,
    /// What came of it.
    pub status: Status,
    /// What was found, in words.
    pub found: String,
    /// What to do about it; empty if nothing.
    pub todo: String,
}

/// An error as EC2 or the way there gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Its code, if there was one.
    pub code: Option<String>,
    /// Its message.
    pub message: String,
    /// The HTTP status, if there was an answer.
    pub status: Option<u16>,
}

/// What EC2 answered.
pub type Asked<T> = Result<T, Said>;

/// What a call is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Controllers make it: they do nothing without.
    Controller,
    /// Controllers make it, and go on by what they know where they may not.
    Better,
    /// Only this look at the account makes it.
    Look,
}

impl Said {
    /// As errors are judged.
    #[must_use]
    pub fn failure(&self) -> Failure<'_> {
        Failure { code: self.code.as_deref(), message: &self.message, status: self.status }
    }

    /// Whether EC2 knows who asks, and says that this is not theirs to ask.
    #[must_use]
    pub fn is_permission(&self) -> bool {
        let code = self.code.as_deref().map(bare).unwrap_or_default();
        code == "UnauthorizedOperation" || code.starts_with("AccessDenied")
    }

    fn is_of_credentials(&self) -> bool {
        let class = self.code.as_deref().and_then(known).map(|(class, _)| class);
        class == Some(Class::Authorisation) && !self.is_permission()
    }
}

impl Check {
    /// It is as it must be.
    #[must_use]
    pub fn ok(check: &'static str, of: impl Into<String>, found: impl Into<String>) -> Check {
        let (of, found, todo) = (of.into(), found.into(), String::new());
        Check { check, of, status: Status::Ok, found, todo }
    }

    /// It is not.
    #[must_use]
    pub fn missing(
        check: &'static str,
        of: impl Into<String>,
        found: impl Into<String>,
        todo: impl Into<String>,
    ) -> Check {
        let (of, found, todo) = (of.into(), found.into(), todo.into());
        Check { check, of, status: Status::Missing, found, todo }
    }

    /// It could not be looked at.
    #[must_use]
    pub fn cannot_say(
        check: &'static str,
        of: impl Into<String>,
        found: impl Into<String>,
        todo: impl Into<String>,
    ) -> Check {
        Check { status: Status::CannotSay, ..Check::missing(check, of, found, todo) }
    }

    /// There is no answer to this action but an error.
    #[must_use]
    pub fn unanswered(
        check: &'static str,
        of: impl Into<String>,
        (action, need): (&str, Need),
        said: &Said,
    ) -> Check {
        if said.is_permission() {
            let named = action.contains(':');
            let action = if named { action.to_owned() } else { format!("ec2:{action}") };
            let found = format!("these credentials may not call {action}");
            let todo = format!("allow {action} to them");
            return match need {
                Need::Controller => Check::missing(check, of, found, todo),
                Need::Better => Check::cannot_say(check, of, found, format!("{todo}; {WITHOUT}")),
                Need::Look => Check::cannot_say(check, of, found, todo),
            };
        }
        let found = said.failure().to_string();
        if said.is_of_credentials() {
            return Check::missing(check, of, found, CREDENTIALS);
        }
        Check::cannot_say(check, of, found, "try again")
    }
}

/// What becomes of types and prices that are not told.
const WITHOUT: &str = "without it, the catalogue that is shipped and the log are gone by";
/// Where credentials come from.
const CREDENTIALS: &str =
    "give other credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or a role";

/// What may be wrong where nothing answers.
const NO_ANSWER: &str =
    "see that the region is right, and that its endpoint can be reached from here";

/// Whether EC2 takes these credentials, by what it said to the first call that was made with them. If not,
/// there is nothing else to ask.
#[must_use]
pub fn credentials<T>(region: &str, (action, asked): (&str, &Asked<T>)) -> Check {
    let of = region.to_owned();
    let nothing_else = |said: &Said| format!("{}; nothing else was asked", said.failure());
    match asked {
        Ok(_) => Check::ok("credentials", of, "EC2 takes them"),
        Err(said) if said.is_permission() => {
            Check::ok("credentials", of, format!("EC2 takes them, but not for ec2:{action}"))
        }
        Err(said) if said.is_of_credentials() || said.message.contains("credential") => {
            Check::missing("credentials", of, nothing_else(said), CREDENTIALS)
        }
        Err(said) if said.status.is_none() => {
            Check::cannot_say("credentials", of, nothing_else(said), NO_ANSWER)
        }
        Err(said) => Check::cannot_say("credentials", of, nothing_else(said), "try again"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: Option<&str>, status: Option<u16>) -> Said {
        Said { code: code.map(str::to_owned), message: "no".to_owned(), status }
    }

    #[test]
    fn an_error_says_what_is_missing() {
        let cases = [
            (said(Some("UnauthorizedOperation"), Some(403)), Status::Missing, "allow ec2:Look"),
            (said(Some("AccessDenied"), Some(403)), Status::Missing, "allow ec2:Look"),
            (said(Some("AuthFailure"), Some(401)), Status::Missing, "give other credentials"),
            (said(Some("RequestExpired"), Some(400)), Status::CannotSay, "try again"),
            (said(Some("InternalError"), Some(500)), Status::CannotSay, "try again"),
            (said(None, None), Status::CannotSay, "try again"),
        ];
        for (said, status, todo) in cases {
            let check = Check::unanswered("a thing", "x", ("Look", Need::Controller), &said);
            assert_eq!(check.status, status, "{said:?}");
            assert!(check.todo.starts_with(todo), "{check:?}");
        }
        let denied = said(Some("UnauthorizedOperation"), Some(403));
        let check = Check::unanswered("a thing", "x", ("Look", Need::Look), &denied);
        assert_eq!(check.status, Status::CannotSay, "nothing that runs needs it");
        let action = ("pricing:GetProducts", Need::Better);
        let check = Check::unanswered("a thing", "x", action, &denied);
        assert_eq!(check.status, Status::CannotSay, "what runs goes on without");
        assert!(
            check.todo.starts_with("allow pricing:GetProducts to them; without it"),
            "{check:?}"
        );
    }

    #[test]
    fn credentials_are_told_from_permissions() {
        let judged = |asked: Asked<()>| credentials("r", ("Look", &asked)).status;
        assert_eq!(judged(Ok(())), Status::Ok);
        assert_eq!(judged(Err(said(Some("UnauthorizedOperation"), Some(403)))), Status::Ok);
        assert_eq!(judged(Err(said(Some("AuthFailure"), Some(401)))), Status::Missing);
        assert_eq!(judged(Err(said(None, None))), Status::CannotSay, "nobody answers");
        assert_eq!(judged(Err(said(Some("Unavailable"), Some(503)))), Status::CannotSay);
    }
}
