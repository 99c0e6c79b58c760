//! How much of what is bought nobody asked for, by size of workload: with the bounds that an earlier suite
//! held its scheduler to, and beside what cannot be avoided.

use crate::{ANY, amount, firm, pack, sold};
use controlplane_core::pack::Demand;
use controlplane_core::sight::split_mix;
use replay_core::state::budget::share;
use schema::policy::Offering;
use schema::resources::Resources;
use std::io::Write;

/// From two cores to thirty-two, with two, four or eight GiB each, at a price per core.
fn ladder() -> Vec<Offering> {
    let mut all = Vec::new();
    for (family, gib, price) in [("c", 2, 42_000), ("m", 4, 48_000), ("r", 8, 63_000)] {
        for cores in [2, 4, 8, 16, 32] {
            let resources = amount(cores, gib * cores);
            all.push(sold(&format!("{family}.{cores}"), resources, price * cores));
        }
    }
    all
}

/// Tasks of one to eight cores, each with one to eight GiB a core.
fn tasks(seed: u64, count: u64) -> Vec<Demand> {
    let task = |n| {
        let cores = 1 + split_mix(seed, 2 * n) % 8;
        firm(amount(cores, cores * (1 + split_mix(seed, 2 * n + 1) % 8)))
    };
    (0..count).map(task).collect()
}

/// Of all that is paid for, the thousandths that nobody uses, by the scarcest of each instance.
fn wasted(demands: &[Demand], offerings: &[Offering]) -> u64 {
    let plan = pack(demands, offerings, &ANY);
    assert!(plan.unseated.is_empty(), "{:?}", plan.unseated);
    let used = plan.launches.iter().map(|launch| {
        let needs = launch.seats.iter().map(|seat| &demands[*seat].need);
        let sum = needs.fold(Resources::default(), |sum, need| sum.plus(need));
        share(&sum, &offerings[launch.offering]).0
    });
    let (used, paid) = (used.sum::<u64>(), plan.price(offerings).0);
    (paid - used.min(paid)) * 1000 / paid
}

#[test]
fn little_of_what_is_bought_is_wasted_and_less_the_more_there_is_to_do() {
    let offerings = ladder();
    // One task of a size that is sold; then the bounds are a tenth, two and three.
    assert_eq!(wasted(&[firm(amount(2, 8))], &offerings), 0);
    let mut means = Vec::new();
    for (name, count, most) in [("small", 10, 100), ("medium", 100, 200), ("large", 1000, 300)] {
        let all: Vec<u64> = (0..8).map(|seed| wasted(&tasks(seed, count), &offerings)).collect();
        assert!(all.iter().all(|wasted| *wasted <= most), "{name}: {all:?} of 1000");
        let mean = all.iter().sum::<u64>() / 8;
        let _ = writeln!(std::io::stdout(), "{name}: {mean} of 1000 wasted, {all:?}");
        means.push(mean);
    }
    assert!(means.is_sorted_by(|less, more| less >= more), "{means:?}");
}
