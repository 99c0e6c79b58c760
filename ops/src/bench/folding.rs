//! The fold from bytes to state as a replay does it, beside decoding alone.

use super::measure::{Figure, per_second};
use replay::log::Stored;
use replay_core::State;
use schema::codec;
use std::hint::black_box;
use std::time::{Duration, Instant};

const TURNS: usize = 5;

/// Folds the history, in turn with decoding it only; the best of some turns each.
pub(super) fn fold(records: &[Stored]) -> anyhow::Result<Figure> {
    let (mut folding, mut decoding) = (Duration::MAX, Duration::MAX);
    for _ in 0..TURNS {
        let since = Instant::now();
        for stored in records {
            black_box(codec::decode(&stored.payload)?);
        }
        decoding = decoding.min(since.elapsed());
        let since = Instant::now();
        let mut state = State::default();
        replay::fold::fold(&mut state, records, |_, _, _, _| ());
        black_box(&state);
        folding = folding.min(since.elapsed());
    }
    Ok(Figure {
        name: "fold".into(),
        value: per_second(records.len(), folding),
        unit: "records/s",
        limit: per_second(records.len(), decoding),
        against: "decoding the same records on one core, and no more",
        target: ">= 1000000/s, >= 0.5",
    })
}
