//! What EC2 refuses, and what is known after that.

use crate::world::{World, accepted, order};
use controlplane::cloud::{Cloud as _, LaunchAnswer, LaunchOrder};
use ec2_core::refusal::{CODES, Class};
use schema::unit::{Epoch, Millis};
use schema::why::RefusalClass;
use sim_ec2::{Effect, Fate, Often, Rule};

#[tokio::test]
async fn every_known_refusal_comes_back_as_its_class() {
    let world = World::start().await;
    for (at, (code, class, scope, seconds)) in CODES.iter().enumerate() {
        let (code, order) = (code.trim_end_matches('*'), order(&format!("l-{at}"), 1));
        // Its buckets are full.
        let cloud = world.cloud().await;
        world.proxy.add(Rule::on("RunInstances", Often::Next(1), Effect::error(code)));
        let answer = cloud.launch(&order).await;
        let expected = match class {
            Class::Capacity => Some(RefusalClass::Capacity),
            Class::Quota => Some(RefusalClass::Quota),
            Class::Configuration => Some(RefusalClass::Configuration),
            Class::Authorisation => Some(RefusalClass::Authorisation),
            Class::Throttle | Class::Transient | Class::Mismatch => None,
        };
        match (answer, expected) {
            (
                LaunchAnswer::Refused { class, message, scope: reaches, back_off },
                Some(expected),
            ) => {
                assert_eq!((class, reaches), (expected, *scope), "{code}");
                assert_eq!(back_off, Millis::from_secs(*seconds), "{code}");
                assert!(message.starts_with(code), "{message}");
            }
            (LaunchAnswer::NotYet(_), None) if *class == Class::Throttle => {}
            (LaunchAnswer::Unknown(_), None) => {}
            (answer, _) => panic!("{code}: {answer:?}"),
        }
        assert_eq!(world.sent(&order), 1, "{code}");
        world.proxy.clear();
    }
    assert!(world.truth().await.is_empty());
}

#[tokio::test]
async fn what_may_have_been_made_is_sent_again_after_a_failure() {
    let world = World::start().await;
    for (at, code) in ["InternalError", "ServiceUnavailable"].into_iter().enumerate() {
        let (cloud, order) = (world.cloud().await, order(&format!("l-{at}"), 1));
        let failure = sim_ec2::Failure { code: code.to_owned(), message: None };
        world.proxy.add(Rule::on("RunInstances", Often::Next(1), Effect::ErrorAfter(failure)));
        assert!(matches!(cloud.launch(&order).await, LaunchAnswer::Unknown(_)), "{code}");
        let made = accepted(cloud.launch(&order).await);
        assert_eq!(world.proxy.ledger().launched(&world.token(&order)), [made[0].as_str()]);
    }
}

#[tokio::test]
async fn a_token_that_does_not_match_is_never_sent_again() {
    let world = World::start().await;
    let order = order("l-1", 2);
    let made = accepted(world.cloud().await.launch(&order).await);
    let mut config = world.config.clone();
    config.labels.insert("team".into(), "proteomics".into());
    let other = world.cloud_of("genomics", config).await;
    for _ in 0..3 {
        let found = accepted(other.launch(&order).await);
        assert!(found.len() == 2 && found.iter().all(|id| made.contains(id)), "{found:?}");
    }
    assert_eq!(world.sent(&order), 2, "once by each");
    assert_eq!(world.truth().await.len(), 2);
}

#[tokio::test]
async fn what_does_not_match_and_is_not_shown_yet_is_not_refused() {
    let world = World::start().await;
    let order = order("l-1", 1);
    let fate = Fate { hidden_ms: 30_000, ..Fate::default() };
    world.proxy.add(Rule::on("RunInstances", Often::Always, Effect::Fate(fate)));
    let made = accepted(world.cloud().await.launch(&order).await);
    let mut config = world.config.clone();
    config.monitoring = true;
    let other = world.cloud_of("genomics", config).await;
    assert!(matches!(other.launch(&order).await, LaunchAnswer::Unknown(_)));
    world.proxy.advance(30_001);
    assert_eq!(accepted(other.launch(&order).await), made);
}

#[tokio::test]
async fn a_refusal_at_the_door_does_not_deny_what_was_made_before() {
    let world = World::start().await;
    let order = order("l-1", 1);
    let cloud = world.cloud().await;
    let fate = Fate { hidden_ms: 30_000, ..Fate::default() };
    world.proxy.add(Rule::on("RunInstances", Often::Always, Effect::Fate(fate)));
    world.proxy.add(Rule::on("RunInstances", Often::Next(1), Effect::LoseAnswer));
    assert!(matches!(cloud.launch(&order).await, LaunchAnswer::Unknown(_)));
    let denied = Effect::error("UnauthorizedOperation");
    world.proxy.add(Rule::on("RunInstances", Often::Always, denied));
    let unsure = cloud.launch(&order).await;
    assert!(matches!(unsure, LaunchAnswer::Unknown(_)), "{unsure:?}");
    world.proxy.advance(30_001);
    let made = accepted(cloud.launch(&order).await);
    assert_eq!(world.proxy.ledger().made(), [made[0].as_str()]);
    // Also whoever knows nothing of the first transmission looks before it believes the refusal.
    assert_eq!(accepted(world.cloud().await.launch(&order).await), made);
}

/// Whoever sent it is dead, EC2 does not show yet what it made, and its successor is turned away.
#[tokio::test]
async fn a_refusal_at_the_door_does_not_deny_what_an_earlier_leader_may_have_made() {
    let world = World::start().await;
    let order = order("l-1", 1);
    let fate = Fate { hidden_ms: 30_000, ..Fate::default() };
    world.proxy.add(Rule::on("RunInstances", Often::Always, Effect::Fate(fate)));
    let made = accepted(world.cloud().await.launch(&order).await);
    let denied = Effect::error("UnauthorizedOperation");
    world.proxy.add(Rule::on("RunInstances", Often::Always, denied));
    let (next, order) = (world.cloud().await, LaunchOrder { epoch: Epoch(8), ..order });
    let unsure = next.launch(&order).await;
    assert!(matches!(unsure, LaunchAnswer::Unknown(_)), "{unsure:?}");
    world.proxy.advance(30_001);
    assert_eq!(accepted(next.launch(&order).await), made);
}
