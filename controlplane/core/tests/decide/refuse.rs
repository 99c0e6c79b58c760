//! What a request is told that can never be met, with the figures, and who is not told so.

use crate::check;
use crate::world::{World, cores, gib, gpus, id, offering};
use schema::event::{AllocRefused, Event, TerminateRequested};
use schema::requirements::{Alone, Market};
use schema::resources::{Dimension, Resources, Shortage};
use schema::unit::{Micros, Millis};
use schema::why::{RefusedWhy, TerminateWhy};

/// Name, what has happened, and whether it is refused.
type Asked = (&'static str, fn(&mut World), bool);

#[test]
fn what_can_never_be_had_is_refused() {
    check(&[
        ("cpu", |w| w.ask("a-1", cores(9)), &["a-1 refused: cpu 9000 of 8000 in large"]),
        (
            "all of its width together",
            |w| w.ask_with("a-1", cores(3), |a| a.requirements.width = 3),
            &["a-1 refused: cpu 9000 of 8000 in large"],
        ),
        (
            "memory",
            |w| w.ask("a-1", Resources { memory: 9000, ..cores(1) }),
            &["a-1 refused: memory 9000 of 8192 in large"],
        ),
        (
            "disk",
            |w| w.ask("a-1", Resources { disk: 1, ..cores(1) }),
            &["a-1 refused: disk 1 of 0 in large"],
        ),
        (
            "a feature",
            |w| w.ask("a-1", gpus(1, cores(1))),
            &["a-1 refused: feature gpu 1 of 0 in large"],
        ),
        (
            "the largest is the largest in all dimensions together",
            |w| {
                let big = Resources { memory: gib(256), ..cores(4) };
                w.policy(|p| p.offerings.push(offering("memory", big, 1)));
                w.ask("a-1", cores(9));
            },
            &["a-1 refused: cpu 9000 of 4000 in memory"],
        ),
        (
            "nothing may be bought",
            |w| {
                w.policy(|p| p.offerings = Vec::new());
                w.ask("a-1", cores(1));
            },
            &["a-1 refused: no offerings"],
        ),
        (
            "nothing may be bought on that market",
            |w| w.ask_with("a-1", cores(1), |a| a.constraint.market = Some(Market::Spot)),
            &["a-1 refused: no offerings"],
        ),
        (
            "the cheapest costs more than all of the budget",
            |w| {
                w.policy(|p| p.max_hourly_cost = Micros(359_999));
                w.ask("a-1", cores(4));
            },
            &["a-1 refused: costs 360000 of 359999"],
        ),
        (
            "even while launches are frozen",
            |w| {
                w.freeze();
                w.ask("a-1", cores(9));
            },
            &["a-1 refused: cpu 9000 of 8000 in large"],
        ),
        (
            "and is in nobody's way",
            |w| {
                w.ask("a-1", cores(9));
                w.ask("a-2", cores(1));
            },
            &[
                "a-1 refused: cpu 9000 of 8000 in large",
                "launch small for a-2",
                "a-2 waits: launching small",
            ],
        ),
    ]);
}

#[test]
fn a_refusal_has_its_figures() {
    let mut w = World::new();
    w.ask("a-1", cores(9));
    let shortage = Shortage { dimension: Dimension::Cpu, asked: 9000, available: 8000 };
    let why =
        RefusedWhy::TooLarge { shortage, largest: "large".into(), has: cores(8), promised: None };
    let refused = AllocRefused { alloc: id("a-1"), driver: id("d-1"), why };
    assert_eq!(w.round(), [Event::from(refused)]);
}

/// What runs is large enough and busy: the reason says so, and why nothing else is to be had, whatever else
/// keeps things from being launched.
#[test]
fn what_could_hold_it_is_waited_for_where_nothing_may_be_bought() {
    fn busy(w: &mut World) {
        w.up("i-1", cores(16));
        w.give("a-0", "i-1", cores(16));
        w.ask("a-1", cores(16));
    }
    check(&[
        ("too small", busy, &["a-1 waits: nothing to buy (cpu 16000 of 8000 in large), 1 busy"]),
        (
            "frozen as well: a thaw would not help",
            |w| {
                busy(w);
                w.freeze();
            },
            &["a-1 waits: nothing to buy (cpu 16000 of 8000 in large), 1 busy"],
        ),
        (
            "no type is allowed",
            |w| {
                w.policy(|p| p.offerings.clear());
                busy(w);
            },
            &["a-1 waits: nothing to buy (no offerings), 1 busy"],
        ),
        (
            "no budget at all",
            |w| {
                busy(w);
                w.policy(|p| {
                    p.offerings = vec![offering("huge", cores(16), 900_000)];
                    p.max_hourly_cost = Micros(0);
                });
            },
            &["a-1 waits: nothing to buy (costs 900000 of 0), 1 busy"],
        ),
        (
            "of two that would do",
            |w| {
                w.up("i-2", cores(17));
                w.give("a-2", "i-2", cores(17));
                busy(w);
            },
            &["a-1 waits: nothing to buy (cpu 16000 of 8000 in large), 2 busy"],
        ),
        (
            "what boots with less than promised is not there for it",
            |w| {
                w.policy(|p| p.offerings = vec![offering("short", cores(16), 100)]);
                busy(w);
                w.booting("i-2", offering("short", cores(16), 100));
                w.boot("i-2", cores(12));
            },
            &["a-1 waits: nothing to buy (cpu 16000 of 12000 in short), 1 busy"],
        ),
        (
            "who is to have one alone has nothing to wait for",
            |w| {
                w.up("i-1", cores(16));
                w.ask_with("a-1", cores(16), |a| a.constraint.alone = Some(Alone::default()));
            },
            &["a-1 refused: cpu 16000 of 8000 in large"],
        ),
        (
            "what may be bought and rests is another reason",
            |w| {
                w.policy(|p| p.offerings = vec![offering("huge", cores(16), 900)]);
                w.launch("i-2", offering("huge", cores(16), 900), &[]);
                w.refuse("i-2", Millis::from_secs(60));
                busy(w);
            },
            &["a-1 waits: huge rests"],
        ),
    ]);
}

#[test]
fn nobody_is_refused_whom_an_instance_could_hold() {
    // Larger than anything that may be bought now.
    fn big(w: &mut World) {
        w.up("i-1", cores(16));
        w.give("a-0", "i-1", cores(1));
    }
    let cases: [Asked; 4] = [
        ("it runs and has no room now", |w| w.ask("a-1", cores(16)), false),
        ("it could not either", |w| w.ask("a-1", cores(17)), true),
        (
            "it is of another market",
            |w| w.ask_with("a-1", cores(16), |a| a.constraint.market = Some(Market::Spot)),
            true,
        ),
        (
            "it is about to go",
            |w| {
                w.say(TerminateRequested { instance: id("i-1"), why: TerminateWhy::Drained });
                w.ask("a-1", cores(16));
            },
            true,
        ),
    ];
    for (name, happen, expected) in cases {
        let mut w = World::new();
        big(&mut w);
        happen(&mut w);
        let refused = w.round().iter().any(|event| matches!(event, Event::AllocRefused(_)));
        assert_eq!(refused, expected, "{name}");
    }
}
