//! What follows from the tables and is kept only so that nobody has to search them. Not part of the
//! digest; built anew from a snapshot.

use super::State;
use super::alloc::{Alloc, AllocStatus, Notice};
use super::budget::Costs;
use super::instance::Phase;
use super::launch::LaunchStatus;
use schema::id::{AllocId, DriverId, ExecId, InstanceId, LaunchId};
use schema::subject::Role;
use schema::unit::{LogTime, Seq};
use smol_str::SmolStr;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Where an alloc is in the queue: higher priority first, then order of asking.
pub type WaitKey = (Reverse<i32>, Seq, AllocId);

/// Something that is over and stays in the state for a while.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Retired {
    /// An alloc, with its execs.
    Alloc(AllocId),
    /// An instance, with its launch.
    Instance(InstanceId),
    /// A launch without instances.
    Launch(LaunchId),
    /// A driver that left, and holds and waits for nothing.
    Driver(DriverId),
}

/// The execs of one alloc.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecsOf {
    /// All of them.
    pub all: BTreeSet<ExecId>,
    /// How many of them have not ended.
    pub open: u32,
}

/// The indices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    /// Allocs that wait, in the order in which they are served.
    pub waiting: BTreeSet<WaitKey>,
    /// Ends of leases.
    pub leases: BTreeSet<(LogTime, AllocId)>,
    /// Ends of notices of allocs that are held.
    pub notices: BTreeSet<(LogTime, AllocId)>,
    /// Allocs that hold resources, by instance.
    pub on_instance: BTreeSet<(InstanceId, AllocId)>,
    /// Allocs that are not over, by driver.
    pub of_driver: BTreeSet<(DriverId, AllocId)>,
    /// Execs, by alloc; nothing of an alloc that never had any.
    pub execs: BTreeMap<AllocId, ExecsOf>,
    /// Instances that are not gone.
    pub live_instances: BTreeSet<InstanceId>,
    /// Instances that the leader wants gone.
    pub terminating: BTreeSet<InstanceId>,
    /// Launches that the cloud has not answered.
    pub open_launches: BTreeSet<LaunchId>,
    /// Allocs that an operator wants gone: granted ones, and such as still wait.
    pub to_kill: BTreeSet<AllocId>,
    /// What is over, by when it was.
    pub retired: BTreeSet<(LogTime, Retired)>,
    /// Instances that exist or were asked for, by zone; nothing of a zone without any.
    zones: BTreeMap<SmolStr, u64>,
    /// What drivers and labels cost.
    pub costs: Costs,
}

impl Index {
    /// Allocs that hold resources on this instance.
    #[must_use]
    pub fn on_instance(&self, id: &InstanceId) -> Vec<AllocId> {
        let of = |(instance, _): &&(InstanceId, AllocId)| instance == id;
        let from = (id.clone(), AllocId::lowest());
        self.on_instance.range(from..).take_while(of).map(|(_, alloc)| alloc.clone()).collect()
    }

    /// Allocs of this driver that are not over.
    #[must_use]
    pub fn of_driver(&self, id: &DriverId) -> Vec<AllocId> {
        self.ids_of_driver(id).cloned().collect()
    }

    /// The same, one by one.
    pub fn ids_of_driver<'a>(
        &'a self,
        id: &DriverId,
    ) -> impl Iterator<Item = &'a AllocId> + use<'a> {
        let (of, from) = (id.clone(), (id.clone(), AllocId::lowest()));
        let own = self.of_driver.range(from..).take_while(move |(driver, _)| *driver == of);
        own.map(|(_, alloc)| alloc)
    }

    /// Execs of this alloc, if any of them has not ended.
    #[must_use]
    pub fn execs_of_open(&self, id: &AllocId) -> Vec<ExecId> {
        let of = self.execs.get(id).filter(|of| of.open > 0);
        of.map(|of| of.all.iter().cloned().collect()).unwrap_or_default()
    }

    /// How many instances exist or were asked for in this zone.
    #[must_use]
    pub fn in_zone(&self, zone: &str) -> u64 {
        self.zones.get(zone).copied().unwrap_or(0)
    }

    pub(crate) fn count_zone(&mut self, zone: &SmolStr, change: i64) {
        let count = self.zones.remove(zone).unwrap_or(0).saturating_add_signed(change);
        if count > 0 {
            self.zones.insert(zone.clone(), count);
        }
    }

    /// An alloc is no longer held, whose lease would have run out then.
    pub(crate) fn unlease(&mut self, id: &AllocId, until: LogTime, notice: Option<&Notice>) {
        self.leases.remove(&(until, id.clone()));
        if let Some(notice) = notice {
            self.notices.remove(&(notice.until, id.clone()));
        }
    }

    pub(crate) fn submitted(&mut self, alloc: &AllocId, exec: &ExecId) {
        let of = self.execs.entry(alloc.clone()).or_default();
        of.open += 1;
        of.all.insert(exec.clone());
    }

    pub(crate) fn ended(&mut self, alloc: &AllocId) {
        if let Some(of) = self.execs.get_mut(alloc) {
            of.open = of.open.saturating_sub(1);
        }
    }

    pub(crate) fn retire(&mut self, at: LogTime, what: Retired) {
        self.retired.insert((at, what));
    }

    /// Builds all indices from the tables.
    #[must_use]
    pub fn of(state: &State) -> Index {
        let mut index = Index::default();
        for (id, alloc) in state.allocs.iter() {
            index.add_alloc(id, alloc);
            index.costs.add(alloc, i128::from(state.cost_of(alloc).0));
        }
        for (id, exec) in state.execs.iter() {
            index.submitted(&exec.alloc, id);
            if exec.ended() {
                index.ended(&exec.alloc);
            }
        }
        for (id, instance) in state.instances.iter() {
            index.count_zone(&instance.offering.zone, i64::from(instance.lives()));
            match instance.phase {
                Phase::Gone { at, .. } => index.retire(at, Retired::Instance(id.clone())),
                Phase::Terminating { .. } => {
                    index.live_instances.insert(id.clone());
                    index.terminating.insert(id.clone());
                }
                Phase::Booting | Phase::Up => {
                    index.live_instances.insert(id.clone());
                }
            }
        }
        for (id, launch) in state.launches.iter() {
            if launch.status == LaunchStatus::Requested {
                index.open_launches.insert(id.clone());
                let never =
                    i64::from(launch.count).saturating_sub_unsigned(launch.instances.len() as u64);
                index.count_zone(&launch.offering.zone, never.max(0));
            } else if launch.instances.is_empty() {
                index.retire(launch.requested, Retired::Launch(id.clone()));
            }
        }
        for (id, driver) in state.drivers.iter() {
            if let (0, Some(left)) = (driver.allocs, driver.left) {
                index.retire(left, Retired::Driver(id.clone()));
            }
        }
        index
    }

    fn add_alloc(&mut self, id: &AllocId, alloc: &Alloc) {
        match &alloc.status {
            AllocStatus::Waiting { .. } => {
                self.waiting.insert(alloc.wait_key(id));
            }
            AllocStatus::Granted { grant, until } => {
                self.leases.insert((*until, id.clone()));
                self.notices.extend(grant.notice.iter().map(|notice| (notice.until, id.clone())));
                self.on_instance.insert((grant.instance.clone(), id.clone()));
            }
            AllocStatus::Ending { grant, .. } => {
                self.on_instance.insert((grant.instance.clone(), id.clone()));
            }
            AllocStatus::Ended { at, .. } => {
                self.retire(*at, Retired::Alloc(id.clone()));
                return;
            }
        }
        if alloc.killed && !matches!(alloc.status, AllocStatus::Ending { .. }) {
            self.to_kill.insert(id.clone());
        }
        self.of_driver.insert((alloc.driver.clone(), id.clone()));
    }
}

impl State {
    /// Drops a few of the things that have been over for longer than the policy keeps them. Called
    /// at each record of the leader, so that the work is spread and every replica does the same.
    pub(crate) fn prune(&mut self) {
        const AT_ONCE: usize = 16;
        let retention = self.head.policy.retention;
        for _ in 0..AT_ONCE {
            let Some((at, what)) = self.index.retired.first().cloned() else { return };
            if at + retention > self.head.time {
                return;
            }
            self.index.retired.remove(&(at, what.clone()));
            self.drop_retired(&what);
        }
    }

    fn drop_retired(&mut self, what: &Retired) {
        match what {
            Retired::Alloc(id) => {
                self.allocs.remove(id);
                for exec in self.index.execs.remove(id).unwrap_or_default().all {
                    self.execs.remove(&exec);
                }
            }
            Retired::Instance(id) => self.drop_instance(id),
            Retired::Launch(id) => self.drop_launch(id),
            Retired::Driver(id) => {
                self.drivers.remove(id);
                self.authors.remove(&(Role::Driver, id.into()));
            }
        }
    }

    fn drop_instance(&mut self, id: &InstanceId) {
        let Some(instance) = self.instances.remove(id) else { return };
        self.authors.remove(&(Role::Agent, id.into()));
        let siblings = self.launches.get(&instance.launch).map(|l| l.instances.clone());
        let last = siblings.is_some_and(|all| all.iter().all(|id| !self.instances.contains(id)));
        if last && !self.index.open_launches.contains(&instance.launch) {
            self.drop_launch(&instance.launch);
        }
    }

    fn drop_launch(&mut self, id: &LaunchId) {
        self.unreserve_all(id);
        self.launches.remove(id);
    }
}
