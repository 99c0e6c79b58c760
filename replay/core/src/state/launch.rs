//! Launches: intents to start instances, and what came of them.
//!
//! ```text
//! requested ──accepted──▶ accepted        (instances exist; each then has a life of its own)
//!     └───────refused───▶ refused         (the offering rests until a log time)
//! ```

use super::State;
use super::index::Retired;
use super::instance::Instance;
use crate::void::Void;
use schema::event::{LaunchAccepted, LaunchRefused, LaunchRequested, LaunchUnanswered};
use schema::id::{AllocId, InstanceId, LaunchId};
use schema::policy::Offering;
use schema::requirements::Market;
use schema::unit::{Epoch, LogTime, Micros};
use schema::why::{DoubtClass, LaunchWhy, RefusalClass};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Which offering: type, zone, market.
pub type OfferingKey = (SmolStr, SmolStr, Market);

/// The key of an offering.
#[must_use]
pub fn key(offering: &Offering) -> OfferingKey {
    (offering.kind.clone(), offering.zone.clone(), offering.market)
}

/// An offering that refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backoff {
    /// It is not tried before this log time.
    pub until: LogTime,
    /// How often it has refused in a row.
    pub refusals: u32,
}

/// An intent to start instances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// The attempt under way, from 1.
    pub attempt: u32,
    /// What is bought.
    pub offering: Offering,
    /// How many instances at most.
    pub count: u32,
    /// Requests that its instances are kept for.
    pub reserved_for: Vec<AllocId>,
    /// When it was asked for.
    pub requested: LogTime,
    /// The term in which it was asked for. The first one is left out: logs that have seen no other keep
    /// the digests that they have always had.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub epoch: Epoch,
    /// The number of the cloud's settings that it is made by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<u32>,
    /// What the cluster's secret was known by: its instances have to prove themselves by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<SmolStr>,
    /// The instances known of it.
    pub instances: Vec<InstanceId>,
    /// Why nobody knows what came of it, while that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubt: Option<Doubt>,
    /// What came of it.
    pub status: LaunchStatus,
    /// Why.
    pub why: LaunchWhy,
}

/// Why nobody knows what came of a launch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubt {
    /// Since when.
    pub since: LogTime,
    /// What kind of doubt it is now.
    pub class: DoubtClass,
    /// What the cloud said.
    pub message: String,
}

fn first() -> Epoch {
    Epoch(1)
}

fn is_first(epoch: &Epoch) -> bool {
    *epoch == first()
}

/// What came of a launch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LaunchStatus {
    /// The cloud has not answered.
    Requested,
    /// The cloud made instances.
    Accepted,
    /// The cloud made nothing.
    Refused {
        /// What kind of refusal.
        class: RefusalClass,
        /// What the cloud said.
        message: String,
    },
}

impl State {
    pub(crate) fn launch_requested(&mut self, e: &LaunchRequested) -> Result<(), Void> {
        if self.launches.contains(&e.launch) {
            return Err(Void::Exists);
        }
        if e.count == 0 || e.attempt == 0 {
            return Err(Void::Invalid);
        }
        let head = &self.head;
        let cost = e.offering.at_most().0.checked_mul(u64::from(e.count));
        let committed = cost.and_then(|cost| head.committed.0.checked_add(cost)).map(Micros);
        let committed = committed.ok_or(Void::OverBudget)?;
        if committed > head.policy.max_hourly_cost {
            return Err(Void::OverBudget);
        }
        let pending = head.pending.checked_add(e.count).ok_or(Void::OverCount)?;
        let instances = head.instances.checked_add(e.count).ok_or(Void::OverCount)?;
        if pending > head.policy.max_pending || instances > head.policy.max_instances {
            return Err(Void::OverCount);
        }
        let in_zone = self.index.in_zone(&e.offering.zone).saturating_add(u64::from(e.count));
        if head.policy.max_per_zone.is_some_and(|limit| in_zone > u64::from(limit)) {
            return Err(Void::OverCount);
        }
        if !self.affords_launch(e) {
            return Err(Void::OverBudget);
        }
        let head = &mut self.head;
        (head.committed, head.pending, head.instances) = (committed, pending, instances);
        let launch = Launch {
            attempt: e.attempt,
            offering: e.offering.clone(),
            count: e.count,
            reserved_for: e.reserved_for.clone(),
            requested: self.head.time,
            epoch: self.head.leader.epoch,
            settings: self.head.settings,
            fingerprint: self.head.fingerprint.clone(),
            instances: Vec::new(),
            doubt: None,
            status: LaunchStatus::Requested,
            why: e.why.clone(),
        };
        if let Some(instance) = e.why.replaces().and_then(|id| self.instances.get_mut(id)) {
            instance.replaced_by = Some(e.launch.clone());
        }
        self.index.open_launches.insert(e.launch.clone());
        self.index.count_zone(&e.offering.zone, i64::from(e.count));
        self.launches.insert(e.launch.clone(), launch);
        for alloc in &e.reserved_for {
            self.reserve(alloc, &e.launch);
        }
        Ok(())
    }

    /// Makes the instance known, unless it is. An agent may be up before the leader has read the
    /// cloud's answer, so either of both records may be the first to name an instance. Once there is an
    /// answer, what it left out has been given back, and no more can come.
    pub(crate) fn born(&mut self, launch_id: &LaunchId, id: &InstanceId) -> Result<(), Void> {
        let created = self.head.time;
        let launch = self.launches.get_mut(launch_id).ok_or(Void::Unknown)?;
        if launch.instances.contains(id) {
            return Ok(());
        }
        let answered = launch.status != LaunchStatus::Requested;
        if answered
            || launch.instances.len() >= launch.count as usize
            || self.instances.contains(id)
        {
            return Err(Void::WrongState);
        }
        launch.instances.push(id.clone());
        let instance = Instance::of(launch_id.clone(), launch, created);
        self.instances.insert(id.clone(), instance);
        self.index.live_instances.insert(id.clone());
        Ok(())
    }

    pub(crate) fn launch_accepted(&mut self, e: &LaunchAccepted) -> Result<(), Void> {
        let launch = self.launches.get(&e.launch).ok_or(Void::Unknown)?;
        if launch.status != LaunchStatus::Requested || launch.attempt != e.attempt {
            return Err(Void::WrongState);
        }
        let strangers = e.instances.iter().filter(|id| !launch.instances.contains(id)).count();
        let missing = launch.instances.iter().any(|id| !e.instances.contains(id));
        let room = launch.count as usize - launch.instances.len();
        let taken =
            |id: &&InstanceId| !launch.instances.contains(id) && self.instances.contains(id);
        if strangers > room || missing || e.instances.iter().any(|id| taken(&id)) {
            return Err(Void::Invalid);
        }
        let offering = (!e.instances.is_empty()).then(|| launch.offering.clone());
        for id in &e.instances {
            self.born(&e.launch, id)?;
        }
        offering.iter().for_each(|offering| self.accepted_again(offering));
        self.settle(&e.launch, LaunchStatus::Accepted);
        Ok(())
    }

    pub(crate) fn launch_refused(&mut self, e: &LaunchRefused) -> Result<(), Void> {
        let launch = self.launches.get(&e.launch).ok_or(Void::Unknown)?;
        let open = launch.status == LaunchStatus::Requested && launch.instances.is_empty();
        if !open || launch.attempt != e.attempt {
            return Err(Void::WrongState);
        }
        let (offering, reserved) = (launch.offering.clone(), launch.reserved_for.clone());
        let replaces = launch.why.replaces().cloned();
        if let Some(instance) = replaces.and_then(|instance| self.instances.get_mut(&instance)) {
            instance.replaced_by = None;
        }
        match e.scope {
            Some(scope) => self.rest_now(&offering, scope, e),
            None => self.refuse_for_now(&offering, e.until),
        }
        let status = LaunchStatus::Refused { class: e.class.clone(), message: e.message.clone() };
        self.settle(&e.launch, status);
        for alloc in &reserved {
            self.unreserve(alloc, &e.launch);
        }
        Ok(())
    }

    pub(crate) fn launch_unanswered(&mut self, e: &LaunchUnanswered) -> Result<(), Void> {
        let time = self.head.time;
        let launch = self.launches.get(&e.launch).ok_or(Void::Unknown)?;
        let known = launch.doubt.as_ref().is_some_and(|doubt| doubt.class == e.class);
        if launch.status != LaunchStatus::Requested || launch.attempt != e.attempt || known {
            return Err(Void::WrongState);
        }
        let since = launch.doubt.as_ref().map_or(time, |doubt| doubt.since);
        let doubt = Doubt { since, class: e.class, message: e.message.clone() };
        if let Some(launch) = self.launches.get_mut(&e.launch) {
            launch.doubt = Some(doubt);
        }
        Ok(())
    }

    /// One more time in a row it was asked for and nothing came of it. What comes to nothing while the
    /// offering rests was under way before, and is the same time.
    pub(crate) fn refuse_for_now(&mut self, offering: &Offering, until: LogTime) {
        let (key, time) = (key(offering), self.head.time);
        let next = match self.backoffs.get(&key) {
            Some(rest) if time < rest.until => {
                Backoff { until: rest.until.max(until), refusals: rest.refusals }
            }
            before => {
                let refusals = before.map_or(0, |rest| rest.refusals).saturating_add(1);
                Backoff { until, refusals }
            }
        };
        self.backoffs.insert(key, next);
    }

    /// Ends the waiting for the cloud's answer and gives back what was set aside for instances that
    /// never came.
    fn settle(&mut self, id: &LaunchId, status: LaunchStatus) {
        let Some(launch) = self.launches.get_mut(id) else { return };
        let requested = launch.requested;
        let born = u32::try_from(launch.instances.len()).unwrap_or(u32::MAX);
        let never = launch.count.saturating_sub(born);
        let cost = Micros(launch.offering.at_most().0.saturating_mul(u64::from(never)));
        (launch.status, launch.doubt) = (status, None);
        self.index.count_zone(&launch.offering.zone, -i64::from(never));
        self.head.committed = self.head.committed.minus(cost);
        self.head.pending = self.head.pending.saturating_sub(never);
        self.head.instances = self.head.instances.saturating_sub(never);
        self.index.open_launches.remove(id);
        if born == 0 {
            self.index.retire(requested, Retired::Launch(id.clone()));
        }
    }
}
