//! Memory that runs out for real, and what the agent says of it. `./dev oom-table` prints the table.

use super::crash::keeper_pid;
use super::world::{World, crash, id, kernel, sh};
use agent::runtime::docker::Docker;
use schema::event::{Event, ExecConfig, ExecExited, ExecOomKilled};
use schema::resources::{Resources, show_bytes};
use schema::why::OomSource;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The limit of each container.
const LIMIT: u64 = 32 << 20;

/// What is done to an exec that has begun.
type Meddle = fn(&str);

struct Situation {
    what: &'static str,
    script: &'static str,
    meddle: Meddle,
    /// Victim and whose memory, if any was killed for memory; and the exit code.
    told: &'static str,
    why: &'static str,
}

const SITUATIONS: &[Situation] = &[
    Situation {
        what: "a hog",
        script: "exec tail /dev/zero",
        meddle: leave,
        told: "Main Exec, 137",
        why: "the kernel names the main process, and its limit",
    },
    Situation {
        what: "a child is the hog, its parent lives",
        script: "tail /dev/zero; exit 0",
        meddle: leave,
        told: "Child Exec, 0",
        why: "the kernel names a process that is not the main one",
    },
    Situation {
        what: "a child is the hog, its parent passes its code on",
        script: "tail /dev/zero; exit $?",
        meddle: leave,
        told: "Child Exec, 137",
        why: "137 says nothing: the kernel names the child",
    },
    Situation {
        what: "a child is the hog, its parent fails for it",
        script: "tail /dev/zero || exit 3",
        meddle: leave,
        told: "Child Exec, 3",
        why: "the kernel names the child",
    },
    Situation {
        what: "a child in a session of its own is the hog",
        script: "setsid tail /dev/zero & wait; exit 0",
        meddle: leave,
        told: "Child Exec, 0",
        why: "it is in the container's cgroup, whoever its parent is",
    },
    Situation {
        what: "three hogs, one after the other",
        script: "for i in 1 2 3; do tail /dev/zero; done; exit 0",
        meddle: leave,
        told: "Child Exec x3, 0",
        why: "each kill is counted",
    },
    Situation {
        what: "a tmpfs that grows",
        script: "sleep 0.5; exec dd if=/dev/zero of=/dev/shm/x bs=1M count=60",
        meddle: leave,
        told: "Main Exec, 137",
        why: "files in memory count, though the process is small",
    },
    Situation {
        what: "a hog whose name looks like what the kernel says after it",
        script: "cp /bin/busybox '/tmp/busybox) UID:0' && exec '/tmp/busybox) UID:0' tail /dev/zero",
        meddle: leave,
        told: "Main Exec, 137",
        why: "a name is what stands between the fixed parts",
    },
    Situation {
        what: "a child is the hog, and the exec is killed later",
        script: "tail /dev/zero; echo over; sleep 600",
        meddle: kill_once_it_is_over,
        told: "Child Exec, 137",
        why: "Docker's flag and 137 look like a death for memory: the kernel named the child",
    },
    Situation {
        what: "SIGKILL from outside",
        script: "exec sleep 600",
        meddle: kill_from_outside,
        told: "-, 137",
        why: "nobody says that it was for memory",
    },
    Situation {
        what: "SIGKILL to a process at its limit",
        script: "x=$(head -c 9000000 /dev/zero | tr '\\0' x); echo over; sleep 600",
        meddle: kill_once_it_is_over,
        told: "-, 137",
        why: "much is used, and nothing was killed for it",
    },
    Situation {
        what: "exit 137 by itself",
        script: "exit 137",
        meddle: leave,
        told: "-, 137",
        why: "nobody says that it was for memory",
    },
    Situation {
        what: "it kills itself",
        script: "sh -c 'kill -9 $$'; exit $?",
        meddle: leave,
        told: "-, 137",
        why: "nobody says that it was for memory",
    },
    Situation {
        what: "a limit of processes is reached",
        script: "while :; do sleep 0.5 & sleep 0.02; done",
        meddle: limit_processes,
        told: "-, 2",
        why: "what cannot be started is not killed",
    },
    Situation {
        what: "an allocation that is refused",
        script: "ulimit -v 20000; tail /dev/zero; exit $?",
        meddle: leave,
        told: "-, 1",
        why: "who asks for too much and is told so ends by himself",
    },
    Situation {
        what: "who writes what the kernel would",
        script: "echo 'Memory cgroup out of memory: Killed process 1 (x) total-vm:1kB, anon-rss:1kB, file-rss:1kB'; exit 137",
        meddle: leave,
        told: "-, 137",
        why: "only the kernel's own records count",
    },
    // Last: of more than ten kills in five seconds the kernel says less.
    Situation {
        what: "many small processes",
        script: "for i in $(seq 24); do sh -c 'x=$(head -c 1500000 /dev/zero | tr \"\\0\" x); sleep 2' & done; wait; exit 0",
        meddle: leave,
        told: "Child Exec x2+, 0",
        why: "none is large, all share one limit",
    },
];

fn leave(_: &str) {}

fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().expect("docker");
    assert!(output.status.success(), "docker {args:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

fn name(exec: &str) -> String {
    format!("fl-test-{exec}")
}

fn kill_from_outside(exec: &str) {
    docker(&["kill", &name(exec)]);
}

fn kill_once_it_is_over(exec: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !docker(&["logs", &name(exec)]).contains("over") {
        assert!(Instant::now() < deadline, "{exec} is not over");
        std::thread::sleep(Duration::from_millis(20));
    }
    kill_from_outside(exec);
}

fn limit_processes(exec: &str) {
    docker(&["update", "--pids-limit", "3", &name(exec)]);
}

fn told(oom: Option<&ExecOomKilled>, end: &ExecExited) -> String {
    let Some(oom) = oom else { return format!("-, {}", end.code) };
    let many = if oom.killed > 1 { format!(" x{}", oom.killed) } else { String::new() };
    format!("{:?} {:?}{many}, {}", oom.victim, oom.constraint, end.code)
}

/// When kills were, for the kernel says less of more than ten in five seconds. One test before this may have
/// had some just now.
struct Pace(VecDeque<Instant>);

impl Pace {
    const FEW: usize = 5;
    const WINDOW: Duration = Duration::from_millis(5500);

    fn new() -> Pace {
        Pace(vec![Instant::now(); Pace::FEW].into())
    }

    fn killed(&mut self, many: u32) {
        self.0.extend((0..many).map(|_| Instant::now()));
    }

    /// Until there were few lately.
    async fn wait(&mut self) {
        while self.0.len() >= Pace::FEW {
            let oldest = self.0.pop_front().unwrap_or_else(Instant::now);
            tokio::time::sleep_until((oldest + Pace::WINDOW).into()).await;
        }
    }
}

/// Whether this is what was expected: ` x2+` is any number of kills but one.
fn is_as(expected: &str, told: &str) -> bool {
    match expected.split_once(" x2+") {
        Some((before, after)) => told.starts_with(&format!("{before} x")) && told.ends_with(after),
        None => told == expected,
    }
}

fn sources(oom: Option<&ExecOomKilled>) -> String {
    let Some(oom) = oom else { return String::new() };
    let name = |source: &OomSource| match source {
        OomSource::Kernel => "kernel",
        OomSource::Cgroup => "cgroup",
        OomSource::Runtime => "docker",
    };
    let names: Vec<_> = oom.sources.iter().map(name).collect();
    format!("{} {}%, peak {}", names.join("+"), oom.confidence, show_bytes(oom.peak))
}

/// Makes it so, and returns what the agent says.
async fn made(world: &World, exec: &str, situation: &Situation) -> (String, String) {
    let limits = Resources { cpu: 1000, memory: LIMIT, ..Resources::default() };
    let image = Some("local/busybox".to_owned());
    let config = ExecConfig { image, limits: Some(limits), ..sh(situation.script) };
    world.submit(exec, config).await;
    world.started(exec).await;
    let (meddle, whom) = (situation.meddle, exec.to_owned());
    tokio::task::spawn_blocking(move || meddle(&whom)).await.expect("done");
    said(world, exec).await
}

/// What the agent says of an exec that ends, and by what it knows that.
async fn said(world: &World, exec: &str) -> (String, String) {
    let ended = |e: &Event| matches!(e, Event::ExecExited(e) if e.exec.as_str() == exec);
    let Event::ExecExited(end) = world.until(ended).await else { panic!("it exits") };
    let events = world.events().await;
    let oom = events.iter().find_map(|event| match event {
        Event::ExecOomKilled(e) if e.exec.as_str() == exec => Some(e),
        _ => None,
    });
    (told(oom, &end), sources(oom))
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_said_to_have_been_killed_for_memory_was() {
    let mut world = World::new();
    let engine = Docker::connect(id("test"), kernel()).await;
    let engine = engine.expect("a Docker engine answers: ./dev docker starts one");
    world.place.docker = Some(Arc::new(engine));
    let _agent = world.agent();
    world.grant("a-1").await;
    let (mut wrong, mut pace) = (Vec::new(), Pace::new());
    for (n, situation) in SITUATIONS.iter().enumerate() {
        let exec = format!("x-{}-{n}", std::process::id());
        pace.wait().await;
        let (told, sources) = made(&world, &exec, situation).await;
        pace.killed(if told.starts_with('-') { 0 } else { 3 });
        println!("{:55} {told:20} {sources:40} {}", situation.what, situation.why);
        if !is_as(situation.told, &told) {
            wrong.push((situation.what, situation.told, told));
        }
    }
    println!("{} of {} right", SITUATIONS.len() - wrong.len(), SITUATIONS.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A memory cgroup with a limit, for several execs together.
struct Shared(PathBuf);

impl Shared {
    fn new(name: &str, limit: u64) -> Shared {
        let (first, second) = ("/sys/fs/cgroup/memory", "/sys/fs/cgroup");
        let (root, file) = match Path::new(first).is_dir() {
            true => (first, "memory.limit_in_bytes"),
            false => (second, "memory.max"),
        };
        let dir = Path::new(root).join(name);
        std::fs::create_dir(&dir).expect("a cgroup can be made: the tests run as root");
        std::fs::write(dir.join(file), limit.to_string()).expect("a limit");
        Shared(dir)
    }

    fn take(&self, pid: i32) {
        std::fs::write(self.0.join("cgroup.procs"), pid.to_string()).expect("it is moved");
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::fs::remove_dir(&self.0).is_err() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// An exec that is killed for what is not its own limit must not be given a higher one; others know nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_limit_on_several_is_no_execs_own() {
    let name = format!("fl-oom-{}", std::process::id());
    let shared = Shared::new(&name, LIMIT);
    let mut world = World::new();
    let engine = Docker::connect(id("test"), kernel()).await;
    let engine = engine.expect("a Docker engine answers: ./dev docker starts one");
    world.place.docker = Some(Arc::new(engine.under(format!("/{name}"))));
    let agent = world.agent();
    world.grant("a-1").await;
    let exec = |what: &str| format!("x-{what}-{}", std::process::id());
    let container = |script: &str| ExecConfig {
        image: Some("local/busybox".to_owned()),
        limits: Some(Resources { cpu: 1000, memory: 4 * LIMIT, ..Resources::default() }),
        ..sh(script)
    };
    world.submit(&exec("quiet"), container("until [ -e /tmp/go ]; do sleep 0.02; done")).await;
    world.started(&exec("quiet")).await;
    for (what, script, wanted) in [
        ("main", "exec tail /dev/zero", "Main Above, 137"),
        ("child", "tail /dev/zero; exit 0", "Child Above, 0"),
    ] {
        world.submit(&exec(what), container(script)).await;
        assert_eq!(said(&world, &exec(what)).await.0, wanted, "{what}");
    }
    docker(&["exec", &self::name(&exec("quiet")), "touch", "/tmp/go"]);
    assert_eq!(said(&world, &exec("quiet")).await.0, "-, 0");
    // A process has no cgroup of its own.
    shared.take(keeper_pid(&world));
    world.submit("x-process", sh("exec tail /dev/zero")).await;
    assert_eq!(said(&world, "x-process").await.0, "Main Above, 137");
    world.submit("x-killed", sh("kill -9 $$")).await;
    assert_eq!(said(&world, "x-killed").await.0, "-, 137");
    crash(agent).await;
    agent::keeper::end(&world.place.dir);
}
