//! Where a request goes: best fit in every dimension, only where allocs are taken, or where it names.

use crate::check;
use crate::world::{World, cores, gib, gpus, id, large, offering, small};
use schema::event::{
    AllocGranted, Event, InstanceDrained, InstanceHeld, InstanceKilled, InstanceResumed,
    InstanceStopping, InstanceUnreachable, TerminateRequested,
};
use schema::policy::Offering;
use schema::requirements::{Market, Requirements};
use schema::resources::Resources;
use schema::unit::Millis;
use schema::why::{GrantWhy, TerminateWhy};

fn memory(count: u64, resources: Resources) -> Resources {
    Resources { memory: gib(count), ..resources }
}

fn disk(count: u64, resources: Resources) -> Resources {
    Resources { disk: gib(count), ..resources }
}

fn spot(resources: Resources) -> Offering {
    Offering { market: Market::Spot, ..offering("spot", resources, 30_000) }
}

#[test]
fn the_tightest_fit_of_all_dimensions_is_taken() {
    check(&[
        (
            "least cpu left",
            |w| {
                w.up("i-1", cores(8));
                w.up("i-2", cores(2));
                w.up("i-3", cores(4));
                w.ask("a-1", cores(2));
            },
            &["a-1 on i-2: best of 3"],
        ),
        (
            "what is in use already does not count as free",
            |w| {
                w.up("i-1", cores(8));
                w.up("i-2", cores(4));
                w.give("a-0", "i-1", cores(6));
                w.ask("a-1", cores(2));
            },
            &["a-1 on i-1: best of 2"],
        ),
        (
            "least memory left",
            |w| {
                w.up("i-1", memory(64, cores(4)));
                w.up("i-2", memory(16, cores(4)));
                w.ask("a-1", memory(8, cores(1)));
            },
            &["a-1 on i-2: best of 2"],
        ),
        (
            "a core weighs as much as 8 GiB: less than 16",
            |w| {
                w.up("i-1", memory(24, cores(4)));
                w.up("i-2", memory(8, cores(5)));
                w.ask("a-1", memory(8, cores(4)));
            },
            &["a-1 on i-2: best of 2"],
        ),
        (
            "and more than 4",
            |w| {
                w.up("i-1", memory(12, cores(4)));
                w.up("i-2", memory(8, cores(5)));
                w.ask("a-1", memory(8, cores(4)));
            },
            &["a-1 on i-1: best of 2"],
        ),
        (
            "least disk left",
            |w| {
                w.up("i-1", disk(800, cores(4)));
                w.up("i-2", disk(200, cores(4)));
                w.ask("a-1", cores(1));
            },
            &["a-1 on i-2: best of 2"],
        ),
        (
            "one without features leaves those with them free",
            |w| {
                w.up("i-1", gpus(4, cores(4)));
                w.up("i-2", cores(4));
                w.ask("a-1", cores(1));
            },
            &["a-1 on i-2: best of 2"],
        ),
        (
            "the first by name among equals",
            |w| {
                w.up("i-3", cores(4));
                w.up("i-2", cores(4));
                w.ask("a-1", cores(1));
            },
            &["a-1 on i-2: best of 2"],
        ),
    ]);
}

#[test]
fn only_instances_that_hold_all_of_it_are_candidates() {
    check(&[
        (
            "memory",
            |w| {
                w.up("i-1", memory(4, cores(2)));
                w.up("i-2", memory(32, cores(16)));
                w.ask("a-1", memory(8, cores(1)));
            },
            &["a-1 on i-2: best of 1"],
        ),
        (
            "disk",
            |w| {
                w.up("i-1", disk(10, cores(2)));
                w.up("i-2", disk(100, cores(16)));
                w.ask("a-1", disk(50, cores(1)));
            },
            &["a-1 on i-2: best of 1"],
        ),
        (
            "a feature, and enough of it",
            |w| {
                w.up("i-1", cores(2));
                w.up("i-2", gpus(1, cores(4)));
                w.up("i-3", gpus(2, cores(16)));
                w.ask("a-1", gpus(2, cores(1)));
            },
            &["a-1 on i-3: best of 1"],
        ),
        (
            "a feature that is in use",
            |w| {
                w.freeze();
                w.up("i-1", gpus(1, cores(4)));
                w.give("a-0", "i-1", gpus(1, cores(1)));
                w.ask("a-1", gpus(1, cores(1)));
            },
            &["a-1 waits: nothing to buy (feature gpu 1 of 0 in large), 1 busy"],
        ),
        (
            "the market that is asked for",
            |w| {
                w.up("i-1", cores(2));
                w.up_as("i-2", spot(cores(8)));
                w.ask_with("a-1", cores(1), |a| a.constraint.market = Some(Market::Spot));
                w.ask_with("a-2", cores(1), |a| a.constraint.market = Some(Market::OnDemand));
            },
            &["a-1 on i-2: best of 1", "a-2 on i-1: best of 1"],
        ),
        (
            "all of its width on one instance",
            |w| {
                w.up("i-1", cores(3));
                w.up("i-2", cores(8));
                w.ask_with("a-1", cores(1), |a| a.requirements.width = 4);
            },
            &["a-1 on i-2: best of 1"],
        ),
    ]);
}

#[test]
fn an_instance_that_takes_no_allocs_is_given_none() {
    // A frozen cluster launches nothing instead, and one alloc keeps the instance from going.
    fn there(w: &mut World) {
        w.freeze();
        w.up("i-1", cores(8));
        w.give("a-0", "i-1", cores(1));
        w.ask("a-1", cores(1));
    }
    check(&[
        (
            "held",
            |w| {
                there(w);
                w.say(InstanceHeld { instance: id("i-1") });
            },
            &["a-1 waits: frozen"],
        ),
        (
            "held and resumed",
            |w| {
                there(w);
                w.say(InstanceHeld { instance: id("i-1") });
                w.say(InstanceResumed { instance: id("i-1") });
            },
            &["a-1 on i-1: best of 1"],
        ),
        (
            "drained by an operator",
            |w| {
                there(w);
                w.say(InstanceDrained { instance: id("i-1") });
            },
            &["a-1 waits: frozen"],
        ),
        (
            "its agent stops",
            |w| {
                there(w);
                w.say(InstanceStopping { instance: id("i-1"), reason: String::new() });
            },
            &["a-1 waits: frozen"],
        ),
        (
            "about to be taken away",
            |w| {
                there(w);
                w.interrupt("i-1", Millis::from_secs(120));
            },
            &["a-1 waits: frozen"],
        ),
        (
            "silent by the log",
            |w| {
                there(w);
                w.say(InstanceUnreachable { instance: id("i-1"), silent: Millis(30_000) });
                w.silent("i-1", Millis::from_secs(31));
            },
            &["a-1 waits: frozen"],
        ),
        (
            "found silent in the same round",
            |w| {
                there(w);
                w.silent("i-1", Millis::from_secs(30));
            },
            &["i-1 silent for 30000ms", "a-1 waits: frozen"],
        ),
        (
            "killed",
            |w| {
                there(w);
                w.say(InstanceKilled { instance: id("i-1") });
            },
            &["a-0 revoked: instance killed", "end i-1: killed", "a-1 waits: frozen"],
        ),
        (
            "being terminated",
            |w| {
                w.freeze();
                w.up("i-1", cores(8));
                w.say(TerminateRequested { instance: id("i-1"), why: TerminateWhy::Drained });
                w.ask("a-1", cores(1));
            },
            &["a-1 waits: frozen"],
        ),
        (
            "not yet up",
            |w| {
                w.freeze();
                w.booting("i-1", large());
                w.ask("a-1", cores(1));
            },
            &["a-1 waits: frozen"],
        ),
        (
            "heard again, and so given from in the round after",
            |w| {
                there(w);
                w.say(InstanceUnreachable { instance: id("i-1"), silent: Millis(30_000) });
            },
            &["i-1 heard", "a-1 waits: frozen", "then", "a-1 on i-1: best of 1"],
        ),
    ]);
}

#[test]
fn one_that_names_its_instance_gets_that_one_or_waits_for_it() {
    fn named(w: &mut World, instance: &str, count: u64) {
        w.ask_with("a-1", cores(count), |a| a.constraint.instance = Some(id(instance)));
    }
    check(&[
        (
            "though another fits better",
            |w| {
                w.up("i-1", cores(2));
                w.up("i-2", cores(8));
                named(w, "i-2", 1);
            },
            &["a-1 on i-2: named"],
        ),
        (
            "full",
            |w| {
                w.up("i-1", cores(8));
                w.up("i-2", cores(2));
                w.give("a-0", "i-2", cores(2));
                named(w, "i-2", 1);
            },
            &["a-1 waits: i-2 busy"],
        ),
        (
            "held",
            |w| {
                w.up("i-1", cores(8));
                w.say(InstanceHeld { instance: id("i-1") });
                named(w, "i-1", 1);
            },
            &["a-1 waits: i-1 busy"],
        ),
        (
            "booting",
            |w| {
                w.booting("i-1", small());
                named(w, "i-1", 1);
            },
            &["a-1 waits: i-1 busy"],
        ),
        ("unknown", |w| named(w, "i-9", 1), &["a-1 refused: no i-9"]),
        (
            "too small",
            |w| {
                w.up("i-1", cores(2));
                named(w, "i-1", 3);
            },
            &["a-1 refused: no i-1"],
        ),
        (
            "being terminated",
            |w| {
                w.up("i-1", cores(2));
                w.say(TerminateRequested { instance: id("i-1"), why: TerminateWhy::Drained });
                named(w, "i-1", 1);
            },
            &["a-1 refused: no i-1"],
        ),
        (
            "gone",
            |w| {
                w.up("i-1", cores(2));
                named(w, "i-1", 1);
                w.gone("i-1");
            },
            &["i-1 lost", "a-1 waits: i-1 busy", "then", "a-1 refused: no i-1"],
        ),
    ]);
}

fn grants(w: &mut World) -> Vec<AllocGranted> {
    let granted = w.round().into_iter().filter_map(|event| match event {
        Event::AllocGranted(e) => Some(e),
        _ => None,
    });
    granted.collect()
}

fn elastic(w: &mut World, alloc: &str, min: u64, max: u64, width: u32) {
    w.ask_with(alloc, cores(min), |a| {
        a.requirements = Requirements { min: cores(min), max: cores(max), width };
    });
}

#[test]
fn a_grant_is_between_the_least_and_the_most_asked_for() {
    for (has, min, max, width, given) in
        [(8, 1, 4, 1, 4), (3, 1, 4, 1, 3), (8, 2, 3, 2, 6), (5, 2, 3, 2, 5), (1, 1, 1, 1, 1)]
    {
        let mut w = World::new();
        w.up("i-1", cores(has));
        elastic(&mut w, "a-1", min, max, width);
        let [grant] = &grants(&mut w)[..] else { panic!("one grant") };
        let case = format!("{min} to {max}, {width} times, of {has}");
        assert_eq!(grant.resources, cores(given), "{case}");
        let left = cores(has).minus(&cores(given));
        assert_eq!(grant.why, GrantWhy::BestFit { candidates: 1, left, emptying: 0 }, "{case}");
        assert_eq!(grant.address, "http://i-1", "{case}");
    }
}

#[test]
fn a_grant_has_the_lease_asked_for_within_the_policy() {
    for (asked, most, given) in [(None, 300, 120), (Some(60), 300, 60), (Some(900), 300, 300)] {
        let mut w = World::new();
        w.policy(|p| p.max_lease = Millis::from_secs(most));
        w.up("i-1", cores(1));
        w.ask_with("a-1", cores(1), |a| a.lease = asked.map(Millis::from_secs));
        let leases: Vec<_> = grants(&mut w).into_iter().map(|e| e.lease).collect();
        assert_eq!(leases, [Millis::from_secs(given)], "{asked:?} of {most}");
    }
    // A lease that the policy no longer gives would be void.
    let mut w = World::new();
    w.freeze();
    w.ask("a-1", cores(1));
    w.policy(|p| p.max_lease = Millis::from_secs(10));
    w.up("i-1", cores(1));
    assert_eq!(grants(&mut w)[0].lease, Millis::from_secs(10));
}
