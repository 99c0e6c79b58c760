//! A driver, without its world: it folds what names it, joins again under its id, keeps its allocs
//! alive, and gives up on what nobody can report any more. Time, randomness and the log are its
//! caller's; what it is used for is its caller's, too.
//!
//! Moments are milliseconds on the driver's own monotonic clock, since whenever that began.

use crate::view::{Changed, View};
use schema::codec;
use schema::event::AllocsKept;
use schema::id::{AllocId, ClusterId, DriverId};
use schema::unit::{LogTime, Millis, Seq};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Least pause between two keepalives.
const LEAST_PAUSE: Millis = Millis(10);
/// Most allocs that one record keeps: what fits into one record of the log.
const MOST: usize = 30_000;

/// When allocs are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keeping {
    /// At this moment: nobody knows for how long an earlier life has been gone.
    First(Millis),
    /// A keepalive is under way. The author sends it again for as long as it takes, so there is never
    /// more than one.
    UnderWay,
    /// The last one landed then.
    Kept(Millis),
}

/// One life of a driver.
#[derive(Debug)]
pub struct Driver {
    cluster: ClusterId,
    id: DriverId,
    lease: Millis,
    view: View,
    incarnation: Option<Uuid>,
    keeping: Keeping,
    /// When execs of allocs that are over are given up.
    deadlines: BTreeMap<AllocId, Millis>,
}

impl Driver {
    /// One that has seen nothing yet. `lease` is what it asks for.
    #[must_use]
    pub fn new(now: Millis, cluster: ClusterId, id: DriverId, lease: Millis) -> Driver {
        Driver {
            view: View::new(id.clone()),
            cluster,
            id,
            lease,
            incarnation: None,
            keeping: Keeping::First(now),
            deadlines: BTreeMap::new(),
        }
    }

    /// What it knows.
    #[must_use]
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Folds the next record that names it; returns what that changed. What is none changes nothing.
    pub fn fold(&mut self, seq: Seq, time: LogTime, subject: &str, payload: &[u8]) -> Vec<Changed> {
        let record = codec::decode_at(&self.cluster, subject, payload);
        record.map(|record| self.view.apply(&record, seq, time)).unwrap_or_default()
    }

    /// Begins a life, all that earlier ones wrote being folded, and returns its incarnation; `fresh` is
    /// what clock and randomness give. It must say that it has joined before anything else.
    pub fn join(&mut self, fresh: Uuid) -> Uuid {
        let incarnation = newer_than(self.view.newest(), fresh);
        self.incarnation = Some(incarnation);
        incarnation
    }

    /// Whether this life's joining has come back from the log: nothing else is done before.
    #[must_use]
    pub fn joined(&self) -> bool {
        self.incarnation.is_some() && self.view.newest() == self.incarnation
    }

    /// Whether a newer life goes on under its id: this one must not.
    #[must_use]
    pub fn taken_over(&self) -> bool {
        self.incarnation.is_some() && self.view.newest() > self.incarnation
    }

    /// When allocs must be kept next; nothing while a keepalive is under way.
    #[must_use]
    pub fn due(&self) -> Option<Millis> {
        match self.keeping {
            Keeping::First(at) => Some(at),
            Keeping::UnderWay => None,
            Keeping::Kept(at) => {
                let pause = pause(self.lease, self.view.held().1);
                Some(Millis(at.0.saturating_add(pause.0)))
            }
        }
    }

    /// What to write now to keep what it holds alive; nothing before that is due. Say when all of it
    /// has landed.
    pub fn keep(&mut self, now: Millis) -> Vec<AllocsKept> {
        if self.due().is_none_or(|due| now < due) {
            return Vec::new();
        }
        let held = self.view.held().0;
        let kept = |allocs: &[AllocId]| AllocsKept {
            driver: self.id.clone(),
            allocs: allocs.to_vec(),
            interval: self.lease,
        };
        let records: Vec<AllocsKept> = held.chunks(MOST).map(kept).collect();
        self.keeping = if records.is_empty() { Keeping::Kept(now) } else { Keeping::UnderWay };
        records
    }

    /// The keepalive that was under way has landed.
    pub fn kept(&mut self, now: Millis) {
        self.keeping = Keeping::Kept(now);
    }

    /// Gives up on execs of allocs that are over, once nobody can report them any more; returns what
    /// that changed.
    pub fn expire(&mut self, now: Millis) -> Vec<Changed> {
        for (id, awaited) in &self.view.awaited {
            let until = Millis(now.0.saturating_add(awaited.0));
            self.deadlines.entry(id.clone()).or_insert(until);
        }
        let awaited = &self.view.awaited;
        self.deadlines.retain(|id, _| awaited.contains_key(id));
        let due = self.deadlines.iter().filter(|(_, at)| **at <= now).map(|(id, _)| id.clone());
        due.collect::<Vec<_>>().iter().flat_map(|id| self.view.lose(id)).collect()
    }
}

/// A third of the shortest lease: two keepalives may go astray.
fn pause(asked: Millis, shortest: Option<Millis>) -> Millis {
    let lease = shortest.unwrap_or(asked).min(asked);
    Millis(lease.0 / 3).max(LEAST_PAUSE)
}

/// A life after the last one, even where this machine's clock is behind the last one's: a
/// millisecond later than it, with randomness of its own.
fn newer_than(last: Option<Uuid>, fresh: Uuid) -> Uuid {
    const TAIL: u128 = (1 << 62) - 1;
    match last {
        Some(last) if last >= fresh => {
            let later = last.as_u128().saturating_add(1 << 80);
            Uuid::from_u128(later & !TAIL | fresh.as_u128() & TAIL)
        }
        Some(_) | None => fresh,
    }
}

#[cfg(test)]
mod tests;
