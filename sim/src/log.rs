//! The log: one order, fences, rounds that are all or nothing.

use replay_core::Message;
use replay_core::author::Line;
use schema::unit::{LogTime, Seq};
use std::collections::BTreeMap;

/// A record as it is stored.
pub(crate) struct Stored {
    pub(crate) time: LogTime,
    pub(crate) line: Line,
}

#[derive(Default)]
pub(crate) struct Log {
    pub(crate) records: Vec<Stored>,
    /// The last sequence on each subject.
    last: BTreeMap<String, Seq>,
}

impl Log {
    pub(crate) fn end(&self) -> Seq {
        Seq(self.records.len() as u64)
    }

    /// Stores a round if its fence holds; returns the sequence of its last record.
    pub(crate) fn append(
        &mut self,
        time: LogTime,
        lines: &[Line],
        fence: Option<(&str, Seq)>,
    ) -> Option<Seq> {
        if let Some((subject, seq)) = fence
            && self.last.get(subject).copied().unwrap_or_default() != seq
        {
            return None;
        }
        for line in lines {
            self.records.push(Stored { time, line: line.clone() });
            self.last.insert(line.subject.clone(), self.end());
        }
        Some(self.end())
    }

    /// The records from this sequence on.
    pub(crate) fn from(&self, seq: Seq) -> impl Iterator<Item = Message<'_>> {
        let first = usize::try_from(seq.0.max(1) - 1).unwrap_or(usize::MAX);
        self.records.iter().enumerate().skip(first).map(|(index, stored)| Message {
            seq: Seq(index as u64 + 1),
            time: stored.time,
            subject: &stored.line.subject,
            payload: &stored.line.payload,
        })
    }

    /// BLAKE3 of all of it.
    pub(crate) fn hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for Stored { time, line } in &self.records {
            hasher.update(&time.0.to_le_bytes());
            hasher.update(line.subject.as_bytes());
            hasher.update(&line.payload);
        }
        hasher.finalize().to_hex().to_string()
    }
}
