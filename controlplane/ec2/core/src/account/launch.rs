//! What else a launch takes: images, a key pair, types that are sold, and EC2's leave.

use super::{Asked, Check, Need, Said, Status};
use crate::Config;
use crate::config::{Arch, Image, ImageRule};
use crate::refusal::{Class, bare, judge};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// Whether there are the images that the settings mean.
#[must_use]
pub fn images(config: &Config, asked: &BTreeMap<Arch, Asked<Option<Image>>>) -> Vec<Check> {
    let gone = |said: &Said| {
        said.code.as_deref().is_some_and(|code| bare(code).starts_with("InvalidAMIID"))
    };
    let judge = |(arch, rule): (&Arch, &ImageRule)| {
        let of = arch.name();
        match asked.get(arch) {
            Some(Err(said)) if gone(said) => {
                let found = said.failure().to_string();
                Check::missing("image", of, found, "name another one in the settings")
            }
            Some(Ok(Some(image))) => {
                Check::ok("image", of, format!("{}, its root is {}", image.id, image.root_device))
            }
            Some(Ok(None)) | None => {
                let found = format!("EC2 has no image for {of} like {}", words(rule));
                Check::missing("image", of, found, "name another one in the settings")
            }
            Some(Err(said)) => {
                Check::unanswered("image", of, ("DescribeImages", Need::Controller), said)
            }
        }
    };
    config.images.iter().map(judge).collect()
}

fn words(rule: &ImageRule) -> String {
    match rule {
        ImageRule::Id(id) => id.to_string(),
        ImageRule::Newest { owner, name } => format!("{name} of {owner}"),
    }
}

/// Whether there is the key pair that the settings name; nothing if they name none.
#[must_use]
pub fn key_pair(config: &Config, asked: &Asked<Vec<String>>) -> Option<Check> {
    let name = config.key_name.as_ref()?;
    Some(match asked {
        Ok(found) if found.iter().any(|one| one == name.as_str()) => {
            Check::ok("key pair", name.as_str(), "it is there")
        }
        Ok(_) => {
            let todo = "import it, or name none";
            Check::missing("key pair", name.as_str(), "there is none", todo)
        }
        Err(said) => {
            Check::unanswered("key pair", name.as_str(), ("DescribeKeyPairs", Need::Look), said)
        }
    })
}

/// Whether a zone sells any of the types that the policy allows there.
#[must_use]
pub fn types(zone: &str, allowed: &BTreeSet<SmolStr>, asked: &Asked<BTreeSet<SmolStr>>) -> Check {
    let sold = match asked {
        Ok(sold) => sold,
        Err(said) => {
            let action = ("DescribeInstanceTypeOfferings", Need::Better);
            return Check::unanswered("types", zone, action, said);
        }
    };
    let (all, there) = (allowed.len(), allowed.intersection(sold).count());
    let found = format!("of {all} types that may be bought there, EC2 sells {there}");
    if there > 0 {
        return Check::ok("types", zone, found);
    }
    let todo = "allow others (`fleetlog fleet types` shows them), or name another zone";
    Check::missing("types", zone, found, todo)
}

/// Whether EC2 tells what types have: `told` is of how many it told at once.
#[must_use]
pub fn told(region: &str, told: &Asked<usize>) -> Check {
    match told {
        Ok(many) => Check::ok("types told", region, format!("EC2 tells what {many} types have")),
        Err(said) => {
            let action = ("DescribeInstanceTypes", Need::Better);
            Check::unanswered("types told", region, action, said)
        }
    }
}

/// Whether the price list tells on-demand prices: `told` is of how many types; nothing if the settings name
/// no price list.
#[must_use]
pub fn list_prices(region: &str, told: &Asked<Option<usize>>) -> Option<Check> {
    let check = "list prices";
    Some(match told {
        Ok(None) => return None,
        Ok(Some(0)) => {
            let found = format!("it names no price in {region}");
            Check::cannot_say(check, region, found, "name another region of the price list")
        }
        Ok(Some(many)) => Check::ok(check, region, format!("it names the price of {many} types")),
        Err(said) => {
            let action = ("pricing:GetProducts", Need::Better);
            Check::unanswered(check, region, action, said)
        }
    })
}

/// What EC2 says to a launch of this type in this zone that is only tried.
#[must_use]
pub fn launches(zone: &str, kind: &str, profile: Option<&str>, asked: &Asked<()>) -> Check {
    let of = format!("{kind} in {zone}");
    let said = match asked {
        Ok(()) => {
            let with = profile.map(|name| format!(" with profile {name}")).unwrap_or_default();
            return Check::ok("launch", of, format!("EC2 would launch it{with}"));
        }
        Err(said) => said,
    };
    let found = said.failure().to_string();
    if said.is_permission() {
        return Check::missing("launch", of, found, permission(said));
    }
    match judge(&said.failure()).class {
        Class::Configuration | Class::Authorisation => {
            Check::missing("launch", of, found, configured(said))
        }
        Class::Capacity | Class::Quota => {
            let todo = "others are bought while it is so; see `fleetlog fleet plan`";
            Check { todo: todo.to_owned(), ..Check::ok("launch", of, found) }
        }
        Class::Throttle | Class::Transient | Class::Mismatch => {
            Check::cannot_say("launch", of, found, "try again")
        }
    }
}

/// A launch that was not even tried: there is no image for it.
#[must_use]
pub fn untried(zone: &str, kind: &str, arch: &str) -> Check {
    let found = format!("not tried: there is no image for {arch} to try it with");
    Check::cannot_say("launch", format!("{kind} in {zone}"), found, "see to the image first")
}

/// EC2 names what was not allowed, now and then in a form that only `sts` decodes.
fn permission(said: &Said) -> String {
    let all = ["ec2:RunInstances", "ec2:CreateTags"];
    if said.message.contains("iam:PassRole") {
        return "allow iam:PassRole for the role of the instance profile".to_owned();
    }
    let decoded = "`aws sts decode-authorization-message` says which is denied";
    format!("allow {}; {decoded}", all.join(" and "))
}

fn configured(said: &Said) -> &'static str {
    let code = said.code.as_deref().map(bare).unwrap_or_default();
    if said.message.to_ascii_lowercase().contains("iaminstanceprofile")
        || said.message.to_ascii_lowercase().contains("instance profile")
    {
        return "name an instance profile that there is";
    }
    match code {
        code if code.starts_with("InvalidAMI") => "name another image",
        code if code.starts_with("InvalidSubnet") => "name another subnet",
        code if code.starts_with("InvalidGroup") => "name another security group",
        code if code.starts_with("InvalidKeyPair") => "name another key pair",
        "OptInRequired" => "the account has to subscribe to the image",
        _ => "mend the settings",
    }
}

/// An id as EC2 gives them, that it gives to none. Whether instances may be ended is asked with it: an endpoint
/// that does not heed that something is only tried has nothing to end then.
pub const NOBODYS: &str = "i-00000000000000000";

/// Whether instances may be looked at and ended: `ours` are this cluster's, as far as EC2 shows any, and `end`
/// is what EC2 says to the end of [`NOBODYS`] that is only tried.
#[must_use]
pub fn instances(cluster: &str, ours: &Asked<usize>, end: &Asked<()>) -> Vec<Check> {
    let seen = match ours {
        Ok(count) => Check::ok("instances", cluster, format!("EC2 shows {count} of this cluster")),
        Err(said) => {
            let action = ("DescribeInstances", Need::Controller);
            Check::unanswered("instances", cluster, action, said)
        }
    };
    vec![seen, ended(cluster, end)]
}

fn ended(cluster: &str, asked: &Asked<()>) -> Check {
    let said = match asked {
        Ok(()) => return Check::ok("end", cluster, "EC2 would end an instance"),
        Err(said) => said,
    };
    let looked_for = said.code.as_deref().is_some_and(|code| {
        let code = bare(code);
        code.starts_with("InvalidInstanceID") && code != "InvalidInstanceID.Malformed"
    });
    if looked_for {
        return Check::ok("end", cluster, "EC2 would end an instance: it looked for the one named");
    }
    if said.is_permission() {
        let found = format!("these credentials may not end {NOBODYS}, with which this is asked");
        let todo = format!(
            "allow ec2:TerminateInstances to them for this cluster's instances (docs/ec2.md), and for {NOBODYS}"
        );
        return Check::missing("end", cluster, found, todo);
    }
    Check::unanswered("end", cluster, ("TerminateInstances", Need::Controller), said)
}

/// What the account allows: EC2 names few of its limits, and none of those for cores. What those have
/// refused is on the log: `refused` are quota groups, and what was said of them.
#[must_use]
pub fn limits(asked: &Asked<Vec<(String, String)>>, refused: &[(String, String)]) -> Vec<Check> {
    let mut checks = Vec::new();
    match asked {
        Ok(attributes) => checks.extend(
            attributes
                .iter()
                .filter(|(name, _)| name == "max-instances")
                .map(|(_, most)| Check::ok("limit", "instances", format!("{most} at most"))),
        ),
        Err(said) => {
            let action = ("DescribeAccountAttributes", Need::Look);
            checks.push(Check::unanswered("limit", "instances", action, said));
        }
    }
    let todo = "see Service Quotas in the console of AWS; the first refusal is kept on the log, and \
                others are bought meanwhile";
    let found = "EC2 does not tell how many";
    let cores = Check { status: Status::NotTold, ..Check::missing("limit", "cores", found, todo) };
    checks.push(cores);
    checks.extend(refused.iter().map(|(group, said)| Check {
        todo: "have the quota raised if that is too little".to_owned(),
        ..Check::ok("limit", group.as_str(), format!("refused lately: {said}"))
    }));
    checks
}
