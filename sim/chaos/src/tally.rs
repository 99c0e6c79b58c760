//! What was done to a run, and when the leader was hit: what failovers are measured from.

use crate::plan::Mishap;
use schema::unit::{Epoch, LogTime};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Something that kept a leader from leading.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Blow {
    /// Its term.
    pub(crate) epoch: Epoch,
    /// When, by this machine's clock, which is the log's.
    pub(crate) at: LogTime,
}

#[derive(Default)]
pub(crate) struct Tally {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    done: BTreeMap<&'static str, u32>,
    blows: Vec<Blow>,
    outages: Vec<(LogTime, LogTime)>,
    fell: u32,
    early: Vec<String>,
    /// From the first mishap on, until the last was over.
    trouble: Option<(LogTime, LogTime)>,
}

/// Now, by this machine's clock.
pub(crate) fn now() -> LogTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    LogTime(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

impl Tally {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something of this kind was done.
    pub(crate) fn did(&self, mishap: Mishap) {
        let (mut inner, now) = (self.inner(), now());
        *inner.done.entry(mishap.name()).or_default() += 1;
        inner.trouble.get_or_insert((now, now)).1 = now;
    }

    /// How often that was done.
    pub(crate) fn times(&self, mishap: Mishap) -> u32 {
        self.inner().done.get(mishap.name()).copied().unwrap_or_default()
    }

    /// The last mishap is over.
    pub(crate) fn calm(&self) {
        self.inner().trouble.iter_mut().for_each(|(_, until)| *until = now());
    }

    /// Whether things went wrong then, or had just done so.
    pub(crate) fn troubled(&self, at: LogTime) -> bool {
        self.inner().trouble.is_some_and(|(from, until)| from <= at && at <= until)
    }

    /// A part ended by itself, and not because it was done.
    pub(crate) fn fell(&self) {
        self.inner().fell += 1;
    }

    /// A part said that it was done, and nobody had told it to finish.
    pub(crate) fn left_early(&self, name: String) {
        self.inner().early.push(name);
    }

    /// Parts that said so.
    pub(crate) fn early(&self) -> Vec<String> {
        self.inner().early.clone()
    }

    /// The leader of this term was hit just now.
    pub(crate) fn hit(&self, epoch: Epoch) {
        self.inner().blows.push(Blow { epoch, at: now() });
    }

    /// A server was away from then until now.
    pub(crate) fn was_away(&self, from: LogTime) {
        self.inner().outages.push((from, now()));
    }

    pub(crate) fn blows(&self) -> Vec<Blow> {
        self.inner().blows.clone()
    }

    /// Whether a server was away at some time between these.
    pub(crate) fn away(&self, from: LogTime, to: LogTime) -> bool {
        self.inner().outages.iter().any(|(begun, ended)| *begun <= to && *ended >= from)
    }

    /// What was done, in words.
    pub(crate) fn words(&self) -> String {
        let inner = self.inner();
        let done = inner.done.iter().map(|(what, count)| format!("{count} {what}"));
        let mut words: Vec<String> = done.collect();
        if inner.fell > 0 {
            words.push(format!("{} falls of controllers and drivers", inner.fell));
        }
        if words.is_empty() { "none".to_owned() } else { words.join(", ") }
    }
}
