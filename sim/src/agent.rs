//! An instance: the real agent, and what a machine adds to it: a journal, and processes. Both outlive
//! the agent; what it had not made durable does not, and it may die between any two of its effects.

mod machine;

use crate::log::Log;
use crate::rng::Rng;
use agent_core::agent::{Agent as Core, Do, Place};
use agent_core::plan::Run;
use machine::{Process, Stage};
use replay_core::author::{Line, Writer};
use schema::event::{Event, InstanceBooted};
use schema::id::{AllocId, AuthorId, ClusterId, ExecId, InstanceId, LaunchId};
use schema::resources::Resources;
use schema::subject::Subject;
use schema::unit::{Millis, Seq};
use std::collections::{BTreeMap, VecDeque};
use uuid::Uuid;

/// What is durable of what an agent writes: the last number that it used, and what the log may not
/// have.
#[derive(Default)]
struct Journal {
    last_number: u64,
    unsent: Vec<(u64, Line)>,
}

pub(crate) struct Agent {
    pub(crate) instance: InstanceId,
    launch: LaunchId,
    resources: Resources,
    cluster: ClusterId,
    /// Whether the agent runs.
    pub(crate) up: bool,
    /// Since when.
    pub(crate) since: u64,
    /// It has gone, as it was told to.
    pub(crate) done: bool,
    core: Core,
    next: Seq,
    /// Written, and not in the hands of the author, which has a round in flight.
    posted: VecDeque<(Event, Seq)>,
    writer: Writer,
    journal: Journal,
    rng: Rng,
    /// Running or ended.
    processes: BTreeMap<ExecId, Process>,
    /// What is under way for this life of the agent.
    watched: BTreeMap<ExecId, (Run, Stage)>,
    /// How often each exec was started here.
    pub(crate) starts: BTreeMap<ExecId, u32>,
    /// How each process that was ever started ends, or has ended.
    pub(crate) codes: BTreeMap<ExecId, i32>,
    /// What must not be.
    pub(crate) broken: Vec<String>,
}

impl Agent {
    pub(crate) fn new(
        cluster: &ClusterId,
        instance: InstanceId,
        launch: LaunchId,
        resources: Resources,
    ) -> Agent {
        let seed = instance
            .as_str()
            .bytes()
            .fold(0, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
        Agent {
            core: Core::new(Millis(0), place(cluster, &instance)),
            writer: writer(cluster, &instance, &Journal::default()),
            instance,
            launch,
            resources,
            cluster: cluster.clone(),
            up: false,
            since: 0,
            done: false,
            next: Seq(1),
            posted: VecDeque::new(),
            journal: Journal::default(),
            rng: Rng::new(seed),
            processes: BTreeMap::new(),
            watched: BTreeMap::new(),
            starts: BTreeMap::new(),
            codes: BTreeMap::new(),
            broken: Vec::new(),
        }
    }

    /// The agent comes up, the first time or again: what it knows is the log, its journal, and what
    /// runs.
    pub(crate) fn start(&mut self, now: u64, log: &Log) {
        (self.up, self.since, self.next) = (true, now, Seq(1));
        self.core = Core::new(Millis(now), place(&self.cluster, &self.instance));
        self.writer = writer(&self.cluster, &self.instance, &self.journal);
        self.posted.clear();
        self.watched.clear();
        self.read(log);
        self.journal.unsent.iter().for_each(|(_, line)| self.core.left_behind(&line.payload));
        for exec in self.core.known(self.processes.keys().cloned().collect()) {
            self.kill(now, &exec);
            self.processes.remove(&exec);
        }
        self.core.boot(InstanceBooted {
            instance: self.instance.clone(),
            launch: self.launch.clone(),
            resources: self.resources.clone(),
            address: "sim".into(),
            version: "sim".into(),
            boot: Millis(0),
            runtimes: vec!["process".into()],
        });
    }

    fn read(&mut self, log: &Log) {
        for message in log.from(self.next) {
            let mine = Subject::parse(message.subject)
                .is_ok_and(|subject| subject.instance.as_ref() == Some(&self.instance));
            if mine {
                self.core.fold(message.seq, message.subject, message.payload);
            }
        }
        self.next = log.end().next();
    }

    pub(crate) fn interrupted(&mut self, left: Millis) {
        self.core.interrupted(left);
    }

    /// Reads what there is (nothing if it is cut off) and does what is left to do.
    pub(crate) fn turn(&mut self, now: u64, log: Option<&Log>) {
        if let Some(log) = log {
            self.read(log);
            self.core.contact(Millis(now));
        }
        for (exec, said) in self.machine(now) {
            self.core.heard(Millis(now), &exec, said);
        }
        for wanted in self.core.step(Millis(now)) {
            self.have(now, wanted);
        }
        self.fit(now);
    }

    fn have(&mut self, now: u64, wanted: Do) {
        match wanted {
            Do::Write(event, cause) => {
                self.judge(now, &event);
                self.posted.push_back((*event, cause));
            }
            Do::Start(run) => self.start_exec(now, *run),
            Do::Find(run) => self.find_exec(now, *run),
            Do::Signal(exec, _) => self.signal(now, &exec),
            Do::Forget(exec) => drop(self.processes.remove(&exec)),
            Do::Leave(_) => (self.up, self.done) = (false, true),
        }
    }

    /// It is told to go.
    pub(crate) fn stop(&mut self) {
        self.core.stop("as was drawn".into());
    }

    /// It is killed; if its instance reboots, its processes are too.
    pub(crate) fn killed(&mut self, now: u64, reboot: bool) {
        self.up = false;
        if reboot {
            self.reboot(now);
        }
    }

    /// The allocs of which something runs.
    pub(crate) fn runs(&self, now: u64) -> impl Iterator<Item = &AllocId> {
        self.processes.values().filter_map(move |process| process.running(now))
    }

    /// Whether this runs.
    pub(crate) fn runs_exec(&self, exec: &ExecId, now: u64) -> bool {
        self.processes.get(exec).is_some_and(|process| process.running(now).is_some())
    }

    /// The kinds of what is written and not durable.
    pub(crate) fn writing(&self) -> impl Iterator<Item = &'static str> {
        self.posted.iter().map(|(event, _)| event.kind())
    }

    /// How many processes were ever started.
    pub(crate) fn spawned(&self) -> u32 {
        self.starts.values().sum()
    }

    /// What runs has room: the allocs that it is of are no more than the machine.
    fn fit(&mut self, now: u64) {
        let runs = |id: &AllocId| self.processes.values().any(|process| process.runs_in(id, now));
        let allocs = self.core.orders().allocs.iter().filter(|(id, _)| runs(id));
        let sum = allocs.fold(Resources::default(), |sum, (_, alloc)| sum.plus(&alloc.resources));
        if !self.resources.holds(&sum) {
            let (instance, whole) = (&self.instance, &self.resources);
            self.broken.push(format!("{instance} has {whole}, and runs allocs of {sum}"));
        }
    }

    /// Nothing outlives its alloc.
    fn judge(&mut self, now: u64, event: &Event) {
        let Event::AllocClosed(closed) = event else { return };
        if self.processes.values().any(|process| process.runs_in(&closed.alloc, now)) {
            self.broken.push(format!("{} was closed while something of it runs", closed.alloc));
        }
    }

    /// The round to send: all that was posted is in it, or behind it, and durable from now on.
    pub(crate) fn round(&mut self) -> Vec<Line> {
        for (event, cause) in self.posted.drain(..) {
            let kind = event.kind();
            if let Err(error) = self.writer.write(event, cause) {
                self.broken.push(format!("{} cannot write {kind}: {error}", self.instance));
            }
        }
        let unsent = self.writer.unsent().map(|(number, line)| (number, line.clone()));
        self.journal = Journal { last_number: self.writer.last_number(), unsent: unsent.collect() };
        self.writer.round()
    }

    /// The round in flight has landed. That is durable with the next one only.
    pub(crate) fn landed(&mut self) {
        let numbers = self.writer.landed();
        self.core.landed(numbers.map_or(0, |numbers| numbers.count() as u64));
    }
}

fn place(cluster: &ClusterId, instance: &InstanceId) -> Place {
    let (cluster, instance) = (cluster.clone(), instance.clone());
    Place { cluster, instance, runtimes: vec!["process".into()] }
}

fn writer(cluster: &ClusterId, instance: &InstanceId, journal: &Journal) -> Writer {
    let (author, life) = (AuthorId::from(instance), Uuid::from_u128(1));
    Writer::new(cluster.clone(), author, life, journal.last_number, journal.unsent.clone())
}
