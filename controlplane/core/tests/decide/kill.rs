//! Instances and allocs that an operator kills, and what the driver is told of it.

use crate::check;
use crate::trouble::{busy, unreachable};
use crate::world::{World, cores, id, small};
use schema::event::{
    AllocKilled, AllocRevoked, AllocWithdrawn, Event, InstanceKilled, TerminateRequested,
};
use schema::unit::{LogTime, Millis};
use schema::why::{RevokedWhy, TerminateWhy};

#[test]
fn what_an_operator_kills_ends_at_once() {
    check(&[
        (
            "an instance and all on it",
            |w| {
                busy(w);
                w.say(InstanceKilled { instance: id("i-1") });
            },
            &["a-1 revoked: instance killed", "a-2 revoked: instance killed", "end i-1: killed"],
        ),
        (
            "one that boots",
            |w| {
                w.booting("i-1", small());
                w.say(InstanceKilled { instance: id("i-1") });
            },
            &["end i-1: killed"],
        ),
        (
            "one that is silent",
            |w| {
                unreachable(w);
                w.silent("i-1", Millis(31_000));
                w.say(InstanceKilled { instance: id("i-1") });
            },
            &["a-1 revoked: instance killed", "a-2 revoked: instance killed", "end i-1: killed"],
        ),
        (
            "one that the cloud is about to take",
            |w| {
                w.up("i-1", cores(2));
                w.interrupt("i-1", Millis::from_secs(60));
                w.say(InstanceKilled { instance: id("i-1") });
            },
            &["end i-1: killed"],
        ),
        (
            "one that goes already",
            |w| {
                w.up("i-1", cores(2));
                w.say(TerminateRequested { instance: id("i-1"), why: TerminateWhy::Drained });
                w.say(InstanceKilled { instance: id("i-1") });
            },
            &[],
        ),
        (
            "an alloc alone",
            |w| {
                busy(w);
                w.say(AllocKilled { alloc: id("a-2") });
            },
            &["a-2 revoked: killed"],
        ),
        (
            "an alloc of an instance that is killed as well",
            |w| {
                busy(w);
                w.say(AllocKilled { alloc: id("a-2") });
                w.say(InstanceKilled { instance: id("i-1") });
            },
            &["a-1 revoked: instance killed", "a-2 revoked: instance killed", "end i-1: killed"],
        ),
        (
            "a request that waits, and that would have been met",
            |w| {
                w.up("i-1", cores(2));
                w.ask("a-1", cores(1));
                w.say(AllocKilled { alloc: id("a-1") });
            },
            &["a-1 refused: killed"],
        ),
        (
            "a request that was withdrawn since needs no decision",
            |w| {
                w.ask("a-1", cores(1));
                w.say(AllocKilled { alloc: id("a-1") });
                w.say(AllocWithdrawn { alloc: id("a-1"), driver: id("d-1") });
            },
            &[],
        ),
        (
            "an alloc that was freed needs none either",
            |w| {
                busy(w);
                w.say(AllocKilled { alloc: id("a-1") });
                w.free("a-1", "i-1");
            },
            &[],
        ),
    ]);
}

#[test]
fn a_revocation_says_whose_and_until_when_execs_may_run() {
    let mut w = World::new();
    busy(&mut w);
    w.secs(100);
    let now: LogTime = w.state.head.time;
    w.say(AllocKilled { alloc: id("a-1") });
    // An agent that was cut off just now keeps them for a lease, and the grace after that.
    let execs_until = now + Millis::from_secs(120 + 30);
    let (alloc, driver, instance) = (id("a-1"), id("d-1"), id("i-1"));
    let why = RevokedWhy::AllocKilled;
    let revoked = AllocRevoked { alloc, driver, instance, execs_until, why };
    assert_eq!(w.round(), [Event::from(revoked)]);
}
