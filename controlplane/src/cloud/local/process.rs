//! Agents as processes of their own, in their own process groups: they outlive the controller that
//! started them, and any controller on the machine finds them by their directories,
//! `<root>/<instance>/` ([`dir`] says what is in there).

mod dir;

pub use dir::{birth, hold, interruption, strip};

use super::{BearError, Birth, Host};
use async_trait::async_trait;
use dir::Life;
use rustix::process::Signal;
use schema::event::MAX_CONSOLE;
use schema::id::InstanceId;
use schema::unit::Millis;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long an agent has to end by itself.
const GRACE: Duration = Duration::from_secs(3);
/// How long a killed process may take to be gone.
const MOMENT: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(10);
/// An agent that dies is started again this often in a minute.
const STARTS: usize = 5;
const MINUTE: Duration = Duration::from_secs(60);

/// What else of an instance must go when its agent has.
type Clear = Arc<dyn Fn(&Path) + Send + Sync>;

/// Hosts agents as processes.
#[derive(Clone)]
pub struct Processes {
    root: PathBuf,
    command: Vec<OsString>,
    clear: Clear,
    restart: Duration,
    /// Agents that have been seen dead, and may come back.
    dead: Arc<Mutex<BTreeMap<InstanceId, Dead>>>,
}

/// An agent that has died.
struct Dead {
    /// When it was first seen dead; none while it is up again.
    since: Option<Instant>,
    /// When it was started again, lately.
    starts: Vec<Instant>,
}

impl Processes {
    /// Agents live in directories under `root`, one root for each cluster, and are started as
    /// `command DIR`. Such an agent must [`hold`] its directory first and end if it cannot, then take
    /// as long to come up as its [`birth`] says, and look out for an [`interruption`].
    #[must_use]
    pub fn new(root: PathBuf, command: Vec<OsString>) -> Processes {
        let (clear, dead): (Clear, _) = (Arc::new(|_| ()), Arc::default());
        Processes { root, command, clear, restart: Duration::ZERO, dead }
    }

    /// Calls this with the directory of an instance whose agent has gone, however it went: what else
    /// of it runs must go too. It may block, and must do no harm when it is called again.
    #[must_use]
    pub fn clearing(mut self, clear: impl Fn(&Path) + Send + Sync + 'static) -> Processes {
        self.clear = Arc::new(clear);
        self
    }

    /// Starts an agent that died again, as an init system would, a few times a minute at most, and
    /// takes its instance for gone only when it has been dead for this long. Zero unless set: then
    /// the instance is gone as soon as its agent is seen dead.
    #[must_use]
    pub fn restart_within(mut self, restart: Duration) -> Processes {
        self.restart = restart;
        self
    }

    fn dir(&self, instance: &InstanceId) -> PathBuf {
        self.root.join(instance.as_str())
    }

    /// Starts an agent; of two for one instance, the second finds the lock taken and ends.
    fn bear_now(&self, birth: &Birth) -> io::Result<Result<(), String>> {
        let dir = self.dir(&birth.instance);
        let birth = dir::born(&dir, birth)?;
        match dir::life(&dir)? {
            Life::Coming if !birth.stillborn => {}
            // Whoever repeats the order is told the same.
            Life::Ended => return Ok(dir::refusal(&dir)?.map_or(Ok(()), Err)),
            Life::Unborn | Life::Coming | Life::Up | Life::Dead => return Ok(Ok(())),
        }
        match self.spawn(&dir) {
            Err(error) if never(&error) => {
                let reason = format!("cannot start {}: {error}", birth.instance);
                dir::refuse(&dir, &reason)?;
                // What another controller could start meanwhile has no place any more.
                dir::signal(&dir, Signal::KILL)?;
                Ok(Err(reason))
            }
            started => started.map(Ok),
        }
    }

    fn spawn(&self, dir: &Path) -> io::Result<()> {
        const STACK: usize = 64 << 10;
        let [program, args @ ..] = &self.command[..] else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no command to start agents"));
        };
        let log = OpenOptions::new().create(true).append(true).open(dir.join("agent.log"))?;
        let mut command = Command::new(program);
        command.args(args).arg(dir).stdin(Stdio::null());
        command.stdout(log.try_clone()?).stderr(log).process_group(0);
        let mut child = command.spawn()?;
        // Whoever started it reaps it; whoever did not finds the lock free.
        let reaper = std::thread::Builder::new().name("reaper".into()).stack_size(STACK);
        reaper.spawn(move || child.wait()).map(drop)
    }

    async fn end_now(&self, dir: &Path) -> io::Result<bool> {
        if !dir.try_exists()? {
            return Ok(true);
        }
        dir::end(dir)?;
        dir::signal(dir, Signal::TERM)?;
        if gone_within(dir, GRACE).await? {
            return Ok(self.clear(dir).await);
        }
        self.take_away(dir).await
    }

    /// Ends an instance at once; true once nothing of it is left.
    async fn take_away(&self, dir: &Path) -> io::Result<bool> {
        dir::end(dir)?;
        dir::signal(dir, Signal::KILL)?;
        let gone = gone_within(dir, MOMENT).await?;
        Ok(self.clear(dir).await && gone)
    }

    async fn clear(&self, dir: &Path) -> bool {
        let (clear, at) = (self.clear.clone(), dir.to_owned());
        let clearing = tokio::task::spawn_blocking(move || clear(&at));
        let cleared = matches!(tokio::time::timeout(GRACE, clearing).await, Ok(Ok(())));
        if !cleared {
            tracing::warn!(dir = %dir.display(), "cannot clear away what an agent has left");
        }
        cleared
    }

    /// Whether an instance is there; unknown for one that was never born whole.
    async fn there(&self, instance: &InstanceId) -> io::Result<Option<bool>> {
        let dir = self.dir(instance);
        let life = dir::life(&dir)?;
        let may_return = self.may_return(instance, life);
        Ok(match life {
            Life::Unborn => None,
            Life::Coming | Life::Up => Some(true),
            Life::Dead if may_return => {
                if self.starts_again(instance) {
                    let host = self.clone();
                    aside(move || host.spawn(&dir)).await?;
                }
                Some(true)
            }
            // Nobody is asked to end what is gone already: the rest of it goes now.
            Life::Dead => Some(!self.take_away(&dir).await?),
            Life::Ended => Some(false),
        })
    }

    fn may_return(&self, instance: &InstanceId, life: Life) -> bool {
        let mut dead = self.dead.lock().unwrap_or_else(PoisonError::into_inner);
        match (life, dead.get_mut(instance)) {
            (Life::Dead, Some(dead)) => {
                dead.since.get_or_insert_with(Instant::now).elapsed() < self.restart
            }
            (Life::Dead, None) => {
                let since = Some(Instant::now());
                dead.insert(instance.clone(), Dead { since, starts: Vec::new() });
                !self.restart.is_zero()
            }
            (Life::Up, Some(dead)) => {
                dead.since = None;
                false
            }
            (Life::Unborn | Life::Coming | Life::Ended, Some(_)) => {
                dead.remove(instance);
                false
            }
            (_, None) => false,
        }
    }

    /// Whether an agent that died is to be started again now; counted as if it were.
    fn starts_again(&self, instance: &InstanceId) -> bool {
        let mut dead = self.dead.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(dead) = dead.get_mut(instance) else { return false };
        dead.starts.retain(|at| at.elapsed() < MINUTE);
        if dead.starts.len() >= STARTS || self.command.is_empty() {
            return false;
        }
        dead.starts.push(Instant::now());
        tracing::info!(%instance, "its agent has died; starting it again");
        true
    }

    async fn list_now(&self) -> io::Result<BTreeMap<InstanceId, bool>> {
        let entries = match fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(error) => return Err(error),
        };
        let mut all = BTreeMap::new();
        for entry in entries {
            let name = entry?.file_name();
            let Some(id) = name.to_str().and_then(|name| InstanceId::new(name).ok()) else {
                continue;
            };
            if let Some(there) = self.there(&id).await? {
                all.insert(id, there);
            }
        }
        Ok(all)
    }
}

#[async_trait]
impl Host for Processes {
    async fn knows(&self, instance: &InstanceId) -> Result<bool, String> {
        let life = dir::life(&self.dir(instance)).map_err(|e| e.to_string())?;
        Ok(life != Life::Unborn)
    }

    async fn bear(&self, birth: &Birth) -> Result<(), BearError> {
        let (host, wanted) = (self.clone(), birth.clone());
        match aside(move || host.bear_now(&wanted)).await {
            Ok(borne) => borne.map_err(BearError::Never),
            Err(e) => Err(BearError::Unknown(format!("cannot start {}: {e}", birth.instance))),
        }
    }

    async fn end(&self, instance: &InstanceId) -> Result<bool, String> {
        let ended = self.end_now(&self.dir(instance)).await;
        ended.map_err(|e| format!("cannot end {instance}: {e}"))
    }

    async fn vanish(&self, instance: &InstanceId) {
        let dir = self.dir(instance);
        if dir.exists()
            && let Err(error) = self.take_away(&dir).await
        {
            tracing::warn!(%instance, %error, "cannot take an instance away");
        }
    }

    async fn notify(&self, instance: &InstanceId, left: Millis) {
        if let Err(error) = dir::announce(&self.dir(instance), left) {
            tracing::warn!(%instance, %error, "cannot announce the end of an instance");
        }
    }

    async fn console(&self, instance: &InstanceId) -> Option<String> {
        let dir = self.dir(instance);
        let said = aside(move || dir::said(&dir, MAX_CONSOLE)).await.ok()?;
        Some(String::from_utf8_lossy(&said).into_owned())
    }

    async fn list(&self) -> Result<BTreeMap<InstanceId, bool>, String> {
        self.list_now().await.map_err(|e| format!("cannot look into {}: {e}", self.root.display()))
    }
}

/// Runs off the async threads what a slow disk can hold up: a leader that waits for it lives on.
async fn aside<T: Send + 'static>(
    what: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(what).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// Whether a start that failed so would fail again.
fn never(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, NotFound, PermissionDenied};
    matches!(error.kind(), InvalidInput | NotFound | PermissionDenied)
}

async fn gone_within(dir: &Path, patience: Duration) -> io::Result<bool> {
    let since = Instant::now();
    while dir::alive(dir)? {
        if since.elapsed() > patience {
            return Ok(false);
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(true)
}
