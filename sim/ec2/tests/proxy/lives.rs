//! What becomes of instances: hidden, pending, dead with a reason, gone.

use super::world::World;
use sim_ec2::{Death, Effect, FOREVER, Fate, Often, Rule};

fn fate(fate: Fate) -> Rule {
    Rule::on("RunInstances", Often::Next(1), Effect::Fate(fate))
}

#[tokio::test]
async fn a_launch_is_unknown_for_a_while() {
    let world = World::start().await;
    world.proxy.add(fate(Fate { hidden_ms: 5_000, ..Fate::default() }));
    let id = world.run("ClientToken=t").await.well().one("instanceId");
    let asked = [
        format!("Action=DescribeInstances&InstanceId.1={id}"),
        format!("Action=DescribeInstanceStatus&InstanceId.1={id}"),
        format!("Action=TerminateInstances&InstanceId.1={id}"),
        format!("Action=CreateTags&ResourceId.1={id}&Tag.1.Key=a&Tag.1.Value=b"),
    ];
    for query in &asked {
        let code = (400, "InvalidInstanceID.NotFound".to_owned());
        assert_eq!(world.ask(query).await.code(), code, "{query}");
    }
    assert!(world.ask("Action=DescribeInstances").await.well().ids().is_empty());
    assert_eq!(world.run("ClientToken=t").await.well().one("instanceId"), id);
    assert!(world.running().await.contains(&id), "it runs all the while, and nothing ended it");

    world.proxy.advance(5_000);
    assert_eq!(world.states_of(&id).await, ["running"]);
    for query in &asked {
        world.ask(query).await.well();
    }
}

#[tokio::test]
async fn one_that_is_unknown_fails_the_end_of_all() {
    let world = World::start().await;
    let known = world.run("").await.well().one("instanceId");
    world.proxy.add(fate(Fate { hidden_ms: 1, ..Fate::default() }));
    let hidden = world.run("").await.well().one("instanceId");
    let end = format!("Action=TerminateInstances&InstanceId.1={known}&InstanceId.2={hidden}");
    assert_eq!(world.ask(&end).await.one("Code"), "InvalidInstanceID.NotFound");
    assert_eq!(world.running().await.len(), 2);
    world.proxy.advance(1);
    world.ask(&end).await.well();
    assert!(world.running().await.is_empty());
    assert_eq!(world.proxy.ledger().calls.last().map(|call| call.terminated.len()), Some(2));
}

#[tokio::test]
async fn a_look_may_be_old() {
    let world = World::start().await;
    world.proxy.advance(60_000);
    let id = world.run("").await.well().one("instanceId");
    world.proxy.add(Rule::on("DescribeInstances", Often::Always, Effect::Stale(10_000)));
    let by_id = format!("Action=DescribeInstances&InstanceId.1={id}");
    assert_eq!(world.ask(&by_id).await.one("Code"), "InvalidInstanceID.NotFound");
    world.proxy.advance(10_000);
    assert_eq!(world.states_of(&id).await, ["running"]);
    world.ask(&format!("Action=TerminateInstances&InstanceId.1={id}")).await.well();
    assert_eq!(world.states_of(&id).await, ["running"], "it does not know of the end yet");
    assert!(world.running().await.is_empty());
    world.proxy.advance(10_000);
    assert_eq!(world.states_of(&id).await, ["terminated"]);
}

#[tokio::test]
async fn a_launch_may_stay_pending_and_never_close() {
    let world = World::start().await;
    world.proxy.add(fate(Fate { pending_ms: FOREVER, closing_ms: FOREVER, ..Fate::default() }));
    let id = world.run("").await.well().one("instanceId");
    world.proxy.advance(3_600_000);
    assert_eq!(world.states_of(&id).await, ["pending"]);
    let pending = "Action=DescribeInstances&Filter.1.Name=instance-state-name&Filter.1.Value.1=";
    assert_eq!(world.ask(&format!("{pending}pending")).await.well().ids(), [id.as_str()]);
    assert!(world.ask(&format!("{pending}running")).await.well().ids().is_empty());
    world.ask(&format!("Action=TerminateInstances&InstanceId.1={id}")).await.well();
    world.proxy.advance(3_600_000);
    assert_eq!(world.states_of(&id).await, ["shutting-down"]);
}

#[tokio::test]
async fn a_launch_may_die_with_a_reason() {
    let world = World::start().await;
    let reasons = [
        "Server.InsufficientInstanceCapacity",
        "Server.SpotInstanceTermination",
        "Client.InstanceInitiatedShutdown",
    ];
    for code in reasons {
        let death = Some(Death::new(code, 7_000));
        world.proxy.clear();
        world.proxy.add(fate(Fate {
            pending_ms: 2_000,
            closing_ms: 1_000,
            death,
            ..Fate::default()
        }));
        let id = world.run("").await.well().one("instanceId");
        assert_eq!(world.states_of(&id).await, ["pending"]);
        world.proxy.advance(2_000);
        assert_eq!(world.states_of(&id).await, ["running"]);
        assert!(world.running().await.contains(&id));
        world.proxy.advance(5_000);
        assert!(!world.running().await.contains(&id), "moto has ended it, too");
        assert_eq!(world.states_of(&id).await, ["shutting-down"]);
        world.proxy.advance(1_000);
        let answer = world.ask(&format!("Action=DescribeInstances&InstanceId.1={id}")).await.well();
        assert_eq!(answer.states(), ["terminated"]);
        assert!(answer.one("stateReason").contains(&format!("<code>{code}</code>")), "{answer:?}");
        let filter = format!("Filter.1.Name=state-reason-code&Filter.1.Value.1={code}");
        let found = world.ask(&format!("Action=DescribeInstances&{filter}")).await.well();
        assert_eq!(found.ids(), [id]);
    }
}

#[tokio::test]
async fn a_spot_instance_is_interrupted() {
    let world = World::start().await;
    let spot = world.run("InstanceMarketOptions.MarketType=spot").await.well().one("instanceId");
    let other = world.run("").await.well().one("instanceId");
    let market = "Action=DescribeInstances&Filter.1.Name=instance-lifecycle&Filter.1.Value.1=spot";
    assert_eq!(world.ask(market).await.well().ids(), [spot.as_str()]);
    assert!(world.proxy.kill(&spot, &Death::interruption(120_000)));
    assert!(!world.proxy.kill("i-0", &Death::interruption(0)), "nobody launched it");
    world.proxy.advance(119_999);
    assert_eq!(world.states_of(&spot).await, ["running"]);
    world.proxy.advance(1);
    let answer = world.ask(market).await.well();
    assert_eq!(
        (answer.states(), answer.one("instanceLifecycle")),
        (vec!["terminated".to_owned()], "spot".to_owned())
    );
    assert!(answer.one("stateReason").contains("Server.SpotInstanceTermination"));
    assert_eq!(world.running().await, [other].into());
}

#[tokio::test]
async fn what_has_ended_lingers_and_is_forgotten() {
    let world = World::start().await;
    let ended = world.run("ClientToken=t").await.well().one("instanceId");
    let vanishing = Death { vanishes: true, ..Death::new("Server.InternalError", 0) };
    let gone = world.run("").await.well().one("instanceId");
    world.ask(&format!("Action=TerminateInstances&InstanceId.1={ended}")).await.well();
    assert!(world.proxy.kill(&gone, &vanishing));
    world.proxy.advance(3_599_999);
    let answer = world.ask("Action=DescribeInstances").await.well();
    assert_eq!(
        (answer.ids(), answer.states()),
        (vec![ended.clone()], vec!["terminated".to_owned()])
    );
    assert!(answer.one("stateReason").contains("Client.UserInitiatedShutdown"));
    world.proxy.advance(1);
    for id in [&ended, &gone] {
        let answer = world.ask(&format!("Action=DescribeInstances&InstanceId.1={id}")).await;
        assert_eq!(answer.one("Code"), "InvalidInstanceID.NotFound");
    }
    assert!(world.running().await.is_empty());
    let again = world.run("ClientToken=t").await.well();
    assert_eq!((again.ids(), again.states()), (vec![ended], vec!["terminated".to_owned()]));
}
