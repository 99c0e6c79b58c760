//! Who gives way to whom, where nothing can be launched and the policy allows it; and what the fold takes
//! of it.

use crate::check;
use crate::world::{World, cores, id};
use controlplane_core::next_deadline;
use schema::event::{AllocPreempted, AllocRevoked, AllocSpared, AllocWithdrawn, DriverBudgetSet};
use schema::policy::Preemption;
use schema::resources::Resources;
use schema::unit::{LogTime, Micros, Millis};
use schema::why::RevokedWhy;

/// A full instance of four cores beside which nothing may be launched.
fn full(w: &mut World) {
    all_full(w, 1);
}

/// So many of them.
fn all_full(w: &mut World, count: u32) {
    w.policy(|p| {
        p.max_instances = count;
        p.fairness.preemption = Preemption::Lower;
    });
    (1..=count).for_each(|n| w.up(&format!("i-{n}"), cores(4)));
}

/// The driver holds this alloc, which it asked for with this priority.
fn hold(w: &mut World, alloc: &str, instance: &str, resources: Resources, priority: i32) {
    w.give_as(alloc, instance, resources, |e| e.priority = priority);
}

fn ask(w: &mut World, alloc: &str, resources: Resources, priority: i32) {
    w.ask_with(alloc, resources, |e| e.priority = priority);
}

#[test]
fn who_asked_with_less_gives_way_where_nothing_can_be_launched() {
    check(&[
        (
            "not unless the policy says so",
            |w| {
                full(w);
                w.policy(|p| p.fairness.preemption = Preemption::Never);
                hold(w, "a-1", "i-1", cores(4), 0);
                ask(w, "a-2", cores(1), 9);
            },
            &["a-2 waits: at most 1 instances"],
        ),
        (
            "one who asked with less",
            |w| {
                full(w);
                hold(w, "a-1", "i-1", cores(4), 0);
                ask(w, "a-2", cores(1), 1);
            },
            &["a-1 gives way to a-2", "a-2 waits: 1 to leave i-1"],
        ),
        (
            "nobody who asked with as much",
            |w| {
                full(w);
                hold(w, "a-1", "i-1", cores(4), 1);
                ask(w, "a-2", cores(1), 1);
            },
            &["a-2 waits: at most 1 instances"],
        ),
        (
            "not where something can be launched",
            |w| {
                full(w);
                w.policy(|p| p.max_instances = 2);
                hold(w, "a-1", "i-1", cores(4), 0);
                ask(w, "a-2", cores(1), 1);
            },
            &["launch small for a-2", "a-2 waits: launching small"],
        ),
        (
            "the lowest, and of those the last to come",
            |w| {
                full(w);
                hold(w, "a-1", "i-1", cores(1), 0);
                w.secs(1);
                hold(w, "a-2", "i-1", cores(1), 0);
                w.secs(1);
                hold(w, "a-3", "i-1", cores(2), 1);
                ask(w, "a-4", cores(1), 2);
            },
            &["a-2 gives way to a-4", "a-4 waits: 1 to leave i-1"],
        ),
        (
            "nobody who is not needed beside a larger one",
            |w| {
                full(w);
                hold(w, "a-1", "i-1", cores(1), 0);
                hold(w, "a-2", "i-1", cores(3), 1);
                ask(w, "a-3", cores(3), 2);
            },
            &["a-2 gives way to a-3", "a-3 waits: 1 to leave i-1"],
        ),
        (
            "nobody where all of them are not enough",
            |w| {
                full(w);
                hold(w, "a-1", "i-1", cores(2), 0);
                hold(w, "a-2", "i-1", cores(2), 5);
                ask(w, "a-3", cores(3), 2);
            },
            &["a-3 waits: at most 1 instances"],
        ),
        (
            "where the highest of them is lowest",
            |w| {
                all_full(w, 2);
                hold(w, "a-1", "i-1", cores(4), 1);
                hold(w, "a-2", "i-2", cores(4), 0);
                ask(w, "a-3", cores(1), 2);
            },
            &["a-2 gives way to a-3", "a-3 waits: 1 to leave i-2"],
        ),
        (
            "and then where least work is lost",
            |w| {
                all_full(w, 2);
                hold(w, "a-1", "i-1", cores(4), 0);
                w.secs(1);
                hold(w, "a-2", "i-2", cores(4), 0);
                w.secs(1);
                ask(w, "a-3", cores(1), 2);
            },
            &["a-2 gives way to a-3", "a-3 waits: 1 to leave i-2"],
        ),
        (
            "on the instance that is asked for",
            |w| {
                all_full(w, 2);
                hold(w, "a-1", "i-1", cores(4), 1);
                hold(w, "a-2", "i-2", cores(4), 0);
                w.ask_with("a-3", cores(1), |e| {
                    e.priority = 2;
                    e.constraint.instance = Some(id("i-1"));
                });
            },
            &["a-1 gives way to a-3", "a-3 waits: 1 to leave i-1"],
        ),
        (
            "nobody twice: each who waits has an instance of its own",
            |w| {
                all_full(w, 2);
                hold(w, "a-1", "i-1", cores(4), 0);
                hold(w, "a-2", "i-2", cores(4), 0);
                ask(w, "a-3", cores(1), 2);
                ask(w, "a-4", cores(1), 2);
                ask(w, "a-5", cores(1), 2);
            },
            &[
                "a-1 gives way to a-3",
                "a-2 gives way to a-4",
                "a-3 waits: 1 to leave i-1",
                "a-4 waits: 1 to leave i-2",
                "a-5 waits: at most 2 instances",
            ],
        ),
        (
            "nobody where an idle one makes room",
            |w| {
                full(w);
                hold(w, "a-1", "i-1", cores(4), 0);
                w.policy(|p| p.max_instances = 2);
                w.up("i-2", cores(1));
                ask(w, "a-2", cores(2), 2);
            },
            &["end i-2: room for a-2", "a-2 waits: at most 2 instances"],
        ),
        (
            "nobody for who has used up his own budget",
            |w| {
                full(w);
                hold(w, "a-1", "i-1", cores(4), 0);
                let max_hourly_cost = Some(Micros(100_000));
                w.say(DriverBudgetSet { driver: id("d-1"), max_hourly_cost });
                ask(w, "a-2", cores(1), 2);
            },
            &["a-2 waits: its driver's budget, 45000 on 100000 of 100000"],
        ),
    ]);
}

#[test]
fn what_is_not_given_back_is_taken_once_notice_is_over() {
    let mut w = World::new();
    full(&mut w);
    hold(&mut w, "a-1", "i-1", cores(2), 0);
    hold(&mut w, "a-2", "i-1", cores(2), 0);
    ask(&mut w, "a-3", cores(4), 1);
    w.rounds();
    w.free("a-1", "i-1");
    w.close("a-1", "i-1");
    w.secs(29);
    assert_eq!(w.rounds(), [""; 0], "it still has a second");
    w.secs(1);
    assert_eq!(w.rounds(), ["a-2 revoked: for a-3"]);
    assert_eq!(w.rounds(), [""; 0], "its agent has not said that nothing of it runs");
    w.close("a-2", "i-1");
    assert_eq!(w.rounds(), ["a-3 on i-1: best of 1"]);
}

#[test]
fn nobody_who_comes_between_is_given_what_becomes_free() {
    let mut w = World::new();
    full(&mut w);
    w.policy(|p| p.fairness.aging = Millis::from_secs(5));
    hold(&mut w, "a-1", "i-1", cores(2), 0);
    hold(&mut w, "a-2", "i-1", cores(2), 0);
    ask(&mut w, "a-0", cores(2), 0);
    ask(&mut w, "a-3", cores(4), 1);
    w.rounds();
    // It has waited for long enough to be served first.
    w.secs(10);
    w.free("a-1", "i-1");
    w.close("a-1", "i-1");
    assert_eq!(w.rounds(), [""; 0]);
    w.free("a-2", "i-1");
    w.close("a-2", "i-1");
    assert_eq!(w.rounds(), ["a-3 on i-1: best of 1"]);
}

#[test]
fn who_asks_with_yet_more_comes_first_and_the_first_notice_holds() {
    let mut w = World::new();
    full(&mut w);
    hold(&mut w, "a-1", "i-1", cores(4), 0);
    ask(&mut w, "a-2", cores(4), 1);
    w.rounds();
    w.secs(20);
    ask(&mut w, "a-3", cores(4), 2);
    assert_eq!(
        w.rounds(),
        ["a-1 gives way to a-3", "a-3 waits: 1 to leave i-1", "a-2 waits: at most 1 instances"]
    );
    w.secs(10);
    assert_eq!(w.rounds(), ["a-1 revoked: for a-3"]);
    w.close("a-1", "i-1");
    assert_eq!(
        w.rounds(),
        ["a-3 on i-1: best of 1"],
        "and nobody of higher priority gives way to a-2"
    );
}

#[test]
fn who_is_no_longer_needed_is_spared() {
    type Change = fn(&mut World);
    let table: &[(&str, Change, &[&str])] = &[
        (
            "it is no longer wanted",
            |w| w.say(AllocWithdrawn { alloc: id("a-3"), driver: id("d-1") }),
            &["a-1 spared", "a-2 spared"],
        ),
        (
            "another has left enough",
            |w| {
                w.free("a-9", "i-1");
                w.close("a-9", "i-1");
            },
            &["a-3 on i-1: best of 1", "a-1 spared", "a-2 spared"],
        ),
        (
            "something can be launched for it",
            |w| w.policy(|p| p.max_instances = 2),
            &["a-1 spared", "a-2 spared", "launch small for a-3", "a-3 waits: launching small"],
        ),
        (
            "the policy allows it no more",
            |w| w.policy(|p| p.fairness.preemption = Preemption::Never),
            &["a-1 spared", "a-2 spared", "a-3 waits: at most 1 instances"],
        ),
    ];
    for (name, change, told) in table {
        let mut w = World::new();
        full(&mut w);
        hold(&mut w, "a-9", "i-1", cores(2), 5);
        hold(&mut w, "a-1", "i-1", cores(1), 0);
        hold(&mut w, "a-2", "i-1", cores(1), 0);
        ask(&mut w, "a-3", cores(2), 1);
        w.rounds();
        change(&mut w);
        let mut rounds = w.rounds();
        rounds.sort();
        let mut told: Vec<String> = told.iter().map(|told| (*told).to_owned()).collect();
        told.sort();
        assert_eq!(rounds, told, "{name}");
        w.secs(60);
        let revoked = w.rounds().into_iter().find(|told| told.contains("revoked"));
        assert_eq!(revoked, None, "{name}");
    }
}

#[test]
fn a_notice_that_was_given_is_kept_whatever_the_policy_becomes() {
    let mut w = World::new();
    full(&mut w);
    hold(&mut w, "a-1", "i-1", cores(4), 0);
    ask(&mut w, "a-2", cores(4), 1);
    w.rounds();
    w.policy(|p| p.fairness.notice = Millis(0));
    w.secs(29);
    assert_eq!(w.rounds(), [""; 0], "it still has a second");
    w.secs(1);
    assert_eq!(w.rounds(), ["a-1 revoked: for a-2"]);
}

/// More of them than are looked after in one round.
#[test]
fn nobody_is_spared_because_others_come_first() {
    const MANY: u32 = 100;
    let mut w = World::new();
    all_full(&mut w, MANY);
    for n in 1..=MANY {
        hold(&mut w, &format!("a-{n}"), &format!("i-{n}"), cores(4), 0);
        ask(&mut w, &format!("b-{n}"), cores(4), 1);
    }
    w.rounds();
    ask(&mut w, "c-1", cores(4), 2);
    w.rounds();
    let noticed = w.state.index.notices.len();
    assert_eq!(noticed, MANY as usize, "one has gone to who asked with more");
    w.secs(30);
    let revoked = w.rounds().iter().filter(|told| told.contains("revoked")).count();
    assert_eq!(revoked, MANY as usize);
}

fn preempts(alloc: &str, by: &str) -> AllocPreempted {
    AllocPreempted {
        alloc: id(alloc),
        driver: id("d-1"),
        instance: id("i-1"),
        by: id(by),
        notice: Millis::from_secs(30),
        priority: 0,
        over: 1,
    }
}

fn revokes(alloc: &str, by: &str) -> AllocRevoked {
    AllocRevoked {
        alloc: id(alloc),
        driver: id("d-1"),
        instance: id("i-1"),
        execs_until: LogTime(0),
        why: RevokedWhy::Preempted { by: id(by) },
    }
}

#[test]
fn the_fold_lets_nobody_take_an_alloc_without_notice_or_from_an_equal() {
    let mut w = World::new();
    full(&mut w);
    hold(&mut w, "a-1", "i-1", cores(4), 1);
    ask(&mut w, "a-2", cores(1), 1);
    ask(&mut w, "a-3", cores(1), 2);
    let equal = AllocPreempted { priority: 1, ..preempts("a-1", "a-2") };
    let spared = AllocSpared { alloc: id("a-1"), driver: id("d-1"), instance: id("i-1") };
    assert!(w.void(revokes("a-1", "a-3")), "it has had no notice");
    assert!(w.void(spared.clone()), "it has had no notice");
    assert!(w.void(equal), "they asked with as much");
    assert!(w.void(preempts("a-2", "a-3")), "it holds nothing");
    w.say(preempts("a-1", "a-3"));
    w.secs(29);
    assert!(w.void(revokes("a-1", "a-3")), "its notice still runs");
    w.say(spared);
    w.secs(10);
    assert!(w.void(revokes("a-1", "a-3")), "it was spared");
    w.say(preempts("a-1", "a-3"));
    w.secs(20);
    w.say(preempts("a-1", "a-3"));
    w.secs(10);
    w.say(revokes("a-1", "a-3"));
    assert!(w.void(preempts("a-1", "a-3")), "it is over");
}

#[test]
fn the_leader_looks_again_when_notice_is_over() {
    let mut w = World::new();
    full(&mut w);
    hold(&mut w, "a-1", "i-1", cores(4), 0);
    ask(&mut w, "a-2", cores(2), 1);
    w.rounds();
    let due = next_deadline(&w.state).expect("something falls due");
    assert_eq!((due.0.since(w.state.head.time), due.1), (Millis(30_000), "a notice"));
}
