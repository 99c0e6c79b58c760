//! What a driver knows of its own allocs and execs: a fold of the records that name it, its own
//! among them. Pure.

use schema::event::{AllocGranted, Event, LogDigest, Usage};
use schema::id::{AllocId, AuthorId, DriverId, ExecId, InstanceId};
use schema::record::Record;
use schema::resources::Resources;
use schema::subject::Role;
use schema::unit::{Epoch, LogTime, Millis};
use schema::why::{FailureClass, PendingWhy, RefusedWhy, RevokedWhy};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// What a driver knows of one of its allocs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllocView {
    /// Asked for; what it waits for, once that is known.
    Waiting(Option<PendingWhy>),
    /// Given.
    Granted(Given),
    /// Will not be given.
    Refused(RefusedWhy),
    /// Was given, and is over.
    Over(OverWhy),
}

/// What was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// Where.
    pub instance: InstanceId,
    /// How much.
    pub resources: Resources,
    /// Where the instance's data plane answered when it was given.
    pub address: String,
}

/// Why an alloc is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OverWhy {
    /// This driver gave it back, or no longer wanted it.
    Freed,
    /// Its lease ran out.
    Expired,
    /// It was taken back.
    Revoked(RevokedWhy),
    /// Its agent closed it.
    Closed,
}

/// What a driver knows of one of its execs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecView {
    /// Its alloc.
    pub alloc: AllocId,
    /// Whether it has started.
    pub started: bool,
    /// Something of it was killed for memory.
    pub oom: Option<Oom>,
    /// How it ended.
    pub end: Option<ExecEnd>,
}

/// A kill for memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Oom {
    /// The limit in bytes.
    pub limit: u64,
    /// The most that was used, in bytes; 0 if not known.
    pub peak: u64,
}

/// How an exec ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecEnd {
    /// By itself, or by a signal (128 + signal).
    Exited {
        /// Exit code.
        code: i32,
        /// What it used.
        usage: Usage,
        /// What it wrote.
        logs: LogDigest,
    },
    /// It did not run, or its end cannot be known.
    Failed {
        /// What kind of failure.
        class: FailureClass,
        /// What was tried, on what, and what came of it.
        message: String,
    },
    /// Its alloc was over before an end was reported.
    Lost(OverWhy),
}

/// The fold of what names one driver.
#[derive(Debug)]
pub(crate) struct View {
    driver: DriverId,
    pub(crate) allocs: BTreeMap<AllocId, AllocView>,
    pub(crate) execs: BTreeMap<ExecId, ExecView>,
    /// Until when, on the log's clock, execs of an alloc that is over may still be reported.
    pub(crate) awaited: BTreeMap<AllocId, Millis>,
    /// The newest life of this driver that has joined.
    pub(crate) newest: Option<Uuid>,
    open_execs: BTreeSet<(AllocId, ExecId)>,
    epoch: Epoch,
    authors: BTreeMap<(Role, AuthorId), (Uuid, u64)>,
}

/// What a record changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Changed {
    Alloc(AllocId),
    Exec(ExecId),
}

impl View {
    pub(crate) fn new(driver: DriverId) -> View {
        View {
            driver,
            allocs: BTreeMap::new(),
            execs: BTreeMap::new(),
            awaited: BTreeMap::new(),
            newest: None,
            open_execs: BTreeSet::new(),
            epoch: Epoch(0),
            authors: BTreeMap::new(),
        }
    }

    /// Takes in the next record that names this driver; `time` is the log's.
    pub(crate) fn apply(&mut self, record: &Record, time: LogTime) -> Vec<Changed> {
        let role = record.event.role();
        let key = (role, record.author.clone());
        let next = (record.incarnation, record.number);
        let old_term = role == Role::Ctl && record.epoch < self.epoch;
        if old_term || self.authors.get(&key).is_some_and(|last| *last >= next) {
            return Vec::new();
        }
        self.authors.insert(key, next);
        self.epoch = self.epoch.max(record.epoch);
        if let Event::DriverJoined(e) = &record.event
            && e.driver == self.driver
        {
            self.newest = self.newest.max(Some(record.incarnation));
        }
        self.follow(&record.event, time)
    }

    fn follow(&mut self, event: &Event, time: LogTime) -> Vec<Changed> {
        let later = |until: LogTime| until.since(time);
        match event {
            Event::AllocRequested(e) => {
                self.allocs.entry(e.alloc.clone()).or_insert(AllocView::Waiting(None));
                vec![Changed::Alloc(e.alloc.clone())]
            }
            Event::AllocPending(e) => {
                self.set_alloc(&e.alloc, AllocView::Waiting(Some(e.why.clone())))
            }
            Event::AllocRefused(e) => self.set_alloc(&e.alloc, AllocView::Refused(e.why.clone())),
            Event::AllocGranted(e) => self.set_alloc(&e.alloc, AllocView::Granted(given(e))),
            Event::AllocWithdrawn(e) => self.set_alloc(&e.alloc, AllocView::Over(OverWhy::Freed)),
            Event::AllocFreed(e) => self.over(&e.alloc, OverWhy::Freed, None),
            Event::AllocExpired(e) => {
                self.over(&e.alloc, OverWhy::Expired, Some(later(e.execs_until)))
            }
            Event::AllocRevoked(e) => {
                let gone = e.why == RevokedWhy::InstanceLost;
                let until = if gone { Millis(0) } else { later(e.execs_until) };
                let why = OverWhy::Revoked(e.why.clone());
                let mut changed = self.over(&e.alloc, why, Some(until));
                if gone {
                    changed.extend(self.lose(&e.alloc));
                }
                changed
            }
            Event::AllocClosed(e) => {
                let mut changed = self.over(&e.alloc, OverWhy::Closed, None);
                changed.extend(self.lose(&e.alloc));
                changed
            }
            exec => self.follow_exec(exec),
        }
    }

    fn follow_exec(&mut self, event: &Event) -> Vec<Changed> {
        match event {
            Event::ExecSubmitted(e) => {
                let alloc = e.alloc.clone();
                let new = ExecView { alloc: alloc.clone(), started: false, oom: None, end: None };
                if !self.execs.contains_key(&e.exec) {
                    self.open_execs.insert((alloc, e.exec.clone()));
                }
                self.execs.entry(e.exec.clone()).or_insert(new);
                vec![Changed::Exec(e.exec.clone())]
            }
            Event::ExecStarted(e) => self.set_exec(&e.exec, |exec| exec.started = true),
            Event::ExecOomKilled(e) => {
                let oom = Oom { limit: e.limit, peak: e.peak };
                self.set_exec(&e.exec, |exec| exec.oom = Some(oom))
            }
            Event::ExecExited(e) => {
                let (usage, logs) = (e.usage.clone(), e.logs.clone());
                self.end(&e.exec, ExecEnd::Exited { code: e.code, usage, logs })
            }
            Event::ExecFailed(e) => {
                let (class, message) = (e.class.clone(), e.message.clone());
                self.end(&e.exec, ExecEnd::Failed { class, message })
            }
            _ => Vec::new(),
        }
    }

    fn set_alloc(&mut self, id: &AllocId, view: AllocView) -> Vec<Changed> {
        match self.allocs.get_mut(id) {
            Some(AllocView::Over(_) | AllocView::Refused(_)) => Vec::new(),
            _ => {
                self.allocs.insert(id.clone(), view);
                vec![Changed::Alloc(id.clone())]
            }
        }
    }

    /// An alloc is over; its execs may still be reported until `awaited` has passed.
    fn over(&mut self, id: &AllocId, why: OverWhy, awaited: Option<Millis>) -> Vec<Changed> {
        if let Some(awaited) = awaited {
            self.awaited.insert(id.clone(), awaited);
        }
        self.set_alloc(id, AllocView::Over(why))
    }

    /// Gives the execs of an alloc that have no end one.
    pub(crate) fn lose(&mut self, id: &AllocId) -> Vec<Changed> {
        self.awaited.remove(id);
        let why = match self.allocs.get(id) {
            Some(AllocView::Over(why)) => why.clone(),
            _ => OverWhy::Closed,
        };
        let from = (id.clone(), ExecId::lowest());
        let of = |(alloc, _): &&(AllocId, ExecId)| alloc == id;
        let open: Vec<ExecId> =
            self.open_execs.range(from..).take_while(of).map(|(_, exec)| exec.clone()).collect();
        open.iter().flat_map(|exec| self.end(exec, ExecEnd::Lost(why.clone()))).collect()
    }

    fn set_exec(&mut self, id: &ExecId, change: impl FnOnce(&mut ExecView)) -> Vec<Changed> {
        match self.execs.get_mut(id) {
            Some(exec) => {
                change(exec);
                vec![Changed::Exec(id.clone())]
            }
            None => Vec::new(),
        }
    }

    fn end(&mut self, id: &ExecId, end: ExecEnd) -> Vec<Changed> {
        let Some(exec) = self.execs.get_mut(id) else { return Vec::new() };
        if exec.end.is_some() {
            return Vec::new();
        }
        exec.end = Some(end);
        self.open_execs.remove(&(exec.alloc.clone(), id.clone()));
        vec![Changed::Exec(id.clone())]
    }

    /// Allocs that this driver holds.
    pub(crate) fn held(&self) -> Vec<AllocId> {
        let held = |(id, view): (&AllocId, &AllocView)| {
            matches!(view, AllocView::Granted(_)).then(|| id.clone())
        };
        self.allocs.iter().filter_map(held).collect()
    }
}

fn given(e: &AllocGranted) -> Given {
    Given {
        instance: e.instance.clone(),
        resources: e.resources.clone(),
        address: e.address.clone(),
    }
}
