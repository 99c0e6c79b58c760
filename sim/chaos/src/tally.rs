//! What was done to a run, and when the leader was hit: what failovers are measured from.

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
    pub(crate) fn did(&self, what: &'static str) {
        *self.inner().done.entry(what).or_default() += 1;
    }

    /// A part ended by itself, and not because it was done.
    pub(crate) fn fell(&self, fell: bool) {
        self.inner().fell += u32::from(fell);
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
        words.join(", ")
    }
}
