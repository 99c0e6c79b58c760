//! An instance: the real orders and plan of an agent, its journal and its processes, which both
//! outlive the agent.

use crate::log::Log;
use agent_core::plan::Run;
use agent_core::{Action, Orders, plan};
use replay_core::author::{Line, Writer};
use schema::codec;
use schema::event::{
    AllocClosed, AllocOpened, Event, ExecExited, ExecFailed, ExecStarted, InstanceBooted,
    Interruption, InterruptionNoticed, LogDigest, Usage,
};
use schema::id::{AllocId, AuthorId, ClusterId, ExecId, InstanceId, LaunchId};
use schema::resources::Resources;
use schema::subject::Subject;
use schema::unit::{Millis, Seq};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// How long a cut-off agent lets execs run beyond their lease.
const GRACE: Millis = Millis(5000);
const KILLED: i32 = 137;

/// A process on the instance.
#[derive(Debug, Clone)]
struct Process {
    alloc: AllocId,
    ends: u64,
    code: i32,
}

pub(crate) struct Agent {
    pub(crate) instance: InstanceId,
    launch: LaunchId,
    resources: Resources,
    /// Whether the agent runs.
    pub(crate) up: bool,
    /// It has gone, as it was told to.
    pub(crate) done: bool,
    pub(crate) writer: Writer,
    orders: Orders,
    next: Seq,
    running: BTreeMap<ExecId, Run>,
    processes: BTreeMap<ExecId, Process>,
    /// Ends that the log does not have yet, by number.
    ends: BTreeMap<u64, ExecId>,
    /// When the log was last in reach.
    contact: u64,
    /// How often each exec was started here.
    pub(crate) starts: BTreeMap<ExecId, u32>,
    /// The true exit code of each process that ended.
    pub(crate) codes: BTreeMap<ExecId, i32>,
}

impl Agent {
    pub(crate) fn new(
        cluster: &ClusterId,
        instance: InstanceId,
        launch: LaunchId,
        resources: Resources,
    ) -> Agent {
        let author = AuthorId::from(&instance);
        let writer = Writer::new(cluster.clone(), author, Uuid::from_u128(1), 0, Vec::new());
        Agent {
            orders: Orders::new(instance.clone()),
            instance,
            launch,
            resources,
            up: false,
            done: false,
            writer,
            next: Seq(1),
            running: BTreeMap::new(),
            processes: BTreeMap::new(),
            ends: BTreeMap::new(),
            contact: 0,
            starts: BTreeMap::new(),
            codes: BTreeMap::new(),
        }
    }

    /// The agent comes up, the first time or again: what it knows is the log and its journal.
    pub(crate) fn start(&mut self, now: u64, log: &Log) {
        self.up = true;
        self.orders = Orders::new(self.instance.clone());
        (self.next, self.contact) = (Seq(1), now);
        self.running.clear();
        self.read(log);
        let unsent: Vec<Event> = self
            .writer
            .unsent()
            .filter_map(|(_, line)| codec::decode(&line.payload).ok())
            .map(|record| record.event)
            .collect();
        unsent.iter().for_each(|event| self.orders.follow(event));
        self.processes.retain(|exec, _| self.orders.execs.contains_key(exec));
        let booted = InstanceBooted {
            instance: self.instance.clone(),
            launch: self.launch.clone(),
            resources: self.resources.clone(),
            address: "sim".into(),
            version: "sim".into(),
            boot: Millis(0),
            runtimes: Vec::new(),
        };
        self.write(booted, Seq(0));
    }

    fn read(&mut self, log: &Log) {
        for message in log.from(self.next) {
            let mine = Subject::parse(message.subject)
                .is_ok_and(|subject| subject.instance.as_ref() == Some(&self.instance));
            match codec::decode(message.payload) {
                Ok(record) if mine => self.orders.apply(message.seq, &record),
                _ => {}
            }
        }
        self.next = log.end().next();
    }

    fn write(&mut self, event: impl Into<Event>, cause: Seq) -> u64 {
        let event = event.into();
        self.orders.follow(&event);
        // Nothing that is written here can be too long.
        self.writer.write(event, cause).map_or(0, |(number, _)| number)
    }

    pub(crate) fn interrupted(&mut self, left: Millis) {
        let (instance, interruption) = (self.instance.clone(), Interruption::Spot);
        self.write(InterruptionNoticed { instance, interruption, left }, Seq(0));
    }

    /// Reads what there is (nothing if it is cut off) and does what is left to do.
    pub(crate) fn turn(&mut self, now: u64, log: Option<&Log>) {
        if let Some(log) = log {
            self.read(log);
            self.contact = now;
        }
        self.orders.lapse(Millis(now - self.contact), GRACE);
        self.reap(now);
        let running: BTreeSet<ExecId> = self.running.keys().cloned().collect();
        for action in plan(&self.orders, &running) {
            self.act(now, action);
        }
        self.reap(now);
        let idle = self.orders.allocs.is_empty() && self.orders.execs.is_empty();
        if self.orders.stop && idle && self.running.is_empty() && self.writer.is_empty() {
            (self.up, self.done) = (false, true);
        }
    }

    fn act(&mut self, now: u64, action: Action) {
        let instance = self.instance.clone();
        match action {
            Action::Open(alloc, driver, cause) => {
                self.write(AllocOpened { alloc, driver, instance }, cause);
            }
            Action::Close(alloc, driver, cause) => {
                self.write(AllocClosed { alloc, driver, instance }, cause);
            }
            Action::Run(run) => self.run(now, *run),
            Action::Kill(exec, _) => {
                if let Some(process) = self.processes.get_mut(&exec)
                    && process.ends > now
                {
                    (process.ends, process.code) = (now, KILLED);
                }
            }
            Action::Refuse(run, class) => {
                let Run { exec, alloc, driver, cause, .. } = *run;
                let message = "refused".to_owned();
                self.write(ExecFailed { exec, alloc, driver, instance, class, message }, cause);
            }
        }
    }

    fn run(&mut self, now: u64, run: Run) {
        let exec = run.exec.clone();
        if !self.processes.contains_key(&exec) {
            if run.started {
                // It is the machine that remembers processes; one that it does not know is lost.
                return self.lose(run);
            }
            *self.starts.entry(exec.clone()).or_default() += 1;
            self.processes.insert(exec.clone(), process(now, &run));
        }
        if !run.started {
            let Run { exec, alloc, driver, cause, .. } = run.clone();
            let (instance, handle) = (self.instance.clone(), "1".into());
            self.write(ExecStarted { exec, alloc, driver, instance, handle }, cause);
        }
        self.running.insert(exec, run);
    }

    fn lose(&mut self, run: Run) {
        let Run { exec, alloc, driver, cause, .. } = run;
        let (instance, class) = (self.instance.clone(), schema::why::FailureClass::Lost);
        let message = "no such process".to_owned();
        self.write(ExecFailed { exec, alloc, driver, instance, class, message }, cause);
    }

    /// Writes down the ends of processes.
    fn reap(&mut self, now: u64) {
        let over = |(exec, _): &(&ExecId, &Run)| {
            self.processes.get(*exec).is_none_or(|process| process.ends <= now)
        };
        let over: Vec<(ExecId, Run)> =
            self.running.iter().filter(over).map(|(e, r)| (e.clone(), r.clone())).collect();
        for (exec, run) in over {
            self.running.remove(&exec);
            let code = self.processes.get(&exec).map_or(KILLED, |process| process.code);
            self.codes.insert(exec.clone(), code);
            let Run { alloc, driver, cause, .. } = run;
            let (instance, logs) = (self.instance.clone(), LogDigest::default());
            let usage = Usage::default();
            let (id, exited) = (exec.clone(), exec);
            let event = ExecExited { exec: exited, alloc, driver, instance, code, usage, logs };
            let number = self.write(event, cause);
            self.ends.insert(number, id);
        }
    }

    /// The round in flight has landed: what the log has, the machine may forget.
    pub(crate) fn landed(&mut self) {
        for number in self.writer.landed().into_iter().flatten() {
            if let Some(exec) = self.ends.remove(&number) {
                self.processes.remove(&exec);
            }
        }
    }

    /// It is killed; if its instance reboots, its processes are too.
    pub(crate) fn killed(&mut self, reboot: bool) {
        self.up = false;
        if reboot {
            self.processes.clear();
        }
    }

    /// Whether something of this alloc runs now.
    pub(crate) fn runs_in(&self, now: u64, alloc: &AllocId) -> bool {
        self.processes.values().any(|process| process.alloc == *alloc && now < process.ends)
    }

    /// The round to send.
    pub(crate) fn round(&mut self) -> Vec<Line> {
        self.writer.round()
    }
}

/// How long it takes, and how it ends: as its command says.
fn process(now: u64, run: &Run) -> Process {
    let number = |index: usize| run.config.command.get(index).and_then(|text| text.parse().ok());
    let (length, code) = (number(0).unwrap_or(100), number(1).unwrap_or(0));
    let alloc = run.alloc.clone();
    Process { alloc, ends: now + length, code: i32::try_from(code).unwrap_or(0) }
}
