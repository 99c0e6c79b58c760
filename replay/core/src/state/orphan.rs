//! Instances that the cloud has, that say they are this cluster's, and that nothing on the log accounts
//! for: found, left alone for a grace, then ended.

use super::State;
use super::launch::LaunchStatus;
use crate::void::Void;
use schema::event::OrphanFound;
use schema::id::{InstanceId, LaunchId};
use schema::unit::{LogTime, Micros, Millis};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// An orphan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orphan {
    /// When it was found.
    pub found: LogTime,
    /// How long it had been there by then.
    pub age: Millis,
    /// The intent that it says it is of.
    pub launch: Option<LaunchId>,
    /// Type of instance.
    pub kind: SmolStr,
    /// Micro-dollars per hour.
    pub price: Micros,
}

impl State {
    /// Whether the log accounts for an instance, by itself or by the intent that it says it is of.
    #[must_use]
    pub fn accounts_for(&self, id: &InstanceId, launch: Option<&LaunchId>) -> bool {
        let open = |launch: &LaunchId| {
            let launch = self.launches.get(launch);
            launch.is_some_and(|launch| launch.status == LaunchStatus::Requested)
        };
        self.instances.get(id).is_some_and(super::Instance::lives) || launch.is_some_and(open)
    }

    /// Orphans whose grace is over.
    pub fn orphans_to_end(&self) -> impl Iterator<Item = &InstanceId> {
        let (time, grace) = (self.head.time, self.head.policy.orphan_grace);
        let over = self.orphans.iter().filter(move |(_, orphan)| orphan.found + grace <= time);
        over.map(|(id, _)| id)
    }

    pub(crate) fn orphan_found(&mut self, e: &OrphanFound) -> Result<(), Void> {
        if self.accounts_for(&e.instance, e.launch.as_ref()) {
            return Err(Void::WrongState);
        }
        if self.orphans.contains(&e.instance) {
            return Err(Void::Exists);
        }
        let OrphanFound { launch, kind, price, age, .. } = e.clone();
        let orphan = Orphan { found: self.head.time, age, launch, kind, price };
        self.orphans.insert(e.instance.clone(), orphan);
        Ok(())
    }
}
