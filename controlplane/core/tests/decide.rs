//! The rules of `decide`, `plan` and `next_deadline`, each as a table: what has happened, and what
//! the leader writes then. States are folded from records, never put together by hand.

#[path = "decide/apart.rs"]
mod apart;
#[path = "decide/breaker.rs"]
mod breaker;
#[path = "decide/budgets.rs"]
mod budgets;
#[path = "decide/caps.rs"]
mod caps;
#[path = "decide/deadline.rs"]
mod deadline;
#[path = "decide/doubts.rs"]
mod doubts;
#[path = "decide/drift.rs"]
mod drift;
#[path = "decide/empty.rs"]
mod empty;
#[path = "decide/explain.rs"]
mod explain;
#[path = "decide/fair.rs"]
mod fair;
#[path = "decide/foretold.rs"]
mod foretold;
#[path = "decide/forged.rs"]
mod forged;
#[path = "decide/found.rs"]
mod found;
#[path = "decide/idle.rs"]
mod idle;
#[path = "decide/kill.rs"]
mod kill;
#[path = "decide/lease.rs"]
mod lease;
#[path = "decide/links.rs"]
mod links;
#[path = "decide/many.rs"]
mod many;
#[path = "decide/model.rs"]
mod model;
#[path = "decide/only.rs"]
mod only;
#[path = "decide/place.rs"]
mod place;
#[path = "decide/plan.rs"]
mod plan;
#[path = "decide/preempt.rs"]
mod preempt;
#[path = "decide/prices.rs"]
mod prices;
#[path = "decide/queue.rs"]
mod queue;
#[path = "decide/reality.rs"]
mod reality;
#[path = "decide/refuse.rs"]
mod refuse;
#[path = "decide/replace.rs"]
mod replace;
#[path = "decide/restated.rs"]
mod restated;
#[path = "decide/rests.rs"]
mod rests;
#[path = "decide/resume.rs"]
mod resume;
#[path = "decide/risk.rs"]
mod risk;
#[path = "decide/room.rs"]
mod room;
#[path = "decide/scale.rs"]
mod scale;
#[path = "decide/share.rs"]
mod share;
#[path = "decide/strays.rs"]
mod strays;
#[path = "decide/tell.rs"]
mod tell;
#[path = "decide/terms.rs"]
mod terms;
#[path = "decide/trouble.rs"]
mod trouble;
#[path = "decide/trust.rs"]
mod trust;
#[path = "decide/types.rs"]
mod types;
#[path = "decide/world.rs"]
mod world;

use world::World;

/// What it is called, what has happened, and what the leader writes round by round until it has
/// nothing more to say; `then` stands between two rounds.
type Case = (&'static str, fn(&mut World), &'static [&'static str]);

fn check(cases: &[Case]) {
    for (name, happen, expected) in cases {
        let mut world = World::new();
        happen(&mut world);
        assert_eq!(world.rounds(), *expected, "{name}");
    }
}
