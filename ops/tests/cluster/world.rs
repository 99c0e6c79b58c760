//! A cluster of processes for one test, gone when the test is.

use super::watch::Watch;
use driver::{AllocOptions, Driver, ExecEnd, JoinOptions};
use replay::log::{Log, read_to_end};
use replay::testing::NatsServer;
use replay_core::state::exec::ExecStatus;
use replay_core::state::leader::Holder;
use replay_core::{State, invariant};
use schema::codec;
use schema::event::{Event, ExecConfig};
use schema::id::{ClusterId, DriverId};
use schema::record::Record;
use schema::requirements::Requirements;
use schema::resources::Resources;
use schema::unit::{Millis, Seq};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

pub(crate) struct World {
    dir: tempfile::TempDir,
    url: String,
    up: Child,
    server: Option<NatsServer>,
    runtime: tokio::runtime::Runtime,
}

impl Drop for World {
    fn drop(&mut self) {
        use rustix::process::{Pid, Signal, kill_process};
        if let Some(pid) = Pid::from_raw(self.up.id().cast_signed()) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.up.wait();
    }
}

impl World {
    /// So many controllers, and so many instances at least.
    pub(crate) fn start(controllers: u32, instances: u32) -> World {
        World::behind(controllers, instances, str::to_owned)
    }

    /// As [`World::start`]; its processes go to the server by another address.
    pub(crate) fn behind(
        controllers: u32,
        instances: u32,
        address: impl FnOnce(&str) -> String,
    ) -> World {
        let dir = tempfile::tempdir().expect("a directory");
        let server = NatsServer::start(dir.path()).expect("a nats-server");
        let url = server.url();
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleetlog"));
        command.env("XDG_CONFIG_HOME", dir.path().join("config")).args([
            "up",
            "--nats",
            &address(&url),
        ]);
        command.args(["--controllers", &controllers.to_string()]);
        command.args(["--instances", &instances.to_string(), "--dir"]).arg(dir.path().join("up"));
        let log = std::fs::File::create(dir.path().join("up.log")).expect("a file");
        let up = command.stdin(Stdio::null()).stdout(log.try_clone().expect("a file")).stderr(log);
        let up = up.spawn().expect("starts");
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let world = World { dir, url, up, server: Some(server), runtime };
        world.until(|| {
            let state = world.state();
            let booted = state.head.pending == 0 && state.head.instances >= instances;
            booted && matches!(state.head.leader.holder, Holder::Replica(_))
        });
        world
    }

    pub(crate) fn take_server(&mut self) -> NatsServer {
        self.server.take().expect("taken once")
    }

    pub(crate) fn block_on<T>(&self, what: impl Future<Output = T>) -> T {
        self.runtime.block_on(what)
    }

    pub(crate) fn until(&self, mut condition: impl FnMut() -> bool) {
        let since = Instant::now();
        while !condition() {
            let log = std::fs::read_to_string(self.dir.path().join("up.log")).unwrap_or_default();
            assert!(since.elapsed() < PATIENCE, "it did not come about in time; up said:\n{log}");
            std::thread::sleep(POLL);
        }
    }

    /// Exit code, stdout and stderr of a verb.
    pub(crate) fn fleetlog(&self, args: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleetlog"));
        command.env("XDG_CONFIG_HOME", self.dir.path().join("config")).env("USER", "tester");
        let output = command.args(args).stdin(Stdio::null()).output().expect("runs");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
    }

    /// Starts a verb without waiting for it.
    pub(crate) fn begin(&self, args: &[&str]) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleetlog"));
        command.env("XDG_CONFIG_HOME", self.dir.path().join("config")).args(args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("starts")
    }

    /// How many execs have started and not ended.
    pub(crate) fn started(&self) -> usize {
        let state = self.state();
        state.execs.iter().filter(|(_, exec)| exec.status == ExecStatus::Started).count()
    }

    /// Kills the only instance's agent (SIGKILL).
    pub(crate) fn kill_agent(&self) {
        let pid = std::fs::read_to_string(self.instance_dir().join("pid"));
        let pid = pid.expect("its agent runs");
        let pid = rustix::process::Pid::from_raw(pid.trim().parse().expect("a number"));
        let pid = pid.expect("a process id");
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
    }

    pub(crate) fn instance(&self) -> String {
        let (_, out, _) = self.fleetlog(&["instances", "--output", "quiet"]);
        out.lines().next().expect("an instance").to_owned()
    }

    /// Where the only instance keeps its files.
    pub(crate) fn instance_dir(&self) -> PathBuf {
        self.dir.path().join("up/instances").join(self.instance())
    }

    pub(crate) async fn log(&self) -> Option<Arc<dyn Log>> {
        let cluster = ClusterId::new("default").expect("an id");
        replay::log::open(&self.url, &cluster, false).await.ok().map(|(log, _)| log)
    }

    pub(crate) fn state(&self) -> State {
        self.runtime.block_on(async {
            let mut state = State::default();
            let Some(log) = self.log().await else { return state };
            let records = read_to_end(&*log, Seq(1), None).await.unwrap_or_default();
            replay::fold::fold(&mut state, &records, |state, stored, _, _| {
                assert_eq!(invariant::check(state), [], "after record {}", stored.seq);
            });
            state
        })
    }

    /// Everything asked for has ended, and all invariants held after every record.
    pub(crate) fn audit(&self) {
        self.until(|| self.state().index.on_instance.is_empty());
        let state = self.state();
        assert!(state.execs.iter().all(|(_, exec)| exec.ended()) && state.index.waiting.is_empty());
    }

    pub(crate) fn watch(&self) -> Watch {
        self.runtime.block_on(async { Watch::open(self.log().await.expect("opens")).await })
    }

    /// Kills the leading controller (SIGKILL); returns how long it took, by the log's clock, until
    /// another one was elected.
    pub(crate) fn kill_leader(&self, watch: &mut Watch) -> Duration {
        let leader = self.runtime.block_on(watch.leader());
        let killed = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        self.kill_controller(&leader);
        let elected = |_: &State, record: &Record| matches!(record.event, Event::LeaderElected(_));
        let elected = self.runtime.block_on(watch.until(elected));
        Duration::from_nanos(elected.0).saturating_sub(killed)
    }

    /// Kills the controller of this name (SIGKILL).
    pub(crate) fn kill_controller(&self, name: &str) {
        let pid = self.controllers().into_iter().find(|(_, its)| its == name);
        let pid = pid.expect("it is a process").0;
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
    }

    /// How many records of this kind are on the log.
    pub(crate) fn count(&self, kind: &str) -> usize {
        let records = self.runtime.block_on(async {
            let Some(log) = self.log().await else { return Vec::new() };
            read_to_end(&*log, Seq(1), None).await.unwrap_or_default()
        });
        let decoded = records.iter().filter_map(|stored| codec::decode(&stored.payload).ok());
        decoded.filter(|record| record.event.kind() == kind).count()
    }

    /// A file of the test's own.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Controllers by process: each is told its name by `up`.
    fn controllers(&self) -> Vec<(rustix::process::Pid, String)> {
        let children = format!("/proc/{0}/task/{0}/children", self.up.id());
        let pids = std::fs::read_to_string(children).unwrap_or_default();
        let named = pids.split_whitespace().filter_map(|pid| {
            let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
            let mut words = line.split('\0').skip_while(|word| *word != "--replica");
            let pid = rustix::process::Pid::from_raw(pid.parse().ok()?)?;
            Some((pid, words.nth(1)?.to_owned()))
        });
        named.collect()
    }

    /// Runs so many execs over a few allocs, the longest for `longest` seconds, while `trouble` is
    /// made; every one must end once, as it should.
    pub(crate) fn storm(&self, count: usize, longest: usize, trouble: impl FnOnce(&World)) {
        let running = self.runtime.block_on(self.submit(count, longest));
        trouble(self);
        let (driver, allocs, execs) = running;
        self.runtime.block_on(async {
            for (index, exec) in execs.into_iter().enumerate() {
                let end = tokio::time::timeout(PATIENCE, exec.wait()).await.expect("ends in time");
                let (end, _) = end.expect("the driver goes on");
                let code = i32::try_from(index % 7).expect("small");
                assert!(
                    matches!(end, ExecEnd::Exited { code: c, .. } if c == code),
                    "{index}: {end:?}"
                );
            }
            for alloc in allocs {
                alloc.free().await.expect("freed");
            }
            driver.leave().await.expect("left");
        });
        self.audit();
        let state = self.state();
        assert_eq!(state.execs.len(), count);
        let ended = |exec: &replay_core::state::exec::Exec| {
            matches!(&exec.status, ExecStatus::Ended { late: None, .. })
        };
        assert!(state.execs.iter().all(|(_, exec)| ended(exec)));
    }

    async fn submit(
        &self,
        count: usize,
        longest: usize,
    ) -> (Driver, Vec<driver::Alloc>, Vec<driver::Exec>) {
        let options = JoinOptions {
            cluster: ClusterId::new("default").expect("an id"),
            log: self.log().await.expect("opens"),
            driver: DriverId::new("storm").expect("an id"),
            lease: Millis::from_secs(60),
        };
        let driver = Driver::join(options).await.expect("joins");
        let need = Resources { cpu: 500, memory: 64 << 20, ..Resources::default() };
        let mut allocs = Vec::new();
        for _ in 0..2 {
            let options = AllocOptions::new(Requirements::exactly(need.clone()));
            allocs.push(
                driver.alloc(options).await.expect("asked").granted().await.expect("granted"),
            );
        }
        let mut execs = Vec::new();
        for index in 0..count {
            let script = format!("sleep {}; exit {}", 1 + index % longest, index % 7);
            let command = ["sh", "-c", &script].map(str::to_owned).to_vec();
            let config = ExecConfig { command, ..ExecConfig::default() };
            execs.push(allocs[index % 2].exec(config).await.expect("submitted"));
        }
        (driver, allocs, execs)
    }
}
