//! Who gets a seat when the caps do not hold all, and what the others are told.

use crate::{ANY, amount, bought, need, needs, pack, sold};
use controlplane_core::pack::{Demand, Limits, Unseated};
use schema::policy::Offering;
use schema::unit::Micros;

fn two() -> Vec<Offering> {
    vec![sold("small", amount(2, 4), 100_000), sold("large", amount(8, 16), 360_000)]
}

#[test]
fn whoever_comes_first_is_served_first() {
    let offerings = two();
    let left = |budget| Limits { budget: Micros(budget), ..ANY };
    // All four fit a large one, which the budget does not allow.
    let plan = pack(&needs(4, 2, 2), &offerings, &left(359_999));
    assert_eq!(bought(&plan, &offerings), ["small for 1"; 3]);
    let why = Unseated::Budget { asked: Micros(100_000), left: Micros(59_999) };
    assert_eq!(plan.unseated, [(3, why)]);
    assert_eq!(
        bought(&pack(&needs(4, 2, 2), &offerings, &left(360_000)), &offerings),
        ["large for 4"]
    );
}

#[test]
fn what_is_too_dear_now_is_in_nobody_s_way_until_it_is_firm() {
    let offerings = two();
    let limits = Limits { budget: Micros(459_999), ..ANY };
    let patient = |demand| Demand { firm: false, ..demand };
    let demands = [need(1, 1), patient(need(8, 2)), need(2, 2), need(1, 1)];
    let plan = pack(&demands, &offerings, &limits);
    assert_eq!(bought(&plan, &offerings), ["small for 1", "small for 2"]);
    let why = Unseated::Budget { asked: Micros(360_000), left: Micros(259_999) };
    assert_eq!(plan.unseated, [(1, why)]);
}

/// Spot at a third of its price, which it may come to: prices say what is bought, caps how much of it.
#[test]
fn caps_are_held_against_what_it_can_cost_at_most() {
    let mut offerings = two();
    offerings[1].price = Micros(120_000);
    offerings[1].cap = Some(Micros(360_000));
    let left = |budget| Limits { budget: Micros(budget), ..ANY };
    let plan = pack(&needs(4, 2, 2), &offerings, &left(360_000));
    assert_eq!(bought(&plan, &offerings), ["large for 4"]);
    assert_eq!(
        (plan.price(&offerings), plan.at_most(&offerings)),
        (Micros(120_000), Micros(360_000))
    );
    let plan = pack(&needs(4, 2, 2), &offerings, &left(359_999));
    assert_eq!(bought(&plan, &offerings), ["small for 1"; 3]);
}

/// Spot may come to more than is left, on demand may not: nobody waits though there is money for that.
#[test]
fn what_the_budget_reaches_is_bought_where_the_cheapest_may_come_to_more() {
    let spot = Offering { cap: Some(Micros(150_000)), ..sold("spot", amount(2, 4), 40_000) };
    let offerings = vec![spot, sold("steady", amount(2, 4), 100_000)];
    let left = |budget| Limits { budget: Micros(budget), ..ANY };
    let cases: [(u64, &[&str]); 4] = [
        (99_999, &[]),
        (149_999, &["steady for 1"]),
        (249_999, &["spot for 1"]),
        (250_000, &["spot for 1", "steady for 1"]),
    ];
    for (budget, expected) in cases {
        let plan = pack(&needs(2, 2, 2), &offerings, &left(budget));
        assert_eq!(bought(&plan, &offerings), expected, "with {budget}");
        let asked = plan.unseated.first().map(|(_, why)| *why);
        let rest = Micros(budget).minus(plan.at_most(&offerings));
        let why = Unseated::Budget { asked: Micros(100_000), left: rest };
        assert_eq!(asked, (expected.len() < 2).then_some(why), "with {budget}");
    }
}

#[test]
fn nothing_is_bought_behind_a_firm_one_that_waits() {
    let offerings = two();
    let limits = Limits { budget: Micros(459_999), ..ANY };
    // The second needs a large one: 100,000 and 360,000 are too much by one.
    let plan = pack(&[need(1, 1), need(8, 2), need(2, 2), need(1, 1)], &offerings, &limits);
    assert_eq!(bought(&plan, &offerings), ["small for 2"]);
    assert_eq!(plan.launches[0].seats, [0, 3], "a seat that stays empty costs nothing");
    let why = Unseated::Budget { asked: Micros(360_000), left: Micros(359_999) };
    assert_eq!(plan.unseated, [(1, why), (2, why)]);
}

#[test]
fn what_nothing_holds_is_in_nobody_s_way() {
    let offerings = two();
    let plan = pack(&[need(9, 1), need(2, 2)], &offerings, &ANY);
    assert_eq!(bought(&plan, &offerings), ["small for 1"]);
    assert_eq!(plan.unseated, [(0, Unseated::NoOffering)]);
    let plan = pack(&needs(1, 1, 1), &[], &ANY);
    assert_eq!(plan.unseated, [(0, Unseated::NoOffering)]);
}

#[test]
fn counts_are_caps_too() {
    let offerings = two();
    let seats = |instances, pending| {
        pack(&needs(40, 8, 8), &offerings, &Limits { instances, pending, ..ANY })
    };
    for (instances, pending, launches, why) in [
        (2, 9, 2, Unseated::MaxInstances),
        (9, 3, 3, Unseated::MaxPending),
        (0, 0, 0, Unseated::MaxInstances),
    ] {
        let plan = seats(instances, pending);
        assert_eq!(bought(&plan, &offerings), vec!["large for 1"; launches]);
        assert_eq!(plan.unseated, (launches..40).map(|at| (at, why)).collect::<Vec<_>>());
    }
}

#[test]
fn many_are_served_as_far_as_the_caps_reach() {
    let offerings = two();
    let limits = Limits { budget: Micros(36_000_000), ..ANY };
    let plan = pack(&needs(5000, 1, 1), &offerings, &limits);
    // A hundred large ones with eight each would be the most; one in a hundred less is near enough.
    let first = plan.unseated.first().map(|(at, _)| *at);
    assert!(first.is_some_and(|first| (792..=800).contains(&first)), "{first:?}");
    assert!(plan.price(&offerings) <= limits.budget);
}
