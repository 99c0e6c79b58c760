//! An instance: the real agent, and what a machine adds to it: a journal, and processes. Both outlive
//! the agent; what it had not made durable does not, and it may die between any two of its effects.

mod fate;
mod journal;
mod machine;

use crate::clock::Clock;
use crate::crash::Names;
use crate::log::Log;
use crate::rng::Rng;
use agent_core::agent::{Agent as Core, Do, Place};
use agent_core::plan::Run;
pub(crate) use fate::Fate;
use journal::{Journal, life, writer};
use machine::{Process, Stage};
use replay_core::author::Writer;
use schema::event::{Event, InstanceBooted, Interruption};
use schema::id::{AllocId, ClusterId, ExecId, InstanceId, LaunchId};
use schema::proof::Bearer;
use schema::resources::Resources;
use schema::subject::Aggregate;
use schema::unit::{Millis, Seq};
use std::collections::{BTreeMap, VecDeque};
use uuid::Uuid;

pub(crate) struct Agent {
    pub(crate) instance: InstanceId,
    launch: LaunchId,
    pub(crate) resources: Resources,
    cluster: ClusterId,
    /// What it proves itself with, where it has to.
    pub(crate) bearer: Option<Bearer>,
    /// Whether the agent runs.
    pub(crate) up: bool,
    /// Since when.
    pub(crate) since: u64,
    /// The machine's.
    pub(crate) clock: Clock,
    /// It has gone, as it was told to.
    pub(crate) done: bool,
    core: Core,
    next: Seq,
    /// Written, and not in the hands of the author, which has a round in flight.
    posted: VecDeque<(Event, Seq)>,
    writer: Writer,
    journal: Journal,
    /// What is its own of what it draws.
    seed: u64,
    /// Until when, in milliseconds, nothing can be written to its disk.
    pub(crate) full: u64,
    rng: Rng,
    /// Running or ended.
    processes: BTreeMap<ExecId, Process>,
    /// What is under way for this life of the agent.
    watched: BTreeMap<ExecId, (Run, Stage)>,
    /// What truly became of each exec.
    pub(crate) fates: BTreeMap<ExecId, Fate>,
    /// What must not be.
    pub(crate) broken: Vec<String>,
}

impl Agent {
    pub(crate) fn new(
        cluster: &ClusterId,
        instance: InstanceId,
        launch: LaunchId,
        resources: Resources,
        clock: Clock,
        now: u64,
    ) -> Agent {
        let seed = instance
            .as_str()
            .bytes()
            .fold(0, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
        let journal = Journal::begun(life(now, seed));
        Agent {
            core: Core::new(Millis(0), place(cluster, &instance, false)),
            bearer: None,
            writer: writer(cluster, &instance, &journal),
            instance,
            launch,
            resources,
            cluster: cluster.clone(),
            up: false,
            clock,
            since: 0,
            done: false,
            next: Seq(1),
            posted: VecDeque::new(),
            journal,
            seed,
            full: 0,
            rng: Rng::new(seed),
            processes: BTreeMap::new(),
            watched: BTreeMap::new(),
            fates: BTreeMap::new(),
            broken: Vec::new(),
        }
    }

    /// The agent comes up, the first time or again: what it knows is the log, its journal, and what
    /// runs. It does not where its journal cannot be opened.
    pub(crate) fn start(&mut self, now: u64, log: &Log) {
        if !self.open(now) {
            return;
        }
        (self.up, self.since, self.next) = (true, now, Seq(1));
        self.core =
            Core::new(self.shows(now), place(&self.cluster, &self.instance, self.bearer.is_some()));
        self.writer = writer(&self.cluster, &self.instance, &self.journal);
        self.posted.clear();
        self.watched.clear();
        self.read(log);
        self.journal.unsent.iter().for_each(|(_, line)| self.core.left_behind(&line.payload));
        for exec in self.core.known(self.processes.keys().cloned().collect()) {
            self.kill(now, &exec);
            self.processes.remove(&exec);
        }
        let word = (Uuid::from_u128(self.journal.life), self.writer.last_number() + 1);
        let said = InstanceBooted {
            instance: self.instance.clone(),
            launch: self.launch.clone(),
            resources: self.resources.clone(),
            address: "sim".into(),
            version: "sim".into(),
            boot: Millis(0),
            runtimes: vec!["process".into()],
            proof: None,
        };
        let proved = self.bearer.as_ref().map(|by| by.prove(&self.cluster, word, said.clone()));
        self.core.boot(proved.unwrap_or(said), word);
    }

    fn read(&mut self, log: &Log) {
        for message in log.for_instance(&self.instance, self.next) {
            self.core.fold(message.seq, message.subject, message.payload);
        }
        self.next = log.end().next();
    }

    fn shows(&self, now: u64) -> Millis {
        Millis(self.clock.at(now))
    }

    pub(crate) fn interrupted(&mut self, interruption: Interruption, left: Millis) {
        self.core.interrupted(interruption, left);
    }

    /// Reads what there is (nothing if it is cut off) and does what is left to do.
    pub(crate) fn turn(&mut self, now: u64, log: Option<&Log>) {
        let clock = self.shows(now);
        if let Some(log) = log {
            self.read(log);
            self.core.contact(clock);
        }
        for (exec, said) in self.machine(now) {
            self.core.heard(clock, &exec, said);
        }
        for wanted in self.core.step(clock) {
            self.have(now, wanted);
        }
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
            Do::Joined => {}
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

    /// What is written and not durable.
    pub(crate) fn writing(&self) -> impl Iterator<Item = &Event> {
        self.posted.iter().map(|(event, _)| event)
    }

    /// How often each exec was started here.
    pub(crate) fn starts(&self) -> BTreeMap<ExecId, u32> {
        self.fates.iter().map(|(exec, fate)| (exec.clone(), fate.starts)).collect()
    }

    /// What each process is of that was started since there were these.
    pub(crate) fn spawned_since(&self, before: &BTreeMap<ExecId, u32>) -> Vec<Names> {
        let earlier = |exec| before.get(exec).copied().unwrap_or_default();
        let new = self.fates.iter().filter(|(exec, fate)| fate.starts > earlier(*exec));
        let here = (Aggregate::Instance, self.instance.to_string());
        let names = |exec: &ExecId| [(Aggregate::Exec, exec.to_string()), here.clone()].into();
        new.map(|(exec, _)| names(exec)).collect()
    }

    /// Nothing outlives its alloc.
    fn judge(&mut self, now: u64, event: &Event) {
        let Event::AllocClosed(closed) = event else { return };
        if self.processes.values().any(|process| process.runs_in(&closed.alloc, now)) {
            self.broken.push(format!("{} was closed while something of it runs", closed.alloc));
        }
    }
}

fn place(cluster: &ClusterId, instance: &InstanceId, proves: bool) -> Place {
    let (cluster, instance) = (cluster.clone(), instance.clone());
    Place { cluster, instance, runtimes: vec!["process".into()], proves }
}
