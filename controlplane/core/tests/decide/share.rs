//! Which part of the fleet may be spot, and that nobody waits for the other part.

use crate::check;
use crate::world::{World, cores, offering};
use schema::policy::Offering;
use schema::requirements::Market;
use schema::unit::{Micros, Millis};

fn spot() -> Offering {
    Offering { market: Market::Spot, ..offering("cheap", cores(2), 30_000) }
}

fn plain() -> Offering {
    offering("plain", cores(2), 100_000)
}

/// Two cores are sold on spot for little, and on demand.
fn sold(w: &mut World, base: u32, percent: u32) {
    w.policy(|p| {
        p.offerings = vec![spot(), plain()];
        (p.spot.on_demand_base, p.spot.most_percent) = (base, percent);
    });
}

/// What is launched for so many who want two cores each, in order.
fn launched(base: u32, percent: u32, count: usize) -> String {
    let mut w = World::new();
    sold(&mut w, base, percent);
    (0..count).for_each(|n| w.ask(&format!("a-{n}"), cores(2)));
    let told = w.rounds();
    let kinds = told.iter().filter_map(|told| told.strip_prefix("launch "));
    kinds.map(|kind| &kind[..1]).collect()
}

#[test]
fn so_many_are_on_demand_and_of_the_others_so_many_per_cent_spot() {
    for (base, percent, launches) in [
        (0, 100, "ccccc"),
        (2, 100, "ppccc"),
        (0, 50, "pcpcp"),
        (1, 50, "ppcpc"),
        (0, 0, "ppppp"),
        (9, 100, "ppppp"),
    ] {
        assert_eq!(launched(base, percent, 5), launches, "{base} and {percent} %");
    }
}

#[test]
fn nobody_waits_for_a_market_that_was_not_asked_for() {
    check(&[
        (
            "what is there counts",
            |w| {
                sold(w, 1, 100);
                w.up_as("i-1", plain());
                w.give("b-1", "i-1", cores(2));
                w.ask("a-1", cores(2));
            },
            &["launch cheap for a-1", "a-1 waits: launching cheap"],
        ),
        (
            "who asks for spot gets it",
            |w| {
                sold(w, 9, 0);
                w.ask_with("a-1", cores(2), |a| a.constraint.market = Some(Market::Spot));
            },
            &["launch cheap for a-1", "a-1 waits: launching cheap"],
        ),
        (
            "spot it is where on-demand is not to be had",
            |w| {
                sold(w, 9, 0);
                w.launch("i-9", plain(), &[]);
                w.refuse("i-9", Millis(600_000));
                w.ask("a-1", cores(2));
            },
            &["launch cheap for a-1", "a-1 waits: launching cheap"],
        ),
        (
            "or where the budget has no room for it",
            |w| {
                sold(w, 9, 0);
                w.policy(|p| p.max_hourly_cost = Micros(50_000));
                w.ask("a-1", cores(2));
            },
            &["launch cheap for a-1", "a-1 waits: launching cheap"],
        ),
        (
            "what that costs more is there for nobody else",
            |w| {
                sold(w, 1, 100);
                w.policy(|p| p.max_hourly_cost = Micros(150_000));
                (0..3).for_each(|n| w.ask(&format!("a-{n}"), cores(2)));
            },
            &[
                "launch plain for a-0",
                "launch cheap for a-1",
                "a-0 waits: launching plain",
                "a-1 waits: launching cheap",
                "a-2 waits: budget, 30000 on 130000 of 150000",
            ],
        ),
        (
            "what is kept at least is shared out alike",
            |w| {
                sold(w, 1, 100);
                w.policy(|p| p.min_instances = 2);
            },
            &["launch plain for the least of 2", "launch cheap for the least of 2"],
        ),
    ]);
}
