//! What several drivers want is shared by weight and priority, and nobody waits for ever.

use crate::check;
use crate::world::{World, cores, gib, id, offering};
use schema::event::{AllocGranted, DriverJoined, DriverWeighted, Event};
use schema::resources::Resources;
use schema::unit::{Micros, Millis};
use std::collections::BTreeMap;

fn join(w: &mut World, drivers: &[&str]) {
    for driver in drivers {
        w.say(DriverJoined { driver: id(driver), version: "0".into() });
    }
}

fn ask(w: &mut World, driver: &str, alloc: &str, what: Resources, priority: i32) {
    w.ask_with(alloc, what, |a| (a.driver, a.priority) = (id(driver), priority));
}

fn weigh(w: &mut World, driver: &str, weight: u32) {
    w.say(DriverWeighted { driver: id(driver), weight });
}

/// Nothing can be launched, for want of money.
fn poor(w: &mut World) {
    let committed = w.state.head.committed;
    w.policy(|policy| policy.max_hourly_cost = committed.plus(Micros(1)).max(Micros(400_000)));
}

/// How many of the first `count` grants each driver gets.
fn granted(w: &mut World, count: usize) -> BTreeMap<String, usize> {
    let mut by = BTreeMap::new();
    let grants = w.round().into_iter().filter_map(|event| match event {
        Event::AllocGranted(AllocGranted { driver, .. }) => Some(driver.to_string()),
        _ => None,
    });
    grants.take(count).for_each(|driver| *by.entry(driver).or_default() += 1);
    by
}

fn counts(of: &[(&str, usize)]) -> BTreeMap<String, usize> {
    of.iter().map(|(driver, count)| ((*driver).to_owned(), *count)).collect()
}

#[test]
fn among_equals_who_holds_least_goes_first() {
    check(&[
        (
            "a driver that came late is served as often as one that asked for much before",
            |w| {
                join(w, &["d-2"]);
                w.freeze();
                for n in 1..=4 {
                    w.ask(&format!("a-{n}"), cores(1));
                }
                ask(w, "d-2", "b-1", cores(1), 0);
                w.up("i-1", cores(2));
            },
            &[
                "a-1 on i-1: best of 1",
                "b-1 on i-1: best of 1",
                "a-2 waits: frozen",
                "a-3 waits: frozen",
                "a-4 waits: frozen",
            ],
        ),
        (
            "what it holds already counts",
            |w| {
                join(w, &["d-2"]);
                w.freeze();
                w.up("i-1", cores(3));
                w.give("a-0", "i-1", cores(2));
                w.ask("a-1", cores(1));
                ask(w, "d-2", "b-1", cores(1), 0);
            },
            &["b-1 on i-1: best of 1", "a-1 waits: frozen"],
        ),
        (
            "priority goes before fairness",
            |w| {
                join(w, &["d-2"]);
                w.freeze();
                w.up("i-1", cores(3));
                w.give("a-0", "i-1", cores(2));
                ask(w, "d-1", "a-1", cores(1), 1);
                ask(w, "d-2", "b-1", cores(1), 0);
            },
            &["a-1 on i-1: best of 1", "b-1 waits: frozen"],
        ),
    ]);
}

#[test]
fn weights_are_shares() {
    let mut w = World::new();
    join(&mut w, &["d-2", "d-3"]);
    weigh(&mut w, "d-2", 300);
    weigh(&mut w, "d-3", 50);
    w.freeze();
    for n in 0..90 {
        w.ask(&format!("a-{n}"), cores(1));
        ask(&mut w, "d-2", &format!("b-{n}"), cores(1), 0);
        ask(&mut w, "d-3", &format!("c-{n}"), cores(1), 0);
    }
    w.up("i-1", cores(90));
    let shares = granted(&mut w, 90);
    assert_eq!(shares, counts(&[("d-1", 20), ("d-2", 60), ("d-3", 10)]));
}

/// The example of the paper: nine cores and 18 GiB; one asks for <1 core, 4 GiB>, the other for
/// <3 cores, 1 GiB>. Both then hold two thirds of what they need most.
#[test]
fn the_dominant_resource_is_what_counts() {
    let mut w = World::new();
    join(&mut w, &["d-2"]);
    w.freeze();
    let both = |cpu: u64, memory| Resources { cpu: cpu * 1000, memory: gib(memory), ..cores(0) };
    for n in 0..9 {
        w.ask(&format!("a-{n}"), both(1, 4));
        ask(&mut w, "d-2", &format!("b-{n}"), both(3, 1), 0);
    }
    w.up("i-1", both(9, 18));
    assert_eq!(granted(&mut w, 9), counts(&[("d-1", 3), ("d-2", 2)]));
}

#[test]
fn a_weight_that_cannot_be_meant_is_void_and_the_usual_one_is_forgotten() {
    let mut w = World::new();
    weigh(&mut w, "d-9", 200);
    assert_eq!(w.state.weight_of(&id("d-9")), 200, "it may be named before it joins");
    assert!(w.void(DriverWeighted { driver: id("d-9"), weight: 0 }));
    assert!(w.void(DriverWeighted { driver: id("d-9"), weight: u32::MAX }));
    assert_eq!(w.state.weight_of(&id("d-9")), 200);
    weigh(&mut w, "d-9", 100);
    assert!(w.state.head.weights.is_empty());
}

#[test]
fn who_waits_long_rises_to_the_highest_rank_and_not_above_it() {
    check(&[
        (
            "after one step it is served before what came later at the next priority",
            |w| {
                w.freeze();
                w.ask("a-1", cores(1));
                w.secs(600);
                w.ask_with("a-2", cores(1), |a| a.priority = 1);
                w.up("i-1", cores(1));
            },
            &["a-1 on i-1: best of 1", "a-2 waits: frozen"],
        ),
        (
            "not before",
            |w| {
                w.freeze();
                w.ask("a-1", cores(1));
                w.secs(599);
                w.ask_with("a-2", cores(1), |a| a.priority = 1);
                w.up("i-1", cores(1));
            },
            &["a-2 on i-1: best of 1", "a-1 waits: frozen"],
        ),
        (
            "a long queue does not keep a newcomer of the same priority away",
            |w| {
                join(w, &["d-2"]);
                w.freeze();
                w.up("i-1", cores(2));
                w.give("a-0", "i-1", cores(1));
                w.ask("a-1", cores(1));
                w.ask("a-2", cores(1));
                w.secs(6000);
                ask(w, "d-2", "b-1", cores(1), 0);
            },
            &["b-1 on i-1: best of 1", "a-1 waits: frozen", "a-2 waits: frozen"],
        ),
        (
            "where nobody ages a higher priority always goes first",
            |w| {
                w.policy(|p| p.fairness.aging = Millis(0));
                w.freeze();
                w.ask("a-1", cores(1));
                w.secs(60_000);
                w.ask_with("a-2", cores(1), |a| a.priority = 1);
                w.up("i-1", cores(1));
            },
            &["a-2 on i-1: best of 1", "a-1 waits: frozen"],
        ),
    ]);
}

/// A large request for which nothing can be launched: small ones take what becomes free for a while,
/// and then no more.
#[test]
fn room_is_kept_for_who_has_waited_for_long() {
    let mut w = World::new();
    w.up_as("i-1", offering("dear", cores(4), 350_000));
    w.give("a-1", "i-1", cores(2));
    w.give("a-2", "i-1", cores(2));
    poor(&mut w);
    w.ask("big", cores(4));
    w.round();
    w.free("a-1", "i-1");
    w.close("a-1", "i-1");
    w.ask("a-3", cores(2));
    assert_eq!(w.rounds(), ["a-3 on i-1: best of 1"], "it has not waited for long");
    w.secs(600);
    w.free("a-2", "i-1");
    w.close("a-2", "i-1");
    w.ask("a-4", cores(2));
    let told = w.rounds();
    assert!(!told.iter().any(|line| line.starts_with("a-4 on")), "{told:?}");
    w.free("a-3", "i-1");
    w.close("a-3", "i-1");
    let told = w.rounds();
    assert_eq!(told.first().map(String::as_str), Some("big on i-1: best of 1"), "{told:?}");
}
