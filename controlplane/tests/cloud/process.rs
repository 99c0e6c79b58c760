//! The contract on agents as processes, and what only processes can show. The fake agent is this test
//! program, started again by the cloud: see [`agent`].

use crate::contract::contract;
use crate::world::{DEADLINE, World, accepted, gone, order, seen, until, up};
use controlplane::cloud::local::faults::Faults;
use controlplane::cloud::local::process::{Processes, birth, hold, interruption};
use controlplane::cloud::local::{Birth, LocalCloud};
use controlplane::cloud::{Cloud, LaunchAnswer, SeenState, TerminateAnswer};
use rustix::fs::{CWD, FileType, FlockOperation, Mode, OFlags, flock, mknodat};
use schema::event::MAX_CONSOLE;
use schema::id::InstanceId;
use schema::resources::Resources;
use schema::unit::Millis;
use schema::why::RefusalClass;
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How this program is started as an agent: `PROGRAM --exact process::agent ... DIR`.
const AGENT: [&str; 4] = ["--exact", "process::agent", "--nocapture", "--test-threads=1"];

struct ProcessWorld {
    root: TempDir,
}

impl Default for ProcessWorld {
    fn default() -> ProcessWorld {
        ProcessWorld { root: tempfile::tempdir().unwrap() }
    }
}

impl ProcessWorld {
    fn dir(&self, instance: &InstanceId) -> PathBuf {
        self.root.path().join(instance.as_str())
    }

    fn processes(&self) -> Processes {
        Processes::new(self.root.path().to_owned(), command())
    }

    fn pid(&self, instance: &InstanceId) -> u32 {
        fs::read_to_string(self.dir(instance).join("pid")).unwrap().parse().unwrap()
    }

    fn kill(&self, instance: &InstanceId) {
        let pid = self.pid(instance).to_string();
        assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    }
}

impl Drop for ProcessWorld {
    fn drop(&mut self) {
        for entry in fs::read_dir(self.root.path()).into_iter().flatten().flatten() {
            let _ = fs::write(entry.path().join("ended"), "");
            let _ = fs::remove_file(entry.path().join("birth.json"));
            // The agent goes now, and with it the last one to write here.
            let _ = hold(&entry.path());
        }
    }
}

impl World for ProcessWorld {
    type Host = Processes;

    fn open(&self, faults: &Faults) -> LocalCloud<Processes> {
        LocalCloud::new(self.processes(), faults.clone())
    }

    fn starts(&self, instance: &InstanceId) -> usize {
        fs::read_to_string(self.dir(instance).join("starts")).unwrap_or_default().lines().count()
    }

    fn heard(&self, instance: &InstanceId) -> Option<Millis> {
        let heard = fs::read_to_string(self.dir(instance).join("heard")).ok()?;
        heard.parse().ok().map(Millis)
    }
}

fn command() -> Vec<OsString> {
    let program = std::env::current_exe().unwrap().into_os_string();
    std::iter::once(program).chain(AGENT.map(OsString::from)).collect()
}

/// As a test: one agent holds a directory, and no other. As a program started by a cloud: the agent.
#[test]
fn agent() {
    let last = PathBuf::from(std::env::args_os().next_back().unwrap());
    if last.is_absolute() && last.join("birth.json").exists() {
        act(&last);
    }
    let dir = tempfile::tempdir().unwrap();
    let held = hold(dir.path()).unwrap();
    let second = hold(dir.path()).unwrap_err();
    assert!(second.to_string().contains("another agent runs in"), "{second}");
    drop(held);
    drop(hold(dir.path()).unwrap());
}

/// A file that takes long to open must not keep a leader from saying that it lives.
#[tokio::test]
async fn a_start_that_hangs_holds_up_nobody() {
    let (world, instance) = (ProcessWorld::default(), InstanceId::new("i-1").unwrap());
    let (dir, output) = (world.dir(&instance), world.dir(&instance).join("agent.log"));
    fs::create_dir_all(&dir).unwrap();
    mknodat(CWD, &output, FileType::Fifo, Mode::RWXU, 0).unwrap();
    let (begun, told) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let told = told.recv_timeout(DEADLINE);
        (told, rustix::fs::open(&output, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()))
    });
    let beside = async {
        until("it is begun", async || dir.join("birth.json").exists()).await;
        begun.send(())
    };
    let (cloud, order) = (world.open(&Faults::default()), order("l-1", 1));
    let (made, _) = tokio::join!(accepted(&cloud, &order), beside);
    let (told, _pipe) = reader.join().unwrap();
    assert_eq!((told, made), (Ok(()), vec![instance.clone()]));
    up(&world, &instance).await;
}

#[tokio::test]
async fn the_last_of_what_an_agent_said_is_its_console() {
    let (world, instance) = (ProcessWorld::default(), InstanceId::new("i-1").unwrap());
    let cloud = world.open(&Faults::default());
    assert_eq!(cloud.console(&instance).await, None, "there is none");
    accepted(&cloud, &order("l-1", 1)).await;
    up(&world, &instance).await;
    let said = format!("begin{}end", "x".repeat(MAX_CONSOLE));
    fs::write(world.dir(&instance).join("agent.log"), &said).unwrap();
    assert_eq!(cloud.console(&instance).await.as_deref(), Some(&said[8..]));
}

/// Does what an agent owes its cloud, and goes when its directory is cleared.
fn act(dir: &Path) -> ! {
    let Ok(_lock) = hold(dir) else { std::process::exit(1) };
    std::thread::sleep(birth(dir).unwrap().boot_delay.duration());
    let mut starts = fs::OpenOptions::new().create(true).append(true).open(dir.join("starts"));
    writeln!(starts.as_mut().unwrap(), "{}", std::process::id()).unwrap();
    let since = Instant::now();
    while dir.join("birth.json").exists() && since.elapsed() < Duration::from_secs(120) {
        if let Some(left) = interruption(dir) {
            let _ = fs::write(dir.join("heard"), left.to_string());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    std::process::exit(0);
}

contract!(ProcessWorld);

#[tokio::test]
async fn a_killed_agent_is_seen_gone_and_what_it_left_is_cleared() {
    let world = ProcessWorld::default();
    let cleared = Arc::new(AtomicUsize::new(0));
    let count = cleared.clone();
    let processes = world.processes().clearing(move |dir| {
        assert!(dir.join("birth.json").exists());
        count.fetch_add(1, Ordering::Relaxed);
    });
    let cloud = LocalCloud::new(processes, Faults::default());
    let instance = accepted(&cloud, &order("l-1", 1)).await.remove(0);
    up(&world, &instance).await;
    world.kill(&instance);
    gone(&cloud, &instance).await;
    assert_eq!(seen(&cloud, &instance).await, Some(SeenState::Gone));
    assert_eq!(cleared.load(Ordering::Relaxed), 1);
    let late = hold(&world.dir(&instance)).unwrap_err();
    assert!(late.to_string().contains("has been ended"), "{late}");
}

#[tokio::test]
async fn repeating_an_order_does_not_bring_a_killed_agent_back() {
    let world = ProcessWorld::default();
    let cloud = world.open(&Faults::default());
    let instance = accepted(&cloud, &order("l-1", 1)).await.remove(0);
    up(&world, &instance).await;
    let process = format!("/proc/{}", world.pid(&instance));
    world.kill(&instance);
    until("the killed agent is reaped", async || !Path::new(&process).exists()).await;
    // This one could start nothing, and would say so if it tried.
    let unable = Processes::new(world.root.path().to_owned(), vec!["/no/such/agent".into()]);
    let unable = LocalCloud::new(unable, Faults::default());
    accepted(&unable, &order("l-1", 1)).await;
    gone(&cloud, &instance).await;
    accepted(&unable, &order("l-1", 1)).await;
    assert_eq!(world.starts(&instance), 1);
}

#[tokio::test]
async fn a_killed_agent_is_started_again() {
    let world = ProcessWorld::default();
    let processes = world.processes().restart_within(Duration::from_secs(60));
    let cloud = LocalCloud::new(processes, Faults::default());
    let instance = accepted(&cloud, &order("l-1", 1)).await.remove(0);
    up(&world, &instance).await;
    let pid = world.pid(&instance);
    world.kill(&instance);
    until("the killed agent is reaped", async || !Path::new(&format!("/proc/{pid}")).exists())
        .await;
    let there = async || seen(&cloud, &instance).await == Some(SeenState::There);
    assert!(there().await);
    until("it is up again", async || there().await && world.starts(&instance) == 2).await;
    assert!(there().await);
    assert_eq!(cloud.terminate(&instance).await, TerminateAnswer::Gone);
    assert_eq!(seen(&cloud, &instance).await, Some(SeenState::Gone));
}

#[tokio::test]
async fn an_agent_that_will_not_go_is_killed_with_its_group() {
    let world = ProcessWorld::default();
    // What is ignored stays so over exec, and in children: only a kill ends these.
    let script = "trap '' TERM; sleep 600 & echo $! > \"$5/child\"; exec \"$0\" \"$@\"";
    let mut stubborn: Vec<OsString> = ["sh", "-c", script].map(OsString::from).into();
    stubborn.extend(command());
    let processes = Processes::new(world.root.path().to_owned(), stubborn);
    let cloud = LocalCloud::new(processes, Faults::default());
    let instance = accepted(&cloud, &order("l-1", 1)).await.remove(0);
    up(&world, &instance).await;
    let child = fs::read_to_string(world.dir(&instance).join("child")).unwrap();
    let ended = async || cloud.terminate(&instance).await == TerminateAnswer::Gone;
    until("it is gone", ended).await;
    assert_eq!(seen(&cloud, &instance).await, Some(SeenState::Gone));
    until("its child is gone", async || over(child.trim())).await;
}

/// Whether a process has ended, be it that nobody has reaped it.
fn over(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "))
}

#[tokio::test]
async fn ended_agents_leave_no_zombies() {
    let world = ProcessWorld::default();
    let cloud = world.open(&Faults::default());
    let instances = accepted(&cloud, &order("l-1", 3)).await;
    for instance in &instances {
        up(&world, instance).await;
    }
    cloud.vanish(&instances[0]).await;
    cloud.terminate(&instances[1]).await;
    world.kill(&instances[2]);
    for instance in &instances {
        let path = format!("/proc/{}", world.pid(instance));
        until("it is reaped", async || !Path::new(&path).exists()).await;
    }
}

#[tokio::test]
async fn an_agent_that_cannot_be_started_is_refused() {
    let world = ProcessWorld::default();
    for (n, command) in [vec![], vec!["/no/such/agent".into()], vec!["/".into()]].iter().enumerate()
    {
        let root = world.root.path().join(n.to_string());
        let first = refused(&root, command.clone()).await;
        // The next leader is told the same, whatever it could do better.
        assert_eq!(refused(&root, self::command()).await, first);
    }
}

async fn refused(root: &Path, command: Vec<OsString>) -> String {
    let cloud = LocalCloud::new(Processes::new(root.to_owned(), command), Faults::default());
    let answer = cloud.launch(&order("l-1", 2)).await;
    let LaunchAnswer::Refused { class, message, .. } = answer else { panic!("{answer:?}") };
    assert_eq!(class, RefusalClass::Configuration, "{message}");
    let left = cloud.list().await.unwrap();
    assert!(left.iter().all(|seen| seen.state == SeenState::Gone), "{left:?}");
    message
}

#[tokio::test]
async fn what_cannot_be_looked_at_is_not_taken_for_gone() {
    let world = ProcessWorld::default();
    let cloud = world.open(&Faults::default());
    let instance = accepted(&cloud, &order("l-1", 1)).await.remove(0);
    up(&world, &instance).await;
    let lock = world.dir(&instance).join("lock");
    fs::rename(&lock, lock.with_extension("aside")).unwrap();
    std::os::unix::fs::symlink(&lock, &lock).unwrap();
    assert!(cloud.list().await.is_err());
    assert!(matches!(cloud.terminate(&instance).await, TerminateAnswer::Unknown(_)));
    assert!(matches!(cloud.launch(&order("l-1", 1)).await, LaunchAnswer::Unknown(_)));
    fs::remove_file(&lock).unwrap();
    fs::rename(lock.with_extension("aside"), &lock).unwrap();
    assert_eq!(cloud.terminate(&instance).await, TerminateAnswer::Gone);
}

#[tokio::test]
async fn one_who_looks_is_not_taken_for_an_agent_and_keeps_none_away() {
    let world = ProcessWorld::default();
    let cloud = world.open(&Faults::default());
    let instance = accepted(&cloud, &order("l-1", 1)).await.remove(0);
    up(&world, &instance).await;
    world.kill(&instance);
    let look = |dir: &Path| {
        let lock = fs::File::open(dir.join("lock")).unwrap();
        flock(&lock, FlockOperation::LockShared).unwrap();
        lock
    };
    let looking = look(&world.dir(&instance));
    assert_eq!(seen(&cloud, &instance).await, Some(SeenState::Gone));
    drop(looking);
    let other = world.root.path().join("other");
    drop(hold(&other).unwrap());
    let looking = look(&other);
    let releasing = std::thread::spawn(move || {
        let since = Instant::now();
        while since.elapsed() < Duration::from_millis(50) {
            std::thread::yield_now();
        }
        drop(looking);
    });
    drop(hold(&other).unwrap());
    releasing.join().unwrap();
}

/// As a test: an instance outlives the controller that launched it. As a program: that controller.
#[tokio::test]
async fn an_instance_outlives_its_controller() {
    const ROOT: &str = "FLEETLOG_TEST_ROOT";
    if let Some(root) = std::env::var_os(ROOT) {
        let processes = Processes::new(root.into(), command());
        accepted(&LocalCloud::new(processes, Faults::default()), &order("l-1", 1)).await;
        std::process::abort();
    }
    let world = ProcessWorld::default();
    let mut controller = Command::new(std::env::current_exe().unwrap());
    controller.args(["--exact", "process::an_instance_outlives_its_controller"]);
    controller.env(ROOT, world.root.path()).stdout(Stdio::null()).stderr(Stdio::null());
    assert!(!controller.process_group(0).status().unwrap().success());
    let cloud = world.open(&Faults::default());
    let instance = accepted(&cloud, &order("l-1", 1)).await.remove(0);
    up(&world, &instance).await;
    assert_eq!(seen(&cloud, &instance).await, Some(SeenState::There));
    assert_eq!(cloud.terminate(&instance).await, TerminateAnswer::Gone);
    assert_eq!(world.starts(&instance), 1);
}

#[test]
fn what_an_instance_was_born_as_can_be_read_back() {
    let dir = tempfile::tempdir().unwrap();
    assert!(birth(dir.path()).is_err());
    let resources = Resources { cpu: 1000, ..Resources::default() };
    let (instance, launch) = (InstanceId::new("i-1").unwrap(), order("l-1", 1).launch);
    let born = Birth { instance, launch, resources, boot_delay: Millis(5), stillborn: false };
    fs::write(dir.path().join("birth.json"), serde_json::to_vec(&born).unwrap()).unwrap();
    assert_eq!(birth(dir.path()).unwrap(), born);
}
