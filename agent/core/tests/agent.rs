//! The agent's core, rule by rule: what it is told, then all that it wants done.

#[path = "agent/crash.rs"]
mod crash;
#[path = "agent/ends.rs"]
mod ends;
#[path = "agent/going.rs"]
mod going;
#[path = "agent/orders.rs"]
mod orders;
#[path = "agent/trust.rs"]
mod trust;
#[path = "agent/world.rs"]
mod world;

/// What happens, in words; what makes it happen; all that is wanted in turn.
type Case = (&'static str, fn(&mut world::World), &'static [&'static str]);

fn check(cases: &[Case]) {
    for (words, script, wanted) in cases {
        let mut world = world::World::new();
        script(&mut world);
        assert_eq!(world.wanted, *wanted, "{words}");
    }
}
