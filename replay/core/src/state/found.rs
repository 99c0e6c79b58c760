//! What instance types were found to have less of than was promised: as the last one that booted had it.
//!
//! Kept from the first leader on that folds so: what older logs fold to is as it was.

use super::State;
use super::instance::Instance;
use schema::policy::Offering;
use schema::resources::Resources;
use schema::unit::LogTime;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::borrow::Cow;

/// Most types that this is known of; beyond them what was found first is forgotten.
pub const MAX_FOUND: usize = 1024;
/// The version of the fold that notes it first.
const SINCE: u32 = 10;

/// What one instance of a type had that fell short of what was promised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// When it booted.
    pub at: LogTime,
    /// What its offering had promised.
    pub promised: Resources,
    /// What it had.
    pub resources: Resources,
}

impl Found {
    /// The least of this and of what was found, of whatever there was less of than promised; nothing if
    /// that is all of it.
    #[must_use]
    pub fn of<'a>(&self, resources: &'a Resources) -> Cow<'a, Resources> {
        let Found { promised, resources: had, .. } = self;
        let least = |promised: u64, had: u64, amount: u64| match had < promised {
            true => amount.min(had),
            false => amount,
        };
        let mut left = resources.clone();
        left.cpu = least(promised.cpu, had.cpu, left.cpu);
        left.memory = least(promised.memory, had.memory, left.memory);
        left.disk = least(promised.disk, had.disk, left.disk);
        for (name, amount) in &mut left.features {
            *amount = least(promised.feature(name), had.feature(name), *amount);
        }
        left.features.retain(|_, amount| *amount > 0);
        if left == *resources { Cow::Borrowed(resources) } else { Cow::Owned(left) }
    }
}

impl State {
    /// What an instance of this offering is taken to have: what is promised, or less where the last one of
    /// its type had less.
    #[must_use]
    pub fn believed<'a>(&self, offering: &'a Offering) -> Cow<'a, Resources> {
        let found = (!self.found.is_empty()).then(|| self.found.get(&offering.kind)).flatten();
        found.map_or(Cow::Borrowed(&offering.resources), |found| found.of(&offering.resources))
    }

    /// An instance has booted: what it has counts for its type from now on, if that is less than promised.
    pub(crate) fn note_found(&mut self, instance: &Instance) {
        if self.head.leader.fold < SINCE {
            return;
        }
        let (kind, promised) = (&instance.offering.kind, &instance.offering.resources);
        if instance.resources.holds(promised) {
            self.found.remove(kind);
            return;
        }
        let (promised, resources) = (promised.clone(), instance.resources.clone());
        self.found.insert(kind.clone(), Found { at: self.head.time, promised, resources });
        if self.found.len() > MAX_FOUND {
            let first = self.found.iter().min_by_key(|(kind, found)| (found.at, (*kind).clone()));
            let first: Option<SmolStr> = first.map(|(kind, _)| kind.clone());
            first.iter().for_each(|kind| drop(self.found.remove(kind)));
        }
    }
}
