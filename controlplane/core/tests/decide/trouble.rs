//! Instances that do not boot, fall silent, are interrupted or gone, and the allocs on them.

use crate::check;
use crate::world::{World, cores, id, small};
use schema::event::{
    InstanceBooted, InstanceKilled, InstanceStopping, InstanceUnreachable, TerminateRequested,
};
use schema::unit::Millis;
use schema::why::TerminateWhy;

/// An instance with two allocs.
pub(crate) fn busy(w: &mut World) {
    w.up("i-1", cores(8));
    w.give("a-1", "i-1", cores(1));
    w.give("a-2", "i-1", cores(1));
}

/// The same; the log says since now that its agent is silent.
pub(crate) fn unreachable(w: &mut World) {
    busy(w);
    w.say(InstanceUnreachable { instance: id("i-1"), silent: Millis(30_000) });
}

#[test]
fn an_instance_that_does_not_boot_in_time_is_ended() {
    check(&[
        (
            "not before",
            |w| {
                w.booting("i-1", small());
                w.pass(Millis(599_999));
            },
            &[],
        ),
        (
            "in time",
            |w| {
                w.booting("i-1", small());
                w.secs(600);
            },
            &["i-1 not up in 600000ms", "end i-1: not up"],
        ),
        (
            "counted from when it was made",
            |w| {
                w.launch("i-1", small(), &[]);
                w.secs(500);
                w.made("i-1");
                w.secs(599);
            },
            &[],
        ),
        (
            "one that has booted is not",
            |w| {
                w.policy(|p| p.idle_timeout = Millis::from_secs(9_000));
                w.booting("i-1", small());
                w.secs(599);
                w.boot("i-1", cores(2));
                w.secs(1);
            },
            &[],
        ),
        (
            "one that is about to be ended is not",
            |w| {
                w.booting("i-1", small());
                w.say(TerminateRequested { instance: id("i-1"), why: TerminateWhy::Killed });
                w.secs(600);
            },
            &[],
        ),
    ]);
}

#[test]
fn a_silent_agent_is_unreachable_until_it_is_heard_or_ended() {
    check(&[
        (
            "silent for less than the policy says",
            |w| {
                busy(w);
                w.silent("i-1", Millis(29_999));
            },
            &[],
        ),
        (
            "silent for as long",
            |w| {
                busy(w);
                w.silent("i-1", Millis(30_000));
            },
            &["i-1 silent for 30000ms"],
        ),
        (
            "said once",
            |w| {
                busy(w);
                w.silent("i-1", Millis(30_000));
                w.rounds();
                w.silent("i-1", Millis(90_000));
                w.secs(60);
            },
            &[],
        ),
        (
            "not taken back before the grace has passed, by log time",
            |w| {
                unreachable(w);
                w.pass(Millis(119_999));
                w.silent("i-1", Millis(900_000));
            },
            &[],
        ),
        (
            "taken back and ended after it",
            |w| {
                unreachable(w);
                w.secs(120);
                w.silent("i-1", Millis(150_000));
            },
            &[
                "a-1 revoked: silent for 150000ms",
                "a-2 revoked: silent for 150000ms",
                "end i-1: silent for 150000ms",
            ],
        ),
        (
            "heard again",
            |w| {
                unreachable(w);
                w.secs(60);
                w.silent("i-1", Millis(29_999));
            },
            &["i-1 heard"],
        ),
        (
            "heard again in the last moment",
            |w| {
                unreachable(w);
                w.secs(120);
            },
            &["i-1 heard"],
        ),
        (
            "a new leader that has heard nobody yet ends nothing",
            |w| {
                busy(w);
                w.secs(110);
            },
            &[],
        ),
        (
            "each silence has its own grace",
            |w| {
                unreachable(w);
                w.secs(119);
                w.rounds();
                w.silent("i-1", Millis(30_000));
                w.rounds();
                w.secs(119);
            },
            &[],
        ),
        (
            "one that has not spoken yet is not called silent",
            |w| {
                w.booting("i-1", small());
                w.silent("i-1", Millis(90_000));
            },
            &[],
        ),
        (
            "one that is about to be ended is not either",
            |w| {
                busy(w);
                w.say(TerminateRequested { instance: id("i-1"), why: TerminateWhy::Killed });
                w.silent("i-1", Millis(900_000));
            },
            &[],
        ),
    ]);
}

#[test]
fn an_interrupted_instance_loses_its_allocs_shortly_before_it_goes() {
    check(&[
        (
            "not before the last five seconds",
            |w| {
                busy(w);
                w.interrupt("i-1", Millis::from_secs(60));
                w.pass(Millis(54_999));
            },
            &[],
        ),
        (
            "then",
            |w| {
                busy(w);
                w.interrupt("i-1", Millis::from_secs(60));
                w.secs(55);
            },
            &["a-1 revoked: interrupted", "a-2 revoked: interrupted"],
        ),
        (
            "at once if there is no more time",
            |w| {
                busy(w);
                w.interrupt("i-1", Millis::from_secs(2));
            },
            &["a-1 revoked: interrupted", "a-2 revoked: interrupted"],
        ),
        (
            "one that its agent stops has the time that its allocs take",
            |w| {
                busy(w);
                w.say(InstanceStopping { instance: id("i-1"), reason: String::new() });
                w.secs(110);
            },
            &[],
        ),
        (
            "though it is silent",
            |w| {
                unreachable(w);
                w.interrupt("i-1", Millis::from_secs(60));
                w.secs(55);
                w.silent("i-1", Millis(85_000));
            },
            &["a-1 revoked: interrupted", "a-2 revoked: interrupted"],
        ),
        (
            "and is reported when the cloud has taken it",
            |w| {
                busy(w);
                w.interrupt("i-1", Millis::from_secs(60));
                w.secs(55);
                w.rounds();
                w.secs(5);
                w.gone("i-1");
            },
            &["i-1 lost"],
        ),
    ]);
}

#[test]
fn an_instance_that_the_cloud_no_longer_has_is_lost() {
    check(&[
        (
            "with all on it",
            |w| {
                busy(w);
                w.gone("i-1");
            },
            &["a-1 revoked: instance lost", "a-2 revoked: instance lost", "i-1 lost"],
        ),
        (
            "while it boots",
            |w| {
                w.booting("i-1", small());
                w.gone("i-1");
            },
            &["i-1 lost"],
        ),
        (
            "whatever else is wrong with it",
            |w| {
                unreachable(w);
                w.secs(120);
                w.silent("i-1", Millis(150_000));
                w.say(InstanceKilled { instance: id("i-1") });
                w.gone("i-1");
            },
            &["a-1 revoked: instance lost", "a-2 revoked: instance lost", "i-1 lost"],
        ),
        (
            "but not one that was ended: the effect reports it",
            |w| {
                w.up("i-1", cores(2));
                w.say(TerminateRequested { instance: id("i-1"), why: TerminateWhy::Drained });
                w.gone("i-1");
            },
            &[],
        ),
        ("nor one that is not known", |w| w.gone("i-9"), &[]),
    ]);
}

#[test]
fn an_agent_that_comes_back_without_its_journal_changes_nothing() {
    let mut w = World::new();
    busy(&mut w);
    w.say(InstanceBooted {
        instance: id("i-1"),
        launch: id("l-1"),
        resources: cores(1),
        address: "http://elsewhere".into(),
        version: "1".into(),
        boot: Millis(1),
        runtimes: Vec::new(),
        proof: None,
    });
    assert_eq!(w.rounds(), [""; 0]);
}
