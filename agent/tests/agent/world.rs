//! One instance on a log of its own: the test is its leader and its driver.

use super::cut::Cut;
use agent::kernel::Kernel;
use agent::runtime::Runtime;
use agent::runtime::process::Processes;
use agent::{Agent, AgentError, Notice, Options};
use replay::author::{Author, Forgetful, Identity};
use replay::log::{Entry, Log, Telemetry, embedded};
use schema::codec;
use schema::event::{
    AllocFreed, AllocGranted, Event, ExecConfig, ExecKillRequested, ExecSubmitted,
    TerminateRequested,
};
use schema::id::{AllocId, ClusterId, DriverId, InstanceId};
use schema::resources::Resources;
use schema::unit::{Millis, Seq};
use schema::why::{GrantWhy, TerminateWhy};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What an agent is made from.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) cluster: ClusterId,
    pub(crate) instance: InstanceId,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) telemetry: Arc<dyn Telemetry>,
    pub(crate) docker: Option<Arc<dyn Runtime>>,
    pub(crate) dir: PathBuf,
    pub(crate) notice: watch::Receiver<Option<Notice>>,
    /// Where the node's exporter answers.
    pub(crate) metrics: String,
}

pub(crate) struct World {
    pub(crate) place: Place,
    pub(crate) driver: DriverId,
    pub(crate) log: Arc<Cut>,
    pub(crate) notice: watch::Sender<Option<Notice>>,
    pub(crate) lease: Millis,
    ctl: Author,
    asks: Author,
    _dir: TempDir,
}

pub(crate) type Running = JoinHandle<Result<(), AgentError>>;

pub(crate) fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("an id")
}

pub(crate) fn sh(script: &str) -> ExecConfig {
    let command = ["sh", "-c", script].map(str::to_owned).to_vec();
    ExecConfig { command, ..ExecConfig::default() }
}

pub(crate) fn keeper() -> Vec<OsString> {
    vec![env!("CARGO_BIN_EXE_fleetlog-keeper").into()]
}

pub(crate) fn kernel() -> Arc<Kernel> {
    Arc::new(Kernel::here())
}

/// How an exec ended, if this says so.
pub(crate) fn end_of(event: &Event) -> Option<(String, String)> {
    match event {
        Event::ExecExited(e) => Some((e.exec.to_string(), format!("exited {}", e.code))),
        Event::ExecFailed(e) => Some((e.exec.to_string(), format!("failed: {}", e.message))),
        _ => None,
    }
}

impl Place {
    pub(crate) async fn options(self) -> Options {
        let processes = Processes::start(&self.dir, &keeper(), kernel()).await.expect("a keeper");
        let mut runtimes: Vec<Arc<dyn Runtime>> = vec![Arc::new(processes)];
        runtimes.extend(self.docker);
        Options {
            cluster: self.cluster,
            instance: self.instance,
            launch: id("l-1"),
            resources: Resources { cpu: 4000, memory: 8 << 30, ..Resources::default() },
            log: self.log,
            telemetry: self.telemetry,
            joined: Some(self.dir.join("run/joined")),
            metrics: self.metrics,
            bearer: None,
            dir: self.dir,
            runtimes,
            interruption: self.notice,
        }
    }
}

impl World {
    pub(crate) fn new() -> World {
        let entropy = Uuid::new_v4().as_u64_pair().0;
        let (cluster, dir) = (id::<ClusterId>("test"), TempDir::new().expect("a directory"));
        let (whole, telemetry) = embedded::temporary(&cluster).expect("a log");
        let log = Cut::new(whole.clone());
        let author = |name: &str| {
            let identity = Identity::fresh(cluster.clone(), id(name));
            Author::start(whole.clone(), identity, Box::new(Forgetful))
        };
        let (ctl, asks, notice) = (author("r-1"), author("d-1"), watch::Sender::new(None));
        let place = Place {
            cluster,
            instance: InstanceId::made(1, entropy),
            log: log.clone(),
            telemetry,
            docker: None,
            dir: dir.path().to_path_buf(),
            notice: notice.subscribe(),
            // Nobody listens there.
            metrics: "127.0.0.1:1".into(),
        };
        let (driver, lease) = (id("d-1"), Millis::from_secs(60));
        World { place, driver, log, notice, lease, ctl, asks, _dir: dir }
    }

    /// A world whose agent is up and has opened `a-1`.
    pub(crate) async fn open() -> (World, Running) {
        let world = World::new();
        let agent = world.agent();
        world.grant("a-1").await;
        world.until(|e| matches!(e, Event::AllocOpened(_))).await;
        (world, agent)
    }

    /// Starts the agent as a task; [`crash`] ends it.
    pub(crate) fn agent(&self) -> Running {
        let options = self.place.clone().options();
        tokio::spawn(async move { Agent::run(options.await).await })
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.place.dir.join(name)
    }

    pub(crate) async fn ctl(&self, event: impl Into<Event>) {
        self.ctl.write(event, Seq(0)).await.expect("it lands");
    }

    pub(crate) async fn asks(&self, event: impl Into<Event>) {
        self.asks.write(event, Seq(0)).await.expect("it lands");
    }

    pub(crate) async fn grant(&self, alloc: &str) {
        self.ctl(AllocGranted {
            alloc: id(alloc),
            driver: self.driver.clone(),
            instance: self.place.instance.clone(),
            resources: Resources { cpu: 1000, memory: 1 << 30, ..Resources::default() },
            lease: self.lease,
            grace: Millis(500),
            address: String::new(),
            why: GrantWhy::Named,
        })
        .await;
    }

    pub(crate) fn submission(&self, exec: &str, alloc: &str, config: ExecConfig) -> ExecSubmitted {
        let (driver, instance) = (self.driver.clone(), self.place.instance.clone());
        ExecSubmitted { exec: id(exec), alloc: id(alloc), driver, instance, config }
    }

    /// Submits to `a-1`.
    pub(crate) async fn submit(&self, exec: &str, config: ExecConfig) {
        self.asks(self.submission(exec, "a-1", config)).await;
    }

    pub(crate) fn kill_request(&self, exec: &str, signal: i32) -> ExecKillRequested {
        let (driver, instance) = (self.driver.clone(), self.place.instance.clone());
        let alloc: AllocId = id("a-1");
        ExecKillRequested { exec: id(exec), alloc, driver, instance, signal }
    }

    pub(crate) async fn free(&self, alloc: &str) {
        let (driver, instance) = (self.driver.clone(), self.place.instance.clone());
        self.asks(AllocFreed { alloc: id(alloc), driver, instance }).await;
    }

    pub(crate) async fn terminate(&self) {
        let instance = self.place.instance.clone();
        self.ctl(TerminateRequested { instance, why: TerminateWhy::Killed }).await;
    }

    /// Appends what no author would write.
    pub(crate) async fn append(&self, subject: String, payload: Vec<u8>) {
        let entry = Entry { subject, payload: payload.into() };
        self.log.whole().append(&[entry], None).await.expect("it lands");
    }

    /// All that is on the log; of each author only the numbers that come next, as the fold takes them.
    pub(crate) async fn events(&self) -> Vec<Event> {
        let log = self.log.whole();
        let all = replay::log::read_to_end(&*log, Seq(1), None).await.expect("the log");
        let mut last = BTreeMap::new();
        let mut events = Vec::new();
        for record in all.iter().filter_map(|stored| codec::decode(&stored.payload).ok()) {
            let key = (record.event.role(), record.author.clone());
            let (life, number) = last.get(&key).copied().unwrap_or((Uuid::nil(), 0));
            let next = record.incarnation == life && record.number == number + 1;
            if next || (record.incarnation > life && record.number == 1) {
                last.insert(key, (record.incarnation, record.number));
                events.push(record.event);
            }
        }
        events
    }

    /// Waits for the first event on the log that is as `wanted`.
    pub(crate) async fn until(&self, wanted: impl Fn(&Event) -> bool) -> Event {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let events = self.events().await;
            if let Some(event) = events.iter().find(|event| wanted(event)) {
                return event.clone();
            }
            assert!(Instant::now() < deadline, "it did not happen; what did: {events:#?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) async fn started(&self, exec: &str) {
        self.until(|e| matches!(e, Event::ExecStarted(s) if s.exec.as_str() == exec)).await;
    }

    /// Waits for the end of an exec.
    pub(crate) async fn end(&self, exec: &str) -> String {
        let of = |event: &Event| end_of(event).filter(|(of, _)| of == exec);
        let event = self.until(|event| of(event).is_some()).await;
        of(&event).expect("an end").1
    }

    /// Every end of an exec on the log.
    pub(crate) async fn ends(&self, exec: &str) -> Vec<String> {
        let all = self.events().await;
        all.iter().filter_map(end_of).filter(|(of, _)| of == exec).map(|(_, end)| end).collect()
    }

    /// Where the data plane answers now.
    pub(crate) async fn address(&self) -> String {
        let booted = |event: &Event| match event {
            Event::InstanceBooted(e) => Some(e.address.clone()),
            _ => None,
        };
        self.events().await.iter().rev().find_map(booted).expect("it has booted")
    }

    /// Asks the data plane; the status line and the body.
    pub(crate) async fn get(&self, path: &str) -> (u16, Vec<u8>) {
        let url = format!("{}{path}", self.address().await);
        let response = reqwest::get(url).await.expect("an answer");
        (response.status().as_u16(), response.bytes().await.expect("a body").to_vec())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        agent::keeper::end(&self.place.dir);
    }
}

/// Ends an agent as kill -9 does: nothing that it had in mind happens any more.
pub(crate) async fn crash(agent: Running) {
    agent.abort();
    assert!(agent.await.is_err_and(|error| error.is_cancelled()), "it had ended by itself");
}

/// Waits until this holds.
pub(crate) async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
