//! One agent, a log, and what becomes of what the agent writes. Everything that it wants is noted as
//! a line.

use agent_core::Agent;
use agent_core::agent::{Do, Place};
use agent_core::exec::{End, Failure, Said};
use replay_core::author::{Line, Writer};
use schema::event::{
    AllocFreed, AllocGranted, Event, ExecConfig, ExecKillRequested, ExecSubmitted, InstanceBooted,
    InstanceVerified, LogDigest, TerminateRequested,
};
use schema::id::{AuthorId, ClusterId};
use schema::proof::Bearer;
use schema::resources::Resources;
use schema::unit::{Millis, Seq};
use schema::why::{FailureClass, GrantWhy, TerminateWhy};
use std::str::FromStr;
use uuid::Uuid;

pub(crate) const LEASE: Millis = Millis(10_000);
pub(crate) const GRACE: Millis = Millis(5000);

pub(crate) fn id<T: FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("an id")
}

fn author(name: &str) -> Writer {
    Writer::new(id("test"), id::<AuthorId>(name), Uuid::from_u128(1), 0, Vec::new())
}

fn place(proves: bool) -> Place {
    let (cluster, instance) = (id::<ClusterId>("test"), id("i-1"));
    Place { cluster, instance, runtimes: vec!["process".into()], proves }
}

pub(crate) struct World {
    pub(crate) agent: Agent,
    now: Millis,
    log: Vec<Line>,
    ctl: Writer,
    driver: Writer,
    own: Writer,
    /// Which life of the agent this is, and whether it has to prove itself.
    life: Uuid,
    proves: bool,
    /// All that the agent wanted done, in order.
    pub(crate) wanted: Vec<String>,
}

impl World {
    pub(crate) fn new() -> World {
        World {
            agent: Agent::new(Millis(0), place(false)),
            now: Millis(0),
            log: Vec::new(),
            ctl: author("r-1"),
            driver: author("d-1"),
            own: author("i-1"),
            life: Uuid::from_u128(1),
            proves: false,
            wanted: Vec::new(),
        }
    }

    /// One whose agent has to prove itself.
    pub(crate) fn proving(&mut self) {
        (self.agent, self.proves) = (Agent::new(self.now, place(true)), true);
    }

    /// The leader says that this life of the agent is trusted, by what it said last.
    pub(crate) fn verify(&mut self, life: u128) {
        let boots = |line: &Line| {
            let record = schema::codec::decode(&line.payload);
            record.is_ok_and(|record| matches!(record.event, Event::InstanceBooted(_)))
        };
        let booted = self.log.iter().rposition(boots);
        self.verify_by(life, booted.map_or(Seq(0), |at| Seq(at as u64 + 1)));
    }

    /// The same by what this record says.
    pub(crate) fn verify_by(&mut self, life: u128, boot: Seq) {
        let (instance, life) = (id("i-1"), Uuid::from_u128(life));
        self.ctl(InstanceVerified { instance, life, boot });
    }

    /// Somebody who may write under the agent's name says this, in a life that he has made up.
    pub(crate) fn forge(&mut self, event: impl Into<Event>) {
        let life = Uuid::from_u128(u128::MAX);
        let mut forger = Writer::new(id("test"), id::<AuthorId>("i-1"), life, 0, Vec::new());
        let line = forger.write(event.into(), Seq(0)).expect("short enough").1.clone();
        self.store(line);
        self.step();
    }

    /// Somebody says what was said last as a record of this number, from another address; says where it
    /// was before.
    pub(crate) fn repeat(&mut self, number: u64, address: &str) -> Seq {
        let first = Seq(self.log.len() as u64);
        let line = self.log.last().expect("something has landed").clone();
        let mut record = schema::codec::decode(&line.payload).expect("a record");
        record.number = number;
        if let Event::InstanceBooted(booted) = &mut record.event {
            booted.address = address.into();
        }
        self.store(Line::of(&id("test"), &record).expect("short enough"));
        self.step();
        first
    }

    /// A world with `a-1` open, and nothing noted yet.
    pub(crate) fn open(&mut self) {
        self.grant("a-1");
        self.land();
        self.wanted.clear();
    }

    /// As [`World::open`], with `x-1` running in it.
    pub(crate) fn running(&mut self) {
        self.open();
        self.submit("x-1", ExecConfig::default());
        self.started("x-1");
        self.land();
        self.wanted.clear();
    }

    pub(crate) fn step(&mut self) {
        for wanted in self.agent.step(self.now) {
            if let Do::Write(event, cause) = &wanted {
                self.own.write((**event).clone(), *cause).expect("short enough");
            }
            self.wanted.push(line(&wanted));
        }
    }

    /// Time passes, the log being in reach.
    pub(crate) fn pass(&mut self, ms: u64) {
        self.now.0 += ms;
        self.agent.contact(self.now);
        self.step();
    }

    /// Time passes, the log being out of reach.
    pub(crate) fn cut_off(&mut self, ms: u64) {
        self.now.0 += ms;
        self.step();
    }

    /// What was written lands, and is read.
    pub(crate) fn land(&mut self) {
        let lines = self.own.round();
        let landed = self.own.landed().map_or(0, |numbers| numbers.count() as u64);
        lines.into_iter().for_each(|line| self.store(line));
        self.agent.landed(landed);
        self.step();
    }

    /// What landed last lands again; says where it was before.
    pub(crate) fn again(&mut self) -> Seq {
        let first = Seq(self.log.len() as u64);
        let line = self.log.last().expect("something has landed").clone();
        self.store(line);
        self.step();
        first
    }

    /// The agent dies and comes back, with its journal as far as it was durable: with what it had not
    /// brought onto the log, or without. Runtimes know `execs`.
    pub(crate) fn crash(&mut self, durable: bool, execs: &[&str]) {
        self.agent = Agent::new(self.now, place(self.proves));
        for (at, line) in self.log.iter().enumerate() {
            assert!(self.agent.fold(Seq(at as u64 + 1), &line.subject, &line.payload));
        }
        if durable {
            self.own.unsent().for_each(|(_, line)| self.agent.left_behind(&line.payload));
        } else {
            self.own.round();
            self.own.landed();
        }
        let cleared = self.agent.known(execs.iter().map(|exec| id(exec)).collect());
        self.wanted.extend(cleared.iter().map(|exec| format!("clear {exec}")));
        self.step();
    }

    /// The agent dies and comes back without its journal, in another life; `x-1` runs on.
    pub(crate) fn reborn(&mut self, life: u128) {
        self.life = Uuid::from_u128(life);
        self.own = Writer::new(id("test"), id::<AuthorId>("i-1"), self.life, 0, Vec::new());
        self.wanted.clear();
        self.agent = Agent::new(self.now, place(self.proves));
        for (at, line) in self.log.iter().enumerate() {
            assert!(self.agent.fold(Seq(at as u64 + 1), &line.subject, &line.payload));
        }
        assert!(self.agent.known(vec![id("x-1")]).is_empty());
    }

    pub(crate) fn boot(&mut self) {
        let booted = InstanceBooted {
            instance: id("i-1"),
            launch: id("l-1"),
            resources: Resources::default(),
            address: String::new(),
            version: "0".into(),
            boot: Millis(0),
            runtimes: Vec::new(),
            proof: None,
        };
        let bearer = Bearer::new(1, Millis(0), [1; 32]);
        let word = (self.life, self.own.last_number() + 1);
        let proved = || bearer.prove(&id("test"), word, booted.clone());
        let booted = if self.proves { proved() } else { booted };
        self.agent.boot(booted, word);
        self.step();
    }

    pub(crate) fn grant(&mut self, alloc: &str) {
        self.grant_with(alloc, GRACE);
    }

    pub(crate) fn grant_with(&mut self, alloc: &str, grace: Millis) {
        self.ctl(AllocGranted {
            alloc: id(alloc),
            driver: id("d-1"),
            instance: id("i-1"),
            resources: Resources { cpu: 1000, memory: 1 << 30, ..Resources::default() },
            lease: LEASE,
            grace,
            address: String::new(),
            why: GrantWhy::Named,
        });
    }

    pub(crate) fn submit(&mut self, exec: &str, config: ExecConfig) {
        let (alloc, driver, instance) = (id("a-1"), id("d-1"), id("i-1"));
        self.driver(ExecSubmitted { exec: id(exec), alloc, driver, instance, config });
    }

    pub(crate) fn kill(&mut self, exec: &str, signal: i32) {
        let (alloc, driver, instance) = (id("a-1"), id("d-1"), id("i-1"));
        self.driver(ExecKillRequested { exec: id(exec), alloc, driver, instance, signal });
    }

    pub(crate) fn free(&mut self, alloc: &str) {
        let (driver, instance) = (id("d-1"), id("i-1"));
        self.driver(AllocFreed { alloc: id(alloc), driver, instance });
    }

    pub(crate) fn terminate(&mut self) {
        self.ctl(TerminateRequested { instance: id("i-1"), why: TerminateWhy::Killed });
    }

    pub(crate) fn started(&mut self, exec: &str) {
        self.aged(exec, 0);
    }

    /// Started so long ago, in milliseconds.
    pub(crate) fn aged(&mut self, exec: &str, age: u64) {
        self.heard(exec, Said::Started { handle: "1".into(), age: Millis(age) });
    }

    pub(crate) fn ended(&mut self, exec: &str, end: End) {
        self.heard(exec, Said::Ended(end, LogDigest::default()));
    }

    pub(crate) fn exited(&mut self, exec: &str, code: i32) {
        self.ended(exec, End { code, ..End::default() });
    }

    pub(crate) fn failed(&mut self, exec: &str, class: FailureClass, message: &str) {
        self.heard(exec, Said::Failed(Failure { class, message: message.to_owned() }));
    }

    fn heard(&mut self, exec: &str, said: Said) {
        self.agent.heard(self.now, &id(exec), said);
        self.step();
    }

    fn ctl(&mut self, event: impl Into<Event>) {
        let (_, line) = self.ctl.write(event.into(), Seq(0)).expect("short enough");
        let line = line.clone();
        self.store(line);
        self.step();
    }

    fn driver(&mut self, event: impl Into<Event>) {
        let (_, line) = self.driver.write(event.into(), Seq(0)).expect("short enough");
        let line = line.clone();
        self.store(line);
        self.step();
    }

    fn store(&mut self, line: Line) {
        let seq = Seq(self.log.len() as u64 + 1);
        assert!(self.agent.fold(seq, &line.subject, &line.payload), "{}", line.subject);
        self.log.push(line);
    }
}

fn line(wanted: &Do) -> String {
    match wanted {
        Do::Write(event, _) => written(event),
        Do::Start(run) => format!("start {}", run.exec),
        Do::Find(run) => format!("find {}", run.exec),
        Do::Signal(exec, signal) => format!("signal {exec} {signal}"),
        Do::Forget(exec) => format!("forget {exec}"),
        Do::Joined => "joined".to_owned(),
        Do::Leave(unlanded) => format!("leave {unlanded}"),
    }
}

fn written(event: &Event) -> String {
    match event {
        Event::InstanceBooted(_) => "- up".to_owned(),
        Event::InstanceStopping(e) => format!("- stopping: {}", e.reason),
        Event::InterruptionNoticed(e) => format!("- {} ms left", e.left),
        Event::AllocOpened(e) => format!("- {} opened", e.alloc),
        Event::AllocClosed(e) => format!("- {} closed", e.alloc),
        Event::ExecStarted(e) => format!("- {} started as {}", e.exec, e.handle),
        Event::ExecOomKilled(e) => format!("- {} oom {:?} at {}", e.exec, e.victim, e.limit),
        Event::ExecExited(e) => format!("- {} exited {} after {}", e.exec, e.code, e.usage.wall),
        Event::ExecFailed(e) => format!("- {} failed: {}", e.exec, e.message),
        other => panic!("no agent writes {other:?}"),
    }
}
