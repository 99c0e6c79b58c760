//! A lease ends when log time has passed and the leader's own clock has seen its length too.

use crate::check;
use crate::world::{World, cores, id};
use schema::event::{AllocExpired, AllocKilled, DriverLeft, Event};
use schema::unit::Millis;

const LEASE: Millis = Millis(120_000);

/// An alloc under a lease of 120 s, given now.
fn given(w: &mut World) {
    w.up("i-1", cores(8));
    w.give("a-1", "i-1", cores(1));
}

#[test]
fn a_lease_ends_when_both_clocks_have_passed() {
    check(&[
        (
            "both have",
            |w| {
                given(w);
                w.pass(LEASE);
                w.seen("a-1", LEASE);
            },
            &["a-1 expired"],
        ),
        (
            "log time has not, by a millisecond",
            |w| {
                given(w);
                w.pass(Millis(LEASE.0 - 1));
                w.seen("a-1", Millis(LEASE.0 * 9));
            },
            &[],
        ),
        (
            "the leader's own has not, by a millisecond: the log's clock jumped",
            |w| {
                given(w);
                w.secs(86_400);
                w.seen("a-1", Millis(LEASE.0 - 1));
            },
            &[],
        ),
        (
            "the leader has not seen it begin at all",
            |w| {
                given(w);
                w.secs(86_400);
            },
            &[],
        ),
        (
            "its driver has left and keeps it no more",
            |w| {
                given(w);
                w.say(DriverLeft { driver: id("d-1") });
                w.pass(LEASE);
                w.seen("a-1", LEASE);
            },
            &["a-1 expired"],
        ),
        (
            "only those that are due",
            |w| {
                given(w);
                w.secs(1);
                w.give("a-2", "i-1", cores(1));
                w.secs(119);
                w.seen("a-1", LEASE);
                w.seen("a-2", LEASE);
            },
            &["a-1 expired"],
        ),
    ]);
}

#[test]
fn a_lease_that_was_renewed_has_not_run_out() {
    check(&[
        (
            "by log time, whatever the leader's clock says",
            |w| {
                given(w);
                w.secs(119);
                w.keep("a-1", LEASE);
                w.secs(119);
                w.seen("a-1", Millis::from_secs(238));
            },
            &[],
        ),
        (
            "until the new one has",
            |w| {
                given(w);
                w.secs(119);
                w.keep("a-1", LEASE);
                w.pass(LEASE);
                w.seen("a-1", LEASE);
            },
            &["a-1 expired"],
        ),
        (
            "a shorter one ends sooner",
            |w| {
                given(w);
                w.keep("a-1", Millis::from_secs(10));
                w.secs(10);
                w.seen("a-1", Millis::from_secs(10));
            },
            &["a-1 expired"],
        ),
        (
            "a longer one is as long as the policy gives, by both clocks",
            |w| {
                given(w);
                w.keep("a-1", Millis::from_secs(900));
                w.secs(300);
                w.seen("a-1", Millis::from_secs(299));
            },
            &[],
        ),
        (
            "and no longer",
            |w| {
                given(w);
                w.keep("a-1", Millis::from_secs(900));
                w.secs(300);
                w.seen("a-1", Millis::from_secs(300));
            },
            &["a-1 expired"],
        ),
    ]);
}

#[test]
fn an_alloc_ends_once() {
    fn due(w: &mut World) {
        given(w);
        w.pass(LEASE);
        w.seen("a-1", LEASE);
    }
    check(&[
        (
            "freed before",
            |w| {
                given(w);
                w.free("a-1", "i-1");
                w.pass(LEASE);
                w.seen("a-1", LEASE);
            },
            &[],
        ),
        (
            "killed at the same time",
            |w| {
                due(w);
                w.say(AllocKilled { alloc: id("a-1") });
            },
            &["a-1 revoked: killed"],
        ),
        (
            "its instance lost at the same time",
            |w| {
                due(w);
                w.gone("i-1");
            },
            &["a-1 revoked: instance lost", "i-1 lost"],
        ),
    ]);
}

#[test]
fn the_driver_is_told_until_when_execs_may_run() {
    let mut w = World::new();
    w.policy(|p| p.grace = Millis::from_secs(7));
    given(&mut w);
    // Its agent has been told the one before.
    w.policy(|p| p.grace = Millis::from_secs(1));
    w.secs(500);
    w.seen("a-1", Millis::from_secs(500));
    // Not from the end of the lease: its agent may have been cut off just now, and goes on from there.
    let execs_until = w.state.head.time + LEASE + Millis::from_secs(7);
    let (alloc, driver, instance) = (id("a-1"), id("d-1"), id("i-1"));
    let expired = AllocExpired { alloc, driver, instance, execs_until };
    assert_eq!(w.round(), [Event::from(expired)]);
}

#[test]
fn an_agent_goes_by_the_lease_that_it_was_granted() {
    let mut w = World::new();
    given(&mut w);
    // A shorter one, of which its agent does not hear.
    w.keep("a-1", Millis::from_secs(20));
    w.secs(21);
    w.seen("a-1", Millis::from_secs(21));
    let execs_until = w.state.head.time + LEASE + w.state.head.policy.grace;
    let (alloc, driver, instance) = (id("a-1"), id("d-1"), id("i-1"));
    let expired = AllocExpired { alloc, driver, instance, execs_until };
    assert_eq!(w.round(), [Event::from(expired)]);
}

#[test]
fn what_an_expired_alloc_had_is_not_given_before_its_agent_has_closed_it() {
    let mut w = World::new();
    w.freeze();
    w.up("i-1", cores(1));
    w.give("a-1", "i-1", cores(1));
    w.ask("a-2", cores(1));
    w.pass(LEASE);
    w.seen("a-1", LEASE);
    assert_eq!(w.rounds(), ["a-1 expired", "a-2 waits: frozen"]);
    w.close("a-1", "i-1");
    assert_eq!(w.rounds(), ["a-2 on i-1: best of 1"]);
}
