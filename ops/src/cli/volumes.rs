//! Which volumes instances are given, as a cluster has it: by its cloud's settings, which are on the log, else
//! by its policy; and what is not bought because there are no such volumes.

use catalogue::{Barred, Catalogue, Volumes};
use controlplane_core::explain::Wanted;
use ec2_core::{Config, Frozen};
use replay_core::State;
use schema::policy::Policy;
use serde::Serialize;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// The settings that launches are made by, if they are EC2's.
pub(super) fn settings(state: &State) -> Option<Config> {
    Some(Frozen::read(state.settings_now()?).ok()?.config)
}

/// The catalogue as a cluster has it: what is shipped, and over it what the log says that AWS told of types in
/// the region that the cluster buys in. As it is shipped where there are no settings of EC2. In which zones
/// something is sold is not to be had from it: the log has their names, the catalogue their ids, and which
/// name is which id is another matter in each account.
///
/// # Errors
/// What is shipped cannot be read.
pub(super) fn catalogue(state: &State) -> Result<Catalogue, catalogue::Fault> {
    let shipped = Catalogue::shipped()?;
    let Some(config) = settings(state) else { return Ok(shipped) };
    let told = state.types.iter().map(|((_, zone), told)| (zone, &told.seen));
    Ok(shipped.with(&config.region, told))
}

/// Who says which volumes instances are given.
pub(super) fn by<'a>(settings: Option<&'a Config>, policy: &'a Policy) -> &'a dyn Volumes {
    match settings {
        Some(settings) => settings,
        None => &policy.volume,
    }
}

/// Types that are not bought for want of volumes.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Unsold {
    /// Why there are no such volumes.
    why: String,
    /// Their names.
    types: Vec<SmolStr>,
}

impl Unsold {
    /// In a sentence, with the first few of them.
    pub(super) fn words(&self) -> String {
        const SHOWN: usize = 3;
        let Unsold { why, types } = self;
        let shown = types.iter().take(SHOWN).map(SmolStr::as_str).collect::<Vec<_>>().join(", ");
        let more = types.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("not sold: {shown}{more}: no such volumes: {why}")
    }
}

/// What would do but for its volumes: of the types that the policy allows, those that are large enough and
/// that EC2 has no such volumes for, by reason.
pub(super) fn unsold(catalogue: &Catalogue, state: &State, wanted: &Wanted) -> Vec<Unsold> {
    let Some(config) = settings(state) else { return Vec::new() };
    let rules = &state.head.policy.types;
    let Ok(listed) = catalogue.list(&config.region, rules, &config) else { return Vec::new() };
    let asked = wanted.constraint.alone.as_ref().and_then(|alone| alone.kind.as_ref());
    let mut by_reason: BTreeMap<String, Vec<SmolStr>> = BTreeMap::new();
    for one in listed {
        let Some(Barred::NoVolume(why)) = one.on_demand.1.as_ref().or(one.spot.1.as_ref()) else {
            continue;
        };
        let name = &one.kind.name;
        let disk = wanted.floor.disk;
        if asked.is_none_or(|asked| asked == name) && one.kind.usable(disk).holds(&wanted.floor) {
            by_reason.entry(why.clone()).or_default().push(name.clone());
        }
    }
    by_reason.into_iter().map(|(why, types)| Unsold { why, types }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use replay_core::state::market::ToldType;
    use schema::event::{Hardware, TypeSeen};
    use schema::policy::types::Arch;
    use schema::policy::worth::Links;
    use schema::requirements::Constraint;
    use schema::resources::Resources;
    use schema::unit::{LogTime, Micros};

    const SETTINGS: &str = r#"{
        "config": {
            "region": "eu-west-1",
            "subnets": [{"zone": "eu-west-1a", "subnet": "subnet-0aaa"}],
            "security_groups": ["sg-0123"],
            "images": {"x86_64": {"id": "ami-0123"}},
            "flavour": "ubuntu",
            "data": {"size": 50, "per_core": 400},
            "agent": {"x86_64": {
                "url": "https://example.org/fleetlog",
                "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
            }},
            "log": {"url": "nats://nats.example.org:4222"}
        },
        "images": {"x86_64": {"id": "ami-0123", "root_device": "/dev/sda1"}}
    }"#;

    fn configured() -> State {
        let mut state = State::default();
        state.settings.insert(1, SETTINGS.to_owned());
        state.head.settings = Some(1);
        state.head.policy.types.allow = vec!["m5.*".into()];
        state
    }

    #[test]
    fn the_settings_on_the_log_count_before_the_policy() {
        let (catalogue, state) = (Catalogue::shipped().expect("it is there"), configured());
        let config = settings(&state).expect("settings");
        let kind = &catalogue.types["m5.large"];
        let disk = |by: &dyn Volumes| by.given(kind).expect("volumes").disk >> 30;
        assert_eq!(disk(by(Some(&config), &state.head.policy)), 800);
        assert_eq!(disk(by(None, &state.head.policy)), 300);
        assert_eq!(settings(&State::default()), None);
    }

    #[test]
    fn what_has_no_such_volumes_is_named_with_the_reason() {
        let (catalogue, state) = (Catalogue::shipped().expect("it is there"), configured());
        let wanted = |cpu: u64| Wanted {
            floor: Resources { cpu: cpu * 1000, memory: 1 << 30, ..Resources::default() },
            constraint: Constraint::default(),
            count: 1,
        };
        let all: Vec<String> =
            unsold(&catalogue, &state, &wanted(60)).iter().map(Unsold::words).collect();
        let why = "no such volumes: 1 data slices of";
        assert_eq!(
            all,
            [
                format!("not sold: m5.16xlarge: {why} 25600 GiB: 16384 GiB is the most"),
                format!("not sold: m5.24xlarge: {why} 38400 GiB: 16384 GiB is the most"),
            ]
        );
        assert_eq!(unsold(&catalogue, &state, &wanted(1000)), []);
        assert_eq!(unsold(&catalogue, &State::default(), &wanted(60)), []);
    }

    /// One of a generation that no catalogue has yet, with more cpus than there are volumes for.
    fn told() -> ToldType {
        let hardware = Hardware {
            arch: Arch::X86,
            vcpu: 128,
            memory_mib: 256 << 10,
            disks: None,
            gpu: None,
            accelerator: None,
            links: Links::default(),
            spot: true,
        };
        let (kind, on_demand) = ("m99.32xlarge".into(), Some(Micros(6_000_000)));
        let seen = TypeSeen { kind, sold: true, hardware: Some(hardware), on_demand };
        ToldType { seen, at: LogTime(1) }
    }

    #[test]
    fn what_only_the_log_knows_is_named_with_the_reason() {
        let mut state = configured();
        state.head.policy.types.allow = vec!["m99.*".into()];
        let wanted = Wanted {
            floor: Resources { cpu: 60_000, memory: 1 << 30, ..Resources::default() },
            constraint: Constraint::default(),
            count: 1,
        };
        let all = |state: &State| {
            let catalogue = super::catalogue(state).expect("it is there");
            unsold(&catalogue, state, &wanted).iter().map(Unsold::words).collect::<Vec<_>>()
        };
        assert_eq!(all(&state), [""; 0]);
        state.types.insert(("m99.32xlarge".into(), "eu-west-1a".into()), told());
        let said = all(&state);
        let begins = "not sold: m99.32xlarge: no such volumes: ";
        assert!(said.len() == 1 && said[0].starts_with(begins), "{said:?}");
    }
}
