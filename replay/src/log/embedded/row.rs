//! How a record lies in sled: its bytes, cut into parts under the keys `(sequence, part)`.
//!
//! Parts are small since sled puts pages beyond 128 KiB into files of their own, which it never
//! makes durable.

use super::super::{Entry, Stored};
use bytes::Bytes;
use schema::unit::{LogTime, Seq};
use serde::{Deserialize, Serialize};
use sled::IVec;

/// Bytes of one part: a page holds about 17 of them before sled splits it.
const PART: usize = 4096;

#[derive(Serialize, Deserialize)]
struct Row<'a> {
    #[serde(rename = "t")]
    time: u64,
    /// How many records of the same round follow.
    #[serde(rename = "r")]
    rest: u32,
    #[serde(rename = "s", borrow)]
    subject: &'a str,
    #[serde(rename = "p", with = "serde_bytes", borrow)]
    payload: &'a [u8],
}

/// Puts a round into a batch.
pub(super) fn put(
    batch: &mut sled::Batch,
    first: Seq,
    time: LogTime,
    round: &[Entry],
) -> Result<(), String> {
    for (index, entry) in round.iter().enumerate() {
        let rest = u32::try_from(round.len() - 1 - index).map_err(|e| e.to_string())?;
        let Entry { subject, payload } = entry;
        let row = Row { time: time.0, rest, subject, payload };
        let bytes = rmp_serde::to_vec_named(&row).map_err(|e| e.to_string())?;
        let seq = Seq(first.0 + index as u64);
        for (part, bytes) in (0_u16..).zip(bytes.chunks(PART)) {
            batch.insert(&key(seq, part), bytes);
        }
    }
    Ok(())
}

/// The key of a part; ordered as sequences are.
pub(super) fn key(seq: Seq, part: u16) -> [u8; 10] {
    let mut key = [0; 10];
    key[..8].copy_from_slice(&seq.0.to_be_bytes());
    key[8..].copy_from_slice(&part.to_be_bytes());
    key
}

/// Records out of parts.
pub(super) struct Rows<I> {
    parts: I,
    seq: Seq,
    bytes: Vec<u8>,
    done: bool,
}

impl<I: Iterator<Item = sled::Result<(IVec, IVec)>>> Rows<I> {
    pub(super) fn new(parts: I) -> Rows<I> {
        Rows { parts, seq: Seq(0), bytes: Vec::new(), done: false }
    }

    /// The next record, and how many of its round follow.
    fn step(&mut self) -> Result<Option<(Stored, u32)>, String> {
        while !self.done {
            let Some(part) = self.parts.next() else {
                self.done = true;
                break;
            };
            let (key, bytes) = part.map_err(|e| e.to_string())?;
            let seq = sequence(&key)?;
            if seq == self.seq {
                self.bytes.extend_from_slice(&bytes);
                continue;
            }
            let before = self.take();
            (self.seq, self.bytes) = (seq, bytes.to_vec());
            if let Some(before) = before {
                return before.map(Some);
            }
        }
        self.take().transpose()
    }

    fn take(&mut self) -> Option<Result<(Stored, u32), String>> {
        let bytes = std::mem::take(&mut self.bytes);
        (!bytes.is_empty()).then(|| decode(self.seq, &bytes))
    }
}

impl<I: Iterator<Item = sled::Result<(IVec, IVec)>>> Iterator for Rows<I> {
    type Item = Result<(Stored, u32), String>;
    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

fn sequence(key: &[u8]) -> Result<Seq, String> {
    let bytes = key.first_chunk::<8>().ok_or("a key is damaged")?;
    Ok(Seq(u64::from_be_bytes(*bytes)))
}

fn decode(seq: Seq, bytes: &[u8]) -> Result<(Stored, u32), String> {
    let row: Row<'_> =
        rmp_serde::from_slice(bytes).map_err(|e| format!("record {seq} is damaged: {e}"))?;
    let payload = Bytes::copy_from_slice(row.payload);
    let subject = row.subject.to_owned();
    Ok((Stored { seq, time: LogTime(row.time), subject, payload }, row.rest))
}
