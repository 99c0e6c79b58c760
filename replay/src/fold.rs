//! Folding runs of stored records. Of long ones, decoding goes on ahead on another core, so that a
//! replay takes as long as the slower of both and not as long as their sum.

use crate::log::Stored;
use replay_core::{Message, Outcome, State};
use schema::codec::{self, DecodeError};
use schema::record::Record;
use std::sync::mpsc::sync_channel;

/// Records that are decoded before they are handed over.
const RUN: usize = 512;
/// Runs that may wait to be folded.
const AHEAD: usize = 4;

/// A stored record as the fold takes it.
#[must_use]
pub fn message(stored: &Stored) -> Message<'_> {
    Message {
        seq: stored.seq,
        time: stored.time,
        subject: &stored.subject,
        payload: &stored.payload,
    }
}

/// Folds these records, in order; after each, `look` sees the state and what became of it.
pub fn fold(
    state: &mut State,
    records: &[Stored],
    mut look: impl FnMut(&State, &Stored, Outcome, Option<Record>),
) {
    decode(records, |stored, decoded| {
        let (outcome, record) = state.apply_decoded(message(stored), decoded);
        look(state, stored, outcome, record);
    });
}

/// Decodes these records, ahead where they are many, and hands them over in order.
pub fn decode(records: &[Stored], mut take: impl FnMut(&Stored, Result<Record, DecodeError>)) {
    if records.len() <= 2 * RUN {
        for stored in records {
            take(stored, codec::decode(&stored.payload));
        }
        return;
    }
    std::thread::scope(|scope| {
        let (ahead, decoded) = sync_channel(AHEAD);
        scope.spawn(move || {
            for run in records.chunks(RUN) {
                let decoded = run.iter().map(|stored| codec::decode(&stored.payload)).collect();
                let decoded: Vec<_> = decoded;
                // Whoever folds has panicked.
                if ahead.send((run, decoded)).is_err() {
                    return;
                }
            }
        });
        for (run, decoded) in decoded {
            run.iter().zip(decoded).for_each(|(stored, decoded)| take(stored, decoded));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use schema::unit::{LogTime, Seq};

    #[test]
    fn every_record_is_folded_once_and_in_order_however_many_there_are() {
        for count in [0, 1, 2 * RUN, 2 * RUN + 1, 10 * RUN + 7] {
            let records: Vec<Stored> = (1..=count as u64)
                .map(|seq| Stored {
                    seq: Seq(seq),
                    time: LogTime(seq),
                    subject: "no.subject".into(),
                    payload: Bytes::from(seq.to_string()),
                })
                .collect();
            let (mut state, mut seen) = (State::default(), Vec::new());
            fold(&mut state, &records, |state, stored, outcome, record| {
                assert!(matches!(outcome, Outcome::Void(_)) && record.is_none());
                assert_eq!(state.head.applied, stored.seq);
                seen.push(stored.seq);
            });
            assert_eq!(state.head.applied, Seq(count as u64));
            assert!(seen.iter().eq(records.iter().map(|stored| &stored.seq)));
        }
    }
}
