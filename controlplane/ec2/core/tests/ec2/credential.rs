//! Who is let in, and how far.

use crate::world::{intent, key, order, plain, shown};
use ec2_core::Intent;
use ec2_core::cloudinit::Flavour;
use ec2_core::credential::{
    ClusterKey, Credential, Rejected, Standing, credential, subjects, verify,
};
use schema::id::{ClusterId, InstanceId, LaunchId};
use schema::unit::{Epoch, LogTime, Millis};

fn minute() -> Credential {
    credential(&key(), &intent(), Millis::from_secs(60))
}

#[test]
fn an_instance_joins_in_time_and_stays_while_it_lives() {
    let (text, cluster) = (minute().text(), intent().cluster().clone());
    let start = intent().requested();
    let end = start + Millis::from_secs(60);
    let cases = [
        (Standing::New, start, Ok(())),
        (Standing::New, end, Ok(())),
        (Standing::New, LogTime(end.0 + 1), Err(Rejected::Expired)),
        (Standing::Joined, LogTime(u64::MAX), Ok(())),
        (Standing::Ended, start, Err(Rejected::Ended)),
    ];
    for (standing, now, wanted) in cases {
        let found = verify(&key(), &cluster, &text, standing, now);
        assert_eq!(found.map(|_| ()), wanted, "{standing:?} at {now}");
    }
    let admitted = verify(&key(), &cluster, &text, Standing::New, start).expect("genuine");
    assert_eq!((&admitted.launch, admitted.attempt), (intent().launch(), 2));
}

#[test]
fn a_credential_that_was_changed_lets_nobody_in() {
    let (text, cluster) = (minute().text(), intent().cluster().clone());
    let later = intent().requested().0 + 60_000_000_001;
    let mut forged = vec![
        String::new(),
        "fl1".into(),
        text.replace("genomics", "genomicz"),
        text.replace(".2.", ".3."),
        text.replace(".2.", ".02."),
        text.replace("1hmv", "1hmw"),
        text.replace(&(later - 1).to_string(), &later.to_string()),
        text.replace("fl1", "fl2"),
        text.to_uppercase(),
        format!("{text}.x"),
        format!("{text}\n"),
        "\u{0}.".repeat(1000),
    ];
    let (at, last) = text.char_indices().last().expect("a digit");
    forged.push(format!("{}{}", &text[..at], if last == '0' { '1' } else { '0' }));
    for text in forged {
        let found = verify(&key(), &cluster, &text, Standing::Joined, LogTime(0));
        assert_eq!(found, Err(Rejected::Forged), "{text}");
    }
    let other = ClusterKey::new([8; 32]);
    let found = verify(&other, &cluster, &text, Standing::Joined, LogTime(0));
    assert_eq!(found, Err(Rejected::Forged), "of another key");
    let elsewhere = ClusterId::new("proteomics").expect("an id");
    let found = verify(&key(), &elsewhere, &text, Standing::Joined, LogTime(0));
    assert_eq!(found, Err(Rejected::Forged), "of another cluster");
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
    assert_ne!(text(|order| order.requested = LogTime(1)), first);
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
