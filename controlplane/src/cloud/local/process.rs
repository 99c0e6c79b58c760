//! Agents as processes of their own, in their own sessions: they outlive the controller that started
//! them, and any controller on the machine finds them by their directories.
//!
//! ```text
//! <root>/<instance>/birth.json    what it was born as
//!                  /lock          held (flock) by its agent for as long as that lives
//!                  /pid           of the agent
//!                  /interruption  milliseconds left, once its end has been announced
//!                  /ended         this cloud ended it, or has seen it gone
//! ```

use super::{Birth, Host};
use async_trait::async_trait;
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};
use schema::id::InstanceId;
use schema::unit::Millis;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long an agent has to end by itself.
const GRACE: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(20);

/// Hosts agents as processes.
#[derive(Clone)]
pub struct Processes {
    root: PathBuf,
    command: Vec<OsString>,
}

/// Takes the lock of an instance's directory, and says who holds it. The agent keeps the file open
/// for as long as it lives.
///
/// # Errors
/// Another agent holds it, or the directory cannot be used.
pub fn hold(dir: &Path) -> io::Result<File> {
    fs::create_dir_all(dir)?;
    let lock =
        OpenOptions::new().create(true).truncate(false).write(true).open(dir.join("lock"))?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
    let mut pid = File::create(dir.join("pid"))?;
    write!(pid, "{}", std::process::id())?;
    Ok(lock)
}

/// How long the instance has left, if its end has been announced.
#[must_use]
pub fn interruption(dir: &Path) -> Option<Millis> {
    fs::read_to_string(dir.join("interruption")).ok()?.trim().parse().ok().map(Millis)
}

impl Processes {
    /// Agents live in directories under `root`, and are started as `command DIR`.
    #[must_use]
    pub fn new(root: PathBuf, command: Vec<OsString>) -> Processes {
        Processes { root, command }
    }

    fn dir(&self, instance: &InstanceId) -> PathBuf {
        self.root.join(instance.as_str())
    }

    fn spawn(&self, dir: &Path) -> io::Result<()> {
        let [program, args @ ..] = &self.command[..] else {
            return Err(io::Error::other("no command to start agents with"));
        };
        let log = OpenOptions::new().create(true).append(true).open(dir.join("agent.log"))?;
        let mut command = Command::new(program);
        command.args(args).arg(dir).stdin(Stdio::null());
        command.stdout(log.try_clone()?).stderr(log).process_group(0);
        let mut child = command.spawn()?;
        // Whoever started it reaps it; whoever did not finds the lock free.
        std::thread::Builder::new().name("reaper".into()).spawn(move || child.wait()).map(drop)
    }

    fn bear_now(&self, birth: &Birth) -> io::Result<()> {
        let dir = self.dir(&birth.instance);
        fs::create_dir_all(&dir)?;
        if dir.join("ended").exists() || alive(&dir) {
            return Ok(());
        }
        if !dir.join("birth.json").exists() {
            let text = serde_json::to_vec(birth).map_err(io::Error::other)?;
            fs::write(dir.join("birth.tmp"), text)?;
            fs::rename(dir.join("birth.tmp"), dir.join("birth.json"))?;
        }
        if birth.stillborn { Ok(()) } else { self.spawn(&dir) }
    }
}

#[async_trait]
impl Host for Processes {
    async fn bear(&self, birth: &Birth) -> Result<(), String> {
        self.bear_now(birth).map_err(|e| format!("cannot start {}: {e}", birth.instance))
    }

    async fn end(&self, instance: &InstanceId) -> Result<bool, String> {
        let dir = self.dir(instance);
        if !dir.exists() {
            return Ok(true);
        }
        fs::write(dir.join("ended"), "").map_err(|e| format!("cannot end {instance}: {e}"))?;
        signal(&dir, Signal::TERM);
        let asked = tokio::time::Instant::now();
        while alive(&dir) && asked.elapsed() < GRACE {
            tokio::time::sleep(POLL).await;
        }
        signal(&dir, Signal::KILL);
        Ok(!alive(&dir))
    }

    async fn vanish(&self, instance: &InstanceId) {
        signal(&self.dir(instance), Signal::KILL);
    }

    async fn notify(&self, instance: &InstanceId, left: Millis) {
        let _ = fs::write(self.dir(instance).join("interruption"), left.to_string());
    }

    async fn list(&self) -> Result<BTreeMap<InstanceId, bool>, String> {
        let entries = match fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(error) => return Err(error.to_string()),
        };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let ids = names.filter_map(|name| InstanceId::new(name).ok());
        Ok(ids.filter_map(|id| there(&self.dir(&id)).map(|there| (id, there))).collect())
    }
}

/// Whether an instance is there; unknown for one that was never born whole. One whose agent has not
/// come up is there: that it never will is for the boot timeout to say.
fn there(dir: &Path) -> Option<bool> {
    if !dir.join("birth.json").exists() {
        return None;
    }
    let has_run = dir.join("pid").exists() || dir.join("ended").exists();
    Some(alive(dir) || !has_run)
}

fn alive(dir: &Path) -> bool {
    let Ok(lock) = OpenOptions::new().write(true).open(dir.join("lock")) else { return false };
    flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err()
}

/// Signals the agent, but only while it holds its lock: a process id alone may be another's by now.
fn signal(dir: &Path, signal: Signal) {
    let pid = fs::read_to_string(dir.join("pid")).ok().and_then(|text| text.trim().parse().ok());
    if let Some(pid) = pid.and_then(Pid::from_raw)
        && alive(dir)
    {
        let _ = kill_process(pid, signal);
    }
}
