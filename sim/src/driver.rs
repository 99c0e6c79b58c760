//! A driver: the real view and author, and somebody who asks for allocs, runs a few execs in each and
//! frees it.

use crate::log::Log;
use crate::rng::Rng;
use driver_core::view::{AllocView, View};
use replay_core::author::{Line, Writer};
use schema::codec;
use schema::event::Event;
use schema::event::{
    AllocFreed, AllocRequested, AllocsKept, DriverJoined, DriverLeft, ExecConfig,
    ExecKillRequested, ExecSubmitted,
};
use schema::id::{AllocId, AuthorId, ClusterId, DriverId, ExecId};
use schema::requirements::{Constraint, Requirements};
use schema::resources::Resources;
use schema::subject::Subject;
use schema::unit::{Millis, Seq};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

pub(crate) struct Driver {
    pub(crate) id: DriverId,
    cluster: ClusterId,
    pub(crate) up: bool,
    pub(crate) done: bool,
    pub(crate) writer: Writer,
    view: View,
    next: Seq,
    /// How many allocs it wants in all, and how long their leases are.
    wants: usize,
    lease: Millis,
    rng: Rng,
    life: u64,
    joined: bool,
    asked: usize,
    /// Allocs whose execs were submitted, and such as were freed, in this life.
    submitted: BTreeSet<AllocId>,
    freed: BTreeSet<AllocId>,
    kept: u64,
}

impl Driver {
    pub(crate) fn new(cluster: &ClusterId, number: u64, allocs: u64, rng: &mut Rng) -> Driver {
        let id = DriverId::made(number, rng.draw());
        let wants = usize::try_from(rng.between(1, allocs)).unwrap_or(1);
        let lease = Millis(rng.between(4000, 20_000));
        let rng = Rng::new(rng.draw());
        let writer = writer(cluster, &id, 0);
        let view = View::new(id.clone());
        Driver {
            id,
            cluster: cluster.clone(),
            up: false,
            done: false,
            writer,
            view,
            next: Seq(1),
            wants,
            lease,
            rng,
            life: 0,
            joined: false,
            asked: 0,
            submitted: BTreeSet::new(),
            freed: BTreeSet::new(),
            kept: 0,
        }
    }

    /// It comes up, the first time or again: all it knows is on the log.
    pub(crate) fn start(&mut self, now: u64, log: &Log) {
        self.life += 1;
        (self.up, self.joined, self.next, self.kept) = (true, false, Seq(1), now);
        self.writer = writer(&self.cluster, &self.id, self.life);
        self.view = View::new(self.id.clone());
        self.read(log);
        self.asked = self.view.allocs.len();
        self.submitted = self.view.execs.values().map(|exec| exec.alloc.clone()).collect();
        self.freed.clear();
        let joined = DriverJoined { driver: self.id.clone(), version: "sim".into() };
        self.write(joined);
    }

    fn read(&mut self, log: &Log) {
        for message in log.from(self.next) {
            let subject = Subject::parse(message.subject);
            if subject.is_ok_and(|subject| subject.driver.as_ref() == Some(&self.id))
                && let Some(record) =
                    codec::decode_at(&self.cluster, message.subject, message.payload)
            {
                self.view.apply(&record, message.seq, message.time);
            }
        }
        self.next = log.end().next();
    }

    fn write(&mut self, event: impl Into<Event>) {
        // Nothing that is written here can be too long.
        let _ = self.writer.write(event.into(), Seq(0));
    }

    /// Reads what there is (nothing if it is cut off) and does the next things.
    pub(crate) fn turn(&mut self, now: u64, log: Option<&Log>) {
        if let Some(log) = log {
            self.read(log);
        }
        if !self.joined && self.view.left {
            return;
        }
        self.joined = true;
        if now.saturating_sub(self.kept) >= self.lease.0 / 3 {
            self.kept = now;
            self.keep();
        }
        if self.asked < self.wants && self.rng.chance(300) {
            self.asked += 1;
            self.ask();
        }
        for (id, view) in self.view.allocs.clone() {
            if let AllocView::Granted(_) = view {
                self.use_it(&id);
            }
        }
        let open = |view: &AllocView| matches!(view, AllocView::Waiting(_) | AllocView::Granted(_));
        let ended = !self.view.allocs.values().any(open);
        let all = self.asked >= self.wants && self.view.allocs.len() >= self.asked;
        if all && ended && self.writer.is_empty() {
            if self.view.left {
                (self.up, self.done) = (false, true);
            } else {
                self.write(DriverLeft { driver: self.id.clone() });
            }
        }
    }

    fn keep(&mut self) {
        let (allocs, _) = self.view.held();
        if !allocs.is_empty() {
            let (driver, interval) = (self.id.clone(), self.lease);
            self.write(AllocsKept { driver, allocs, interval });
        }
    }

    fn ask(&mut self) {
        let cpu = 500 * self.rng.between(1, 10);
        let most = cpu * self.rng.between(1, 2);
        let amount = |cpu| Resources { cpu, memory: 64 << 20, ..Resources::default() };
        let requested = AllocRequested {
            alloc: AllocId::made(self.rng.draw() >> 20, self.rng.draw()),
            driver: self.id.clone(),
            requirements: Requirements { min: amount(cpu), max: amount(most), width: 1 },
            constraint: Constraint::default(),
            priority: i32::try_from(self.rng.below(3)).unwrap_or(0),
            labels: BTreeMap::new(),
            lease: Some(self.lease),
        };
        self.write(requested);
    }

    /// Runs some execs in an alloc, kills one now and then, and frees it when all have ended.
    fn use_it(&mut self, alloc: &AllocId) {
        let Some(given) = self.view.given.get(alloc).cloned() else { return };
        let (driver, instance) = (self.id.clone(), given.instance);
        if self.submitted.insert(alloc.clone()) {
            for _ in 0..self.rng.between(1, 4) {
                let exec = ExecId::made(self.rng.draw() >> 20, self.rng.draw());
                let length = self.rng.between(10, 6000);
                let code = self.rng.below(5);
                let command = vec![length.to_string(), code.to_string()];
                let config = ExecConfig { command, ..ExecConfig::default() };
                let (alloc, driver) = (alloc.clone(), driver.clone());
                let instance = instance.clone();
                self.write(ExecSubmitted { exec, alloc, driver, instance, config });
            }
            return;
        }
        let own = self.view.execs.iter().filter(|(_, exec)| exec.alloc == *alloc);
        let own: Vec<(ExecId, bool)> = own.map(|(id, e)| (id.clone(), e.end.is_some())).collect();
        if let Some((exec, _)) = own.iter().find(|(_, ended)| !ended) {
            if self.rng.chance(5) {
                let (exec, alloc, signal) = (exec.clone(), alloc.clone(), 9);
                self.write(ExecKillRequested { exec, alloc, driver, instance, signal });
            }
        } else if !own.is_empty() && self.freed.insert(alloc.clone()) {
            self.write(AllocFreed { alloc: alloc.clone(), driver, instance });
        }
    }

    /// The round to send.
    pub(crate) fn round(&mut self) -> Vec<Line> {
        self.writer.round()
    }
}

fn writer(cluster: &ClusterId, id: &DriverId, life: u64) -> Writer {
    let incarnation = Uuid::from_u128(u128::from(life));
    Writer::new(cluster.clone(), AuthorId::from(id), incarnation, 0, Vec::new())
}
