//! What holds of every plan.

use crate::{ANY, amount, pack, sold};
use controlplane_core::pack::{Demand, Limits, Plan, Terms, Unseated};
use proptest::prelude::*;
use schema::policy::Offering;
use schema::requirements::Market;
use schema::resources::Resources;
use schema::unit::Micros;
use std::collections::BTreeMap;

fn resources(most: u64) -> impl Strategy<Value = Resources> {
    (1..=most, 1..=most * 4, prop::option::weighted(0.2, 1..=2_u64)).prop_map(
        |(cores, gib, gpus)| Resources {
            features: gpus.map(|gpus| ("gpu".into(), gpus)).into_iter().collect(),
            ..amount(cores, gib)
        },
    )
}

fn market() -> impl Strategy<Value = Market> {
    prop_oneof![Just(Market::OnDemand), Just(Market::Spot)]
}

fn demands() -> impl Strategy<Value = Vec<Demand>> {
    let demand = (resources(9), prop::option::weighted(0.3, market()), any::<bool>());
    let demand = demand.prop_map(|(need, market, firm)| {
        let terms = Terms { market, ..Terms::default() };
        Demand { need, terms, firm }
    });
    // Some are asked for many times.
    let some = (demand, prop_oneof![4 => Just(1_usize), 1 => 1..30_usize]);
    prop::collection::vec(some, 0..25)
        .prop_map(|some| some.into_iter().flat_map(|(d, times)| vec![d; times]).collect())
}

fn offerings() -> impl Strategy<Value = Vec<Offering>> {
    let one = (0..6_u8, 0..3_u8, market(), resources(24), 0..1_000_000_u64);
    let one = one.prop_map(|(kind, zone, market, resources, price)| Offering {
        zone: format!("z-{zone}").into(),
        market,
        ..sold(&format!("k-{kind}"), resources, price)
    });
    prop::collection::vec(one, 0..12)
}

fn limits() -> impl Strategy<Value = Limits> {
    let caps = (0..6_000_000_u64, 0..20_u32, 0..20_u32);
    let capped = caps.prop_map(|(budget, instances, pending)| Limits {
        budget: Micros(budget),
        instances,
        pending,
    });
    prop_oneof![Just(ANY), capped]
}

fn suits(demand: &Demand, offering: &Offering) -> bool {
    demand.terms.market.is_none_or(|market| market == offering.market)
        && offering.resources.holds(&demand.need)
}

fn cheapest(demand: &Demand, offerings: &[Offering]) -> Option<u64> {
    offerings.iter().filter(|o| suits(demand, o)).map(|o| o.price.0).min()
}

/// Everybody has one seat, or one reason why not.
fn each_once(plan: &Plan, demands: &[Demand]) {
    let seated = plan.launches.iter().flat_map(|launch| launch.seats.iter().copied());
    let mut all: Vec<usize> = seated.chain(plan.unseated.iter().map(|(at, _)| *at)).collect();
    all.sort_unstable();
    assert_eq!(all, (0..demands.len()).collect::<Vec<_>>());
    assert!(plan.launches.iter().all(|launch| launch.seats.is_sorted()));
    assert!(plan.launches.is_sorted_by_key(|launch| launch.seats[0]));
}

fn seats_hold(plan: &Plan, demands: &[Demand], offerings: &[Offering]) {
    for launch in &plan.launches {
        let offering = &offerings[launch.offering];
        let carried = launch.seats.iter().map(|at| &demands[*at]);
        assert!(carried.clone().all(|demand| suits(demand, offering)));
        let sum = carried.fold(Resources::default(), |sum, demand| sum.plus(&demand.need));
        assert!(offering.resources.holds(&sum), "{sum} on {}", offering.resources);
    }
}

fn caps_hold(plan: &Plan, offerings: &[Offering], limits: &Limits) {
    assert!(plan.launches.len() <= limits.instances.min(limits.pending) as usize);
    assert!(plan.price(offerings) <= limits.budget);
}

/// Whoever is firm and waits for a cap is behind all for whom anything was bought, and nobody waits for
/// what nobody sells or sells for less than is left.
fn order_holds(plan: &Plan, demands: &[Demand], offerings: &[Offering], limits: &Limits) {
    let capped = |(_, why): &&(usize, Unseated)| *why != Unseated::NoOffering;
    let stopped = plan.unseated.iter().filter(capped).find(|(at, _)| demands[*at].firm);
    for (at, why) in &plan.unseated {
        let cheapest = cheapest(&demands[*at], offerings);
        assert_eq!(cheapest.is_none(), *why == Unseated::NoOffering);
    }
    let Some((first, why)) = stopped else { return };
    for launch in &plan.launches {
        assert!(launch.seats[0] < *first, "something is bought for one behind {first}");
    }
    let launches = u32::try_from(plan.launches.len()).expect("few");
    match why {
        Unseated::MaxInstances => assert_eq!(launches, limits.instances),
        Unseated::MaxPending => assert_eq!(launches, limits.pending),
        Unseated::Budget { asked, left } => {
            assert_eq!(Some(asked.0), cheapest(&demands[*first], offerings), "firm, so before any");
            assert_eq!(*left, limits.budget.minus(plan.price(offerings)));
            assert!(asked > left);
        }
        Unseated::NoOffering => unreachable!("left out above"),
    }
}

/// What is bought and for whom, whatever the index of an offering.
fn told(plan: &Plan, offerings: &[Offering]) -> Vec<(Offering, Vec<Offering>, Vec<usize>)> {
    let of = |at: &usize| offerings[*at].clone();
    let launches = plan.launches.iter();
    launches
        .map(|l| (of(&l.offering), l.siblings.iter().map(of).collect(), l.seats.clone()))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_plan_can_be_carried_out(
        demands in demands(), offerings in offerings(), limits in limits()
    ) {
        let plan = pack(&demands, &offerings, &limits);
        each_once(&plan, &demands);
        seats_hold(&plan, &demands, &offerings);
        caps_hold(&plan, &offerings, &limits);
        order_holds(&plan, &demands, &offerings, &limits);
    }

    #[test]
    fn the_order_of_the_offerings_makes_no_difference(
        demands in demands(), limits in limits(),
        (sorted, mixed) in offerings().prop_flat_map(|o| (Just(o.clone()), Just(o).prop_shuffle()))
    ) {
        let plan = pack(&demands, &sorted, &limits);
        prop_assert_eq!(&plan, &pack(&demands, &sorted, &limits));
        let other = pack(&demands, &mixed, &limits);
        prop_assert_eq!(told(&plan, &sorted), told(&other, &mixed));
        prop_assert_eq!(plan.unseated, other.unseated);
    }

    #[test]
    fn never_dearer_than_an_instance_for_each(demands in demands(), offerings in offerings()) {
        let alone = demands.iter().filter_map(|demand| cheapest(demand, &offerings)).sum();
        prop_assert!(pack(&demands, &offerings, &ANY).price(&offerings) <= Micros(alone));
    }
}

/// More different ones than are looked at one by one.
#[test]
fn a_plan_for_many_that_all_differ_can_be_carried_out() {
    let gpus = |n: u64| BTreeMap::from([("gpu".into(), n % 2)]);
    let demands: Vec<Demand> = (0..1500_u64)
        .map(|n| Demand {
            need: Resources {
                cpu: 100 + n * 7919 % 15_000,
                memory: (1 << 28) + n * 104_729 % (60 << 30),
                features: if n % 10 == 0 { gpus(n) } else { BTreeMap::new() },
                ..Resources::default()
            },
            terms: Terms { market: (n % 7 == 0).then_some(Market::OnDemand), ..Terms::default() },
            firm: true,
        })
        .collect();
    let mut offerings: Vec<Offering> = Vec::new();
    for (size, price) in [(2, 90_000), (4, 180_000), (16, 700_000), (64, 2_700_000)] {
        offerings.push(sold(&format!("plain-{size}"), amount(size, size * 4), price));
        let spot = sold(&format!("roomy-{size}"), amount(size, size * 8), price / 2);
        offerings.push(Offering { market: Market::Spot, ..spot });
    }
    let with = Resources { features: gpus(1), ..amount(16, 64) };
    offerings.push(sold("gpu", with, 3_000_000));
    for limits in [ANY, Limits { budget: Micros(20_000_000), ..ANY }] {
        let plan = pack(&demands, &offerings, &limits);
        each_once(&plan, &demands);
        seats_hold(&plan, &demands, &offerings);
        caps_hold(&plan, &offerings, &limits);
        order_holds(&plan, &demands, &offerings, &limits);
    }
}
