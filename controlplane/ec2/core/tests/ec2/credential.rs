//! Who is let in, and how far.

use crate::world::{intent, key, order, plain, shown};
use controlplane_core::cloud::LaunchOrder;
use ec2_core::Intent;
use ec2_core::cloudinit::Flavour;
use ec2_core::credential::{ClusterKey, Credential, credential, judge, subjects};
use replay_core::state::launch::{Launch, LaunchStatus};
use replay_core::state::trust::Claim;
use schema::event::InstanceBooted;
use schema::id::{ClusterId, InstanceId, LaunchId};
use schema::resources::Resources;
use schema::unit::{Epoch, LogTime, Millis};
use schema::why::{DistrustWhy, LaunchWhy};
use uuid::Uuid;

const LIFE: Uuid = Uuid::from_u128(1);
/// When the log has the instance.
const MADE: LogTime = LogTime(1_790_000_000_000_000_000);

fn minute() -> Credential {
    credential(&key(), &intent(), Millis::from_secs(60))
}

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("an id")
}

/// The launch of that intent, as the fold has it.
fn launch() -> Launch {
    let LaunchOrder { attempt, offering, count, intended, .. } = order();
    Launch {
        attempt,
        offering,
        count,
        reserved_for: Vec::new(),
        requested: LogTime(1),
        epoch: intended,
        settings: None,
        fingerprint: Some(key().fingerprint(intent().cluster())),
        instances: Vec::new(),
        status: LaunchStatus::Requested,
        why: LaunchWhy::MinInstances { floor: 1 },
        doubt: None,
    }
}

/// What an agent with this credential says.
fn claim(credential: &Credential, at: LogTime) -> Claim {
    let said = InstanceBooted {
        instance: id("i-0abc"),
        launch: intent().launch().clone(),
        resources: Resources::default(),
        address: "http://127.0.0.1:1".into(),
        version: "0".into(),
        boot: Millis(1),
        runtimes: Vec::new(),
        proof: None,
    };
    let bearer = credential.bearer(&said.instance);
    let booted = bearer.prove(intent().cluster(), (LIFE, 1), said);
    Claim { booted, life: LIFE, number: 1, at }
}

#[test]
fn an_instance_joins_in_time_and_stays_while_it_lives() {
    let end = MADE + Millis::from_secs(60);
    let late = LogTime(end.0 + 1);
    let cases = [
        (Some(MADE), MADE, Ok(())),
        (Some(MADE), end, Ok(())),
        (Some(MADE), late, Err(DistrustWhy::Expired { joins_until: end, came: late })),
        // However long the launch has waited, and whatever has become of it since it joined.
        (None, LogTime(u64::MAX), Ok(())),
    ];
    for (made, at, wanted) in cases {
        let claim = claim(&minute(), at);
        let found = judge(&key(), intent().cluster(), &claim, &launch(), made);
        assert_eq!(found, wanted, "{made:?} at {at}");
    }
}

#[test]
fn a_credential_that_was_changed_lets_nobody_in() {
    let text = minute().text();
    let none = [
        String::new(),
        "fl2".into(),
        text.replace(".2.", ".02."),
        text.replace("fl2", "fl1"),
        text.to_uppercase(),
        format!("{text}.x"),
        format!("{text}\n"),
        "\u{0}.".repeat(1000),
    ];
    assert!(none.iter().all(|text| Credential::parse(text).is_none()));
    let (at, last) = text.char_indices().last().expect("a digit");
    let forged = [
        text.replace(".2.", ".3."),
        text.replace("1hmv", "1hmw"),
        text.replace(".60000.", ".60001."),
        format!("{}{}", &text[..at], if last == '0' { '1' } else { '0' }),
    ];
    let judged = |key: &ClusterKey, cluster: &ClusterId, credential: &Credential| {
        let claim = claim(credential, MADE);
        judge(key, cluster, &claim, &launch(), None)
    };
    for text in forged {
        let credential = Credential::parse(&text).expect("it looks like one");
        let mut claimed = claim(&credential, MADE);
        claimed.booted.launch = credential.launch.clone();
        let found = judge(&key(), intent().cluster(), &claimed, &launch(), None);
        assert_eq!(found, Err(DistrustWhy::Forged), "{text}");
    }
    let (cluster, forged) = (intent().cluster().clone(), Err(DistrustWhy::Forged));
    assert_eq!(judged(&key(), &cluster, &minute()), Ok(()));
    assert_eq!(judged(&ClusterKey::new([8; 32]), &cluster, &minute()), forged, "of another key");
    assert_eq!(judged(&key(), &id("proteomics"), &minute()), forged, "of another cluster");
}

#[test]
fn a_secret_is_known_by_what_tells_nothing_of_it() {
    let (cluster, other) = (intent().cluster().clone(), ClusterKey::new([8; 32]));
    let known = key().fingerprint(&cluster);
    assert_eq!(known.len(), 32);
    assert_eq!(key().fingerprint(&cluster), known);
    assert_ne!(other.fingerprint(&cluster), known);
    assert_ne!(key().fingerprint(&id("proteomics")), known);
}

#[test]
fn a_credential_follows_from_the_intent_alone() {
    let text = |change: fn(&mut controlplane_core::cloud::LaunchOrder)| {
        let mut order = order();
        change(&mut order);
        credential(&key(), &Intent::of(&order), Millis::from_secs(60)).text()
    };
    let first = text(|_| {});
    assert_eq!(text(|order| order.epoch = Epoch(9)), first, "whoever leads");
    assert_ne!(text(|order| order.attempt = 3), first);
    assert_ne!(text(|order| order.launch = LaunchId::new("l-2").expect("an id")), first);
    assert_eq!(Credential::parse(&first).map(|read| read.text()), Some(first));
}

#[test]
fn an_agent_is_limited_to_its_instance() {
    let instance = |text: &str| InstanceId::new(text).expect("an id");
    let found = subjects(intent().cluster(), &instance("i-0abc"));
    assert_eq!(found.writes, "fl.genomics.log.agent.i-0abc.>");
    assert_eq!(found.reads, "fl.genomics.log.*.*.i-0abc.*.>");
    let credential = minute();
    let one = credential.author_key(&instance("i-1"));
    assert_eq!(one, credential.author_key(&instance("i-1")));
    assert_ne!(one, credential.author_key(&instance("i-2")));
}

#[test]
fn secrets_are_not_shown() {
    let config = plain(Flavour::Ubuntu);
    let credential = shown(&config, &intent());
    let text = credential.text();
    let secret = text.rsplit('.').next().expect("a secret");
    let request = crate::world::request(&config, &order());
    let all = format!("{credential:?} {:?} {request:?}", key());
    assert!(!all.contains(secret), "{all}");
    assert!(!all.contains("7, 7, 7"), "{all}");
    assert!(request.tags.values().all(|value| !value.contains(secret)));
}
