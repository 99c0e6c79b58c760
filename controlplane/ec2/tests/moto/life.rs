//! Instances: seen, and ended.

use crate::world::{World, accepted, listed, order, until};
use controlplane::cloud::{Cloud as _, SeenState, TerminateAnswer};
use sim_ec2::{Death, Effect, FOREVER, Fate, Often, Rule};

#[tokio::test]
async fn an_instance_is_going_until_ec2_shows_that_it_has_gone() {
    let world = World::start().await;
    let cloud = world.cloud().await;
    let fate = Fate { closing_ms: 30_000, ..Fate::default() };
    world.proxy.add(Rule::on("RunInstances", Often::Always, Effect::Fate(fate)));
    let made = accepted(cloud.launch(&order("l-1", 1)).await);
    until(&cloud, &made[0], &TerminateAnswer::Going).await;
    assert_eq!(world.ended(&made[0]), 1);
    // The next leader sees that it goes, and need not ask for that again.
    assert_eq!(world.cloud().await.terminate(&made[0]).await, TerminateAnswer::Going);
    assert_eq!(world.ended(&made[0]), 1);
    assert_eq!(listed(&cloud).await, [(made[0].clone(), SeenState::There)].into());
    world.proxy.advance(30_001);
    until(&cloud, &made[0], &TerminateAnswer::Gone).await;
    assert_eq!(listed(&cloud).await, [(made[0].clone(), SeenState::Gone)].into());
    assert!(world.truth().await.iter().all(|one| !one.runs()));
}

#[tokio::test]
async fn an_end_without_an_answer_is_asked_for_again() {
    let world = World::start().await;
    let cloud = world.cloud().await;
    let made = accepted(cloud.launch(&order("l-1", 1)).await);
    for effect in [Effect::LoseRequest, Effect::error("InternalError"), Effect::LoseAnswer] {
        world.proxy.add(Rule::on("TerminateInstances", Often::Next(1), effect));
        let answer = cloud.terminate(&made[0]).await;
        assert!(matches!(answer, TerminateAnswer::Unknown(_)), "{answer:?}");
        world.proxy.clear();
    }
    until(&cloud, &made[0], &TerminateAnswer::Gone).await;
}

#[tokio::test]
async fn an_instance_that_ec2_does_not_know_is_not_gone() {
    let world = World::start().await;
    let cloud = world.cloud().await;
    let fate = Fate { hidden_ms: 30_000, ..Fate::default() };
    world.proxy.add(Rule::on("RunInstances", Often::Always, Effect::Fate(fate)));
    let made = accepted(cloud.launch(&order("l-1", 1)).await);
    let answer = cloud.terminate(&made[0]).await;
    let TerminateAnswer::Unknown(reason) = answer else { panic!("{answer:?}") };
    assert!(reason.contains("InvalidInstanceID.NotFound"), "{reason}");
    assert!(world.truth().await.iter().all(sim_ec2::Truth::runs));
    world.proxy.advance(30_001);
    until(&world.cloud().await, &made[0], &TerminateAnswer::Gone).await;
    assert!(world.truth().await.iter().all(|one| !one.runs()));
}

#[tokio::test]
async fn a_look_that_lags_denies_nothing() {
    let world = World::start().await;
    let cloud = world.cloud().await;
    let older = accepted(cloud.launch(&order("l-1", 1)).await);
    world.proxy.advance(60_000);
    let made = accepted(cloud.launch(&order("l-2", 1)).await);
    world.proxy.add(Rule::on("DescribeInstances", Often::Always, Effect::Stale(30_000)));
    assert_eq!(listed(&cloud).await, [(older[0].clone(), SeenState::There)].into());
    // What was launched just now is not shown, and is ended all the same.
    let answer = cloud.terminate(&made[0]).await;
    assert_ne!(answer, TerminateAnswer::Gone);
    assert_eq!(world.ended(&made[0]), 1);
    // What has ended is shown as it was: it is not taken for gone before that is seen.
    assert_ne!(cloud.terminate(&older[0]).await, TerminateAnswer::Gone);
    assert_ne!(cloud.terminate(&older[0]).await, TerminateAnswer::Gone);
    assert_eq!(listed(&cloud).await, [(older[0].clone(), SeenState::There)].into());
    world.proxy.advance(30_001);
    for instance in [&older[0], &made[0]] {
        until(&cloud, instance, &TerminateAnswer::Gone).await;
    }
}

#[tokio::test]
async fn an_instance_that_was_taken_is_listed_as_gone() {
    let world = World::start().await;
    let cloud = world.cloud().await;
    let made = accepted(cloud.launch(&order("l-1", 2)).await);
    assert_eq!(listed(&cloud).await.len(), 2);
    assert!(world.proxy.kill(made[0].as_str(), &Death::interruption(1000)));
    world.proxy.advance(1000);
    let seen = listed(&cloud).await;
    assert_eq!(seen[&made[0]], SeenState::Gone);
    assert_eq!(seen[&made[1]], SeenState::There);
    until(&cloud, &made[0], &TerminateAnswer::Gone).await;
    assert_eq!(world.ended(&made[0]), 0, "there was nothing to ask for");
}

#[tokio::test]
async fn a_list_that_fails_is_none() {
    let world = World::start().await;
    let cloud = world.cloud().await;
    accepted(cloud.launch(&order("l-1", 1)).await);
    world.proxy.add(Rule::on("DescribeInstances", Often::Next(1), Effect::CutAnswer));
    assert!(cloud.list().await.is_err());
    assert_eq!(listed(&cloud).await.len(), 1);
}

#[tokio::test]
async fn one_that_never_goes_is_never_gone() {
    let world = World::start().await;
    let cloud = world.cloud().await;
    let fate = Fate { closing_ms: FOREVER, ..Fate::default() };
    world.proxy.add(Rule::on("RunInstances", Often::Always, Effect::Fate(fate)));
    let made = accepted(cloud.launch(&order("l-1", 1)).await);
    until(&cloud, &made[0], &TerminateAnswer::Going).await;
    world.proxy.advance(3_600_000);
    assert_eq!(world.cloud().await.terminate(&made[0]).await, TerminateAnswer::Going);
}

/// Moto writes on a console what the documentation of EC2 shows.
#[tokio::test]
async fn a_console_is_shown_as_it_is_now_or_as_it_was_and_nothing_where_it_cannot_be() {
    let world = World::start().await;
    let cloud = world.cloud().await;
    let made = accepted(cloud.launch(&order("l-1", 1)).await);
    let now = cloud.console(&made[0]).await.expect("a console");
    assert!(now.contains("Linux version"), "{now}");
    world.proxy.add(Rule::on(
        "GetConsoleOutput",
        Often::Next(1),
        Effect::error("UnsupportedOperation"),
    ));
    assert_eq!(cloud.console(&made[0]).await, Some(now), "its type shows only what was");
    world.proxy.clear();
    world.proxy.add(Rule::on("GetConsoleOutput", Often::Always, Effect::error("InternalError")));
    assert_eq!(cloud.console(&made[0]).await, None);
}
