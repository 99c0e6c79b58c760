//! A storm, in which no spot capacity is to be had of three types, and a quota that is used up: siblings
//! serve, nothing is hammered, and whoever waits is told what is so.

use crate::fleet::Fleet;
use crate::world::{World, ZONE};
use replay_core::state::instance::Phase;
use replay_core::state::launch::{LaunchStatus, OfferingKey, key};
use schema::policy::Offering;
use schema::policy::Policy;
use schema::policy::worth::Links;
use schema::requirements::Market;
use schema::resources::Resources;
use schema::unit::{Micros, Millis};
use schema::why::{PendingWhy, RefusalClass};
use sim_ec2::{Answered, Call, Effect, Ledger, Often, Rule, When};
use std::collections::BTreeMap;

const TYPES: [&str; 3] = ["m5.large", "m5a.large", "r5.large"];

fn cores(count: u64) -> Resources {
    Resources { cpu: 1000 * count, memory: 4 << 30, ..Resources::default() }
}

fn sold(kind: &str, zone: &str, market: Market, price: u64) -> Offering {
    let resources = Resources { cpu: 2000, memory: 8 << 30, ..Resources::default() };
    Offering {
        kind: kind.into(),
        zone: zone.into(),
        market,
        price: Micros(price),
        cap: None,
        links: Links::default(),
        resources,
    }
}

/// Three types in two zones, on spot for a third of what they cost on demand.
fn policy() -> Policy {
    let mut offerings = Vec::new();
    for (at, kind) in (0..).zip(TYPES) {
        for (zone, dearer) in [(ZONE, 0), ("us-east-1a", 1)] {
            offerings.push(sold(kind, zone, Market::Spot, 30_000 + 1000 * at + dearer));
            offerings.push(sold(kind, zone, Market::OnDemand, 90_000 + 1000 * at + dearer));
        }
    }
    Policy {
        offerings,
        max_pending: 64,
        max_hourly_cost: Micros(100_000_000),
        max_lease: Millis::from_secs(3600),
        ..Policy::default()
    }
}

/// Every launch of those types on this market fails with this error.
fn fails(world: &World, market: sim_ec2::Market, code: &str) {
    for kind in TYPES {
        let when = When {
            action: Some("RunInstances".into()),
            instance_type: Some(kind.into()),
            market: Some(market),
            ..When::default()
        };
        world.proxy.add(Rule { when, often: Often::Always, effect: Effect::error(code) });
    }
}

/// What a launch asked for.
fn asked(call: &Call, world: &World) -> OfferingKey {
    let text = |name: &str| call.parameters.get(name).cloned().unwrap_or_default();
    let subnet = ["SubnetId", "NetworkInterface.1.SubnetId"].map(text);
    let zone = world.config.subnets.iter().find(|one| subnet.contains(&one.subnet.to_string()));
    let spot = call.parameters.get("InstanceMarketOptions.MarketType").is_some_and(|m| m == "spot");
    let market = if spot { Market::Spot } else { Market::OnDemand };
    (text("InstanceType").into(), zone.expect("a subnet").zone.clone(), market)
}

/// How often each offering was refused from that second on.
fn refused(ledger: &Ledger, world: &World, from: u64) -> BTreeMap<OfferingKey, u64> {
    let mut counts = BTreeMap::new();
    let failed = ledger.of("RunInstances").filter(|call| call.answered != Answered::Well);
    let failed = failed.filter(|call| call.at_ms >= from * 1000);
    for call in failed {
        *counts.entry(asked(call, world)).or_default() += 1;
    }
    counts
}

/// What everybody is told who waits is so at this moment.
fn told_truly(fleet: &Fleet) {
    let state = fleet.state();
    for (id, why) in fleet.waiting() {
        match why {
            Some(PendingWhy::Launching { launch, .. }) => {
                let launch = state.launches.get(&launch).expect("a launch");
                let coming = launch.instances.iter().filter_map(|id| state.instances.get(id));
                let coming = coming.map(|instance| &instance.phase);
                let coming = coming.filter(|phase| matches!(phase, Phase::Booting | Phase::Up));
                assert!(
                    launch.status == LaunchStatus::Requested || coming.count() > 0,
                    "{id} waits for a launch that is over: {launch:?}"
                );
            }
            Some(PendingWhy::BackedOff { kind, class, message }) => {
                let alloc = state.allocs.get(&id).expect("a request");
                let will_do = |o: &&Offering| {
                    o.resources.holds(&alloc.requirements.floor())
                        && alloc.constraint.market.is_none_or(|market| market == o.market)
                };
                let all: Vec<&Offering> =
                    state.head.policy.offerings.iter().filter(will_do).collect();
                let refused = |o: &&&Offering| state.refusal(o).is_some();
                let free: Vec<_> = all.iter().filter(|o| !refused(o)).map(|o| key(o)).collect();
                assert!(
                    free.is_empty(),
                    "{id} is told that all rests, and {free:?} was not refused"
                );
                let said = all.iter().filter(|o| o.kind == kind).any(|o| {
                    let rest = state.refusal(o);
                    rest.is_some_and(|rest| {
                        Some(&rest.class) == class.as_ref() && rest.message == message
                    })
                });
                assert!(said, "{id}: of {kind} the cloud never said {class:?}: {message}");
            }
            other => panic!("{id} waits for {other:?}"),
        }
    }
}

/// Launches were sent no faster than EC2 takes them.
fn paced(world: &World) {
    let ledger = world.proxy.ledger();
    let throttled = |call: &&Call| call.answered == Answered::Error("RequestLimitExceeded".into());
    assert_eq!(ledger.of("RunInstances").filter(throttled).count(), 0);
    let fastest = ledger.per_second("RunInstances").into_values().max().unwrap_or(0);
    assert!(fastest <= 5 + 2, "{fastest} launches in a second");
    let all = ledger.calls.iter().filter(throttled).count();
    assert_eq!(all, 0, "of all calls");
}

#[tokio::test]
async fn siblings_serve_through_a_storm_and_nothing_is_hammered() {
    let world = World::going().await;
    let mut fleet = Fleet::start(&world, policy()).await;
    fails(&world, sim_ec2::Market::Spot, "InsufficientInstanceCapacity");
    for n in 0..8 {
        fleet.ask(&format!("a-any-{n}"), cores(2), None);
    }
    for n in 0..4 {
        fleet.ask(&format!("a-spot-{n}"), cores(2), Some(Market::Spot));
    }
    fleet.seconds(&world, 60, told_truly).await;
    // At once went out what EC2 takes at once; what was still to be sent was not.
    let counts = refused(&world.proxy.ledger(), &world, 0);
    assert_eq!(counts.len(), 6, "every sibling was tried: {counts:?}");
    assert!(counts.values().all(|count| *count <= 7), "{counts:?}");
    let held = fleet.held();
    let any = held.iter().filter(|id| id.as_str().starts_with("a-any")).count();
    assert_eq!((any, held.len()), (8, 8), "whoever takes anything is served on demand");

    fleet.seconds(&world, 840, told_truly).await;
    assert_eq!(fleet.waiting().len(), 4);
    // Three minutes of rest, then six, then ten: one launch each time.
    let counts = refused(&world.proxy.ledger(), &world, 60);
    assert!(counts.values().all(|count| *count <= 2), "in fourteen minutes: {counts:?}");
    paced(&world);

    world.proxy.clear();
    fleet.seconds(&world, 620, told_truly).await;
    assert_eq!((fleet.held().len(), fleet.waiting().len()), (12, 0), "all are served again");
    paced(&world);
}

#[tokio::test]
async fn a_quota_holds_back_its_own_group_until_there_is_room() {
    let world = World::going().await;
    let mut fleet = Fleet::start(&world, policy()).await;
    fleet.policy(|p| {
        let mut other = sold("g4dn.xlarge", ZONE, Market::OnDemand, 500_000);
        other.resources.cpu = 1000;
        other.resources.features.insert("gpu".into(), 1);
        p.offerings.push(other);
        p.idle_timeout = Millis::from_secs(5);
    });
    fleet.ask("a-first", cores(2), Some(Market::OnDemand));
    fleet.seconds(&world, 10, told_truly).await;
    fails(&world, sim_ec2::Market::OnDemand, "VcpuLimitExceeded");
    fleet.ask("a-second", cores(2), Some(Market::OnDemand));
    let mut gpu = cores(1);
    gpu.features.insert("gpu".into(), 1);
    fleet.ask("a-gpu", gpu, Some(Market::OnDemand));
    fleet.seconds(&world, 30, told_truly).await;
    let waiting = fleet.waiting();
    let [(who, Some(PendingWhy::BackedOff { class, message, .. }))] =
        &waiting.iter().map(|(id, why)| (id.as_str(), why.clone())).collect::<Vec<_>>()[..]
    else {
        panic!("{waiting:?}")
    };
    assert_eq!((*who, class), ("a-second", &Some(RefusalClass::Quota)));
    assert!(message.contains("VcpuLimitExceeded"), "{message}");
    // One type was tried for the whole group.
    assert_eq!(refused(&world.proxy.ledger(), &world, 0).values().sum::<u64>(), 1);

    world.proxy.clear();
    fleet.seconds(&world, 10, told_truly).await;
    assert_eq!(fleet.waiting().len(), 1, "the quota is remembered");
    fleet.free("a-first");
    fleet.seconds(&world, 15, told_truly).await;
    assert_eq!(fleet.waiting().len(), 0, "there is room again");
    paced(&world);
}
