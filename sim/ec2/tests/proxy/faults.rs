//! Faults by script: what is lost, late, refused or throttled, and to which calls it happens.

use super::world::{World, run_one};
use sim_ec2::{Answered, Effect, Failure, Market, Often, Rule, When};

fn next(effect: Effect) -> Rule {
    Rule::on("RunInstances", Often::Next(1), effect)
}

#[tokio::test]
async fn an_answer_is_lost_after_the_effect() {
    let world = World::start().await;
    for (effect, answered) in
        [(Effect::LoseAnswer, Answered::AnswerLost), (Effect::CutAnswer, Answered::AnswerCut)]
    {
        world.proxy.clear();
        world.proxy.add(next(effect));
        let token = format!("{answered:?}");
        let query = format!("{}&ClientToken={token}", run_one());
        assert!(world.try_ask(&query).await.is_err());
        let ledger = world.proxy.ledger();
        let launched = ledger.launched(&token);
        assert!(world.running().await.contains(&launched[0]), "it has happened");
        assert_eq!(ledger.of("RunInstances").last().map(|call| &call.answered), Some(&answered));
        assert_eq!(world.ask(&query).await.well().ids(), launched);
    }
}

#[tokio::test]
async fn a_request_is_lost_before_the_effect() {
    let world = World::start().await;
    world.proxy.add(next(Effect::LoseRequest));
    let query = format!("{}&ClientToken=t", run_one());
    assert!(world.try_ask(&query).await.is_err());
    assert!(world.running().await.is_empty());
    let ledger = world.proxy.ledger();
    assert_eq!(ledger.calls[0].answered, Answered::RequestLost);
    let ids = world.ask(&query).await.well().ids();
    assert_eq!(world.proxy.ledger().launched("t"), ids);
}

#[tokio::test]
async fn an_error_may_hide_an_effect() {
    let world = World::start().await;
    let failure = Failure { code: "InternalError".to_owned(), message: None };
    world.proxy.add(next(Effect::ErrorAfter(failure)));
    assert_eq!(world.run("ClientToken=t").await.code(), (500, "InternalError".to_owned()));
    let launched = world.proxy.ledger().launched("t");
    assert_eq!(world.run("ClientToken=t").await.well().ids(), launched);
}

#[tokio::test]
async fn what_was_asked_for_happens_also_if_nobody_waits() {
    let world = World::start().await;
    world.proxy.add(next(Effect::Slow(500)));
    let query = format!("{}&ClientToken=t", run_one());
    // Once it has come in, whoever asked gives up, and the connection with it.
    tokio::select! {
        answer = world.try_ask(&query) => panic!("{answer:?}"),
        () = world.until(async || world.proxy.rules()[0].applied == 1) => {}
    }
    world.until(async || !world.running().await.is_empty()).await;
    let ids = world.ask(&query).await.well().ids();
    assert_eq!(world.running().await, ids.into_iter().collect());
}

#[tokio::test]
async fn errors_are_as_ec2_writes_them() {
    let world = World::start().await;
    let expected = [
        (500, "InsufficientInstanceCapacity"),
        (400, "Unsupported"),
        (400, "SpotMaxPriceTooLow"),
        (400, "MaxSpotInstanceCountExceeded"),
        (400, "VcpuLimitExceeded"),
        (400, "InsufficientFreeAddressesInSubnet"),
        (503, "RequestLimitExceeded"),
        (500, "InternalError"),
        (503, "Unavailable"),
        (403, "UnauthorizedOperation"),
        (400, "InvalidAMIID.NotFound"),
    ];
    for (status, code) in expected {
        world.proxy.add(next(Effect::error(code)));
        let answer = world.run("").await;
        assert_eq!(answer.code(), (status, code.to_owned()));
        let error = "<Response><Errors><Error><Code>";
        assert!(answer.text.contains(error) && !answer.one("RequestID").is_empty(), "{answer:?}");
        assert!(!answer.one("Message").is_empty());
        let called = world.proxy.ledger();
        let last = called.calls.last().map(|call| call.answered.clone());
        assert_eq!(last, Some(Answered::Error(code.to_owned())));
    }
    let (code, message) = ("Unsupported".to_owned(), Some("no <b> & c".to_owned()));
    world.proxy.add(next(Effect::Error(Failure { code, message })));
    assert_eq!(world.run("").await.one("Message"), "no &lt;b&gt; &amp; c");
    assert!(world.running().await.is_empty());
}

#[tokio::test]
async fn a_rule_means_some_calls_and_applies_to_some_of_these() {
    let world = World::start().await;
    let subnet = world.subnet("us-east-1b").await;
    let action = Some("RunInstances".to_owned());
    let refuse = |when: When, code: &str| {
        world.proxy.add(Rule { when, often: Often::Always, effect: Effect::error(code) });
    };
    let when = When { action, ..When::default() };
    let with = |set: &dyn Fn(&mut When)| {
        let mut when = when.clone();
        set(&mut when);
        when
    };
    refuse(with(&|when| when.instance_type = Some("c5.large".to_owned())), "Type");
    refuse(with(&|when| when.market = Some(Market::Spot)), "Spot");
    refuse(with(&|when| when.subnet = Some(subnet.clone())), "Subnet");
    refuse(with(&|when| when.zone = Some("us-east-1c".to_owned())), "Zone");
    let ebs = [("EbsOptimized".to_owned(), "true".to_owned())];
    refuse(with(&|when| when.parameters = ebs.clone().into()), "Parameter");
    let expected = [
        ("InstanceType=c5.large".to_owned(), "Type"),
        ("InstanceMarketOptions.MarketType=spot".to_owned(), "Spot"),
        (format!("SubnetId={subnet}"), "Subnet"),
        (format!("SubnetId={}", world.subnet("us-east-1c").await), "Zone"),
        ("Placement.AvailabilityZone=us-east-1c".to_owned(), "Zone"),
        ("EbsOptimized=true".to_owned(), "Parameter"),
        (format!("SubnetId={}", world.subnet("us-east-1d").await), ""),
    ];
    for (query, code) in expected {
        assert_eq!(world.run(&query).await.one("Code"), code, "{query}");
    }
}

#[tokio::test]
async fn a_rule_applies_so_often() {
    let world = World::start().await;
    let counted = async |often: Often| {
        world.proxy.clear();
        world.proxy.add(Rule::on("DescribeRegions", often, Effect::error("Unavailable")));
        let mut failed = Vec::new();
        for _ in 0..20 {
            failed.push(world.ask("Action=DescribeRegions").await.status == 503);
        }
        let rule = world.proxy.rules().remove(0);
        assert_eq!(rule.met, 20);
        assert_eq!(rule.applied, failed.iter().filter(|failed| **failed).count() as u64);
        failed
    };
    assert_eq!(counted(Often::Always).await, [true; 20]);
    let first: Vec<bool> = (0..20).map(|nth| nth < 3).collect();
    assert_eq!(counted(Often::Next(3)).await, first);
    let every: Vec<bool> = (1..=20).map(|nth| nth % 7 == 0).collect();
    assert_eq!(counted(Often::Every(7)).await, every);
    let rate = |seed| Often::Rate { per_mille: 500, seed };
    let drawn = counted(rate(1)).await;
    assert!(drawn.contains(&true) && drawn.contains(&false));
    assert_eq!(counted(rate(1)).await, drawn);
    assert_ne!(counted(rate(2)).await, drawn);
}

#[tokio::test]
async fn a_launch_may_be_partial() {
    let world = World::start().await;
    for (given, launched) in [(3, 3), (1, 2), (9, 5)] {
        world.proxy.add(next(Effect::Partial(given)));
        let answer = world.run("MinCount=2&MaxCount=5").await.well();
        assert_eq!(answer.ids().len(), launched);
    }
}

#[tokio::test]
async fn throttling_has_ec2s_sizes() {
    let world = World::start().await;
    world.proxy.throttle(true);
    let refused = async |query: &str, upto: usize| {
        for nth in 0..=upto {
            let answer = world.ask(query).await;
            if answer.code() == (503, "RequestLimitExceeded".to_owned()) {
                return nth;
            }
            answer.well();
        }
        upto + 1
    };
    assert_eq!(refused(&run_one(), 6).await, 5);
    assert_eq!(world.running().await.len(), 5);
    world.proxy.advance(1_000);
    assert_eq!(refused(&run_one(), 6).await, 2);
    assert_eq!(refused("Action=DescribeInstances", 51).await, 50);
    assert_eq!(refused("Action=DescribeInstances&MaxResults=5", 3).await, 4, "a bucket of its own");
    world.proxy.throttle(false);
    world.run("").await.well();
}
