//! Who is served first, and that a round never gives more than there is.

use crate::check;
use crate::world::{World, cores, id, large, small};
use schema::event::{AllocWithdrawn, Event};
use schema::requirements::Requirements;
use schema::resources::Resources;
use std::collections::BTreeMap;

fn first(w: &mut World, alloc: &str, count: u64, priority: i32) {
    w.ask_with(alloc, cores(count), |a| a.priority = priority);
}

#[test]
fn higher_priority_goes_first_then_who_asked_first() {
    check(&[
        (
            "who asked first, whatever the names are",
            |w| {
                w.freeze();
                w.ask("a-9", cores(1));
                w.ask("a-1", cores(1));
                w.up("i-1", cores(1));
            },
            &["a-9 on i-1: best of 1", "a-1 waits: frozen"],
        ),
        (
            "who has the higher priority, in spite of that",
            |w| {
                w.freeze();
                first(w, "a-1", 1, 0);
                first(w, "a-2", 1, -1);
                first(w, "a-3", 1, 5);
                first(w, "a-4", 1, 5);
                w.up("i-1", cores(1));
            },
            &[
                "a-3 on i-1: best of 1",
                "a-4 waits: frozen",
                "a-1 waits: frozen",
                "a-2 waits: frozen",
            ],
        ),
        (
            "one that cannot be met now is in nobody's way",
            |w| {
                w.freeze();
                first(w, "a-1", 4, 5);
                first(w, "a-2", 4, 5);
                first(w, "a-3", 2, 0);
                w.up("i-1", cores(2));
            },
            &["a-3 on i-1: best of 1", "a-1 waits: frozen", "a-2 waits: frozen"],
        ),
        (
            "the best fit is one of what those before have left",
            |w| {
                w.up("i-1", cores(4));
                w.up("i-2", cores(3));
                w.ask("a-1", cores(2));
                w.ask("a-2", cores(2));
                w.ask("a-3", cores(1));
            },
            &["a-1 on i-2: best of 2", "a-2 on i-1: best of 1", "a-3 on i-2: best of 2"],
        ),
    ]);
}

#[test]
fn an_instance_is_given_first_to_those_it_was_launched_for() {
    check(&[
        (
            "before one of higher priority",
            |w| {
                w.ask("a-1", cores(2));
                w.launch("i-1", small(), &["a-1"]);
                w.made("i-1");
                w.freeze();
                first(w, "a-2", 2, 9);
                w.boot("i-1", cores(2));
            },
            &["a-1 on i-1: kept for it", "a-2 waits: frozen"],
        ),
        (
            "though it would fit better elsewhere",
            |w| {
                w.ask("a-1", cores(1));
                w.launch("i-1", large(), &["a-1"]);
                w.made("i-1");
                w.boot("i-1", cores(8));
                w.up("i-2", cores(1));
            },
            &["a-1 on i-1: kept for it"],
        ),
        (
            "even if its agent speaks before the cloud has answered",
            |w| {
                w.ask("a-1", cores(2));
                w.launch("i-1", small(), &["a-1"]);
                w.boot("i-1", cores(2));
            },
            &["a-1 on i-1: kept for it"],
        ),
        (
            "what they leave is for the others",
            |w| {
                w.ask("a-1", cores(1));
                w.ask("a-2", cores(2));
                w.launch("i-1", large(), &["a-1", "a-2"]);
                w.made("i-1");
                w.ask("a-3", cores(5));
                w.boot("i-1", cores(8));
            },
            &["a-1 on i-1: kept for it", "a-2 on i-1: kept for it", "a-3 on i-1: best of 1"],
        ),
        (
            "all of it is for the others if they want it no more",
            |w| {
                w.ask("a-1", cores(2));
                w.launch("i-1", small(), &["a-1"]);
                w.made("i-1");
                w.say(AllocWithdrawn { alloc: id("a-1"), driver: id("d-1") });
                w.ask("a-2", cores(2));
                w.boot("i-1", cores(2));
            },
            &["a-2 on i-1: best of 1"],
        ),
        (
            "one whose instance is on its way takes what comes free sooner",
            |w| {
                w.ask("a-1", cores(2));
                w.launch("i-1", small(), &["a-1"]);
                w.made("i-1");
                w.up("i-2", cores(2));
            },
            &["a-1 on i-2: best of 1"],
        ),
        (
            "one for whom its instance came out too small is served as any other",
            |w| {
                w.ask("a-1", cores(2));
                w.launch("i-1", small(), &["a-1"]);
                w.made("i-1");
                w.boot("i-1", cores(1));
            },
            &["launch large for a-1", "a-1 waits: launching large"],
        ),
    ]);
}

#[test]
fn none_of_those_it_was_launched_for_takes_what_the_others_need() {
    let mut w = World::new();
    for alloc in ["a-1", "a-2"] {
        w.ask_with(alloc, cores(1), |a| {
            a.requirements = Requirements { min: cores(1), max: cores(8), width: 1 };
        });
    }
    w.launch("i-1", large(), &["a-1", "a-2"]);
    w.made("i-1");
    w.boot("i-1", cores(8));
    assert_eq!(w.rounds(), ["a-1 on i-1: kept for it", "a-2 on i-1: kept for it"]);
}

#[test]
fn what_is_given_back_is_free_when_its_agent_has_closed_it() {
    check(&[
        (
            "not yet",
            |w| {
                w.freeze();
                w.up("i-1", cores(2));
                w.give("a-1", "i-1", cores(2));
                w.free("a-1", "i-1");
                w.ask("a-2", cores(1));
            },
            &["a-2 waits: frozen"],
        ),
        (
            "now",
            |w| {
                w.freeze();
                w.up("i-1", cores(2));
                w.give("a-1", "i-1", cores(2));
                w.free("a-1", "i-1");
                w.close("a-1", "i-1");
                w.ask("a-2", cores(1));
            },
            &["a-2 on i-1: best of 1"],
        ),
    ]);
}

#[test]
fn a_round_gives_no_more_than_there_is() {
    // Sizes that do not divide what there is, in an order that is no order of size.
    let mut w = World::new();
    w.freeze();
    let has = [("i-1", 7), ("i-2", 12), ("i-3", 5)];
    for (instance, count) in has {
        w.up(instance, cores(count));
    }
    for n in 0..40_u64 {
        let (min, more) = (1 + n * 7 % 5, n % 3);
        w.ask_with(&format!("a-{n}"), cores(min), |a| {
            a.requirements = Requirements { min: cores(min), max: cores(min + more), width: 1 };
        });
    }
    let mut given: BTreeMap<String, Resources> = BTreeMap::new();
    let round = w.round();
    for event in &round {
        if let Event::AllocGranted(e) = event {
            let sum = given.entry(e.instance.to_string()).or_default();
            *sum = sum.plus(&e.resources);
        }
    }
    for (instance, count) in has {
        let given = given.get(instance).expect("something is given of each");
        assert!(cores(count).holds(given), "{given} of {instance}");
        // Requests of one core wait, so nothing that could be given is left.
        assert_eq!(given.cpu, 1000 * count, "{instance}");
    }
    assert_eq!(w.rounds(), [""; 0]);
}
