//! One agent, a log, and what becomes of what the agent writes. Everything that it wants is noted as
//! a line.

use agent_core::Agent;
use agent_core::agent::{Do, Place};
use agent_core::exec::{End, Failure, Said};
use replay_core::author::{Line, Writer};
use schema::event::{
    AllocFreed, AllocGranted, Event, ExecConfig, ExecKillRequested, ExecSubmitted, InstanceBooted,
    LogDigest, TerminateRequested,
};
use schema::id::{AuthorId, ClusterId};
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

fn place() -> Place {
    let (cluster, instance) = (id::<ClusterId>("test"), id("i-1"));
    Place { cluster, instance, runtimes: vec!["process".into()] }
}

pub(crate) struct World {
    pub(crate) agent: Agent,
    now: Millis,
    log: Vec<Line>,
    ctl: Writer,
    driver: Writer,
    own: Writer,
    /// All that the agent wanted done, in order.
    pub(crate) wanted: Vec<String>,
}

impl World {
    pub(crate) fn new() -> World {
        World {
            agent: Agent::new(Millis(0), place()),
            now: Millis(0),
            log: Vec::new(),
            ctl: author("r-1"),
            driver: author("d-1"),
            own: author("i-1"),
            wanted: Vec::new(),
        }
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

    /// The agent dies and comes back, with its journal as far as it was durable: with what it had not
    /// brought onto the log, or without. Runtimes know `execs`.
    pub(crate) fn crash(&mut self, durable: bool, execs: &[&str]) {
        self.agent = Agent::new(self.now, place());
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

    pub(crate) fn boot(&mut self) {
        self.agent.boot(InstanceBooted {
            instance: id("i-1"),
            launch: id("l-1"),
            resources: Resources::default(),
            address: String::new(),
            version: "0".into(),
            boot: Millis(0),
            runtimes: Vec::new(),
        });
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
