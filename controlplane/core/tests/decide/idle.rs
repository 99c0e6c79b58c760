//! Instances that nobody needs: when they go, which of them go first, and which never do.

use crate::check;
use crate::world::{World, cores, id, offering};
use schema::event::{
    InstanceDrained, InstanceHeld, InstanceKilled, InstanceStopping, InstanceUnreachable,
};
use schema::policy::Billing;
use schema::unit::Millis;

const TIMEOUT: Millis = Millis(600_000);

fn up_at(w: &mut World, instance: &str, price: u64) {
    w.up_as(instance, offering("priced", cores(2), price));
}

#[test]
fn an_instance_goes_when_it_has_been_idle_for_long_enough() {
    check(&[
        (
            "not a millisecond before",
            |w| {
                w.up("i-1", cores(2));
                w.pass(Millis(TIMEOUT.0 - 1));
            },
            &[],
        ),
        (
            "since it came up",
            |w| {
                w.booting("i-1", crate::world::small());
                w.secs(100);
                w.boot("i-1", cores(2));
                w.pass(TIMEOUT);
            },
            &["end i-1: idle for 600000ms"],
        ),
        (
            "not since it was launched",
            |w| {
                w.booting("i-1", crate::world::small());
                w.secs(100);
                w.boot("i-1", cores(2));
                w.pass(Millis(TIMEOUT.0 - 1));
            },
            &[],
        ),
        (
            "not while anything is on it",
            |w| {
                w.up("i-1", cores(2));
                w.give("a-1", "i-1", cores(1));
                w.pass(Millis(TIMEOUT.0 * 9));
            },
            &[],
        ),
        (
            "not before the agent has closed what was on it",
            |w| {
                w.up("i-1", cores(2));
                w.give("a-1", "i-1", cores(1));
                w.free("a-1", "i-1");
                w.pass(Millis(TIMEOUT.0 * 9));
            },
            &[],
        ),
        (
            "since then it has the whole timeout",
            |w| {
                w.up("i-1", cores(2));
                w.give("a-1", "i-1", cores(1));
                w.free("a-1", "i-1");
                w.pass(TIMEOUT);
                w.close("a-1", "i-1");
                w.pass(Millis(TIMEOUT.0 - 1));
            },
            &[],
        ),
        (
            "and no more",
            |w| {
                w.up("i-1", cores(2));
                w.give("a-1", "i-1", cores(1));
                w.free("a-1", "i-1");
                w.pass(TIMEOUT);
                w.close("a-1", "i-1");
                w.pass(TIMEOUT);
            },
            &["end i-1: idle for 600000ms"],
        ),
        (
            "the timeout is the policy's of the moment",
            |w| {
                w.up("i-1", cores(2));
                w.secs(10);
                w.policy(|p| p.idle_timeout = Millis::from_secs(10));
            },
            &["end i-1: idle for 10000ms"],
        ),
        (
            "one who asks in the last moment gets it",
            |w| {
                w.up("i-1", cores(2));
                w.pass(TIMEOUT);
                w.ask("a-1", cores(1));
            },
            &["a-1 on i-1: best of 1"],
        ),
        (
            "those that are not needed go though another is asked for",
            |w| {
                w.freeze();
                w.up("i-1", cores(2));
                w.pass(TIMEOUT);
                w.ask("a-1", cores(4));
            },
            &["a-1 waits: frozen", "end i-1: idle for 600000ms"],
        ),
    ]);
}

#[test]
fn as_many_are_kept_as_the_policy_says_and_the_dearest_go_first() {
    check(&[
        (
            "the dearest go first, those of a price by name",
            |w| {
                up_at(w, "i-1", 10);
                up_at(w, "i-2", 30);
                up_at(w, "i-3", 20);
                up_at(w, "i-4", 20);
                w.pass(TIMEOUT);
            },
            &[
                "end i-2: idle for 600000ms",
                "end i-3: idle for 600000ms",
                "end i-4: idle for 600000ms",
                "end i-1: idle for 600000ms",
            ],
        ),
        (
            "the cheapest stay",
            |w| {
                w.policy(|p| p.min_instances = 2);
                up_at(w, "i-1", 10);
                up_at(w, "i-2", 30);
                up_at(w, "i-3", 20);
                w.pass(TIMEOUT);
            },
            &["end i-2: idle for 600000ms"],
        ),
        (
            "those in use are among those kept",
            |w| {
                w.policy(|p| p.min_instances = 1);
                up_at(w, "i-1", 10);
                up_at(w, "i-2", 30);
                w.give("a-1", "i-2", cores(1));
                w.pass(TIMEOUT);
            },
            &["end i-1: idle for 600000ms"],
        ),
        (
            "none goes below the least number",
            |w| {
                w.policy(|p| p.min_instances = 2);
                up_at(w, "i-1", 10);
                up_at(w, "i-2", 30);
                w.pass(Millis(TIMEOUT.0 * 9));
            },
            &[],
        ),
        (
            "one that is killed in the same round is not among those kept",
            |w| {
                w.policy(|p| p.min_instances = 1);
                up_at(w, "i-1", 10);
                up_at(w, "i-2", 30);
                w.pass(TIMEOUT);
                w.say(InstanceKilled { instance: id("i-1") });
            },
            &["end i-1: killed"],
        ),
        (
            "nor one that is lost",
            |w| {
                w.policy(|p| p.min_instances = 1);
                up_at(w, "i-1", 10);
                up_at(w, "i-2", 30);
                w.pass(TIMEOUT);
                w.gone("i-1");
            },
            &["i-1 lost"],
        ),
        (
            "nor one that was held and killed, of which nothing was counted",
            |w| {
                w.policy(|p| p.min_instances = 1);
                up_at(w, "i-1", 10);
                up_at(w, "i-2", 30);
                up_at(w, "i-3", 20);
                w.pass(TIMEOUT);
                w.say(InstanceHeld { instance: id("i-1") });
                w.say(InstanceKilled { instance: id("i-1") });
            },
            &["end i-1: killed", "end i-2: idle for 600000ms"],
        ),
    ]);
}

#[test]
fn what_is_held_silent_or_on_its_way_does_not_go_for_being_idle() {
    check(&[
        (
            "held",
            |w| {
                w.up("i-1", cores(2));
                w.say(InstanceHeld { instance: id("i-1") });
                w.pass(Millis(TIMEOUT.0 * 9));
            },
            &[],
        ),
        (
            "silent by the log",
            |w| {
                w.up("i-1", cores(2));
                w.pass(TIMEOUT);
                w.say(InstanceUnreachable { instance: id("i-1"), silent: Millis(30_000) });
                w.silent("i-1", Millis(31_000));
            },
            &[],
        ),
        (
            "found silent in the same round",
            |w| {
                w.up("i-1", cores(2));
                w.pass(TIMEOUT);
                w.silent("i-1", Millis(31_000));
            },
            &["i-1 silent for 31000ms"],
        ),
        (
            "booting",
            |w| {
                w.policy(|p| p.boot_timeout = Millis(TIMEOUT.0 * 2));
                w.booting("i-1", crate::world::small());
                w.pass(TIMEOUT);
            },
            &[],
        ),
    ]);
}

#[test]
fn what_drains_goes_when_it_is_empty() {
    check(&[
        (
            "at once if it is",
            |w| {
                w.up("i-1", cores(2));
                w.say(InstanceDrained { instance: id("i-1") });
            },
            &["end i-1: drained"],
        ),
        (
            "not before",
            |w| {
                w.up("i-1", cores(2));
                w.give("a-1", "i-1", cores(1));
                w.say(InstanceDrained { instance: id("i-1") });
                w.free("a-1", "i-1");
                w.pass(Millis(TIMEOUT.0 * 9));
            },
            &[],
        ),
        (
            "then",
            |w| {
                w.up("i-1", cores(2));
                w.give("a-1", "i-1", cores(1));
                w.say(InstanceDrained { instance: id("i-1") });
                w.free("a-1", "i-1");
                w.close("a-1", "i-1");
            },
            &["end i-1: drained"],
        ),
        (
            "whatever is to be kept: another takes its place",
            |w| {
                w.policy(|p| p.min_instances = 1);
                w.up("i-1", cores(2));
                w.say(InstanceDrained { instance: id("i-1") });
            },
            &["end i-1: drained", "launch small for the least of 1"],
        ),
        (
            "one whose agent stops",
            |w| {
                w.up("i-1", cores(2));
                w.say(InstanceStopping { instance: id("i-1"), reason: String::new() });
            },
            &["end i-1: stopping"],
        ),
        (
            "but not one that the cloud takes by itself: that would cost the refund",
            |w| {
                w.up("i-1", cores(2));
                w.interrupt("i-1", Millis::from_secs(120));
                w.pass(Millis(TIMEOUT.0 * 9));
            },
            &[],
        ),
    ]);
}

#[test]
fn what_is_paid_for_by_the_hour_stays_for_what_is_paid() {
    let hourly = |idle: u64| {
        let mut w = World::new();
        w.policy(|p| (p.billing, p.idle_timeout) = (Billing::Hour, Millis::from_secs(600)));
        w.up("i-1", cores(2));
        w.secs(idle);
        let due = controlplane_core::next_deadline(&w.state).map(|(at, _)| at);
        (w.rounds().len(), due.map(|at| at.since(w.state.head.time)))
    };
    let seconds = |count| Some(Millis::from_secs(count));
    assert_eq!(hourly(600), (0, seconds(2700)), "not before the last minutes of the hour");
    assert_eq!(hourly(3299), (0, seconds(1)));
    assert_eq!(hourly(3300).0, 1);
    assert_eq!(hourly(3599).0, 1);
    assert_eq!(hourly(3600), (0, seconds(3300)), "that hour is paid for, too");
    assert_eq!(hourly(7000).0, 1);
}
