//! Whatever dies, each exec runs once and its true end arrives once.

use super::world::{PATIENCE, Place, World, crash, end_of, eventually, id, keeper, kernel, sh};
use agent::runtime::process::Processes;
use agent::runtime::{End, Failure, Runtime, Spec};
use agent::{Agent, AgentError};
use async_trait::async_trait;
use schema::event::{Event, ExecConfig};
use schema::id::{ExecId, InstanceId};
use schema::unit::Millis;
use smol_str::SmolStr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Waits at a gate, notes that it ran, and exits with 9.
fn gated(world: &World) -> ExecConfig {
    let (gate, count) = (world.file("gate"), world.file("count"));
    let (gate, count) = (gate.display(), count.display());
    sh(&format!("until [ -e {gate} ]; do sleep 0.01; done; echo ran >> {count}; exit 9"))
}

fn lines(path: &Path) -> usize {
    std::fs::read_to_string(path).unwrap_or_default().lines().count()
}

async fn known(world: &World) -> usize {
    let processes =
        Processes::start(&world.place.dir, &keeper(), kernel()).await.expect("a keeper");
    processes.known(&world.place.instance).await.len()
}

#[tokio::test]
async fn an_end_that_came_meanwhile_is_told() {
    let (world, agent) = World::open().await;
    world.submit("x-1", gated(&world)).await;
    world.started("x-1").await;
    crash(agent).await;
    std::fs::write(world.file("gate"), "").expect("the gate opens");
    eventually("it has ended", || lines(&world.file("count")) == 1).await;
    let agent = world.agent();
    assert_eq!(world.end("x-1").await, "exited 9");
    assert_eq!(world.get("/v1/execs/x-1/stdout").await.0, 200);
    world.terminate().await;
    agent.await.expect("no panic").expect("it goes");
    assert_eq!(world.ends("x-1").await, ["exited 9"]);
    assert_eq!((lines(&world.file("count")), known(&world).await), (1, 0));
}

/// It would look alive, and do nothing of what it is told: its successor has to go on.
#[tokio::test]
async fn an_agent_that_cannot_write_any_more_ends_even_if_it_has_nothing_more_to_say() {
    let (world, agent) = World::open().await;
    world.log.fill();
    world.free("a-1").await;
    let ended = tokio::time::timeout(PATIENCE, agent).await.expect("it ends");
    let error = ended.expect("no panic").expect_err("it has failed");
    assert!(matches!(error, AgentError::Write(_)), "{error}");
}

#[tokio::test]
async fn crashes_at_any_moment_neither_lose_nor_double_an_exec() {
    const EXECS: usize = 80;
    let (world, mut agent) = World::open().await;
    let count = world.file("count");
    for n in 0..EXECS {
        let script = format!("echo {n} >> {}; sleep 0.0{}; exit {n}", count.display(), n % 10);
        world.submit(&format!("x-{n}"), sh(&script)).await;
        if n % 4 == 3 {
            crash(agent).await;
            agent = world.agent();
            // Sometimes it comes up before it dies again, sometimes not.
            if n % 8 == 3 {
                world.started(&format!("x-{n}")).await;
            }
        }
    }
    for n in 0..EXECS {
        assert_eq!(world.end(&format!("x-{n}")).await, format!("exited {n}"));
    }
    world.terminate().await;
    agent.await.expect("no panic").expect("it goes");
    let ends = world.events().await.iter().filter(|e| end_of(e).is_some()).count();
    assert_eq!((ends, lines(&count), known(&world).await), (EXECS, EXECS, 0));
}

/// Not a test but an agent in a process of its own, when it is told to be one.
#[tokio::test]
async fn an_agent_by_itself() {
    let Ok(url) = std::env::var("TEST_AGENT_LOG") else { return };
    let variable = |name| std::env::var(name).expect("set with the log");
    let cluster = id("test");
    let (log, telemetry) = replay::log::open(&url, &cluster, false).await.expect("the log");
    let (_notice, noticed) = tokio::sync::watch::channel(None);
    let instance = id(&variable("TEST_AGENT_INSTANCE"));
    let dir = variable("TEST_AGENT_DIR").into();
    let place = Place {
        cluster,
        instance,
        log,
        telemetry,
        docker: None,
        dir,
        notice: noticed,
        metrics: "127.0.0.1:1".into(),
    };
    Agent::run(place.options().await).await.expect("it goes");
}

fn spawn(world: &World, url: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "crash::an_agent_by_itself"]).env("TEST_AGENT_LOG", url);
    command.env("TEST_AGENT_INSTANCE", world.place.instance.as_str());
    command.env("TEST_AGENT_DIR", &world.place.dir);
    command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("it starts")
}

#[tokio::test]
async fn a_killed_process_comes_back_to_its_execs() {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("its address"));
    let (log, telemetry) = (world.log.whole(), world.place.telemetry.clone());
    tokio::spawn(replay::log::remote::serve(log, telemetry, listener));
    let mut agent = spawn(&world, &url);
    world.grant("a-1").await;
    world.submit("x-1", gated(&world)).await;
    world.started("x-1").await;
    let address = world.address().await;
    for _ in 0..3 {
        agent.kill().expect("kill -9");
        agent.wait().expect("it is dead");
        agent = spawn(&world, &url);
    }
    world.submit("x-2", sh("exit 2")).await;
    assert_eq!(world.end("x-2").await, "exited 2");
    assert_eq!(world.address().await, address, "it comes back at its port");
    std::fs::write(world.file("gate"), "").expect("the gate opens");
    assert_eq!(world.end("x-1").await, "exited 9");
    world.terminate().await;
    assert!(agent.wait().expect("it goes").success());
    assert_eq!(world.ends("x-1").await, ["exited 9"]);
    assert_eq!(lines(&world.file("count")), 1);
}

#[tokio::test]
async fn ends_that_the_log_did_not_get_are_told_later() {
    let (world, agent) = World::open().await;
    world.submit("x-1", gated(&world)).await;
    world.started("x-1").await;
    world.log.cut(true);
    std::fs::write(world.file("gate"), "").expect("the gate opens");
    // Its output is followed to its end, which is written down by then.
    assert_eq!(world.get("/v1/execs/x-1/stdout?follow=true").await.0, 200);
    crash(agent).await;
    world.log.cut(false);
    let agent = world.agent();
    assert_eq!(world.end("x-1").await, "exited 9");
    world.submit("x-2", sh("true")).await;
    world.end("x-2").await;
    assert_eq!(world.ends("x-1").await, ["exited 9"]);
    world.terminate().await;
    agent.await.expect("no panic").expect("it goes");
    assert_eq!((lines(&world.file("count")), known(&world).await), (1, 0));
}

#[tokio::test]
async fn a_damaged_journal_begins_a_new_life() {
    let (world, agent) = World::open().await;
    world.submit("x-1", gated(&world)).await;
    world.started("x-1").await;
    crash(agent).await;
    for file in std::fs::read_dir(world.file("journal")).expect("the journal") {
        let path = file.expect("a file").path();
        if path.is_file() {
            std::fs::write(path, [0xff; 4096]).expect("it is damaged");
        }
    }
    let _agent = world.agent();
    std::fs::write(world.file("gate"), "").expect("the gate opens");
    assert_eq!(world.end("x-1").await, "exited 9");
    world.submit("x-2", sh("exit 2")).await;
    assert_eq!(world.end("x-2").await, "exited 2");
    assert_eq!(world.ends("x-1").await, ["exited 9"]);
}

#[tokio::test]
async fn a_journal_from_an_old_copy_is_not_gone_on_with() {
    let (world, agent) = World::open().await;
    crash(agent).await;
    let copy = world.file("copy");
    let copied = |from: &Path, to: &Path| {
        let done = Command::new("cp").arg("-a").arg(from).arg(to).status();
        assert!(done.expect("cp").success());
    };
    // The agent's last writes are over once another one could open the journal.
    let agent = world.agent();
    world.submit("x-1", sh("exit 1")).await;
    world.end("x-1").await;
    crash(agent).await;
    copied(&world.file("journal"), &copy);
    let agent = world.agent();
    world.submit("x-2", sh("exit 2")).await;
    world.end("x-2").await;
    crash(agent).await;
    std::fs::remove_dir_all(world.file("journal")).expect("the journal goes");
    copied(&copy, &world.file("journal"));
    let _agent = world.agent();
    world.submit("x-3", sh("exit 3")).await;
    assert_eq!(world.end("x-3").await, "exited 3");
}

#[tokio::test]
async fn time_limits_count_across_lives() {
    let (world, agent) = World::open().await;
    let timeout = Some(Millis(700));
    world.submit("x-1", ExecConfig { timeout, ..sh("exec sleep 600") }).await;
    world.started("x-1").await;
    crash(agent).await;
    let processes =
        Processes::start(&world.place.dir, &keeper(), kernel()).await.expect("a keeper");
    let deadline = std::time::Instant::now() + PATIENCE;
    while processes.age(&id("x-1")).await < Millis(700) {
        assert!(std::time::Instant::now() < deadline, "it does not grow older");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(processes);
    let _agent = world.agent();
    assert_eq!(world.end("x-1").await, "failed: x-1 ran for longer than its limit of 700 ms");
}

/// A runtime whose agent dies before it hears that an exec has started.
struct Mute {
    processes: Processes,
    mute: watch::Sender<bool>,
}

#[async_trait]
impl Runtime for Mute {
    fn name(&self) -> &'static str {
        "docker"
    }
    async fn start(&self, spec: &Spec) -> Result<SmolStr, Failure> {
        let started = self.processes.start(spec).await;
        let _ = self.mute.subscribe().wait_for(|mute| !mute).await;
        started
    }
    async fn wait(&self, spec: &Spec) -> Result<End, Failure> {
        self.processes.wait(spec).await
    }
    async fn settle(&self, spec: &Spec) {
        self.processes.settle(spec).await;
    }
    async fn age(&self, exec: &ExecId) -> Millis {
        self.processes.age(exec).await
    }
    async fn kill(&self, exec: &ExecId, signal: i32) {
        self.processes.kill(exec, signal).await;
    }
    async fn known(&self, instance: &InstanceId) -> Vec<ExecId> {
        self.processes.known(instance).await
    }
    async fn forget(&self, exec: &ExecId) {
        self.processes.forget(exec).await;
    }
}

#[tokio::test]
async fn what_was_started_unheard_does_not_outlive_its_alloc() {
    let mut world = World::new();
    let (dir, pid) = (world.file("mute"), world.file("pid"));
    std::fs::create_dir(&dir).expect("a directory");
    let processes = Processes::start(&dir, &keeper(), kernel()).await.expect("a keeper");
    let runtime = Arc::new(Mute { processes, mute: watch::Sender::new(true) });
    world.place.docker = Some(runtime.clone());
    let agent = world.agent();
    world.grant("a-1").await;
    let script = sh(&format!("echo $$ > {}; exec sleep 600", pid.display()));
    world.submit("x-1", ExecConfig { image: Some("any".into()), ..script }).await;
    eventually("it runs", || lines(&pid) == 1).await;
    crash(agent).await;
    world.free("a-1").await;
    runtime.mute.send_replace(false);
    let _agent = world.agent();
    let end = world.end("x-1").await;
    agent::keeper::end(&dir);
    assert_eq!(end, "exited 137", "it ran until its agent was back");
}

pub(crate) fn keeper_pid(world: &World) -> i32 {
    let dir = world.place.dir.canonicalize().expect("the directory");
    let wanted = format!("fleetlog-keeper\0{}\0", dir.display());
    let all = std::fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
    let is = |path: &Path| {
        std::fs::read(path.join("cmdline")).is_ok_and(|line| line.ends_with(wanted.as_bytes()))
    };
    let found = all.map(|entry| entry.path()).find(|path| is(path)).expect("the keeper runs");
    found.file_name().and_then(|name| name.to_str()?.parse().ok()).expect("a process id")
}

#[tokio::test]
async fn a_dead_keeper_loses_what_ran_and_nothing_else() {
    let (world, _agent) = World::open().await;
    let pid = world.file("pid");
    world.submit("x-1", sh(&format!("echo $$ > {}; exec sleep 600", pid.display()))).await;
    world.started("x-1").await;
    world.submit("x-2", sh("exit 2")).await;
    world.end("x-2").await;
    eventually("it runs", || lines(&pid) == 1).await;
    let keeper = rustix::process::Pid::from_raw(keeper_pid(&world)).expect("a process id");
    rustix::process::kill_process(keeper, rustix::process::Signal::KILL).expect("kill -9");
    assert_eq!(
        world.end("x-1").await,
        "failed: the keeper of x-1 is gone, and the process with it"
    );
    let stat = format!("/proc/{}/stat", std::fs::read_to_string(&pid).expect("its id").trim());
    let gone = || std::fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "));
    eventually("nothing goes on that nobody watches", gone).await;
    world.submit("x-3", sh("exit 3")).await;
    assert_eq!(world.end("x-3").await, "exited 3");
    let ends = world.events().await.iter().filter(|e| end_of(e).is_some()).count();
    assert_eq!(ends, 3);
}

#[tokio::test]
async fn a_dead_keeper_has_noted_the_ends_that_it_saw() {
    let (world, agent) = World::open().await;
    world.submit("x-1", gated(&world)).await;
    world.started("x-1").await;
    crash(agent).await;
    std::fs::write(world.file("gate"), "").expect("the gate opens");
    let noted = || {
        let notes = std::fs::read_to_string(world.file("keeper.notes")).unwrap_or_default();
        notes.contains("\"code\":9")
    };
    eventually("it is noted", noted).await;
    let keeper = rustix::process::Pid::from_raw(keeper_pid(&world)).expect("a process id");
    rustix::process::kill_process(keeper, rustix::process::Signal::KILL).expect("kill -9");
    let _agent = world.agent();
    assert_eq!(world.end("x-1").await, "exited 9");
}

#[tokio::test]
async fn only_one_agent_works_on_an_instance() {
    let (world, agent) = World::open().await;
    let second = world.agent().await.expect("no panic").expect_err("there is one");
    assert!(second.to_string().contains("another agent works here"), "{second}");
    world.submit("x-1", sh("true")).await;
    assert_eq!(world.end("x-1").await, "exited 0");
    let booted = |event: &&Event| matches!(event, Event::InstanceBooted(_));
    assert_eq!(world.events().await.iter().filter(booted).count(), 1);
    drop(agent);
}
