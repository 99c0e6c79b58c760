//! The cheapest mix, as tables.

use crate::{ANY, amount, bought, firm, need, needs, pack, sold};
use controlplane_core::pack::{Demand, Terms};
use schema::policy::Offering;
use schema::requirements::{Market, Only};
use schema::resources::Resources;
use schema::unit::Micros;
use std::collections::BTreeMap;

/// Two of one family and one with much memory: 2 cores and 4 GiB, 16 and 32, 32 and 244.
fn three() -> Vec<Offering> {
    vec![
        sold("small", amount(2, 4), 85_000),
        sold("large", amount(16, 32), 680_000),
        sold("roomy", amount(32, 244), 2_660_000),
    ]
}

type Case = (&'static str, Vec<Demand>, &'static [&'static str]);

/// The nine of the system before this one, over sizes like those that it chose from.
#[test]
fn nine_packings() {
    let together = |lists: &[Vec<Demand>]| lists.concat();
    let cases: [Case; 9] = [
        ("one", vec![need(2, 3)], &["small for 1"]),
        ("width two: one larger, not two small", vec![need(4, 6)], &["large for 1"]),
        ("ten with much memory share a roomy one", needs(10, 2, 9), &["roomy for 10"]),
        ("two that fill one each", needs(2, 32, 60), &["roomy for 1", "roomy for 1"]),
        (
            "a small and a huge one on a kind each",
            vec![need(1, 2), need(32, 64)],
            &["roomy for 1", "small for 1"],
        ),
        (
            "a tiny one and five of eight cores and nine GiB",
            together(&[vec![need(2, 4)], needs(5, 8, 9)]),
            &["large for 2", "large for 2", "large for 2"],
        ),
        ("sixteen of two cores and two GiB", needs(16, 2, 2), &["large for 8", "large for 8"]),
        ("more than any has", vec![need(33, 1)], &[]),
        ("two tiny ones share", needs(2, 1, 1), &["small for 2"]),
    ];
    for (name, demands, expected) in cases {
        let offerings = three();
        let plan = pack(&demands, &offerings, &ANY);
        assert_eq!(bought(&plan, &offerings), expected, "{name}");
    }
}

#[test]
fn what_differs_is_mixed_where_that_is_cheaper() {
    let offerings = vec![
        sold("cpu", amount(16, 32), 600_000),
        sold("memory", amount(4, 64), 500_000),
        sold("both", amount(16, 64), 700_000),
    ];
    // Cores of some and memory of the others fill the same instance.
    let demands = [needs(4, 7, 8), needs(4, 1, 24)].concat();
    let plan = pack(&demands, &offerings, &ANY);
    assert_eq!(bought(&plan, &offerings), ["both for 4", "both for 4"]);
}

#[test]
fn a_market_that_is_asked_for_is_kept_to() {
    let mut spot = sold("spot", amount(2, 4), 20_000);
    spot.market = Market::Spot;
    let offerings = vec![sold("plain", amount(2, 4), 80_000), spot];
    let on = |market| Demand { terms: Terms { market, ..Terms::default() }, ..need(2, 2) };
    let demands = [on(Some(Market::OnDemand)), on(None), on(Some(Market::Spot))];
    let plan = pack(&demands, &offerings, &ANY);
    let kinds: Vec<&str> =
        plan.launches.iter().map(|l| offerings[l.offering].kind.as_str()).collect();
    assert_eq!(kinds, ["plain", "spot", "spot"]);
}

#[test]
fn what_is_bought_is_in_a_zone_and_of_a_type_that_will_do() {
    let there =
        |zone: &str, price| Offering { zone: zone.into(), ..sold("small", amount(2, 4), price) };
    let offerings = vec![
        there("a", 80_000),
        there("b", 90_000),
        there("c", 85_000),
        sold("other", amount(2, 4), 70_000),
    ];
    let names = |names: &[&str]| names.iter().map(|name| (*name).into()).collect();
    let within = |zones: &[&str], types: &[&str]| Only { zones: names(zones), types: names(types) };
    let (b, small, far) = (within(&["b"], &[]), within(&[], &["sm*"]), within(&["c", "b"], &[]));
    let asks = |only| Demand { terms: Terms { only, ..Terms::default() }, ..need(1, 2) };
    let demands = [asks(Some(0)), asks(Some(1)), asks(Some(2)), asks(None)];
    let plan = controlplane_core::pack::pack(
        &demands,
        &offerings,
        &[&b, &small, &far],
        |_| false,
        |offering| offering.price,
        &ANY,
    );
    assert!(plan.unseated.is_empty());
    let takes = |seat: usize, of: &Offering| {
        let asked = [Some(&b), Some(&small), Some(&far), None][seat];
        asked.is_none_or(|asked| asked.takes(&of.kind, &of.zone))
    };
    for launch in &plan.launches {
        let bought = launch.siblings.iter().chain([&launch.offering]);
        for of in bought.map(|at| &offerings[*at]) {
            assert!(launch.seats.iter().all(|seat| takes(*seat, of)), "{launch:?}");
        }
    }
    // Two where both may be, and the two others where that is cheapest.
    assert_eq!(plan.price(&offerings), Micros(170_000));
}

#[test]
fn features_are_counted() {
    let gpus = |count: u64, resources: Resources| Resources {
        features: BTreeMap::from([("gpu".into(), count)]),
        ..resources
    };
    let offerings = vec![
        sold("plain", amount(8, 32), 300_000),
        sold("one", gpus(1, amount(4, 16)), 600_000),
        sold("four", gpus(4, amount(48, 192)), 4_000_000),
    ];
    let with_gpu = firm(gpus(1, amount(2, 8)));
    let demands = [vec![with_gpu; 4], needs(2, 2, 8)].concat();
    // Who wants no GPU goes where room is left anyway.
    assert_eq!(
        bought(&pack(&demands, &offerings, &ANY), &offerings),
        ["one for 1", "one for 1", "one for 2", "one for 2"]
    );
    // Unless those are kept for who wants one.
    let kept = |offering: &Offering| offering.resources.feature("gpu") > 0;
    let terms = |asks| Terms { kept: asks, ..Terms::default() };
    let demands: Vec<Demand> = demands
        .into_iter()
        .map(|d| Demand { terms: terms(d.need.feature("gpu") > 0), ..d })
        .collect();
    let plan = controlplane_core::pack::pack(&demands, &offerings, &[], kept, |o| o.price, &ANY);
    assert_eq!(
        bought(&plan, &offerings),
        ["one for 1", "one for 1", "one for 1", "one for 1", "plain for 2"]
    );
}

#[test]
fn a_launch_names_the_other_zones_of_its_kind() {
    let zone = |zone: &str, price| Offering {
        zone: zone.into(),
        price: Micros(price),
        ..sold("small", amount(2, 4), 0)
    };
    let offerings = vec![
        zone("c", 90),
        zone("b", 80),
        sold("huge", amount(64, 256), 100_000),
        zone("a", 80),
        zone("d", 85),
    ];
    let plan = pack(&needs(1, 2, 2), &offerings, &ANY);
    assert_eq!((plan.launches[0].offering, plan.candidates), (3, 2));
    assert_eq!(plan.launches[0].siblings, [1, 4, 0], "cheapest first, then by name");
}
