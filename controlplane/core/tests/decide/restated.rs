//! Scenes of the suites of earlier systems, with their figures, by what the leader writes.

use crate::check;
use crate::world::{World, cores, gib, id, large, offering, small};
use schema::event::{InstanceHeld, InstanceUnreachable};
use schema::policy::Offering;
use schema::requirements::Requirements;
use schema::resources::Resources;
use schema::unit::{Micros, Millis};

const REST: Millis = Millis(3_600_000);

fn amount(cpu: u64, memory: u64) -> Resources {
    Resources { memory: gib(memory), ..cores(cpu) }
}

fn type_a() -> Offering {
    offering("type-a", amount(1, 2), 250_000)
}

fn type_b() -> Offering {
    offering("type-b", amount(2, 4), 500_000)
}

/// What was waited for comes with an offering that is added while it waits, and nobody asks again.
#[test]
fn an_offering_that_is_added_serves_who_waits_already() {
    let mut w = World::new();
    let dry = offering("type-dry", amount(2, 4), 100_000);
    w.policy(|p| p.offerings = vec![type_a(), dry.clone()]);
    w.ask("a-1", amount(1, 2));
    w.launch("i-9", dry, &[]);
    w.refuse("i-9", REST);
    assert_eq!(w.rounds(), ["launch type-a for a-1", "a-1 waits: launching type-a"]);
    assert_eq!(w.state.head.committed, Micros(250_000));
    w.accept_all();
    w.boot_all();
    w.round();
    w.ask("a-2", amount(2, 4));
    assert_eq!(w.rounds(), ["a-2 waits: type-dry rests"]);
    w.policy(|p| p.offerings.push(type_b()));
    assert_eq!(w.rounds(), ["launch type-b for a-2", "a-2 waits: launching type-b"]);
    w.accept_all();
    w.boot_all();
    w.round();
    assert_eq!((w.state.head.committed, w.state.head.pending), (Micros(750_000), 0));
    assert!(w.state.index.waiting.is_empty());
}

/// As many launches as are needed, and one instance for the whole width of a gang.
#[test]
fn a_width_is_met_by_one_instance_and_nothing_is_launched_twice() {
    let mut w = World::new();
    w.policy(|p| p.offerings = vec![type_b()]);
    w.ask("a-1", amount(1, 2));
    w.ask("a-2", amount(1, 2));
    w.rounds();
    w.accept_all();
    w.boot_all();
    w.round();
    assert!(w.state.index.waiting.is_empty());
    w.policy(|p| p.offerings = vec![offering("type-c", amount(18, 60), 1_000_000)]);
    w.ask_with("a-3", amount(6, 20), |a| {
        a.requirements = Requirements { width: 2, ..Requirements::exactly(amount(6, 20)) };
    });
    w.rounds();
    w.accept_all();
    w.boot_all();
    w.round();
    assert!(w.state.index.waiting.is_empty());
    let kinds = w.state.instances.iter().map(|(_, i)| i.offering.kind.to_string());
    let mut kinds: Vec<String> = kinds.collect();
    kinds.sort();
    assert_eq!(kinds, ["type-b", "type-c"]);
}

#[test]
fn what_is_ready_is_used_whoever_else_waits_for_a_boot() {
    check(&[
        (
            "the idle one for the highest, launches for the others",
            |w| {
                w.policy(|p| p.offerings = vec![small()]);
                w.up_as("i-1", small());
                for (name, priority) in [("a-1", 1), ("a-2", 2), ("a-3", 3), ("a-4", 4)] {
                    w.ask_with(name, cores(2), |a| a.priority = priority);
                }
            },
            &[
                "a-4 on i-1: best of 1",
                "launch small for a-3",
                "launch small for a-2",
                "launch small for a-1",
                "a-3 waits: launching small",
                "a-2 waits: launching small",
                "a-1 waits: launching small",
            ],
        ),
        (
            "a lower one starts while a higher one waits for its boot",
            |w| {
                w.ask_with("a-9", cores(8), |a| a.priority = 9);
                w.rounds();
                w.up_as("i-1", small());
                w.ask("a-1", cores(2));
            },
            &["a-1 on i-1: best of 1"],
        ),
    ]);
}

#[test]
fn what_waits_is_packed_onto_what_there_is_first() {
    check(&[
        (
            "four that are half of a type each: two new ones",
            |w| {
                w.policy(|p| p.offerings = vec![small()]);
                (1..=4).for_each(|n| w.ask(&format!("a-{n}"), cores(1)));
            },
            &[
                "launch small for a-1 a-2",
                "launch small for a-3 a-4",
                "a-1 waits: launching small",
                "a-2 waits: launching small",
                "a-3 waits: launching small",
                "a-4 waits: launching small",
            ],
        ),
        (
            "three on an idle one, a new one for the fourth",
            |w| {
                w.up_as("i-1", offering("type-3", cores(3), 150_000));
                (1..=4).for_each(|n| w.ask(&format!("a-{n}"), cores(1)));
            },
            &[
                "a-1 on i-1: best of 1",
                "a-2 on i-1: best of 1",
                "a-3 on i-1: best of 1",
                "launch small for a-4",
                "a-4 waits: launching small",
            ],
        ),
        (
            "what is left of one that is in use",
            |w| {
                w.up_as("i-1", large());
                w.give("b-1", "i-1", cores(6));
                w.ask("a-1", cores(2));
            },
            &["a-1 on i-1: best of 1"],
        ),
        (
            "not one that is held",
            |w| {
                w.up_as("i-1", small());
                w.say(InstanceHeld { instance: id("i-1") });
                w.ask("a-1", cores(2));
            },
            &["launch small for a-1", "a-1 waits: launching small"],
        ),
        (
            "not one that is not heard",
            |w| {
                w.up_as("i-1", small());
                w.say(InstanceUnreachable { instance: id("i-1"), silent: Millis(30_000) });
                w.silent("i-1", Millis(30_000));
                w.ask("a-1", cores(2));
            },
            &["launch small for a-1", "a-1 waits: launching small"],
        ),
        (
            "one dimension that is used up is enough",
            |w| {
                w.policy(|p| p.offerings = vec![type_b()]);
                w.up_as("i-1", type_b());
                w.give("b-1", "i-1", amount(1, 4));
                w.ask("a-1", amount(1, 1));
            },
            &["launch type-b for a-1", "a-1 waits: launching type-b"],
        ),
    ]);
}

/// Nothing changes hands among those of one priority, however often it is looked at.
#[test]
fn equals_do_not_take_turns() {
    let mut w = World::new();
    w.policy(|p| (p.max_instances, p.offerings) = (1, vec![small()]));
    w.up_as("i-1", small());
    w.ask("a-1", cores(2));
    w.ask("a-2", cores(2));
    assert_eq!(w.rounds(), ["a-1 on i-1: best of 1", "a-2 waits: at most 1 instances"]);
    for _ in 0..10 {
        w.secs(10);
        w.keep("a-1", Millis(60_000));
        w.seen("a-1", Millis(0));
        assert!(w.rounds().is_empty());
    }
}
