//! When the leader looks again though nothing happens.

use crate::world::{World, cores, id, large, small};
use controlplane_core::{Effect, next_deadline, plan};
use replay_core::state::alloc::AllocStatus;
use schema::event::{
    InstanceDrained, InstanceHeld, InstanceTerminated, InstanceUnreachable, TerminateRequested,
};
use schema::unit::{Micros, Millis};
use schema::why::TerminateWhy;

/// Name, what has happened, and in how many seconds what falls due.
type Due = (&'static str, fn(&mut World), Option<(u64, &'static str)>);

fn check(cases: &[Due]) {
    for (name, happen, expected) in cases {
        let mut w = World::new();
        happen(&mut w);
        let now = w.state.head.time;
        let expected = expected.map(|(seconds, what)| (now + Millis::from_secs(seconds), what));
        assert_eq!(next_deadline(&w.state), expected, "{name}");
        assert_eq!(w.decided(), [], "{name}: nothing is due yet");
    }
}

/// An alloc, and so no idle instance.
fn busy(w: &mut World) {
    w.up("i-1", cores(8));
    w.give("a-1", "i-1", cores(1));
}

#[test]
fn the_next_moment_at_which_something_falls_due() {
    check(&[
        ("nothing at all", |_| {}, None),
        ("a lease", busy, Some((120, "a lease"))),
        (
            "a lease that was renewed",
            |w| {
                busy(w);
                w.secs(50);
                w.keep("a-1", Millis::from_secs(200));
            },
            Some((200, "a lease")),
        ),
        (
            "a boot",
            |w| {
                w.booting("i-1", small());
                w.secs(10);
            },
            Some((590, "a boot")),
        ),
        (
            "a silent agent",
            |w| {
                busy(w);
                w.keep("a-1", Millis::from_secs(300));
                w.say(InstanceUnreachable { instance: id("i-1"), silent: Millis(30_000) });
                w.silent("i-1", Millis(30_000));
                w.secs(10);
            },
            Some((110, "a silent agent")),
        ),
        (
            "an interruption, shortly before",
            |w| {
                busy(w);
                w.interrupt("i-1", Millis::from_secs(60));
            },
            Some((55, "an interruption")),
        ),
        (
            "an interruption of a silent one",
            |w| {
                busy(w);
                w.interrupt("i-1", Millis::from_secs(60));
                w.say(InstanceUnreachable { instance: id("i-1"), silent: Millis(30_000) });
                w.silent("i-1", Millis(30_000));
            },
            Some((55, "an interruption")),
        ),
        (
            "a silent one with an interruption after it",
            |w| {
                busy(w);
                w.keep("a-1", Millis::from_secs(300));
                w.interrupt("i-1", Millis::from_secs(600));
                w.say(InstanceUnreachable { instance: id("i-1"), silent: Millis(30_000) });
                w.silent("i-1", Millis(30_000));
            },
            Some((120, "a silent agent")),
        ),
        (
            "an interruption of an empty one asks for nothing",
            |w| {
                w.up("i-1", cores(2));
                w.interrupt("i-1", Millis::from_secs(60));
            },
            None,
        ),
        (
            "an idle instance",
            |w| {
                w.up("i-1", cores(2));
                w.secs(100);
            },
            Some((500, "an idle instance")),
        ),
        (
            "not if it is kept",
            |w| {
                w.policy(|p| p.min_instances = 1);
                w.up("i-1", cores(2));
            },
            None,
        ),
        (
            "nor if it is held",
            |w| {
                w.up("i-1", cores(2));
                w.say(InstanceHeld { instance: id("i-1") });
            },
            None,
        ),
        (
            "nor if it is being ended: the effect reports that",
            |w| {
                w.up("i-1", cores(2));
                w.say(TerminateRequested { instance: id("i-1"), why: TerminateWhy::Drained });
            },
            None,
        ),
        (
            "nor for a drained one that waits for its allocs to end",
            |w| {
                busy(w);
                w.free("a-1", "i-1");
                w.say(InstanceDrained { instance: id("i-1") });
            },
            None,
        ),
        (
            "the first of several",
            |w| {
                w.up("i-2", cores(2));
                w.secs(1);
                w.booting("i-3", small());
                w.policy(|p| p.boot_timeout = Millis::from_secs(550));
                busy(w);
                w.keep("a-1", Millis::from_secs(300));
            },
            Some((300, "a lease")),
        ),
    ]);
}

#[test]
fn an_offering_that_rests_is_looked_at_again_if_anyone_wants_it() {
    check(&[
        (
            "a request waits for it",
            |w| {
                w.launch("i-1", large(), &[]);
                w.refuse("i-1", Millis::from_secs(60));
                w.ask("a-1", cores(4));
                w.rounds();
                w.secs(10);
            },
            Some((50, "something that rests")),
        ),
        (
            "nobody does",
            |w| {
                w.launch("i-1", large(), &[]);
                w.refuse("i-1", Millis::from_secs(60));
            },
            None,
        ),
        (
            "the least number of instances wants it",
            |w| {
                w.policy(|p| (p.min_instances, p.offerings) = (1, vec![small()]));
                w.launch("i-1", small(), &[]);
                w.refuse("i-1", Millis::from_secs(60));
            },
            Some((60, "something that rests")),
        ),
    ]);
}

#[test]
fn what_has_passed_and_asks_for_nothing_hides_nothing_that_comes() {
    check(&[
        (
            "a lease that has passed by the log's clock alone",
            |w| {
                busy(w);
                w.secs(119);
                w.give("a-2", "i-1", cores(1));
                w.secs(1);
            },
            Some((119, "a lease")),
        ),
        (
            "allocs of an interrupted instance that are not closed yet",
            |w| {
                busy(w);
                w.interrupt("i-1", Millis::from_secs(5));
                w.up("i-2", cores(2));
                w.rounds();
            },
            Some((600, "an idle instance")),
        ),
    ]);
}

/// The driver sees to nothing more, and all else do what the log asks of them.
fn settle(w: &mut World) {
    for (alloc, found) in w.state.clone().allocs.iter() {
        if let AllocStatus::Ending { grant, .. } = &found.status {
            w.close(alloc.as_str(), grant.instance.as_str());
        }
    }
    for effect in plan(&w.state) {
        if let Effect::Terminate(instance) = effect {
            w.say(InstanceTerminated { instance, cost: Micros(0) });
        }
    }
}

#[test]
fn at_each_deadline_there_is_something_to_decide_and_before_it_nothing() {
    let mut w = World::new();
    busy(&mut w);
    w.booting("i-2", small());
    w.secs(1);
    w.up("i-3", cores(1));
    w.give("a-2", "i-1", cores(1));
    w.keep("a-2", Millis::from_secs(300));
    w.interrupt("i-1", Millis::from_secs(200));
    w.up("i-4", cores(1));
    w.give("a-4", "i-4", cores(1));
    w.keep("a-4", Millis::from_secs(300));
    w.say(InstanceUnreachable { instance: id("i-4"), silent: Millis(30_000) });
    w.silent("i-4", Millis(30_000));
    let mut fell_due = Vec::new();
    while let Some((at, what)) = next_deadline(&w.state) {
        w.pass(Millis(at.since(w.state.head.time).0 - 1));
        w.seen("a-1", Millis::from_secs(120));
        assert_eq!(w.decided(), [], "a millisecond before {what}");
        w.pass(Millis(1));
        assert_ne!(w.rounds(), [""; 0], "{what} is due");
        settle(&mut w);
        assert_eq!(w.rounds(), [""; 0], "{what} was decided on");
        fell_due.push(what);
    }
    let expected = ["a lease", "a silent agent", "an interruption", "a boot", "an idle instance"];
    assert_eq!(fell_due, expected);
}
