//! The fold of what names one driver.
//!
//! ```text
//! waiting ──granted──▶ granted ──freed, expired, revoked──▶ over ──closed──▶ its execs have ends
//!    │                    └──────── closed by the agent, instance gone ──────────▲
//!    └── withdrawn, refused ──▶ over, refused
//! ```
//!
//! It takes a record where the cluster's own fold takes it, as far as that can be told without
//! seeing the rest of the log.

use super::rules::Rules;
use super::{AllocView, ExecEnd, ExecView, Given, Oom, OverWhy};
use schema::event::{AllocGranted, Event};
use schema::id::{AllocId, DriverId, ExecId, InstanceId};
use schema::record::Record;
use schema::unit::{LogTime, Millis, Seq};
use schema::why::RevokedWhy;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use uuid::Uuid;

/// How long what has ended is remembered; the cluster's own state forgets it by then, too.
const RETENTION: Millis = Millis::from_secs(3600);

/// The fold of what names one driver.
#[derive(Debug)]
pub struct View {
    pub allocs: BTreeMap<AllocId, AllocView>,
    pub execs: BTreeMap<ExecId, ExecView>,
    /// What was given under each alloc, also of those that are over.
    pub given: BTreeMap<AllocId, Given>,
    /// For how long execs of an alloc that is over may still be reported.
    pub awaited: BTreeMap<AllocId, Millis>,
    /// This driver has left, and has not joined since.
    pub left: bool,
    rules: Rules,
    /// Where in the log each alloc was last kept, and until when that holds.
    kept: BTreeMap<AllocId, (Seq, LogTime)>,
    open_execs: BTreeSet<(AllocId, ExecId)>,
    /// Execs that were submitted to an alloc that was over: to the cluster they never were.
    late: BTreeSet<ExecId>,
    ended: VecDeque<(LogTime, Changed)>,
    time: LogTime,
}

/// What a record changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Changed {
    Alloc(AllocId),
    Exec(ExecId),
}

impl View {
    pub fn new(driver: DriverId) -> View {
        View {
            allocs: BTreeMap::new(),
            execs: BTreeMap::new(),
            given: BTreeMap::new(),
            awaited: BTreeMap::new(),
            left: true,
            rules: Rules::new(driver),
            kept: BTreeMap::new(),
            open_execs: BTreeSet::new(),
            late: BTreeSet::new(),
            ended: VecDeque::new(),
            time: LogTime(0),
        }
    }

    /// The newest life of this driver that has spoken.
    pub fn newest(&self) -> Option<Uuid> {
        self.rules.newest()
    }

    /// Takes in the next record that names this driver; `seq` and `time` are the log's.
    pub fn apply(&mut self, record: &Record, seq: Seq, time: LogTime) -> Vec<Changed> {
        self.time = self.time.max(time);
        self.forget();
        if !self.rules.accept(record) {
            return Vec::new();
        }
        match &record.event {
            Event::DriverJoined(_) => {
                self.left = false;
                Vec::new()
            }
            Event::DriverLeft(_) => self.leave(),
            Event::AllocsKept(e) => {
                self.keep(&e.allocs, e.interval, seq);
                Vec::new()
            }
            Event::AllocExpired(e) if self.outlives(&e.alloc, record.cause) => Vec::new(),
            event => self.follow(event),
        }
    }

    fn follow(&mut self, event: &Event) -> Vec<Changed> {
        match event {
            Event::AllocRequested(e) => self.requested(&e.alloc),
            Event::AllocPending(e) => {
                self.settle(&e.alloc, AllocView::Waiting(Some(e.why.clone())))
            }
            Event::AllocRefused(e) => self.settle(&e.alloc, AllocView::Refused(e.why.clone())),
            Event::AllocWithdrawn(e) => self.settle(&e.alloc, AllocView::Over(OverWhy::Freed)),
            Event::AllocGranted(e) => self.granted(e),
            Event::AllocPreempted(e) if e.priority < e.over => {
                let end = self.time + e.notice;
                self.noticed(&e.alloc, &e.instance, |before| {
                    Some(before.map_or(end, |before| before.min(end)))
                })
            }
            Event::AllocSpared(e) => self.noticed(&e.alloc, &e.instance, |_| None),
            Event::AllocFreed(e) => {
                let awaited = self.outlasts(&e.alloc);
                self.over(&e.alloc, &e.instance, OverWhy::Freed, awaited)
            }
            Event::AllocExpired(e) => {
                let awaited = self.awaited(&e.alloc, e.execs_until);
                self.over(&e.alloc, &e.instance, OverWhy::Expired, awaited)
            }
            Event::AllocRevoked(e) => {
                let awaited = self.awaited(&e.alloc, e.execs_until);
                let why = OverWhy::Revoked(e.why.clone());
                let mut changed = self.over(&e.alloc, &e.instance, why, awaited);
                if e.why == RevokedWhy::InstanceLost && !changed.is_empty() {
                    changed.extend(self.lose(&e.alloc));
                }
                changed
            }
            Event::AllocClosed(e) if self.is_on(&e.alloc, &e.instance) => {
                let mut changed = self.over(&e.alloc, &e.instance, OverWhy::Closed, Millis(0));
                changed.extend(self.lose(&e.alloc));
                changed
            }
            exec => self.follow_exec(exec),
        }
    }

    fn follow_exec(&mut self, event: &Event) -> Vec<Changed> {
        match event {
            Event::ExecSubmitted(e) if self.is_on(&e.alloc, &e.instance) => {
                self.submitted(&e.exec, &e.alloc)
            }
            Event::ExecStarted(e) => {
                self.report(&e.exec, &e.instance, |exec| exec.started |= exec.end.is_none())
            }
            Event::ExecOomKilled(e) => {
                let (constraint, confidence) = (e.constraint, e.confidence);
                let oom = Oom { limit: e.limit, peak: e.peak, constraint, confidence };
                self.report(&e.exec, &e.instance, |exec| {
                    if !matches!(exec.end, Some(ExecEnd::Exited { .. })) {
                        exec.oom = Some(oom);
                    }
                })
            }
            Event::ExecExited(e) => {
                let (usage, logs) = (e.usage.clone(), e.logs.clone());
                let end = ExecEnd::Exited { code: e.code, usage, logs };
                self.reported_end(&e.exec, &e.instance, end)
            }
            Event::ExecFailed(e) => {
                let (class, message) = (e.class.clone(), e.message.clone());
                self.reported_end(&e.exec, &e.instance, ExecEnd::Failed { class, message })
            }
            _ => Vec::new(),
        }
    }

    fn requested(&mut self, id: &AllocId) -> Vec<Changed> {
        if self.left || self.allocs.contains_key(id) {
            return Vec::new();
        }
        self.allocs.insert(id.clone(), AllocView::Waiting(None));
        vec![Changed::Alloc(id.clone())]
    }

    /// What becomes of a request. Of no effect once it has been granted or is over.
    fn settle(&mut self, id: &AllocId, view: AllocView) -> Vec<Changed> {
        if !matches!(self.allocs.get(id), Some(AllocView::Waiting(_))) {
            return Vec::new();
        }
        let over = matches!(view, AllocView::Over(_) | AllocView::Refused(_));
        self.allocs.insert(id.clone(), view);
        if over {
            self.ended.push_back((self.time, Changed::Alloc(id.clone())));
        }
        vec![Changed::Alloc(id.clone())]
    }

    fn granted(&mut self, e: &AllocGranted) -> Vec<Changed> {
        let given = Given {
            instance: e.instance.clone(),
            resources: e.resources.clone(),
            address: e.address.clone(),
            lease: e.lease,
            grace: e.grace,
            notice: None,
        };
        let changed = self.settle(&e.alloc, AllocView::Granted(given.clone()));
        if !changed.is_empty() {
            self.given.insert(e.alloc.clone(), given);
        }
        changed
    }

    /// What is said of when a granted alloc is to be taken back.
    fn noticed(
        &mut self,
        id: &AllocId,
        by: &InstanceId,
        change: impl FnOnce(Option<LogTime>) -> Option<LogTime>,
    ) -> Vec<Changed> {
        match self.allocs.get_mut(id) {
            Some(AllocView::Granted(given)) if given.instance == *by => {
                given.notice = change(given.notice);
                vec![Changed::Alloc(id.clone())]
            }
            _ => Vec::new(),
        }
    }

    /// Waiting requests of a driver that leaves are withdrawn.
    fn leave(&mut self) -> Vec<Changed> {
        self.left = true;
        let waiting = self.allocs.iter().filter(|(_, v)| matches!(v, AllocView::Waiting(_)));
        let waiting: Vec<AllocId> = waiting.map(|(id, _)| id.clone()).collect();
        let over = || AllocView::Over(OverWhy::Freed);
        waiting.iter().flat_map(|id| self.settle(id, over())).collect()
    }

    fn keep(&mut self, allocs: &[AllocId], interval: Millis, seq: Seq) {
        for id in allocs {
            let Some(AllocView::Granted(given)) = self.allocs.get(id) else { continue };
            let until = self.time + interval.min(given.lease);
            self.kept.insert(id.clone(), (seq, until));
        }
    }

    /// Whether a keepalive that the leader had not read, when it wrote of the expiry, came first.
    fn outlives(&self, id: &AllocId, cause: Seq) -> bool {
        self.kept.get(id).is_some_and(|(seq, until)| *seq > cause && self.time < *until)
    }

    /// For how long an agent that is cut off just now lets its execs run.
    fn outlasts(&self, id: &AllocId) -> Millis {
        let given = self.given.get(id);
        given.map_or(Millis(0), |given| Millis(given.lease.0.saturating_add(given.grace.0)))
    }

    /// For how long execs of an alloc that ends now may run on. What its end says of that was true when it was
    /// decided: it may have landed much later, and until then an agent that was in reach let them run.
    fn awaited(&self, id: &AllocId, until: LogTime) -> Millis {
        until.since(self.time).max(self.outlasts(id))
    }

    fn is_on(&self, id: &AllocId, instance: &InstanceId) -> bool {
        self.given.get(id).is_some_and(|given| given.instance == *instance)
    }

    /// A granted alloc is over; its execs may still be reported until `awaited` has passed.
    fn over(
        &mut self,
        id: &AllocId,
        instance: &InstanceId,
        why: OverWhy,
        awaited: Millis,
    ) -> Vec<Changed> {
        let granted = matches!(self.allocs.get(id), Some(AllocView::Granted(_)));
        if !granted || !self.is_on(id, instance) {
            return Vec::new();
        }
        self.allocs.insert(id.clone(), AllocView::Over(why));
        self.awaited.insert(id.clone(), awaited);
        self.kept.remove(id);
        self.ended.push_back((self.time, Changed::Alloc(id.clone())));
        vec![Changed::Alloc(id.clone())]
    }

    /// Gives the execs of an alloc that have no end one: nobody can report them any more.
    pub fn lose(&mut self, id: &AllocId) -> Vec<Changed> {
        self.awaited.remove(id);
        let why = self.over_why(id);
        let from = (id.clone(), ExecId::lowest());
        let of = |(alloc, _): &&(AllocId, ExecId)| alloc == id;
        let open: Vec<ExecId> =
            self.open_execs.range(from..).take_while(of).map(|(_, exec)| exec.clone()).collect();
        open.iter().flat_map(|exec| self.end(exec, ExecEnd::Lost(why.clone()))).collect()
    }

    fn over_why(&self, id: &AllocId) -> OverWhy {
        match self.allocs.get(id) {
            Some(AllocView::Over(why)) => why.clone(),
            _ => OverWhy::Closed,
        }
    }

    /// What is submitted to an alloc that is over by then does not run.
    fn submitted(&mut self, id: &ExecId, alloc: &AllocId) -> Vec<Changed> {
        if self.execs.contains_key(id) && !self.late.remove(id) {
            return Vec::new();
        }
        let view = ExecView { alloc: alloc.clone(), started: false, oom: None, end: None };
        self.execs.insert(id.clone(), view);
        self.open_execs.insert((alloc.clone(), id.clone()));
        if !matches!(self.allocs.get(alloc), Some(AllocView::Granted(_))) {
            let why = self.over_why(alloc);
            self.late.insert(id.clone());
            return self.end(id, ExecEnd::Lost(why));
        }
        vec![Changed::Exec(id.clone())]
    }

    /// What the agent of its instance says of an exec; nobody else can.
    fn report(
        &mut self,
        id: &ExecId,
        by: &InstanceId,
        change: impl FnOnce(&mut ExecView),
    ) -> Vec<Changed> {
        let Some(exec) = self.execs.get_mut(id) else { return Vec::new() };
        let told = self.given.get(&exec.alloc).is_some_and(|given| given.instance == *by);
        if !told || self.late.contains(id) {
            return Vec::new();
        }
        change(exec);
        vec![Changed::Exec(id.clone())]
    }

    fn reported_end(&mut self, id: &ExecId, by: &InstanceId, end: ExecEnd) -> Vec<Changed> {
        if self.report(id, by, |_| ()).is_empty() { Vec::new() } else { self.end(id, end) }
    }

    fn end(&mut self, id: &ExecId, end: ExecEnd) -> Vec<Changed> {
        let Some(exec) = self.execs.get_mut(id) else { return Vec::new() };
        if exec.end.is_some() {
            return Vec::new();
        }
        exec.end = Some(end);
        self.open_execs.remove(&(exec.alloc.clone(), id.clone()));
        self.ended.push_back((self.time, Changed::Exec(id.clone())));
        vec![Changed::Exec(id.clone())]
    }

    fn forget(&mut self) {
        while let Some((at, _)) = self.ended.front()
            && *at + RETENTION < self.time
        {
            match self.ended.pop_front() {
                Some((_, Changed::Exec(id))) => {
                    self.late.remove(&id);
                    // Submitted too late once, and again in time: that one may still run.
                    if self.execs.get(&id).is_some_and(|exec| exec.end.is_some()) {
                        self.execs.remove(&id);
                    }
                }
                Some((_, Changed::Alloc(id))) => {
                    self.allocs.remove(&id);
                    self.given.remove(&id);
                }
                None => {}
            }
        }
    }

    /// Allocs that this driver holds, and the shortest of their leases.
    pub fn held(&self) -> (Vec<AllocId>, Option<Millis>) {
        let held = self.allocs.iter().filter_map(|(id, view)| match view {
            AllocView::Granted(given) => Some((id.clone(), given.lease)),
            AllocView::Waiting(_) | AllocView::Refused(_) | AllocView::Over(_) => None,
        });
        let (ids, leases): (Vec<AllocId>, Vec<Millis>) = held.unzip();
        (ids, leases.into_iter().min())
    }
}
