//! One scenario: drivers come, the fleet grows to serve them within its caps, and goes again.

use schema::id::DriverId;
use schema::policy::{Offering, Policy};
use schema::requirements::Market;
use schema::resources::Resources;
use schema::subject::Role;
use schema::unit::{Micros, Millis};
use sim::World;

fn policy() -> Policy {
    let offering = |name: &str, cores: u64, price| Offering {
        kind: name.into(),
        zone: "z".into(),
        market: Market::OnDemand,
        price: Micros(price),
        resources: Resources { cpu: cores * 1000, memory: 8 << 30, ..Resources::default() },
    };
    Policy {
        max_hourly_cost: Micros(700_000),
        max_pending: 3,
        max_instances: 6,
        offerings: vec![offering("small", 2, 60_000), offering("large", 8, 200_000)],
        ..Policy::default()
    }
}

fn run(seed: u64) -> World {
    let mut world = World::new(seed, policy());
    for driver in ["a", "b", "c"] {
        world.ask(&DriverId::new(driver).expect("an id"), 20);
    }
    for _ in 0..200 {
        world.turn();
        world.pass(Millis::from_secs(1));
        assert!(world.state.head.committed <= Micros(700_000), "over budget");
    }
    while world.skip() {
        world.turn();
    }
    world
}

#[test]
fn everything_asked_for_is_met_and_every_instance_goes() {
    for seed in 0..20 {
        let world = run(seed);
        assert_eq!(world.breaches, [], "seed {seed}");
        assert_eq!(world.voids, 0, "seed {seed}");
        assert!(world.state.index.waiting.is_empty() && world.state.index.on_instance.is_empty());
        assert_eq!(world.state.head.instances, 0, "seed {seed}");
        assert!(world.heard(Role::Agent) > 0);
    }
}

#[test]
fn the_same_seed_gives_the_same_state() {
    let (mut one, mut two, mut other) = (run(7), run(7), run(8));
    assert_eq!(one.digest(), two.digest());
    assert_ne!(one.digest(), other.digest());
}
