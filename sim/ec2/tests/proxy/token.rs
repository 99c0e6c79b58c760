//! Client tokens: one launch for a token.

use super::world::{World, run_one, user_data};
use sim_ec2::{Answered, Effect, Fate, Often, Rule};
use std::collections::BTreeSet;

#[tokio::test]
async fn a_token_is_one_launch() {
    let world = World::start().await;
    let first = world.run("ClientToken=t&MaxCount=3").await.well();
    assert_eq!((first.ids().len(), first.states()), (3, vec!["pending".to_owned(); 3]));
    let again = world.run("ClientToken=t&MaxCount=3").await.well();
    assert_eq!(
        (again.ids(), again.one("reservationId")),
        (first.ids(), first.one("reservationId"))
    );
    assert_eq!(again.states(), ["running"; 3], "as they are now");
    assert_eq!(again.one("clientToken"), "t");

    let other = world.run("ClientToken=t&MaxCount=2").await;
    assert_eq!(other.code(), (400, "IdempotentParameterMismatch".to_owned()));
    assert_eq!(world.running().await, first.ids().into_iter().collect());

    let ended = format!("Action=TerminateInstances&InstanceId.1={}", first.ids()[0]);
    world.ask(&ended).await.well();
    let after = world.run("ClientToken=t&MaxCount=3").await.well();
    assert_eq!(after.ids(), first.ids(), "also what has ended");
    assert_eq!(after.states(), ["terminated", "running", "running"]);
    assert_eq!(world.proxy.ledger().launched("t"), first.ids());
    assert_ne!(world.run("ClientToken=T&MaxCount=3").await.well().ids(), first.ids());
}

#[tokio::test]
async fn two_at_once_with_a_token_are_one_launch() {
    let world = World::start().await;
    world.proxy.add(Rule::on("RunInstances", Often::Always, Effect::Slow(50)));
    let launches = (0..8).map(|_| world.run("ClientToken=t"));
    let answers = futures::future::join_all(launches).await;
    let ids: BTreeSet<_> =
        answers.into_iter().map(|answer| answer.well().one("instanceId")).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(world.running().await, ids);
    let ledger = world.proxy.ledger();
    assert_eq!(ledger.of("RunInstances").count(), 8);
    assert_eq!(ledger.made().len(), 1);
}

#[tokio::test]
async fn a_token_counts_in_a_zone_or_else_in_the_region() {
    let world = World::start().await;
    let (a, b) = (world.subnet("us-east-1a").await, world.subnet("us-east-1b").await);
    let regional = world.run("ClientToken=t").await.well().one("instanceId");
    let in_a = world.run(&format!("ClientToken=t&SubnetId={a}")).await.well().one("instanceId");
    let in_b = world.run(&format!("ClientToken=t&SubnetId={b}")).await.well().one("instanceId");
    let all: BTreeSet<_> = [regional, in_a.clone(), in_b].into();
    assert_eq!((all.len(), world.running().await), (3, all));

    let again = world.run(&format!("ClientToken=t&SubnetId={a}")).await.well();
    assert_eq!(again.one("instanceId"), in_a);
    let by_name = world.run("ClientToken=t&Placement.AvailabilityZone=us-east-1a").await;
    assert_eq!(by_name.code().1, "IdempotentParameterMismatch", "the same zone, said otherwise");
    let elsewhere = format!("{}&ClientToken=t", run_one());
    world.try_in("eu-west-1", &elsewhere).await.expect("an answer").well();
    assert_eq!(world.running().await.len(), 4);
}

#[tokio::test]
async fn a_token_stays_bound_when_nothing_came_of_it() {
    let world = World::start().await;
    let refused = Effect::error("InsufficientInstanceCapacity");
    world.proxy.add(Rule::on("RunInstances", Often::Next(1), refused));
    let first = world.run("ClientToken=t").await;
    assert_eq!(first.code(), (500, "InsufficientInstanceCapacity".to_owned()));
    let other = world.run("ClientToken=t&EbsOptimized=true").await;
    assert_eq!(other.code().1, "IdempotentParameterMismatch");
    assert_eq!(world.run("ClientToken=t").await.well().ids().len(), 1);
}

#[tokio::test]
async fn capacity_is_no_matter_for_what_has_been_launched() {
    let world = World::start().await;
    let id = world.run("ClientToken=t").await.well().one("instanceId");
    for code in ["InsufficientInstanceCapacity", "ServiceUnavailable"] {
        world.proxy.add(Rule::on("RunInstances", Often::Next(1), Effect::error(code)));
    }
    let again = world.run("ClientToken=t").await;
    assert_eq!(again.code(), (503, "ServiceUnavailable".to_owned()), "before it looks at tokens");
    assert_eq!(world.run("ClientToken=t").await.well().one("instanceId"), id);
    assert_eq!(world.run("ClientToken=u").await.status, 500);
}

#[tokio::test]
async fn what_was_launched_is_written_down() {
    let world = World::start().await;
    let data: Vec<u8> = (0..=255).collect();
    let query = format!("ClientToken=t&{}", user_data(&data));
    let id = world.run(&query).await.well().one("instanceId");
    world.run(&query).await.well();
    let ledger = world.proxy.ledger();
    assert_eq!(ledger.user_data("t"), [data.clone(), data]);
    assert_eq!(ledger.launched("t"), [id]);
    let calls: Vec<_> = ledger.of("RunInstances").collect();
    assert!(calls.iter().all(|call| call.answered == Answered::Well && call.region == "us-east-1"));
    assert_eq!(calls[1].launched, Vec::<String>::new(), "the second launched nothing");
    assert_eq!(calls[0].parameters["InstanceType"], "m5.large");
    world.proxy.advance(2_500);
    world.run("ClientToken=u").await.well();
    assert_eq!(world.proxy.ledger().per_second("RunInstances"), [(0, 2), (2, 1)].into());
}

#[tokio::test]
async fn what_ec2_refuses_is_refused() {
    let world = World::start().await;
    let long = "t".repeat(65);
    let large = user_data(&vec![0; 16_385]);
    let refused = [
        (format!("ClientToken={long}"), "InvalidParameterValue"),
        ("UserData=%21".to_owned(), "InvalidParameterValue"),
        (large, "InvalidParameterValue"),
        ("MaxCount=0".to_owned(), "InvalidParameterValue"),
        ("MaxCount=x".to_owned(), "MissingParameter"),
        ("InstanceType=none.large".to_owned(), "InvalidParameterValue"),
        ("DryRun=true&ClientToken=t".to_owned(), "DryRunOperation"),
    ];
    for (query, code) in refused {
        assert_eq!(world.run(&query).await.one("Code"), code, "{query}");
    }
    assert!(world.running().await.is_empty());
    let fate = Fate::default();
    world.proxy.add(Rule::on("RunInstances", Often::Next(1), Effect::Fate(fate)));
    world.run("ClientToken=t").await.well();
    assert_eq!(world.running().await.len(), 1, "a dry run binds no token");
}
