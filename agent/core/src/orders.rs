//! What was ordered of an instance, and how far it has got with it.
//!
//! An agent reads the records that name its instance and nothing else, so it cannot know whether
//! numbers are missing in between; authors see to it that none are. It takes each author's numbers in
//! rising order, and controllers' records of no term older than the newest it has seen.

use schema::event::{Event, ExecConfig};
use schema::id::{AllocId, AuthorId, DriverId, ExecId, InstanceId};
use schema::record::Record;
use schema::resources::Resources;
use schema::subject::Role;
use schema::unit::{Epoch, Millis};
use std::collections::BTreeMap;
use uuid::Uuid;

/// What was ordered of one instance.
#[derive(Debug, Clone)]
pub struct Orders {
    /// The instance.
    pub instance: InstanceId,
    /// Allocs that are not closed.
    pub allocs: BTreeMap<AllocId, AllocOrder>,
    /// Execs of those allocs, and execs that cannot be run.
    pub execs: BTreeMap<ExecId, ExecOrder>,
    /// The instance must go.
    pub stop: bool,
    /// Where its data plane was last said to answer.
    pub address: Option<String>,
    /// Records that were of no use: duplicates, old terms, retired incarnations.
    pub ignored: u64,
    epoch: Epoch,
    authors: BTreeMap<(Role, AuthorId), (Uuid, u64)>,
}

/// An alloc to have open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllocOrder {
    /// Who holds it.
    pub driver: DriverId,
    /// How much it is.
    pub resources: Resources,
    /// Length of its lease when it was granted.
    pub lease: Millis,
    /// Whether it was said to be open.
    pub opened: bool,
    /// Whether it is over: nothing of it may run.
    pub over: bool,
}

/// An exec to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecOrder {
    /// Its alloc.
    pub alloc: AllocId,
    /// Whose it is.
    pub driver: DriverId,
    /// What to run.
    pub config: ExecConfig,
    /// How far it has got.
    pub progress: Progress,
    /// The signal that its driver wants sent.
    pub kill: Option<i32>,
}

/// How far an exec has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Not started, as far as was written.
    Wanted,
    /// Written to have started.
    Started,
    /// Written to have ended.
    Ended,
}

impl Orders {
    /// No orders yet.
    #[must_use]
    pub fn new(instance: InstanceId) -> Orders {
        Orders {
            instance,
            allocs: BTreeMap::new(),
            execs: BTreeMap::new(),
            stop: false,
            address: None,
            ignored: 0,
            epoch: Epoch(0),
            authors: BTreeMap::new(),
        }
    }

    /// Takes in the next record that names this instance.
    pub fn apply(&mut self, record: &Record) {
        if self.accepts(record) {
            self.follow(&record.event);
        } else {
            self.ignored += 1;
        }
    }

    fn accepts(&mut self, record: &Record) -> bool {
        let role = record.event.role();
        if role == Role::Ctl && record.epoch < self.epoch {
            return false;
        }
        let key = (role, record.author.clone());
        let next = (record.incarnation, record.number);
        let newer = self.authors.get(&key).is_none_or(|last| *last < next);
        if newer {
            self.authors.insert(key, next);
            self.epoch = self.epoch.max(record.epoch);
        }
        newer
    }

    /// Takes in an event, an own one that was just written among them.
    pub fn follow(&mut self, event: &Event) {
        match event {
            Event::AllocGranted(e) => {
                self.allocs.entry(e.alloc.clone()).or_insert_with(|| AllocOrder {
                    driver: e.driver.clone(),
                    resources: e.resources.clone(),
                    lease: e.lease,
                    opened: false,
                    over: false,
                });
            }
            Event::AllocFreed(e) => self.end_for(&e.alloc, &e.driver),
            Event::AllocExpired(e) => self.end_for(&e.alloc, &e.driver),
            Event::AllocRevoked(e) => self.end_for(&e.alloc, &e.driver),
            Event::ExecSubmitted(e) => {
                self.execs.entry(e.exec.clone()).or_insert_with(|| ExecOrder {
                    alloc: e.alloc.clone(),
                    driver: e.driver.clone(),
                    config: e.config.clone(),
                    progress: Progress::Wanted,
                    kill: None,
                });
            }
            Event::ExecKillRequested(e) => {
                if let Some(exec) = self.execs.get_mut(&e.exec)
                    && exec.driver == e.driver
                {
                    exec.kill = Some(e.signal);
                }
            }
            Event::TerminateRequested(_) | Event::InstanceKilled(_) => self.stop = true,
            own => self.follow_own(own),
        }
    }

    fn follow_own(&mut self, event: &Event) {
        match event {
            Event::InstanceBooted(e) => self.address = Some(e.address.clone()),
            Event::AllocOpened(e) => {
                if let Some(alloc) = self.allocs.get_mut(&e.alloc) {
                    alloc.opened = true;
                }
            }
            Event::AllocClosed(e) => {
                self.allocs.remove(&e.alloc);
                self.execs.retain(|_, exec| exec.alloc != e.alloc);
            }
            Event::ExecStarted(e) => self.progress(&e.exec, Progress::Started),
            Event::ExecExited(e) => self.progress(&e.exec, Progress::Ended),
            Event::ExecFailed(e) => self.progress(&e.exec, Progress::Ended),
            _ => {}
        }
    }

    fn progress(&mut self, id: &ExecId, progress: Progress) {
        let Some(exec) = self.execs.get_mut(id) else { return };
        if exec.progress != Progress::Ended {
            exec.progress = progress;
        }
        // An exec of an alloc that is not there has nobody left who could ask for it again.
        if progress == Progress::Ended && !self.allocs.contains_key(&exec.alloc) {
            self.execs.remove(id);
        }
    }

    fn end_for(&mut self, id: &AllocId, driver: &DriverId) {
        if let Some(alloc) = self.allocs.get_mut(id)
            && alloc.driver == *driver
        {
            alloc.over = true;
        }
    }

    /// How many execs are written to run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.execs.values().filter(|exec| exec.progress == Progress::Started).count()
    }
}
