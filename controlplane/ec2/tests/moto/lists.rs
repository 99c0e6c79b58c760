//! How often a leader lists the instances, and what it notices by that alone.

use crate::fleet::Fleet;
use crate::world::{World, ZONE, accepted, order};
use controlplane::cloud::Cloud as _;
use replay_core::state::instance::Phase;
use schema::id::InstanceId;
use schema::policy::worth::Links;
use schema::policy::{Offering, Policy};
use schema::requirements::Market;
use schema::resources::Resources;
use schema::unit::{Micros, Millis};
use sim_ec2::Death;

/// One turn of a fleet: that much later than it may be, it lists.
const TURN: u64 = 2;

fn policy() -> Policy {
    let offering = Offering {
        kind: "m5.large".into(),
        zone: ZONE.into(),
        market: Market::OnDemand,
        price: Micros(96_000),
        cap: None,
        links: Links::default(),
        resources: Resources { cpu: 2000, memory: 8 << 30, ..Resources::default() },
    };
    Policy {
        offerings: vec![offering],
        max_lease: Millis::from_secs(3600),
        idle_timeout: Millis::from_secs(60),
        ..Policy::default()
    }
}

fn cores(count: u64) -> Resources {
    Resources { cpu: 1000 * count, memory: 1 << 30, ..Resources::default() }
}

fn lists(world: &World) -> u64 {
    world.proxy.ledger().of("DescribeInstances").count() as u64
}

fn phase<'a>(fleet: &'a Fleet, id: &InstanceId) -> &'a Phase {
    &fleet.state().instances.get(id).expect("it is on the log").phase
}

#[tokio::test]
async fn a_quiet_fleet_is_listed_as_often_as_the_settings_say() {
    let mut world = World::going().await;
    for every in [world.config.list_every, Millis::from_secs(20)] {
        world.config.list_every = every;
        let mut fleet = Fleet::start(&world, policy()).await;
        let before = lists(&world);
        fleet.seconds(&world, 120, |_| {}).await;
        let (made, every) = (lists(&world) - before, every.0 / 1000);
        assert!(made <= 120 / every + 1, "{made} lists in two minutes: every {every} s?");
        assert!(made >= 120 / (every + TURN) - 1, "{made} lists in two minutes: every {every} s?");
    }
}

#[tokio::test]
async fn what_ends_by_itself_is_missed_by_the_next_list_and_replaced() {
    let world = World::going().await;
    let mut fleet = Fleet::start(&world, policy()).await;
    fleet.ask("a-1", cores(1), None);
    fleet.seconds(&world, 20, |_| {}).await;
    let live = fleet.state().index.live_instances.iter().next().cloned();
    let id = live.expect("it was launched");
    assert_eq!(phase(&fleet, &id), &Phase::Up, "its agent said so, and no list");
    assert!(world.proxy.kill(id.as_str(), &Death::interruption(0)));
    fleet.seconds(&world, world.config.list_every.0 / 1000 + 2 * TURN, |_| {}).await;
    assert!(matches!(phase(&fleet, &id), Phase::Gone { .. }), "{:?}", phase(&fleet, &id));
}

#[tokio::test]
async fn an_orphan_is_found_by_lists_half_a_minute_apart_and_ended() {
    let world = World::going().await;
    let mut fleet = Fleet::start(&world, policy()).await;
    let made = accepted(world.cloud().await.launch(&order("l-of-nobody", 1)).await);
    let every = world.config.list_every.0 / 1000;
    fleet.seconds(&world, 30 + 2 * (every + TURN), |_| {}).await;
    assert!(fleet.state().orphans.contains(&made[0]), "it costs, and nobody knows of it");
    assert_eq!(world.ended(&made[0]), 0, "it has its grace");
    fleet.seconds(&world, 300 + 2 * TURN, |_| {}).await;
    assert_eq!(world.ended(&made[0]), 1);
    fleet.seconds(&world, 10, |_| {}).await;
    assert!(fleet.state().orphans.is_empty(), "the log has its end");
}
