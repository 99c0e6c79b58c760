//! Faults on demand: what EC2 does on a bad day.

use schema::unit::Millis;
use schema::why::RefusalClass;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What can go wrong with a launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The cloud has no capacity.
    Refuse,
    /// The cloud makes the instance, and its answer is lost.
    LoseAnswer,
    /// The instance is made, and its agent never comes up.
    Stillborn,
}

/// A handle to the faults of one cloud; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    due: BTreeMap<Fault, u32>,
    refusal: Option<RefusalClass>,
    boot_delay: Millis,
}

impl Faults {
    /// The next `count` launches meet this fault.
    pub fn inject(&self, fault: Fault, count: u32) {
        self.lock().due.insert(fault, count);
    }

    /// The next `count` launches are refused, and so classed. [`Fault::Refuse`] alone means capacity.
    pub fn refuse(&self, class: RefusalClass, count: u32) {
        self.lock().refusal = Some(class);
        self.inject(Fault::Refuse, count);
    }

    /// Instances take this long to boot from now on.
    pub fn set_boot_delay(&self, delay: Millis) {
        self.lock().boot_delay = delay;
    }

    pub(super) fn boot_delay(&self) -> Millis {
        self.lock().boot_delay
    }

    pub(super) fn refusal(&self) -> Option<(RefusalClass, String)> {
        let message = self.take(Fault::Refuse)?;
        let class = self.lock().refusal.clone().unwrap_or(RefusalClass::Capacity);
        Some((class, message))
    }

    pub(super) fn take(&self, fault: Fault) -> Option<String> {
        let mut inner = self.lock();
        let due = inner.due.get_mut(&fault)?;
        *due = due.checked_sub(1)?;
        Some(format!("{fault:?} was injected"))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
