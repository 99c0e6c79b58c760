//! Requests that name the zones and types that will do: nothing else is given to them, bought for them, or made
//! free for them, and they are told truly what nothing serves them for.

use crate::check;
use crate::world::{World, cores, id, large, offering, small};
use schema::event::{AllocRequested, Event};
use schema::policy::{Offering, Preemption};
use schema::requirements::{Constraint, Market, Only};
use schema::resources::Resources;
use schema::unit::Millis;
use smol_str::SmolStr;

fn only(zones: &[&str], types: &[&str]) -> Only {
    let set = |names: &[&str]| names.iter().map(|name| SmolStr::from(*name)).collect();
    Only { zones: set(zones), types: set(types) }
}

fn narrow(zones: &[&str], types: &[&str]) -> impl FnOnce(&mut AllocRequested) {
    let only = only(zones, types);
    move |request| request.constraint = Constraint { only, ..Constraint::default() }
}

fn asks(w: &mut World, alloc: &str, amount: Resources, zones: &[&str], types: &[&str]) {
    w.ask_with(alloc, amount, narrow(zones, types));
}

/// The same in another zone.
fn in_y(of: Offering) -> Offering {
    Offering { zone: "y".into(), ..of }
}

/// The cluster may buy small and large instances in both zones; in the second they cost a little more.
fn both_zones(w: &mut World) {
    w.policy(|p| {
        let dearer = |of: &Offering| Offering { price: of.price.plus(of.price), ..of.clone() };
        let there: Vec<Offering> = p.offerings.iter().map(dearer).map(in_y).collect();
        p.offerings.extend(there);
    });
}

/// What the leader launches, and where.
fn launched(w: &mut World) -> Vec<String> {
    let launched = w.round().into_iter().filter_map(|event| match event {
        Event::LaunchRequested(e) => {
            let whom: Vec<&str> = e.reserved_for.iter().map(|id| id.as_str()).collect();
            Some(format!("{} in {} for {}", e.offering.kind, e.offering.zone, whom.join(" ")))
        }
        _ => None,
    });
    launched.collect()
}

#[test]
fn only_what_will_do_is_given() {
    check(&[
        (
            "another zone, however well it fits",
            |w| {
                w.up_as("i-1", small());
                w.up_as("i-2", in_y(large()));
                asks(w, "a-1", cores(2), &["y", "x"], &[]);
            },
            &["a-1 on i-2: best of 1"],
        ),
        (
            "another type",
            |w| {
                w.up_as("i-1", small());
                w.up_as("i-2", large());
                asks(w, "a-1", cores(2), &[], &["l?rg*"]);
            },
            &["a-1 on i-2: best of 1"],
        ),
        (
            "that somebody finds nothing where he wants it says nothing of others",
            |w| {
                w.policy(|p| p.max_instances = 2);
                w.up_as("i-1", small());
                w.up_as("i-2", in_y(small()));
                w.give("a-0", "i-2", cores(2));
                w.policy(|p| p.offerings.push(in_y(small())));
                asks(w, "a-1", cores(1), &["y"], &[]);
                asks(w, "a-2", cores(2), &["z"], &[]);
            },
            &["a-2 on i-1: best of 1", "a-1 waits: at most 2 instances"],
        ),
        (
            "nothing that would do is sold any more, and what is there has no room",
            |w| {
                w.up("i-1", cores(4));
                w.give("a-0", "i-1", cores(4));
                asks(w, "a-1", cores(1), &[], &["oth*"]);
            },
            &["a-1 waits: nothing to buy (none of 2 of type oth*: [0, 2, 0, 0]), 1 busy"],
        ),
    ]);
}

#[test]
fn what_no_offering_can_ever_serve_is_refused_at_once() {
    check(&[
        (
            "no such zone",
            |w| asks(w, "a-1", cores(1), &["nowhere"], &[]),
            &["a-1 refused: none of 2 in nowhere: [2, 0, 0, 0]"],
        ),
        (
            "no such type",
            |w| asks(w, "a-1", cores(1), &["z"], &["m7*"]),
            &["a-1 refused: none of 2 in z, of type m7*: [0, 2, 0, 0]"],
        ),
        (
            "not on that market",
            |w| {
                w.ask_with("a-1", cores(1), |request| {
                    let (market, only) = (Some(Market::Spot), only(&[], &["small"]));
                    request.constraint = Constraint { market, only, ..Constraint::default() };
                });
            },
            &["a-1 refused: none of 2 of type small: [0, 1, 1, 0]"],
        ),
        (
            "too large for each that would do: together, as a gang is",
            |w| {
                w.ask_with("a-1", cores(1), |request| {
                    request.requirements.width = 4;
                    request.constraint.only = only(&[], &["small"]);
                });
            },
            &["a-1 refused: cpu 4000 of 2000 in small"],
        ),
    ]);
}

#[test]
fn an_instance_that_is_named_is_where_it_is() {
    let mut w = World::new();
    w.up_as("i-1", small());
    let mut request = None;
    w.ask_with("a-1", cores(1), |e| request = Some(e.clone()));
    let mut request = request.expect("it was asked for");
    (request.alloc, request.constraint.instance) = (id("a-2"), Some(id("i-1")));
    request.constraint.only = only(&["z"], &[]);
    assert!(w.void(request.clone()), "both at once");
    request.constraint = Constraint { only: only(&["Z!"], &[]), ..Constraint::default() };
    assert!(w.void(request), "no zone is called so");
}

#[test]
fn each_is_bought_what_will_do_for_it() {
    let mut w = World::new();
    both_zones(&mut w);
    asks(&mut w, "a-1", cores(1), &["y"], &[]);
    asks(&mut w, "a-2", cores(1), &[], &["large"]);
    asks(&mut w, "a-3", cores(1), &["y"], &["s*"]);
    w.ask("a-4", cores(1));
    let told = launched(&mut w);
    assert_eq!(told, ["small in y for a-1 a-3", "large in z for a-2 a-4"]);
    // One after the other, they are given what was launched for them.
    w.accept_all();
    w.boot_all();
    for event in w.round() {
        let Event::AllocGranted(grant) = event else { continue };
        let of = &w.state.instances.get(&grant.instance).expect("it is there").offering;
        let asked = &w.state.allocs.get(&grant.alloc).expect("it was asked for").constraint.only;
        assert!(asked.takes(&of.kind, &of.zone), "{grant:?}");
    }
}

#[test]
fn a_gang_is_bought_one_that_holds_all_of_it() {
    let mut w = World::new();
    both_zones(&mut w);
    w.ask_with("a-1", cores(1), |request| {
        request.requirements.width = 4;
        request.constraint.only = only(&["y"], &[]);
    });
    assert_eq!(launched(&mut w), ["large in y for a-1"]);
}

#[test]
fn after_a_refusal_only_siblings_that_will_do_are_tried() {
    let mut w = World::new();
    both_zones(&mut w);
    w.launch("i-1", small(), &[]);
    w.refuse("i-1", Millis::from_secs(60));
    asks(&mut w, "a-1", cores(1), &["z"], &["small"]);
    asks(&mut w, "a-2", cores(1), &["y", "z"], &["small"]);
    assert_eq!(w.rounds().first().map(String::as_str), Some("launch small for a-2"));
    let of_a_1 = &w.state.allocs.get(&id("a-1")).expect("asked").status;
    let told = format!("{of_a_1:?}");
    assert!(told.contains("BackedOff") && told.contains("small"), "{told}");
}

#[test]
fn spot_enough_is_made_up_for_only_by_what_will_do() {
    let mut w = World::new();
    let cheap = |zone: &str| {
        let (zone, market) = (zone.into(), Market::Spot);
        Offering { zone, market, ..offering("small", cores(2), 10_000) }
    };
    w.policy(|p| {
        p.spot.most_percent = 0;
        p.offerings = vec![small(), cheap("y")];
    });
    asks(&mut w, "a-1", cores(1), &["y"], &[]);
    assert_eq!(launched(&mut w), ["small in y for a-1"], "on demand it is sold in z alone");
}

#[test]
fn who_gives_way_is_where_the_other_may_be() {
    let mut w = World::new();
    w.policy(|p| {
        p.max_instances = 2;
        p.fairness.preemption = Preemption::Lower;
        p.offerings.push(in_y(small()));
    });
    w.up_as("i-1", small());
    w.up_as("i-2", in_y(small()));
    w.give("a-1", "i-1", cores(2));
    w.secs(1);
    w.give("a-2", "i-2", cores(2));
    w.secs(60);
    w.ask_with("a-3", cores(1), |request| {
        request.priority = 1;
        request.constraint.only = only(&["z"], &[]);
    });
    assert_eq!(w.rounds(), ["a-1 gives way to a-3", "a-3 waits: 1 to leave i-1"]);
}

#[test]
fn nothing_is_ended_where_nothing_is_wanted() {
    let mut w = World::new();
    w.policy(|p| {
        p.max_per_zone = Some(1);
        p.offerings.push(in_y(small()));
    });
    w.up_as("i-1", offering("other", cores(1), 100_000));
    w.up_as("i-2", in_y(small()));
    w.give("a-0", "i-2", cores(2));
    asks(&mut w, "a-1", cores(2), &["y"], &[]);
    assert_eq!(w.rounds(), ["a-1 waits: at most 1 in each zone"], "i-1 is idle, and not in y");
}

#[test]
fn what_comes_in_place_of_another_will_do_for_those_who_are_there() {
    for (zones, expected) in [(&["z"][..], "large in z for "), (&[], "small in y for ")] {
        let mut w = World::new();
        w.policy(|p| {
            p.replace = true;
            p.offerings.push(in_y(small()));
        });
        w.up_as("i-1", small());
        w.give_as("a-1", "i-1", cores(2), narrow(zones, &[]));
        w.interrupt("i-1", Millis::from_secs(120));
        assert_eq!(launched(&mut w), [expected]);
    }
}
