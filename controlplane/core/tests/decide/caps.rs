//! What a request is told when nothing may be launched for it now.

use crate::check;
use crate::world::{World, cores, id, large, offering, small};
use schema::event::{LaunchesThawed, TerminateRequested};
use schema::policy::Offering;
use schema::requirements::Alone;
use schema::unit::{Micros, Millis};
use schema::why::TerminateWhy;

fn budget(w: &mut World, limit: u64) {
    w.policy(|p| p.max_hourly_cost = Micros(limit));
}

fn spot() -> Offering {
    offering("spot", cores(2), 30_000)
}

#[test]
fn the_hourly_budget_is_never_exceeded() {
    check(&[
        (
            "what this round launches counts",
            |w| {
                budget(w, 150_000);
                w.ask("a-1", cores(2));
                w.ask("a-2", cores(2));
            },
            &[
                "launch small for a-1",
                "a-1 waits: launching small",
                "a-2 waits: budget, 100000 on 100000 of 150000",
            ],
        ),
        (
            "nothing is cheap enough where the limit has been lowered below what is committed",
            |w| {
                w.policy(|p| p.offerings = vec![offering("free", cores(2), 0)]);
                w.up("i-1", cores(2));
                w.give("a-0", "i-1", cores(2));
                budget(w, 50_000);
                w.ask("a-1", cores(2));
                w.ask_with("a-2", cores(2), |e| e.constraint.alone = Some(Alone::default()));
            },
            &["a-1 waits: budget, 0 on 100000 of 50000", "a-2 waits: budget, 0 on 100000 of 50000"],
        ),
        (
            "what the cloud has not answered counts",
            |w| {
                budget(w, 150_000);
                w.launch("i-1", small(), &[]);
                w.ask("a-1", cores(2));
            },
            &["a-1 waits: budget, 100000 on 100000 of 150000"],
        ),
        (
            "what boots counts",
            |w| {
                budget(w, 150_000);
                w.booting("i-1", small());
                w.ask("a-1", cores(2));
            },
            &["a-1 waits: budget, 100000 on 100000 of 150000"],
        ),
        (
            "what runs counts, until it is gone",
            |w| {
                budget(w, 150_000);
                w.up("i-1", cores(2));
                w.say(TerminateRequested { instance: id("i-1"), why: TerminateWhy::Drained });
                w.ask("a-1", cores(2));
            },
            &["a-1 waits: budget, 100000 on 100000 of 150000"],
        ),
        (
            "what was refused does not count",
            |w| {
                budget(w, 150_000);
                let other = offering("other", cores(1), 100_000);
                w.launch("i-1", other, &[]);
                w.refuse("i-1", Millis::from_secs(60));
                w.ask("a-1", cores(2));
            },
            &["launch small for a-1", "a-1 waits: launching small"],
        ),
        (
            "what a launch can cost at most counts, not what it is taken to cost",
            |w| {
                budget(w, 150_000);
                let cap = Some(Micros(100_000));
                w.policy(|p| p.offerings = vec![Offering { cap, ..spot() }]);
                w.ask("a-1", cores(2));
                w.ask("a-2", cores(2));
            },
            &[
                "launch spot for a-1",
                "a-1 waits: launching spot",
                "a-2 waits: budget, 100000 on 100000 of 150000",
            ],
        ),
        (
            "what can cost more than all of it is never launched",
            |w| {
                budget(w, 150_000);
                let cap = Some(Micros(150_001));
                w.policy(|p| p.offerings = vec![Offering { cap, ..spot() }]);
                w.ask("a-1", cores(2));
            },
            &["a-1 refused: costs 150001 of 150000"],
        ),
        (
            "all of it may be used",
            |w| {
                budget(w, 200_000);
                w.up("i-1", cores(1));
                w.ask("a-1", cores(2));
            },
            &["launch small for a-1", "a-1 waits: launching small"],
        ),
        (
            "what fits the budget is taken, though another is better used",
            |w| {
                budget(w, 359_999);
                for alloc in ["a-1", "a-2", "a-3", "a-4"] {
                    w.ask(alloc, cores(2));
                }
            },
            &[
                "launch small for a-1",
                "launch small for a-2",
                "launch small for a-3",
                "a-1 waits: launching small",
                "a-2 waits: launching small",
                "a-3 waits: launching small",
                "a-4 waits: budget, 100000 on 300000 of 359999",
            ],
        ),
    ]);
}

#[test]
fn counts_are_never_exceeded() {
    check(&[
        (
            "launches under way, those of this round among them",
            |w| {
                w.policy(|p| p.max_pending = 2);
                w.launch("i-1", small(), &[]);
                w.ask("a-1", cores(2));
                w.ask("a-2", cores(2));
            },
            &[
                "launch small for a-1",
                "a-1 waits: launching small",
                "a-2 waits: at most 2 launches",
            ],
        ),
        (
            "instances that boot are under way",
            |w| {
                w.policy(|p| p.max_pending = 1);
                w.booting("i-1", small());
                w.ask("a-1", cores(2));
            },
            &["a-1 waits: at most 1 launches"],
        ),
        (
            "instances that are up are not",
            |w| {
                w.policy(|p| p.max_pending = 1);
                w.up("i-1", cores(1));
                w.ask("a-1", cores(2));
            },
            &["launch small for a-1", "a-1 waits: launching small"],
        ),
        (
            "instances, those of this round among them",
            |w| {
                w.policy(|p| p.max_instances = 2);
                w.up("i-1", cores(1));
                w.ask("a-1", cores(2));
                w.ask("a-2", cores(2));
            },
            &[
                "launch small for a-1",
                "end i-1: room for a-2",
                "a-1 waits: launching small",
                "a-2 waits: at most 2 instances",
            ],
        ),
        (
            "a seat in a launch of this round costs nothing",
            |w| {
                w.policy(|p| p.max_pending = 1);
                w.ask("a-1", cores(1));
                w.ask("a-2", cores(1));
            },
            &[
                "launch small for a-1 a-2",
                "a-1 waits: launching small",
                "a-2 waits: launching small",
            ],
        ),
    ]);
}

#[test]
fn frozen_and_resting_launches_are_waited_for() {
    fn rests(w: &mut World, instance: &str, offering: Offering, seconds: u64) {
        w.launch(instance, offering, &[]);
        w.refuse(instance, Millis::from_secs(seconds));
    }
    check(&[
        (
            "frozen",
            |w| {
                w.freeze();
                w.ask("a-1", cores(1));
            },
            &["a-1 waits: frozen"],
        ),
        (
            "thawed",
            |w| {
                w.freeze();
                w.ask("a-1", cores(1));
                w.rounds();
                w.say(LaunchesThawed {});
            },
            &["launch small for a-1", "a-1 waits: launching small"],
        ),
        (
            "all that would do rest",
            |w| {
                rests(w, "i-1", large(), 60);
                w.ask("a-1", cores(4));
            },
            &["a-1 waits: large rests"],
        ),
        (
            "the one that will be tried first is named",
            |w| {
                rests(w, "i-1", small(), 90);
                rests(w, "i-2", large(), 60);
                w.ask("a-1", cores(1));
            },
            &["a-1 waits: large rests"],
        ),
        (
            "until it has rested, to the millisecond",
            |w| {
                rests(w, "i-1", large(), 60);
                w.ask("a-1", cores(4));
                w.pass(Millis(59_999));
            },
            &["a-1 waits: large rests"],
        ),
        (
            "and then no more",
            |w| {
                rests(w, "i-1", large(), 60);
                w.ask("a-1", cores(4));
                w.rounds();
                w.secs(60);
            },
            &["launch large for a-1", "a-1 waits: launching large"],
        ),
        (
            "the same type in another zone does not rest",
            |w| {
                w.policy(|p| p.offerings.push(Offering { zone: "y".into(), ..small() }));
                rests(w, "i-1", small(), 60);
                w.ask("a-1", cores(1));
            },
            &["launch small for a-1", "a-1 waits: launching small"],
        ),
    ]);
}

#[test]
fn a_reason_is_told_again_only_when_it_is_another() {
    check(&[
        (
            "the same",
            |w| {
                w.freeze();
                w.ask("a-1", cores(1));
                w.rounds();
                w.secs(100);
            },
            &[],
        ),
        (
            "the same at another level",
            |w| {
                budget(w, 150_000);
                w.up("i-1", cores(1));
                w.ask("a-1", cores(2));
                w.rounds();
                budget(w, 160_000);
            },
            &[],
        ),
        (
            "another",
            |w| {
                budget(w, 150_000);
                w.up("i-1", cores(1));
                w.ask("a-1", cores(2));
                w.rounds();
                w.freeze();
            },
            &["a-1 waits: frozen"],
        ),
        (
            "what was too dear becomes too large",
            |w| {
                w.freeze();
                w.ask("a-1", cores(8));
                w.rounds();
                w.policy(|p| p.offerings = vec![small()]);
            },
            &["a-1 refused: cpu 8000 of 2000 in small"],
        ),
    ]);
}
