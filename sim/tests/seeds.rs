//! Many seeds, each a history of its own with faults of its own: nothing is lost, doubled or leaked.

#[path = "defects/learnt.rs"]
mod learnt;

use learnt::LEARNT;
use sim::{Case, Report};
use std::collections::BTreeSet;

const SEEDS: u64 = 20;

fn sound(case: &Case) -> Report {
    let report = case.run();
    let (seed, found) = (case.seed, &report.found);
    assert!(found.is_empty(), "seed {seed}: {found:#?}\n{}", report.story.join("\n"));
    report
}

#[test]
fn nothing_is_lost_doubled_or_leaked() {
    let reports: Vec<Report> = (0..SEEDS).map(|seed| sound(&Case::of(seed))).collect();
    let records: u64 = reports.iter().map(|report| report.records).sum();
    let steps: u64 = reports.iter().map(|report| report.steps).sum();
    println!("{SEEDS} seeds, {records} records, {steps} steps");
}

#[test]
fn what_was_learnt_is_kept() {
    for (seed, defect, lesson) in LEARNT {
        println!("{seed}: {lesson} ({defect})");
        sound(&Case::of(*seed));
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    for seed in [1, 7, 42] {
        assert_eq!(Case::of(seed).run(), Case::of(seed).run());
    }
    assert_ne!(Case::of(1).run().bytes, Case::of(2).run().bytes);
}

/// A report says what went wrong; that alone, given back, gives the same history.
#[test]
fn a_history_is_repeated_from_its_faults() {
    for seed in [0, 3, 8] {
        let drawn = Case::of(seed).run();
        assert!(!drawn.hits.is_empty(), "nothing goes wrong in seed {seed}");
        let only: BTreeSet<_> = drawn.hits.iter().map(|(hit, _)| *hit).collect();
        let again = Case { only: Some(only), ..Case::of(seed) }.run();
        assert_eq!(again.bytes, drawn.bytes, "seed {seed}");
    }
}

#[test]
fn a_thousand_requests_at_once_under_a_budget_are_all_answered() {
    let calm = Some(BTreeSet::new());
    let report = sound(&Case { crowd: true, only: calm, ..Case::of(1) });
    let seen = |family, one| report.coverage.seen(family, one);
    assert_eq!(seen("event", "alloc-requested"), 1000);
    assert!(seen("pending", "budget") > 0, "the budget was never in the way");
    let met = seen("event", "alloc-granted") + seen("event", "alloc-refused");
    let withdrawn = seen("event", "alloc-withdrawn");
    assert_eq!(met + withdrawn, 1000, "some requests were neither met, refused nor withdrawn");
}

/// The seeds in the middle of every 250 are that large.
#[test]
fn a_fleet_of_a_hundred_and_fifty_lives_with_faults() {
    for seed in [125, 625] {
        let report = sound(&Case::of(seed));
        assert!(report.agents >= 150, "seed {seed}: at most {} agents at once", report.agents);
        assert!(!report.hits.is_empty(), "nothing goes wrong in seed {seed}");
    }
}
