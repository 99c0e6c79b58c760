//! A log in memory, a leader and an agent that write what a test tells them to, and a data plane.

pub(crate) mod plane;

use driver::{Alloc, AllocOptions, AllocRequest, Driver, JoinOptions};
use replay::author::{Author, Forgetful, Identity};
use replay::log::embedded::{EmbeddedLog, temporary};
use replay::log::{Log, Reader};
use schema::codec;
use schema::event::{
    AllocGranted, AllocRevoked, Event, ExecConfig, ExecExited, ExecStarted, Genesis,
    InstanceBooted, LogDigest, Usage,
};
use schema::id::{AllocId, ClusterId, DriverId, ExecId};
use schema::policy::Policy;
use schema::requirements::Requirements;
use schema::resources::Resources;
use schema::unit::{LogTime, Millis, Seq};
use schema::why::{GrantWhy, RevokedWhy};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const TICK: Duration = Duration::from_millis(50);

pub(crate) fn id<T: FromStr<Err = schema::id::IdError>>(text: &str) -> T {
    text.parse().expect("an id")
}

/// A cluster whose leader and only agent do as they are told.
pub(crate) struct World {
    pub(crate) cluster: ClusterId,
    pub(crate) log: Arc<EmbeddedLog>,
    pub(crate) address: String,
    pub(crate) leader: Author,
    pub(crate) agent: Author,
    reader: Box<dyn Reader>,
    heard: Vec<(Seq, LogTime, Event)>,
}

impl World {
    pub(crate) async fn new() -> World {
        let cluster: ClusterId = id("test");
        let (log, _) = temporary(&cluster).expect("a log");
        let author = |name: &str| {
            let identity = Identity::fresh(cluster.clone(), id(name));
            Author::start(log.clone(), identity, Box::new(Forgetful))
        };
        let (leader, agent) = (author("r-1"), author("i-1"));
        let genesis = Genesis {
            cluster: cluster.clone(),
            generation: 1,
            policy: Policy::default(),
            previous: None,
        };
        leader.write(genesis, Seq(0)).await.expect("written");
        let reader = log.read(Seq(1), None).await.expect("readable");
        let address = "http://127.0.0.1:9".to_owned();
        World { cluster, log, address, leader, agent, reader, heard: Vec::new() }
    }

    pub(crate) async fn join(&self, driver: &str) -> Driver {
        self.join_with(driver, Millis::from_secs(120)).await
    }

    pub(crate) async fn join_with(&self, driver: &str, lease: Millis) -> Driver {
        let (cluster, log) = (self.cluster.clone(), self.log.clone());
        let options = JoinOptions { cluster, log, driver: id(driver), lease };
        Driver::join(options).await.expect("joins")
    }

    pub(crate) async fn ask(&self, driver: &Driver) -> AllocRequest {
        let need = Resources { cpu: 1000, memory: 64 << 20, ..Resources::default() };
        let asked = driver.alloc(AllocOptions::new(Requirements::exactly(need))).await;
        asked.expect("asked")
    }

    /// Asks, grants, and waits for it.
    pub(crate) async fn alloc(&self, driver: &Driver) -> Alloc {
        let request = self.ask(driver).await;
        self.grant(driver.id(), request.id(), Millis::from_secs(120)).await;
        request.granted().await.expect("granted")
    }

    pub(crate) async fn grant(&self, driver: &DriverId, alloc: &AllocId, lease: Millis) {
        self.decide(AllocGranted {
            alloc: alloc.clone(),
            driver: driver.clone(),
            instance: id("i-1"),
            resources: Resources { cpu: 1000, memory: 64 << 20, ..Resources::default() },
            lease,
            grace: AllocGranted::GRACE.min(lease),
            address: self.address.clone(),
            why: GrantWhy::Named,
        })
        .await;
    }

    /// Execs of it may still be reported for so long.
    pub(crate) async fn revoke(
        &mut self,
        driver: &Driver,
        alloc: &Alloc,
        why: RevokedWhy,
        wait: Millis,
    ) {
        let granted =
            |event: &Event| matches!(event, Event::AllocGranted(e) if e.alloc == *alloc.id());
        let (_, time, _) = self.until(granted).await;
        let execs_until = time + Millis(60_000) + wait;
        let (driver, instance) = (driver.id().clone(), id("i-1"));
        let alloc = alloc.id().clone();
        self.decide(AllocRevoked { alloc, driver, instance, execs_until, why }).await;
    }

    pub(crate) async fn decide(&self, event: impl Into<Event>) -> Seq {
        self.leader.write(event, Seq(0)).await.expect("written")
    }

    pub(crate) async fn report(&self, event: impl Into<Event>) -> Seq {
        self.agent.write(event, Seq(0)).await.expect("written")
    }

    pub(crate) async fn started(&self, driver: &Driver, alloc: &AllocId, exec: &ExecId) {
        let (alloc, exec, driver) = (alloc.clone(), exec.clone(), driver.id().clone());
        let instance = id("i-1");
        self.report(ExecStarted { exec, alloc, driver, instance, handle: "1".into() }).await;
    }

    pub(crate) async fn exited(&self, driver: &Driver, alloc: &AllocId, exec: &ExecId, code: i32) {
        self.exited_after(driver, alloc, exec, code, LogDigest::default()).await;
    }

    pub(crate) async fn exited_after(
        &self,
        driver: &Driver,
        alloc: &AllocId,
        exec: &ExecId,
        code: i32,
        logs: LogDigest,
    ) {
        let (alloc, exec, driver) = (alloc.clone(), exec.clone(), driver.id().clone());
        let (instance, usage) = (id("i-1"), Usage::default());
        self.report(ExecExited { exec, alloc, driver, instance, code, usage, logs }).await;
    }

    pub(crate) async fn booted(&self, agent: &Author, address: &str) {
        let booted = InstanceBooted {
            instance: id("i-1"),
            launch: id("l-1"),
            resources: Resources::default(),
            address: address.to_owned(),
            version: "0".into(),
            boot: Millis(1),
            runtimes: Vec::new(),
            proof: None,
        };
        agent.write(booted, Seq(0)).await.expect("written");
    }

    /// The first event on the log that is like this, once it is there.
    pub(crate) async fn until(&mut self, like: impl Fn(&Event) -> bool) -> (Seq, LogTime, Event) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = self.heard.iter().find(|(_, _, event)| like(event)) {
                return found.clone();
            }
            assert!(Instant::now() < deadline, "never written; there is {:?}", self.kinds());
            self.hear().await;
        }
    }

    /// How many events on the log are like this by now.
    pub(crate) async fn count(&mut self, like: impl Fn(&Event) -> bool) -> usize {
        let end = self.log.last_seq().await.expect("known");
        while self.heard.last().is_none_or(|(seq, _, _)| *seq < end) {
            self.hear().await;
        }
        self.heard.iter().filter(|(_, _, event)| like(event)).count()
    }

    async fn hear(&mut self) {
        for stored in self.reader.next_batch(TICK).await.expect("readable").records {
            let event = codec::decode(&stored.payload).expect("a record").event;
            self.heard.push((stored.seq, stored.time, event));
        }
    }

    fn kinds(&self) -> Vec<&'static str> {
        self.heard.iter().map(|(_, _, event)| event.kind()).collect()
    }
}

/// What comes of it, if it comes in time.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it comes in time")
}

pub(crate) fn sleep_100() -> ExecConfig {
    let command = ["sleep", "100"].map(str::to_owned).to_vec();
    ExecConfig { command, ..ExecConfig::default() }
}
