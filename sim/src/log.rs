//! The log: one order, fences, rounds that are all or nothing.

use replay_core::author::Line;
use replay_core::{Message, State};
use schema::id::{DriverId, InstanceId};
use schema::subject::Subject;
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
    /// What names each instance, and each driver: what they read.
    of_instance: BTreeMap<InstanceId, Vec<Seq>>,
    of_driver: BTreeMap<DriverId, Vec<Seq>>,
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
            let end = self.end();
            self.last.insert(line.subject.clone(), end);
            let Ok(subject) = Subject::parse(&line.subject) else { continue };
            if let Some(id) = subject.instance {
                self.of_instance.entry(id).or_default().push(end);
            }
            if let Some(id) = subject.driver {
                self.of_driver.entry(id).or_default().push(end);
            }
        }
        Some(self.end())
    }

    /// The records from this sequence on.
    pub(crate) fn from(&self, seq: Seq) -> impl Iterator<Item = Message<'_>> {
        let first = index(seq).min(self.records.len());
        let rest = self.records[first..].iter().zip(seq.0.max(1)..);
        rest.map(|(stored, seq)| message(Seq(seq), stored))
    }

    /// The records from this sequence on that name an instance.
    pub(crate) fn for_instance(
        &self,
        id: &InstanceId,
        seq: Seq,
    ) -> impl Iterator<Item = Message<'_>> {
        self.those(self.of_instance.get(id), seq)
    }

    /// The records from this sequence on that name a driver.
    pub(crate) fn for_driver(&self, id: &DriverId, seq: Seq) -> impl Iterator<Item = Message<'_>> {
        self.those(self.of_driver.get(id), seq)
    }

    fn those<'a>(
        &'a self,
        all: Option<&'a Vec<Seq>>,
        from: Seq,
    ) -> impl Iterator<Item = Message<'a>> {
        let all = all.map(Vec::as_slice).unwrap_or_default();
        let first = all.partition_point(|seq| *seq < from);
        all[first..].iter().map(|seq| message(*seq, &self.records[index(*seq)]))
    }

    /// The state at this sequence.
    pub(crate) fn state(&self, at: Seq) -> State {
        let mut state = State::default();
        for message in self.from(Seq(1)).take_while(|message| message.seq <= at) {
            state.apply(message);
        }
        state
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

fn index(seq: Seq) -> usize {
    usize::try_from(seq.0.max(1) - 1).unwrap_or(usize::MAX)
}

fn message(seq: Seq, stored: &Stored) -> Message<'_> {
    let Stored { time, line } = stored;
    Message { seq, time: *time, subject: &line.subject, payload: &line.payload }
}
