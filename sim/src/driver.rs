//! A driver: the real one, and somebody who asks for allocs, runs a few execs in each and frees it.

mod jobs;

use crate::clock::Clock;
use crate::log::Log;
use crate::operator::LABELS;
use crate::rng::Rng;
use crate::setting::{Setting, ZONES};
use driver_core::Driver as Core;
use driver_core::view::{AllocView, Changed};
use jobs::Task;
use replay_core::author::{Line, Writer};
use schema::event::Event;
use schema::event::{
    AllocFreed, AllocRequested, AllocWithdrawn, DriverJoined, DriverLeft, ExecConfig,
    ExecKillRequested, ExecSubmitted,
};
use schema::id::{AllocId, AuthorId, ClusterId, DriverId, ExecId, InstanceId};
use schema::requirements::{Constraint, Market, Only, Requirements};
use schema::resources::Resources;
use schema::unit::{Millis, Seq};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// How far behind the clock of a driver that comes back may be, in milliseconds.
const BEHIND: u64 = 30_000;

/// How long what does not end by itself takes, in milliseconds: longer than any seed.
const ENDLESS: u64 = 3_600_000;

pub(crate) struct Driver {
    pub(crate) id: DriverId,
    cluster: ClusterId,
    pub(crate) up: bool,
    pub(crate) done: bool,
    writer: Writer,
    core: Core,
    clock: Clock,
    next: Seq,
    /// How many of a thousand of its execs end only when they are killed.
    endless: u64,
    /// How many of a thousand turns it uses to ask for something.
    pace: u64,
    /// How many requests it may still withdraw.
    withdrawals: u64,
    /// Whether it cares for zones and types.
    choosy: bool,
    /// How many allocs it wants in all, and how long their leases are.
    wants: usize,
    lease: Millis,
    rng: Rng,
    asked: usize,
    /// What it has to do, and how many of a thousand runs of that fail; nothing where it draws its wishes.
    tasks: Vec<Task>,
    crashes: u64,
    /// Allocs whose execs were submitted, and such as were freed, in this life.
    submitted: BTreeSet<AllocId>,
    freed: BTreeSet<AllocId>,
    /// The last record of the keepalive that is under way.
    keeping: Option<u64>,
    /// Execs that it no longer waits for.
    pub(crate) given_up: BTreeMap<ExecId, GivenUp>,
    /// What must not be.
    pub(crate) broken: Vec<String>,
}

/// An exec that its driver no longer waits for.
pub(crate) struct GivenUp {
    /// Where it was.
    pub(crate) instance: InstanceId,
    /// When it would have been given up by a clock that is right, in virtual milliseconds.
    pub(crate) at: u64,
    /// How long it may have gone on after its agent was cut off, in milliseconds.
    pub(crate) length: u64,
}

impl Driver {
    pub(crate) fn new(
        cluster: &ClusterId,
        number: u64,
        setting: &Setting,
        rng: &mut Rng,
    ) -> Driver {
        let id = DriverId::made(number, rng.draw());
        let least = if setting.at_once { setting.allocs } else { 1 };
        let wants = usize::try_from(rng.between(least, setting.allocs)).unwrap_or(1);
        let lease = Millis(rng.between(4000, 20_000));
        let mut rng = Rng::new(rng.draw());
        let endless = if rng.chance(150) { 600 } else { 50 };
        let pace = if rng.chance(300) { 20 } else { 300 };
        let pace = if setting.at_once { 1000 } else { pace };
        let withdrawals = rng.below(8).saturating_sub(5);
        let turn = usize::try_from(number).unwrap_or(0);
        let every = usize::try_from(setting.drivers).unwrap_or(1).max(1);
        let tasks = setting.jobs.iter().skip(turn).step_by(every).cloned().map(Task::new).collect();
        let writer = writer(cluster, &id, Uuid::nil());
        let core = Core::new(Millis(0), cluster.clone(), id.clone(), lease);
        Driver {
            id,
            cluster: cluster.clone(),
            up: false,
            done: false,
            writer,
            core,
            clock: Clock::default(),
            next: Seq(1),
            endless,
            pace,
            withdrawals,
            choosy: setting.choosy,
            wants,
            lease,
            rng,
            asked: 0,
            tasks,
            crashes: setting.crashes,
            submitted: BTreeSet::new(),
            freed: BTreeSet::new(),
            keeping: None,
            given_up: BTreeMap::new(),
            broken: Vec::new(),
        }
    }

    /// It comes up, the first time or again: all it knows is on the log.
    pub(crate) fn start(&mut self, now: u64, log: &Log, clock: Clock) {
        (self.up, self.next, self.keeping, self.clock) = (true, Seq(1), None, clock);
        self.core = Core::new(self.shows(now), self.cluster.clone(), self.id.clone(), self.lease);
        self.read(log);
        let fresh = self.fresh(now);
        self.writer = writer(&self.cluster, &self.id, self.core.join(fresh));
        let view = self.core.view();
        self.asked = view.allocs.len();
        self.submitted = view.execs.values().map(|exec| exec.alloc.clone()).collect();
        self.freed.clear();
        self.given_up.clear();
        self.write(DriverJoined { driver: self.id.clone(), version: "sim".into() });
    }

    /// What clock and randomness give for a new life; now and then the clock has gone back.
    fn fresh(&mut self, now: u64) -> Uuid {
        let behind = if self.rng.chance(200) { self.rng.below(BEHIND) } else { 0 };
        let clock = u128::from((now + BEHIND).saturating_sub(behind));
        Uuid::from_u128(clock << 80 | u128::from(self.rng.draw() >> 2))
    }

    fn read(&mut self, log: &Log) {
        for message in log.for_driver(&self.id, self.next) {
            self.core.fold(message.seq, message.time, message.subject, message.payload);
        }
        self.next = log.end().next();
    }

    fn shows(&self, now: u64) -> Millis {
        Millis(self.clock.at(now))
    }

    fn write(&mut self, event: impl Into<Event>) {
        let event = event.into();
        let kind = event.kind();
        if let Err(error) = self.writer.write(event, Seq(0)) {
            self.broken.push(format!("{} cannot write {kind}: {error}", self.id));
        }
    }

    /// Reads what there is (nothing if it is cut off) and does the next things.
    pub(crate) fn turn(&mut self, now: u64, log: Option<&Log>) {
        if let Some(log) = log {
            self.read(log);
            if self.core.taken_over() {
                // By an earlier life, whose clock was ahead, and whose records came late: once more.
                return self.start(now, log, self.clock);
            }
        }
        if !self.core.joined() {
            return;
        }
        self.give_up(now);
        self.keep(now);
        if !self.tasks.is_empty() {
            return self.work();
        }
        if self.asked < self.wants && self.rng.chance(self.pace) {
            self.asked += 1;
            self.ask();
        }
        self.withdraw();
        for (id, view) in self.core.view().allocs.clone() {
            if let AllocView::Granted(_) = view {
                self.use_it(&id);
            }
        }
        let open = |view: &AllocView| matches!(view, AllocView::Waiting(_) | AllocView::Granted(_));
        let ended = !self.core.view().allocs.values().any(open);
        let all = self.asked >= self.wants && self.core.view().allocs.len() >= self.asked;
        if all && ended && self.writer.is_empty() {
            self.leave();
        }
    }

    /// It has no more to do: it says so, and is done once the log has it.
    fn leave(&mut self) {
        if self.core.view().left {
            (self.up, self.done) = (false, true);
        } else {
            self.write(DriverLeft { driver: self.id.clone() });
        }
    }

    fn give_up(&mut self, now: u64) {
        for changed in self.core.expire(self.shows(now)) {
            let Changed::Exec(exec) = changed else { continue };
            let view = self.core.view();
            let alloc = view.execs.get(&exec).map(|view| &view.alloc);
            if let Some(given) = alloc.and_then(|alloc| view.given.get(alloc)) {
                let length = given.lease.0 + given.grace.0;
                let left = GivenUp {
                    instance: given.instance.clone(),
                    at: now + self.clock.early_by(length),
                    length,
                };
                self.given_up.insert(exec, left);
            }
        }
    }

    fn keep(&mut self, now: u64) {
        let records = self.core.keep(self.shows(now));
        if !records.is_empty() {
            records.into_iter().for_each(|kept| self.write(kept));
            self.keeping = Some(self.writer.last_number());
        }
    }

    /// The round in flight has landed.
    pub(crate) fn landed(&mut self, now: u64) {
        let landed = self.writer.landed().map(|numbers| *numbers.end());
        if self.keeping.is_some() && landed >= self.keeping {
            self.keeping = None;
            self.core.kept(self.shows(now));
        }
    }

    /// Asks for something; now and then for what is not to be had.
    fn ask(&mut self) {
        let large = self.rng.chance(50);
        let cpu = if large { 9000 } else { 500 * self.rng.between(1, 10) };
        let most = cpu * self.rng.between(1, 2);
        let amount = |cpu| Resources { cpu, memory: 64 << 20, ..Resources::default() };
        let requested = AllocRequested {
            alloc: AllocId::made(self.rng.draw() >> 20, self.rng.draw()),
            driver: self.id.clone(),
            requirements: Requirements { min: amount(cpu), max: amount(most), width: 1 },
            constraint: self.constraint(),
            priority: i32::try_from(self.rng.below(3)).unwrap_or(0),
            labels: self.labels(),
            lease: Some(self.lease),
        };
        self.write(requested);
    }

    fn labels(&mut self) -> BTreeMap<SmolStr, SmolStr> {
        let team = LABELS.get(usize::try_from(self.rng.below(3)).unwrap_or(0));
        team.map(|team| ("team".into(), (*team).into())).into_iter().collect()
    }

    /// Some care for the market, some want the instance that they have had before.
    fn constraint(&mut self) -> Constraint {
        let mut constraint = Constraint::default();
        if self.rng.chance(200) {
            let spot = self.rng.chance(500);
            constraint.market = Some(if spot { Market::Spot } else { Market::OnDemand });
        } else if self.rng.chance(200) {
            let given = self.core.view().given.values().next();
            constraint.instance = given.map(|given| given.instance.clone());
        }
        if self.choosy && constraint.instance.is_none() {
            constraint.only = self.only();
        }
        constraint
    }

    /// Some care where they are, some of what type; now and then for what is not to be had.
    fn only(&mut self) -> Only {
        let mut only = Only::default();
        if self.rng.chance(300) {
            let zone = if self.rng.chance(500) { ZONES[0] } else { ZONES[1] };
            let zone = if self.rng.chance(30) { "elsewhere" } else { zone };
            only.zones.insert(zone.into());
        }
        if self.rng.chance(300) {
            let some = ["large", "sm*", "l?rge", "*"];
            let at = usize::try_from(self.rng.below(4)).unwrap_or(0);
            only.types.extend(some.get(at).map(|some| SmolStr::from(*some)));
        }
        only
    }

    /// Now and then somebody no longer wants what has not come yet.
    fn withdraw(&mut self) {
        let waits = |(_, view): &(&AllocId, &AllocView)| matches!(view, AllocView::Waiting(_));
        let first = self.core.view().allocs.iter().find(waits).map(|(id, _)| id.clone());
        if let Some(alloc) = first
            && self.withdrawals > 0
            && self.rng.chance(5)
        {
            self.withdrawals -= 1;
            self.write(AllocWithdrawn { alloc, driver: self.id.clone() });
        }
    }

    /// What to run: for a given time, with a given end; now and then what this instance cannot.
    fn config(&mut self) -> ExecConfig {
        let endless = self.rng.chance(self.endless);
        let length = if endless { ENDLESS } else { self.rng.between(10, 6000) };
        let command = vec![length.to_string(), self.rng.below(5).to_string()];
        let timeout = self.rng.chance(100).then(|| Millis(self.rng.between(10, 6000)));
        let image = self.rng.chance(10).then(|| "image".into());
        let too_much = Resources { cpu: 64_000, ..Resources::default() };
        let limits = self.rng.chance(10).then_some(too_much);
        ExecConfig { command, timeout, image, limits, ..ExecConfig::default() }
    }

    /// Runs some execs in an alloc, kills one now and then, and frees it when all have ended, or, now
    /// and then, before.
    fn use_it(&mut self, alloc: &AllocId) {
        let Some(given) = self.core.view().given.get(alloc).cloned() else { return };
        let (driver, instance) = (self.id.clone(), given.instance);
        if self.submitted.insert(alloc.clone()) {
            for _ in 0..self.rng.between(1, 4) {
                let exec = ExecId::made(self.rng.draw() >> 20, self.rng.draw());
                let config = self.config();
                let (alloc, driver) = (alloc.clone(), driver.clone());
                let instance = instance.clone();
                self.write(ExecSubmitted { exec, alloc, driver, instance, config });
            }
            return;
        }
        let own = self.core.view().execs.iter().filter(|(_, exec)| exec.alloc == *alloc);
        let own: Vec<(ExecId, bool)> = own.map(|(id, e)| (id.clone(), e.end.is_some())).collect();
        if let Some((exec, _)) = own.iter().find(|(_, ended)| !ended) {
            if self.rng.chance(5) && self.freed.insert(alloc.clone()) {
                self.write(AllocFreed { alloc: alloc.clone(), driver, instance });
            } else if self.rng.chance(5) {
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

fn writer(cluster: &ClusterId, id: &DriverId, life: Uuid) -> Writer {
    Writer::new(cluster.clone(), AuthorId::from(id), life, 0, Vec::new())
}
