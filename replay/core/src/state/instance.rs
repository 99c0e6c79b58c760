//! Instances.
//!
//! ```text
//! booting ──booted──▶ up ──terminate requested──▶ terminating ──terminated──▶ gone
//!    │                 │                               ▲            ▲
//!    ├── boot timed out, terminate requested ──────────┘            │
//!    └──────────────────┴───────────── lost ────────────────────────┘
//! ```
//!
//! Beside its phase an instance has a service (open, held, draining) and a reach (heard, silent).
//! It takes allocs only while up, open and heard.

use super::State;
use super::alloc::EndWhy;
use super::index::Retired;
use super::launch::{Launch, key};
use super::trust::Trust;
use crate::void::Void;
use schema::event::{
    BootTimedOut, ConsoleSeen, DrainStarted, InstanceBooted, Interruption, InterruptionNoticed,
    MAX_CONSOLE, TerminateRequested,
};
use schema::id::{InstanceId, LaunchId};
use schema::policy::Offering;
use schema::resources::Resources;
use schema::unit::{LogTime, Seq};
use schema::why::{DrainWhy, TerminateWhy};
use serde::{Deserialize, Serialize};

/// One machine and its agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// The intent that it comes from.
    pub launch: LaunchId,
    /// What was bought; its price counts against budgets.
    pub offering: Offering,
    /// When it was first known.
    pub created: LogTime,
    /// Where it is in its life.
    pub phase: Phase,
    /// Whether it is meant to take allocs.
    pub service: Service,
    /// The last record that changed that.
    pub serviced: Seq,
    /// Whether its agent is heard.
    pub reach: Reach,
    /// An operator wants it gone at once.
    pub killed: bool,
    /// What it has to give.
    pub resources: Resources,
    /// The cloud says that it may be taken away before long.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub at_risk: bool,
    /// The number of the cloud's settings that it was launched by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<u32>,
    /// Whether it is the one that was launched.
    #[serde(default, skip_serializing_if = "Trust::is_not_asked")]
    pub trust: Trust,
    /// The launch that takes its place, once it is to be taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<LaunchId>,
    /// What its allocs take.
    pub used: Resources,
    /// How many allocs it has.
    pub allocs: u32,
    /// Since when it has had none.
    pub idle_since: LogTime,
    /// Where its data plane answers.
    pub address: String,
}

/// Where an instance is in its life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The cloud has made it; its agent has not spoken.
    Booting,
    /// Its agent has spoken.
    Up,
    /// The leader wants it gone.
    Terminating {
        /// Since when.
        since: LogTime,
        /// Why.
        why: TerminateWhy,
    },
    /// It no longer exists.
    Gone {
        /// Since when.
        at: LogTime,
        /// Whether it went by itself.
        lost: bool,
    },
}

/// Whether an instance is meant to take allocs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Service {
    /// Yes.
    Open,
    /// No, and it is kept.
    Held,
    /// No, and it goes when it is empty.
    Draining {
        /// Why.
        why: DrainWhy,
        /// When it will be taken away, if that is known.
        until: Option<LogTime>,
    },
}

/// Whether an agent is heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// Yes.
    Heard,
    /// Not since about this log time.
    Silent {
        /// When the leader said so.
        since: LogTime,
    },
}

impl Instance {
    /// One that the cloud has made for this launch.
    pub(crate) fn of(id: LaunchId, launch: &Launch, created: LogTime) -> Instance {
        let offering = launch.offering.clone();
        Instance {
            launch: id,
            settings: launch.settings,
            trust: Trust::asked(launch.fingerprint.is_some()),
            resources: offering.resources.clone(),
            offering,
            created,
            phase: Phase::Booting,
            service: Service::Open,
            serviced: Seq(0),
            reach: Reach::Heard,
            killed: false,
            at_risk: false,
            replaced_by: None,
            used: Resources::default(),
            allocs: 0,
            idle_since: created,
            address: String::new(),
        }
    }

    /// Whether it takes allocs now.
    #[must_use]
    pub fn accepts(&self) -> bool {
        (&self.phase, &self.service, &self.reach) == (&Phase::Up, &Service::Open, &Reach::Heard)
    }

    /// Whether it took allocs, as far as who had read up to `cause` could know. An agent or an operator
    /// may have closed it since; agents and drivers, which see but a part of the log, act on the grant
    /// all the same, so it counts.
    #[must_use]
    pub fn accepted(&self, cause: Seq) -> bool {
        let there = (&self.phase, &self.reach) == (&Phase::Up, &Reach::Heard);
        there && (self.service == Service::Open || self.serviced > cause)
    }

    /// What it has left to give.
    #[must_use]
    pub fn free(&self) -> Resources {
        self.resources.minus(&self.used)
    }

    /// Whether it is known when it will be taken away.
    fn is_interrupted(&self) -> bool {
        matches!(self.service, Service::Draining { until: Some(_), .. })
    }

    /// Whether it still exists, as far as is known.
    #[must_use]
    pub fn lives(&self) -> bool {
        !matches!(self.phase, Phase::Gone { .. })
    }
}

impl State {
    fn living(&mut self, id: &InstanceId) -> Result<&mut Instance, Void> {
        let instance = self.instances.get_mut(id).ok_or(Void::Unknown)?;
        if instance.lives() { Ok(instance) } else { Err(Void::Ended) }
    }

    pub(crate) fn booted(&mut self, e: &InstanceBooted) -> Result<(), Void> {
        let time = self.head.time;
        e.resources.check().map_err(|_| Void::Invalid)?;
        self.born(&e.launch, &e.instance)?;
        let instance = self.living(&e.instance)?;
        if instance.launch != e.launch {
            return Err(Void::NotOwner);
        }
        instance.address.clone_from(&e.address);
        if instance.phase == Phase::Booting {
            instance.phase = Phase::Up;
            instance.resources = e.resources.clone();
            instance.idle_since = time;
            let (key, instance) = (key(&instance.offering), instance.clone());
            self.head.pending = self.head.pending.saturating_sub(1);
            self.backoffs.remove(&key);
            self.note_found(&instance);
            self.works_again();
        }
        Ok(())
    }

    pub(crate) fn interrupted(&mut self, e: &InterruptionNoticed) -> Result<(), Void> {
        let (until, at) = (Some(self.head.time + e.left), self.head.applied);
        let instance = self.living(&e.instance)?;
        if e.interruption == Interruption::Rebalance {
            instance.at_risk = true;
            return Ok(());
        }
        let offering = (!instance.is_interrupted()).then(|| instance.offering.clone());
        instance.serviced = at;
        instance.service = Service::Draining { why: DrainWhy::Interruption, until };
        if let Some(offering) = offering.filter(|_| e.interruption == Interruption::Spot) {
            self.note_taken(&offering);
        }
        Ok(())
    }

    pub(crate) fn drain(&mut self, e: &DrainStarted) -> Result<(), Void> {
        self.set_service(&e.instance, Service::Draining { why: e.why.clone(), until: None })
    }

    pub(crate) fn set_service(&mut self, id: &InstanceId, service: Service) -> Result<(), Void> {
        let at = self.head.applied;
        let instance = self.living(id)?;
        if instance.is_interrupted() {
            return Err(Void::WrongState);
        }
        (instance.service, instance.serviced) = (service, at);
        Ok(())
    }

    pub(crate) fn set_reach(&mut self, id: &InstanceId, reach: Reach) -> Result<(), Void> {
        let instance = self.living(id)?;
        if std::mem::discriminant(&instance.reach) == std::mem::discriminant(&reach) {
            return Err(Void::WrongState);
        }
        instance.reach = reach;
        Ok(())
    }

    pub(crate) fn kill_instance(&mut self, id: &InstanceId) -> Result<(), Void> {
        self.living(id)?.killed = true;
        Ok(())
    }

    pub(crate) fn boot_timed_out(&mut self, e: &BootTimedOut) -> Result<(), Void> {
        let instance = self.living(&e.instance)?;
        if instance.phase != Phase::Booting {
            return Err(Void::WrongState);
        }
        let (launch, offering) = (instance.launch.clone(), instance.offering.clone());
        self.unreserve_all(&launch);
        self.refuse_for_now(&offering, e.until);
        self.did_not_boot();
        Ok(())
    }

    /// Changes nothing: it stays on the log, for who asks why.
    pub(crate) fn console_seen(&mut self, e: &ConsoleSeen) -> Result<(), Void> {
        if e.text.len() > MAX_CONSOLE {
            return Err(Void::Invalid);
        }
        self.living(&e.instance).map(drop)
    }

    pub(crate) fn terminate(&mut self, e: &TerminateRequested) -> Result<(), Void> {
        let since = self.head.time;
        let instance = self.living(&e.instance)?;
        if matches!(instance.phase, Phase::Terminating { .. }) {
            return Err(Void::WrongState);
        }
        let (launch, booting) = (instance.launch.clone(), instance.phase == Phase::Booting);
        instance.phase = Phase::Terminating { since, why: e.why.clone() };
        if booting {
            self.head.pending = self.head.pending.saturating_sub(1);
        }
        self.unreserve_all(&launch);
        self.index.terminating.insert(e.instance.clone());
        Ok(())
    }

    /// Ends an instance and everything on it, and stops paying for it.
    pub(crate) fn gone(&mut self, id: &InstanceId, lost: bool) -> Result<(), Void> {
        if self.orphans.remove(id).is_some() {
            return Ok(());
        }
        let at = self.head.time;
        let instance = self.living(id)?;
        if !lost && !matches!(instance.phase, Phase::Terminating { .. }) {
            return Err(Void::WrongState);
        }
        let (price, launch) = (instance.offering.at_most(), instance.launch.clone());
        if instance.phase == Phase::Booting {
            self.head.pending = self.head.pending.saturating_sub(1);
            self.did_not_boot();
        }
        let instance = self.living(id)?;
        let unasked = !matches!(instance.phase, Phase::Terminating { .. });
        let taken = unasked && !instance.is_interrupted();
        instance.phase = Phase::Gone { at, lost };
        let (offering, ran) = (instance.offering.clone(), at.since(instance.created));
        self.note_ran(&offering, ran);
        if taken {
            self.note_taken(&offering);
        }
        self.index.count_zone(&offering.zone, -1);
        self.one_less(&offering);
        self.head.committed = self.head.committed.minus(price);
        self.head.instances = self.head.instances.saturating_sub(1);
        self.unreserve_all(&launch);
        for alloc in self.index.on_instance(id) {
            self.end_alloc(&alloc, EndWhy::InstanceGone);
        }
        self.drop_claims(id, |_| true);
        self.index.live_instances.remove(id);
        self.index.terminating.remove(id);
        self.index.retire(at, Retired::Instance(id.clone()));
        Ok(())
    }
}
