//! A process that is started again whenever it has ended: a controller or a driver.

use rustix::process::{Pid, Signal, kill_process};
use std::io;
use std::process::{Child, Command};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Pause before one that ended by itself is started again.
const AGAIN: Duration = Duration::from_millis(500);

/// What a part is started as: its name, and its command.
type Make = Box<dyn Fn() -> (String, Command) + Send + Sync>;

pub(crate) struct Part {
    make: Make,
    life: Mutex<Life>,
}

#[derive(Default)]
struct Life {
    name: String,
    child: Option<Child>,
    /// When it is started next, if it does not run.
    again: Option<Instant>,
    /// Told to end: not to be started again, however it does.
    retired: bool,
}

impl Part {
    /// One that does not run yet: it is started when it is tended.
    pub(crate) fn new(make: impl Fn() -> (String, Command) + Send + Sync + 'static) -> Part {
        let life = Life { again: Some(Instant::now()), ..Life::default() };
        Part { make: Box::new(make), life: Mutex::new(life) }
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn name(&self) -> String {
        self.life().name.clone()
    }

    /// Its process, while it has one.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.life().child.as_ref().map(Child::id)
    }

    /// Kills it (SIGKILL), to be started again after a while; says who it was.
    pub(crate) fn kill(&self, again: Duration) -> Option<String> {
        let mut life = self.life();
        let mut child = life.child.take()?;
        let _ = child.kill();
        let _ = child.wait();
        life.again = Some(Instant::now() + again);
        Some(life.name.clone())
    }

    /// Tells it to end (SIGTERM), and does not start it again.
    pub(crate) fn retire(&self) {
        let mut life = self.life();
        (life.retired, life.again) = (true, None);
        let pid = life.child.as_ref().and_then(|child| Pid::from_raw(child.id().cast_signed()));
        if let Some(pid) = pid {
            let _ = kill_process(pid, Signal::TERM);
        }
    }

    /// Sends a signal to the process that has this id, if it is still this part's.
    pub(crate) fn signal(&self, pid: u32, signal: Signal) -> bool {
        let life = self.life();
        let ours = life.child.as_ref().is_some_and(|child| child.id() == pid);
        let pid = Pid::from_raw(pid.cast_signed()).filter(|_| ours);
        pid.is_some_and(|pid| kill_process(pid, signal).is_ok())
    }

    /// Starts it if it is due; says how it ended if it has by itself.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) fn tend(&self) -> io::Result<Option<String>> {
        let mut life = self.life();
        let ended = life.child.as_mut().map(Child::try_wait).transpose()?.flatten();
        if let Some(status) = ended {
            life.child = None;
            let fell = !status.success() && !life.retired;
            life.again = fell.then(|| Instant::now() + AGAIN);
            let how = if fell { format!("fell: {status}") } else { "is done".into() };
            return Ok(Some(format!("{} {how}", life.name)));
        }
        if life.again.is_some_and(|at| at <= Instant::now()) {
            let (name, mut command) = (self.make)();
            let child = command.spawn()?;
            *life = Life { name, child: Some(child), ..Life::default() };
        }
        Ok(None)
    }

    /// Whether it has ended as it should, and will not be started again.
    pub(crate) fn done(&self) -> bool {
        let life = self.life();
        life.child.is_none() && life.again.is_none()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let life = self.life.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut child) = life.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
