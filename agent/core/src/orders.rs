//! What was ordered of an instance, and how far it has got with it.
//!
//! An agent reads the records that name its instance and nothing else, so it cannot know whether
//! numbers are missing in between; authors see to it that none are. It takes each author's numbers in
//! rising order, and controllers' records of no term older than the newest it has seen.

use schema::event::{Event, ExecConfig, Interruption};
use schema::id::{AllocId, AuthorId, DriverId, ExecId, InstanceId};
use schema::record::Record;
use schema::resources::Resources;
use schema::subject::Role;
use schema::unit::{Epoch, Millis, Seq};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// What was ordered of one instance.
#[derive(Debug, Clone)]
pub struct Orders {
    /// The instance.
    pub instance: InstanceId,
    /// Allocs that are not closed.
    pub allocs: BTreeMap<AllocId, AllocOrder>,
    /// Execs that have not ended: of those allocs, and such as cannot be run.
    pub execs: BTreeMap<ExecId, ExecOrder>,
    /// The instance must go.
    pub stop: bool,
    /// Where its data plane was last said to answer.
    pub address: Option<String>,
    /// The life of its agent that the leader said is trusted.
    pub trusted: Option<Uuid>,
    /// What was said already to take the instance away.
    pub interruptions: BTreeSet<Interruption>,
    /// Records that were of no use: garbage, duplicates, old terms, retired incarnations, what
    /// someone says of someone else.
    pub ignored: u64,
    /// Execs that have ended, by alloc, until it is closed: none of them runs again.
    ended: BTreeMap<AllocId, BTreeSet<ExecId>>,
    /// Whether its agent has to prove itself.
    proves: bool,
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
    /// How long its execs may run beyond that while the log is out of reach, as its grant says.
    pub grace: Millis,
    /// Whether it was said to be open.
    pub opened: bool,
    /// Whether it is over: nothing of it may run.
    pub over: bool,
    /// The record that granted it, or took it back.
    pub cause: Seq,
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
    /// The record that asked for it.
    pub cause: Seq,
}

/// How far an exec has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Not started, as far as is known.
    Wanted,
    /// Started by an earlier life, which could not write it down: its runtime knows of it.
    Begun,
    /// Written to have started.
    Started,
}

impl Orders {
    /// No orders yet. What others say in the name of an agent that `proves` itself is of no use.
    #[must_use]
    pub fn new(instance: InstanceId, proves: bool) -> Orders {
        Orders {
            instance,
            allocs: BTreeMap::new(),
            execs: BTreeMap::new(),
            stop: false,
            address: None,
            trusted: None,
            interruptions: BTreeSet::new(),
            ignored: 0,
            ended: BTreeMap::new(),
            proves,
            epoch: Epoch(0),
            authors: BTreeMap::new(),
        }
    }

    /// Takes in the next record that names this instance, at `seq` of the log.
    pub fn apply(&mut self, seq: Seq, record: &Record) {
        if record.speaks_for_itself() && self.is_genuine(record) && self.accepts(record) {
            self.order(seq, &record.event);
            self.follow(&record.event);
        } else {
            self.skip();
        }
    }

    /// Counts what names this instance and is of no use, such as bytes that are no record.
    pub fn skip(&mut self) {
        self.ignored += 1;
    }

    /// The newest life of an author, and its last number, as far as its records name this instance.
    #[must_use]
    pub fn last_of(&self, role: Role, author: &AuthorId) -> Option<(Uuid, u64)> {
        self.authors.get(&(role, author.clone())).copied()
    }

    /// Ends allocs whose lease and grace have passed while the log has been out of reach for
    /// `cut_off`, by the agent's monotonic clock: a lease is a promise to others too, whatever the
    /// log says by now. They stay ended when the log is back.
    pub fn lapse(&mut self, cut_off: Millis) {
        for alloc in self.allocs.values_mut() {
            alloc.over |= cut_off.0 > alloc.lease.0.saturating_add(alloc.grace.0);
        }
    }

    /// A runtime knows of this exec, at boot; says whether it is one of these orders.
    pub fn begun(&mut self, exec: &ExecId) -> bool {
        let Some(order) = self.execs.get_mut(exec) else { return false };
        if order.progress == Progress::Wanted {
            order.progress = Progress::Begun;
        }
        true
    }

    /// Of what is said in the name of its agent, what the trusted life of it says: anybody may have written
    /// the rest, under whatever number.
    fn is_genuine(&self, record: &Record) -> bool {
        let its_own = record.event.role() == Role::Agent;
        !(its_own && self.proves) || self.trusted == Some(record.incarnation)
    }

    /// From here on this life of its agent is the one that counts.
    fn trust(&mut self, life: Uuid) {
        if self.trusted.is_none_or(|before| before < life) {
            self.trusted = Some(life);
            self.authors.insert((Role::Agent, AuthorId::from(&self.instance)), (life, 0));
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
        }
        if newer && role == Role::Ctl {
            self.epoch = self.epoch.max(record.epoch);
        }
        newer
    }

    /// Takes in what others want.
    fn order(&mut self, cause: Seq, event: &Event) {
        match event {
            Event::AllocGranted(e) => {
                self.allocs.entry(e.alloc.clone()).or_insert_with(|| AllocOrder {
                    driver: e.driver.clone(),
                    resources: e.resources.clone(),
                    lease: e.lease,
                    grace: e.grace,
                    opened: false,
                    over: false,
                    cause,
                });
            }
            Event::AllocFreed(e) => self.end_for(&e.alloc, &e.driver, cause),
            Event::AllocExpired(e) => self.end_for(&e.alloc, &e.driver, cause),
            Event::AllocRevoked(e) => self.end_for(&e.alloc, &e.driver, cause),
            Event::ExecSubmitted(e) if !self.has_ended(&e.alloc, &e.exec) => {
                self.execs.entry(e.exec.clone()).or_insert_with(|| ExecOrder {
                    alloc: e.alloc.clone(),
                    driver: e.driver.clone(),
                    config: e.config.clone(),
                    progress: Progress::Wanted,
                    kill: None,
                    cause,
                });
            }
            Event::ExecKillRequested(e) => {
                if let Some(exec) = self.execs.get_mut(&e.exec)
                    && exec.driver == e.driver
                {
                    exec.kill = Some(e.signal);
                }
            }
            Event::InstanceVerified(e) => self.trust(e.life),
            Event::TerminateRequested(_) | Event::InstanceKilled(_) => self.stop = true,
            _ => {}
        }
    }

    /// Takes in what the agent itself has done, as soon as it is written down.
    pub fn follow(&mut self, event: &Event) {
        match event {
            Event::InstanceBooted(e) => self.address = Some(e.address.clone()),
            Event::InterruptionNoticed(e) => {
                self.interruptions.insert(e.interruption);
            }
            Event::AllocOpened(e) => {
                if let Some(alloc) = self.allocs.get_mut(&e.alloc) {
                    alloc.opened = true;
                }
            }
            Event::AllocClosed(e) => {
                self.allocs.remove(&e.alloc);
                self.ended.remove(&e.alloc);
                self.execs.retain(|_, exec| exec.alloc != e.alloc);
            }
            Event::ExecStarted(e) => {
                if let Some(exec) = self.execs.get_mut(&e.exec) {
                    exec.progress = Progress::Started;
                }
            }
            Event::ExecExited(e) => self.end(&e.exec),
            Event::ExecFailed(e) => self.end(&e.exec),
            _ => {}
        }
    }

    /// An exec of an alloc that is not there is forgotten: nobody is left who could ask for it again.
    fn end(&mut self, id: &ExecId) {
        let Some(exec) = self.execs.remove(id) else { return };
        if self.allocs.contains_key(&exec.alloc) {
            self.ended.entry(exec.alloc).or_default().insert(id.clone());
        }
    }

    fn has_ended(&self, alloc: &AllocId, exec: &ExecId) -> bool {
        self.ended.get(alloc).is_some_and(|execs| execs.contains(exec))
    }

    fn end_for(&mut self, id: &AllocId, driver: &DriverId, cause: Seq) {
        if let Some(alloc) = self.allocs.get_mut(id)
            && alloc.driver == *driver
        {
            (alloc.over, alloc.cause) = (true, cause);
        }
    }
}
