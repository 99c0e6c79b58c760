//! The journal of an agent, on a disk that may be full: what is durable of what it writes. As in the
//! product an agent whose journal fails has nothing of it told, but ends, and is started again.

use super::Agent;
use replay_core::author::{Line, Writer};
use schema::id::{AuthorId, ClusterId, InstanceId};
use uuid::Uuid;

/// How many of a thousand journals cannot be opened on a full disk, and how many of those are taken for
/// damaged and set aside.
const SHUT: u64 = 500;
const ASIDE: u64 = 500;

/// What is durable: which life of the author this is, the last number that it used, and what the log
/// may not have.
pub(super) struct Journal {
    pub(super) life: u128,
    last_number: u64,
    pub(super) unsent: Vec<(u64, Line)>,
}

impl Journal {
    pub(super) fn begun(life: u128) -> Journal {
        Journal { life, last_number: 0, unsent: Vec::new() }
    }
}

/// A life that begins at a time, in milliseconds, as in the product: no two agents have the same.
pub(super) fn life(now: u64, instance: u64) -> u128 {
    u128::from(now) << 32 | u128::from(instance & u64::from(u32::MAX))
}

impl Agent {
    fn is_full(&self, now: u64) -> bool {
        now < self.full
    }

    /// Opens the journal. On a full disk that may fail; what is taken for damaged is set aside, and a
    /// new life begins once there is room.
    pub(super) fn open(&mut self, now: u64) -> bool {
        if !self.is_full(now) || !self.rng.chance(SHUT) {
            return true;
        }
        if self.rng.chance(ASIDE) {
            self.journal = Journal::begun(life(now, self.seed).max(self.journal.life + 1));
        }
        false
    }

    /// The round to send: all that was posted is in it, or behind it, and durable from now on. If that
    /// cannot be written the agent ends: nothing is sent, and some of it may be durable.
    pub(crate) fn round(&mut self, now: u64) -> Vec<Line> {
        let fails = self.is_full(now) && !self.posted.is_empty();
        let before = self.writer.last_number();
        for (event, cause) in self.posted.drain(..) {
            let kind = event.kind();
            if let Err(error) = self.writer.write(event, cause) {
                self.broken.push(format!("{} cannot write {kind}: {error}", self.instance));
            }
        }
        let written = self.writer.last_number();
        let last_number = if fails { before + self.rng.below(written - before) } else { written };
        let unsent = self.writer.unsent().filter(|(number, _)| *number <= last_number);
        let unsent = unsent.map(|(number, line)| (number, line.clone())).collect();
        self.journal = Journal { life: self.journal.life, last_number, unsent };
        if fails {
            self.up = false;
            return Vec::new();
        }
        self.writer.round()
    }

    /// The round in flight has landed. That is durable with the next one only.
    pub(crate) fn landed(&mut self) {
        let numbers = self.writer.landed();
        self.core.landed(numbers.map_or(0, |numbers| numbers.count() as u64));
    }
}

pub(super) fn writer(cluster: &ClusterId, instance: &InstanceId, journal: &Journal) -> Writer {
    let (author, life) = (AuthorId::from(instance), Uuid::from_u128(journal.life));
    Writer::new(cluster.clone(), author, life, journal.last_number, journal.unsent.clone())
}
