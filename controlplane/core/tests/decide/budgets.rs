//! What drivers and labels may cost, and how many instances a zone may have.

use crate::check;
use crate::world::{World, cores, id, large, offering, small};
use schema::event::{AllocGranted, DriverBudgetSet, DriverJoined, Event, InstanceLost};
use schema::policy::Offering;
use schema::requirements::Requirements;
use schema::resources::Resources;
use schema::unit::Micros;

fn budget(w: &mut World, driver: &str, limit: u64) {
    let max_hourly_cost = Some(Micros(limit));
    w.say(DriverBudgetSet { driver: id(driver), max_hourly_cost });
}

fn label_budget(w: &mut World, label: &str, limit: u64) {
    w.policy(|p| {
        p.label_budgets.insert(label.into(), Micros(limit));
    });
}

fn ask_as(w: &mut World, driver: &str, alloc: &str, what: Resources, team: &str) {
    if !w.state.drivers.contains(&id(driver)) {
        w.say(DriverJoined { driver: id(driver), version: "0".into() });
    }
    w.ask_with(alloc, what, |a| {
        a.driver = id(driver);
        a.labels = [("team".into(), team.into())].into();
    });
}

/// Only small instances are sold: two cores for 100,000.
fn only_small(w: &mut World) {
    w.policy(|p| p.offerings = vec![small()]);
}

#[test]
fn a_driver_costs_no_more_than_its_budget() {
    check(&[
        (
            "what is kept for it counts, and others are served all the same",
            |w| {
                only_small(w);
                budget(w, "d-1", 150_000);
                w.ask("a-1", cores(2));
                w.ask("a-2", cores(2));
                ask_as(w, "d-2", "b-1", cores(2), "x");
            },
            &[
                "launch small for a-1",
                "launch small for b-1",
                "a-1 waits: launching small",
                "b-1 waits: launching small",
                "a-2 waits: its driver's budget, 100000 on 100000 of 150000",
            ],
        ),
        (
            "what it holds counts by its part of the instance, and room is left to others",
            |w| {
                budget(w, "d-1", 60_000);
                w.up("i-1", cores(4));
                w.give("a-1", "i-1", cores(1));
                w.ask("a-2", cores(2));
                ask_as(w, "d-2", "b-1", cores(2), "x");
                w.policy(|p| p.max_pending = 1);
            },
            &["b-1 on i-1: best of 1", "a-2 waits: its driver's budget, 90000 on 25000 of 60000"],
        ),
        (
            "all of it may be used",
            |w| {
                only_small(w);
                budget(w, "d-1", 100_000);
                w.ask("a-1", cores(1));
                w.ask("a-2", cores(1));
            },
            &[
                "launch small for a-1 a-2",
                "a-1 waits: launching small",
                "a-2 waits: launching small",
            ],
        ),
        (
            "what no budget of its could pay is refused",
            |w| {
                only_small(w);
                budget(w, "d-1", 99_999);
                w.ask("a-1", cores(2));
            },
            &["a-1 refused: costs 100000 of its driver's 99999"],
        ),
        (
            "a lower limit ends nothing, and adds nothing",
            |w| {
                only_small(w);
                w.up_as("i-1", offering("other", cores(4), 200_000));
                w.give("a-1", "i-1", cores(2));
                budget(w, "d-1", 60_000);
                w.ask("a-2", cores(1));
            },
            &["a-2 waits: its driver's budget, 50000 on 100000 of 60000"],
        ),
        (
            "what was set aside before the limit is given",
            |w| {
                only_small(w);
                w.ask("a-1", cores(2));
                w.launch("i-1", small(), &["a-1"]);
                budget(w, "d-1", 10);
                w.made("i-1");
                w.boot("i-1", cores(2));
            },
            &["a-1 on i-1: kept for it"],
        ),
        (
            "without a limit it is served again",
            |w| {
                only_small(w);
                budget(w, "d-1", 150_000);
                w.ask("a-1", cores(2));
                w.ask("a-2", cores(2));
                w.rounds();
                w.say(DriverBudgetSet { driver: id("d-1"), max_hourly_cost: None });
            },
            &["launch small for a-2", "a-2 waits: launching small"],
        ),
        (
            "where the cheapest instance takes too much of it, one of which it takes less will do",
            |w| {
                budget(w, "d-1", 95_000);
                w.ask("a-1", cores(2));
            },
            &["launch large for a-1", "a-1 waits: launching large"],
        ),
        (
            "a named instance may be too dear",
            |w| {
                only_small(w);
                budget(w, "d-1", 120_000);
                w.up_as("i-1", offering("other", cores(4), 200_000));
                w.give("a-1", "i-1", cores(1));
                w.ask_with("a-2", cores(2), |a| a.constraint.instance = Some(id("i-1")));
                w.ask_with("a-3", cores(3), |a| a.constraint.instance = Some(id("i-1")));
            },
            &[
                "a-3 refused: costs 150000 of its driver's 120000",
                "a-2 waits: its driver's budget, 100000 on 50000 of 120000",
            ],
        ),
    ]);
}

#[test]
fn a_label_costs_no_more_than_its_budget() {
    check(&[
        (
            "whoever has it",
            |w| {
                only_small(w);
                label_budget(w, "team=x", 150_000);
                ask_as(w, "d-1", "a-1", cores(2), "x");
                ask_as(w, "d-2", "b-1", cores(2), "x");
                ask_as(w, "d-2", "b-2", cores(2), "y");
            },
            &[
                "launch small for a-1",
                "launch small for b-2",
                "a-1 waits: launching small",
                "b-1 waits: the budget of team=x, 100000 on 100000 of 150000",
                "b-2 waits: launching small",
            ],
        ),
        (
            "alone too dear",
            |w| {
                only_small(w);
                label_budget(w, "team=x", 90_000);
                ask_as(w, "d-1", "a-1", cores(2), "x");
            },
            &["a-1 refused: costs 100000 of 90000 for team=x"],
        ),
        (
            "the tighter of both is told",
            |w| {
                only_small(w);
                label_budget(w, "team=x", 150_000);
                budget(w, "d-1", 120_000);
                ask_as(w, "d-1", "a-1", cores(2), "x");
                ask_as(w, "d-1", "a-2", cores(2), "x");
            },
            &[
                "launch small for a-1",
                "a-1 waits: launching small",
                "a-2 waits: its driver's budget, 100000 on 100000 of 120000",
            ],
        ),
    ]);
}

#[test]
fn a_grant_is_cut_to_what_can_be_paid() {
    let mut w = World::new();
    budget(&mut w, "d-1", 50_000);
    w.up_as("i-1", offering("other", cores(8), 100_000));
    w.ask_with("a-1", cores(1), |a| {
        a.requirements = Requirements { min: cores(1), max: cores(8), width: 1 };
    });
    let round = w.round();
    let [Event::AllocGranted(AllocGranted { resources, .. })] = &round[..] else {
        panic!("not one grant: {round:?}")
    };
    assert_eq!(*resources, cores(4), "half of it for half of its price");
    assert_eq!(w.state.index.costs.of_driver(&id("d-1")), 50_000);
}

#[test]
fn a_zone_has_no_more_instances_than_allowed() {
    check(&[
        (
            "another zone serves",
            |w| {
                let there = Offering { zone: "y".into(), price: Micros(110_000), ..small() };
                w.policy(|p| (p.offerings, p.max_per_zone) = (vec![small(), there], Some(1)));
                w.booting("i-1", small());
                w.ask("a-1", cores(2));
            },
            &["launch small for a-1", "a-1 waits: launching small"],
        ),
        (
            "what this round launches counts",
            |w| {
                only_small(w);
                w.policy(|p| p.max_per_zone = Some(1));
                w.ask("a-1", cores(2));
                w.ask("a-2", cores(2));
            },
            &[
                "launch small for a-1",
                "a-1 waits: launching small",
                "then",
                "a-2 waits: at most 1 in each zone",
            ],
        ),
        (
            "what is kept at least counts",
            |w| {
                w.policy(|p| (p.max_per_zone, p.min_instances) = (Some(1), 3));
            },
            &["launch small for the least of 3"],
        ),
        (
            "until one is gone",
            |w| {
                w.policy(|p| p.max_per_zone = Some(1));
                w.booting("i-1", large());
                w.ask("a-1", cores(2));
                w.rounds();
                w.say(InstanceLost { instance: id("i-1"), message: String::new() });
            },
            &["launch small for a-1", "a-1 waits: launching small"],
        ),
    ]);
}

/// Where it would be cheap enough nothing can ever be launched.
#[test]
fn who_could_pay_only_for_what_the_cluster_cannot_is_refused() {
    check(&[(
        "by its own budget",
        |w| {
            w.policy(|p| p.max_hourly_cost = Micros(300_000));
            budget(w, "d-1", 47_000);
            w.ask("a-1", cores(1));
        },
        &["a-1 refused: costs 50000 of its driver's 47000"],
    )]);
}

/// What was kept for it counted as its own. Where that goes in the same round as it is looked at, the fold would
/// not take a grant that is over the budget; and its agent, which sees no budgets, would.
#[test]
fn who_loses_what_was_kept_for_him_is_held_to_his_budget() {
    let mut w = World::new();
    w.ask("a-1", cores(2));
    w.launch("i-1", small(), &["a-1"]);
    w.made("i-1");
    w.up("i-2", cores(4));
    budget(&mut w, "d-1", 10_000);
    w.gone("i-1");
    assert_eq!(w.rounds(), ["i-1 lost", "then", "a-1 refused: costs 50000 of its driver's 10000"]);
}
