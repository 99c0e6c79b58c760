//! Instances that will be taken away, or may be: what is launched in their place, and when.

use crate::check;
use crate::world::{World, cores, id, large, small};
use schema::event::{Interruption, InterruptionNoticed, LaunchRefused};
use schema::policy::Rebalance;
use schema::unit::{LogTime, Millis};
use schema::why::{RefusalClass, RefusalScope};

const MINUTES: Millis = Millis::from_secs(120);

/// A small instance with an alloc on it.
fn busy(w: &mut World) {
    w.policy(|p| p.replace = true);
    w.up_as("i-1", small());
    w.give("a-1", "i-1", cores(1));
}

fn at_risk(w: &mut World, instance: &str) {
    let (instance, interruption) = (id(instance), Interruption::Rebalance);
    w.say(InterruptionNoticed { instance, interruption, left: Millis(0) });
}

#[test]
fn what_is_taken_away_is_replaced_at_once() {
    check(&[
        (
            "by something else, since that is being taken away",
            |w| {
                busy(w);
                w.interrupt("i-1", MINUTES);
            },
            &["launch large in place of i-1"],
        ),
        (
            "not where nothing would be lost",
            |w| {
                w.policy(|p| p.replace = true);
                w.up("i-1", cores(2));
                w.interrupt("i-1", MINUTES);
            },
            &[],
        ),
        (
            "not where there is room",
            |w| {
                busy(w);
                w.up_as("i-2", large());
                w.interrupt("i-1", MINUTES);
            },
            &[],
        ),
        (
            "not where the policy does not want it",
            |w| {
                busy(w);
                w.policy(|p| p.replace = false);
                w.interrupt("i-1", MINUTES);
            },
            &[],
        ),
        (
            "not over the budget",
            |w| {
                busy(w);
                w.policy(|p| p.max_hourly_cost = small().price);
                w.interrupt("i-1", MINUTES);
            },
            &[],
        ),
        (
            "not by what is too small",
            |w| {
                w.policy(|p| (p.offerings, p.replace) = (vec![small()], true));
                w.up_as("i-1", large());
                w.give("a-1", "i-1", cores(6));
                w.interrupt("i-1", MINUTES);
            },
            &[],
        ),
    ]);
}

#[test]
fn a_replacement_that_is_refused_is_tried_elsewhere() {
    let mut w = World::new();
    w.policy(|p| p.offerings.push(crate::world::offering("medium", cores(4), 250_000)));
    busy(&mut w);
    w.interrupt("i-1", MINUTES);
    assert_eq!(w.rounds(), ["launch medium in place of i-1"]);
    let launch = w.state.index.open_launches.first().cloned().expect("a launch");
    let (class, scope) = (RefusalClass::Capacity, Some(RefusalScope::Offering));
    let until = LogTime(u64::MAX);
    w.say(LaunchRefused { launch, attempt: 1, class, message: String::new(), until, scope });
    assert_eq!(w.rounds(), ["launch large in place of i-1"]);
}

#[test]
fn what_may_be_taken_away_is_drained_if_the_policy_says_so() {
    check(&[
        (
            "it takes nothing more, and ends nothing",
            |w| {
                busy(w);
                at_risk(w, "i-1");
                w.ask("a-2", cores(1));
            },
            &["i-1 drains", "launch small for a-2", "a-2 waits: launching small"],
        ),
        (
            "it goes when it is empty",
            |w| {
                w.up("i-1", cores(2));
                at_risk(w, "i-1");
            },
            &["i-1 drains", "then", "end i-1: drained"],
        ),
        (
            "nothing is done about it where the policy says so",
            |w| {
                w.policy(|p| p.rebalance = Rebalance::Ignore);
                busy(w);
                at_risk(w, "i-1");
            },
            &[],
        ),
        (
            "an interruption that follows counts",
            |w| {
                busy(w);
                at_risk(w, "i-1");
                w.interrupt("i-1", MINUTES);
            },
            &["launch large in place of i-1"],
        ),
    ]);
}
