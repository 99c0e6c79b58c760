//! Many seeds, each a history of its own with faults of its own: nothing is lost, doubled or leaked.

use sim::Case;

const SEEDS: u64 = 20;

#[test]
fn nothing_is_lost_doubled_or_leaked() {
    let (mut records, mut steps) = (0, 0);
    for seed in 0..SEEDS {
        let report = Case::of(seed).run();
        assert!(report.found.is_empty(), "seed {seed}: {:#?}", report.found);
        records += report.records;
        steps += report.steps;
    }
    println!("{SEEDS} seeds, {records} records, {steps} steps");
}

#[test]
fn the_same_seed_gives_the_same_history() {
    for seed in [1, 7, 42] {
        assert_eq!(Case::of(seed).run(), Case::of(seed).run());
    }
    assert_ne!(Case::of(1).run().bytes, Case::of(2).run().bytes);
}
