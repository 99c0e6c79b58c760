//! Allocs.
//!
//! ```text
//! waiting ──granted──▶ granted ──freed, expired, revoked──▶ ending ──closed by the agent──▶ ended
//!    │                    └──────────── closed by the agent, instance gone ──────────────────▲ ▲
//!    └── withdrawn, refused ─────────────────────────────────────────────────────────────────┴─┘
//! ```
//!
//! An ending alloc still takes its resources: they are free when its agent says that nothing of it
//! runs any more, or when the instance is gone.

use super::State;
use super::index::WaitKey;
use crate::void::Void;
use schema::event::{AllocFreed, AllocGranted, AllocRequested, AllocsKept, Body};
use schema::id::{AllocId, DriverId, InstanceId, LaunchId};
use schema::requirements::{Constraint, Requirements};
use schema::resources::Resources;
use schema::unit::{LogTime, Millis, Seq};
use schema::why::{PendingWhy, RefusedWhy, RevokedWhy};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::BTreeMap;

mod end;
mod keep;
mod preempt;

pub use preempt::Notice;

/// Capacity asked for or given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alloc {
    /// Whose it is.
    pub driver: DriverId,
    /// What was asked for.
    pub requirements: Requirements,
    /// What narrowed the choice.
    pub constraint: Constraint,
    /// Higher goes first.
    pub priority: i32,
    /// Free words.
    pub labels: BTreeMap<SmolStr, SmolStr>,
    /// Length of its lease.
    pub lease: Millis,
    /// Where in the log it was asked for.
    pub requested: Seq,
    /// When it was asked for.
    pub since: LogTime,
    /// An operator wants it gone at once.
    pub killed: bool,
    /// Where it is in its life.
    pub status: AllocStatus,
}

/// Where an alloc is in its life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AllocStatus {
    /// Asked for.
    Waiting {
        /// What it waits for, as last written.
        why: Option<PendingWhy>,
        /// The launch whose instance is kept for it.
        reserved: Option<LaunchId>,
    },
    /// Given.
    Granted {
        /// Where.
        grant: Grant,
        /// When its lease runs out.
        until: LogTime,
    },
    /// Taken back; its agent has not confirmed that nothing of it runs.
    Ending {
        /// Where.
        grant: Grant,
        /// Why.
        why: EndWhy,
        /// Since when.
        since: LogTime,
    },
    /// Over.
    Ended {
        /// Where it was; nowhere if it was never granted.
        grant: Option<Grant>,
        /// Why.
        why: EndWhy,
        /// Since when.
        at: LogTime,
    },
}

/// What was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Where.
    pub instance: InstanceId,
    /// How much.
    pub resources: Resources,
    /// When.
    pub at: LogTime,
    /// Length of the lease that came with it, if keepalives have asked for another since: its agent
    /// hears of none of those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Millis>,
    /// How long its execs may run on beyond that lease if their agent is cut off.
    #[serde(default = "AllocGranted::usual_grace", skip_serializing_if = "is_usual_grace")]
    pub grace: Millis,
    /// Whether the agent has opened it.
    pub opened: bool,
    /// It is to give way to another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<Notice>,
}

/// What a state does not say has the digest that it had before grants said anything of it.
fn is_usual_grace(grace: &Millis) -> bool {
    *grace == AllocGranted::GRACE
}

/// Why an alloc ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndWhy {
    /// Its driver gave it back.
    Freed,
    /// Its driver no longer wanted it before it was granted.
    Withdrawn,
    /// It could not be met.
    Refused(RefusedWhy),
    /// Its lease ran out.
    Expired,
    /// It was taken back.
    Revoked(RevokedWhy),
    /// Its agent closed it by itself, cut off from the log.
    ClosedByAgent,
    /// Its instance is gone.
    InstanceGone,
}

impl Alloc {
    /// What it holds, while it holds anything.
    #[must_use]
    pub fn grant(&self) -> Option<&Grant> {
        match &self.status {
            AllocStatus::Granted { grant, .. } | AllocStatus::Ending { grant, .. } => Some(grant),
            AllocStatus::Waiting { .. } | AllocStatus::Ended { .. } => None,
        }
    }

    /// Where it is in the queue.
    #[must_use]
    pub fn wait_key(&self, id: &AllocId) -> WaitKey {
        (std::cmp::Reverse(self.priority), self.requested, id.clone())
    }
}

impl State {
    pub(crate) fn requested(&mut self, e: &AllocRequested) -> Result<(), Void> {
        if self.allocs.contains(&e.alloc) {
            return Err(Void::Exists);
        }
        let there = self.drivers.get(&e.driver).is_some_and(|driver| driver.left.is_none());
        if !there {
            return Err(Void::Unknown);
        }
        e.check().map_err(|_| Void::Invalid)?;
        let alloc = Alloc {
            driver: e.driver.clone(),
            requirements: e.requirements.clone(),
            constraint: e.constraint.clone(),
            priority: e.priority,
            labels: e.labels.clone(),
            lease: self.head.policy.lease_for(e.lease),
            requested: self.head.applied,
            since: self.head.time,
            killed: false,
            status: AllocStatus::Waiting { why: None, reserved: None },
        };
        self.index.waiting.insert(alloc.wait_key(&e.alloc));
        self.index.of_driver.insert((e.driver.clone(), e.alloc.clone()));
        self.allocs.insert(e.alloc.clone(), alloc);
        self.count_alloc(&e.driver, 1);
        Ok(())
    }

    fn owned(&mut self, id: &AllocId, driver: &DriverId) -> Result<&mut Alloc, Void> {
        let alloc = self.allocs.get_mut(id).ok_or(Void::Unknown)?;
        if alloc.driver == *driver { Ok(alloc) } else { Err(Void::NotOwner) }
    }

    fn waiting(&mut self, id: &AllocId, driver: &DriverId) -> Result<&mut Alloc, Void> {
        let alloc = self.owned(id, driver)?;
        match alloc.status {
            AllocStatus::Waiting { .. } => Ok(alloc),
            AllocStatus::Ended { .. } => Err(Void::Ended),
            AllocStatus::Granted { .. } | AllocStatus::Ending { .. } => Err(Void::WrongState),
        }
    }

    pub(crate) fn withdrawn(&mut self, id: &AllocId, driver: &DriverId) -> Result<(), Void> {
        self.waiting(id, driver)?;
        self.end_alloc(id, EndWhy::Withdrawn);
        Ok(())
    }

    pub(crate) fn withdraw_all(&mut self, driver: &DriverId) {
        for id in self.index.of_driver(driver) {
            if self.waiting(&id, driver).is_ok() {
                self.end_alloc(&id, EndWhy::Withdrawn);
            }
        }
    }

    pub(crate) fn refused(
        &mut self,
        id: &AllocId,
        driver: &DriverId,
        why: &RefusedWhy,
    ) -> Result<(), Void> {
        self.waiting(id, driver)?;
        self.end_alloc(id, EndWhy::Refused(why.clone()));
        Ok(())
    }

    pub(crate) fn pending(
        &mut self,
        id: &AllocId,
        driver: &DriverId,
        reason: &PendingWhy,
    ) -> Result<(), Void> {
        let alloc = self.waiting(id, driver)?;
        if let AllocStatus::Waiting { why, .. } = &mut alloc.status {
            *why = Some(reason.clone());
        }
        Ok(())
    }

    pub(crate) fn granted(&mut self, e: &AllocGranted, cause: Seq) -> Result<(), Void> {
        let alloc = self.waiting(&e.alloc, &e.driver)?;
        // Not by the policy: it may have been changed since that was decided.
        if !e.resources.holds(&alloc.requirements.floor()) || e.lease > alloc.lease {
            return Err(Void::Invalid);
        }
        let instance = self.instances.get(&e.instance).ok_or(Void::Unknown)?;
        if !instance.accepted(cause) {
            return Err(Void::NotAccepting);
        }
        if !instance.free().holds(&e.resources) {
            return Err(Void::NoRoom);
        }
        if !self.affords_grant(e, cause) {
            return Err(Void::OverBudget);
        }
        self.repriced(std::slice::from_ref(&e.alloc), |state| state.give(e));
        Ok(())
    }

    fn give(&mut self, e: &AllocGranted) {
        let time = self.head.time;
        let Some(instance) = self.instances.get_mut(&e.instance) else { return };
        instance.used = instance.used.plus(&e.resources);
        instance.allocs += 1;
        let grant = Grant {
            instance: e.instance.clone(),
            resources: e.resources.clone(),
            at: time,
            lease: None,
            grace: e.grace,
            opened: false,
            notice: None,
        };
        let until = time + e.lease;
        let Some(alloc) = self.allocs.get_mut(&e.alloc) else { return };
        alloc.lease = e.lease;
        alloc.status = AllocStatus::Granted { grant, until };
        let wait_key = alloc.wait_key(&e.alloc);
        self.index.waiting.remove(&wait_key);
        self.index.leases.insert((until, e.alloc.clone()));
        self.index.on_instance.insert((e.instance.clone(), e.alloc.clone()));
    }

    pub(crate) fn kept(&mut self, e: &AllocsKept) -> Result<(), Void> {
        let lease = self.head.policy.lease_for(Some(e.interval));
        let end = self.head.time + lease;
        let mut kept = 0;
        for id in &e.allocs {
            let Ok(alloc) = self.owned(id, &e.driver) else { continue };
            if let AllocStatus::Granted { until, grant } = &mut alloc.status {
                if alloc.lease != lease {
                    grant.lease.get_or_insert(alloc.lease);
                }
                let before = std::mem::replace(until, end);
                alloc.lease = lease;
                self.index.leases.remove(&(before, id.clone()));
                self.index.leases.insert((end, id.clone()));
                kept += 1;
            }
        }
        if kept == 0 { Err(Void::Ended) } else { Ok(()) }
    }

    pub(crate) fn freed(&mut self, e: &AllocFreed) -> Result<(), Void> {
        self.take_back(&e.alloc, &e.driver, &e.instance, EndWhy::Freed)
    }

    pub(crate) fn expired(
        &mut self,
        id: &AllocId,
        driver: &DriverId,
        instance: &InstanceId,
    ) -> Result<(), Void> {
        let time = self.head.time;
        if let AllocStatus::Granted { until, .. } = self.owned(id, driver)?.status
            && time < until
        {
            return Err(Void::LeaseRuns);
        }
        self.take_back(id, driver, instance, EndWhy::Expired)
    }

    /// Ends the lease; the resources stay taken until the agent has closed the alloc.
    pub(crate) fn take_back(
        &mut self,
        id: &AllocId,
        driver: &DriverId,
        instance: &InstanceId,
        why: EndWhy,
    ) -> Result<(), Void> {
        let since = self.head.time;
        let alloc = self.owned(id, driver)?;
        match &alloc.status {
            AllocStatus::Granted { grant, until } => {
                if grant.instance != *instance {
                    return Err(Void::NotOwner);
                }
                let (grant, until) = (grant.clone(), *until);
                let notice = grant.notice.clone();
                alloc.status = AllocStatus::Ending { grant, why, since };
                self.index.unlease(id, until, notice.as_ref());
                self.index.to_kill.remove(id);
                Ok(())
            }
            AllocStatus::Waiting { .. } => Err(Void::WrongState),
            AllocStatus::Ending { .. } | AllocStatus::Ended { .. } => Err(Void::Ended),
        }
    }

    pub(crate) fn opened(
        &mut self,
        id: &AllocId,
        driver: &DriverId,
        by: &InstanceId,
    ) -> Result<(), Void> {
        let alloc = self.owned(id, driver)?;
        match &mut alloc.status {
            AllocStatus::Granted { grant, .. } | AllocStatus::Ending { grant, .. } => {
                if grant.instance != *by {
                    return Err(Void::NotOwner);
                }
                grant.opened = true;
                Ok(())
            }
            AllocStatus::Waiting { .. } => Err(Void::WrongState),
            AllocStatus::Ended { .. } => Err(Void::Ended),
        }
    }

    pub(crate) fn closed(
        &mut self,
        id: &AllocId,
        driver: &DriverId,
        by: &InstanceId,
    ) -> Result<(), Void> {
        let alloc = self.owned(id, driver)?;
        let ended = matches!(alloc.status, AllocStatus::Ended { .. });
        let Some(grant) = alloc.grant() else {
            return Err(if ended { Void::Ended } else { Void::WrongState });
        };
        if grant.instance != *by {
            return Err(Void::NotOwner);
        }
        self.end_alloc(id, EndWhy::ClosedByAgent);
        Ok(())
    }
}
