//! The processes that a keeper keeps.

use super::wire::{Order, Tell};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use schema::id::ExecId;
use schema::unit::Millis;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Default)]
pub(super) struct Children {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// The last thing told of each exec that the agent has not forgotten.
    known: BTreeMap<ExecId, Tell>,
    agent: Option<UnixStream>,
    agents: u32,
}

impl Inner {
    fn tell(&mut self, tell: &Tell) {
        let Some(agent) = &mut self.agent else { return };
        let line = serde_json::to_vec(tell).map(|mut line| {
            line.push(b'\n');
            line
        });
        if line.map_err(io::Error::other).and_then(|line| agent.write_all(&line)).is_err() {
            self.agent = None;
        }
    }

    fn learn(&mut self, exec: &ExecId, tell: Tell) {
        self.tell(&tell);
        self.known.insert(exec.clone(), tell);
    }
}

impl Children {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells a new agent all that is known, in place of the one before.
    pub(super) fn greet(&self, agent: UnixStream) {
        let mut inner = self.lock();
        inner.agent = Some(agent);
        inner.agents += 1;
        for tell in inner.known.clone().values() {
            inner.tell(tell);
        }
        inner.tell(&Tell::Ready);
    }

    /// An agent has hung up.
    pub(super) fn leave(&self) {
        self.lock().agents -= 1;
    }

    /// Whether an agent is connected.
    pub(super) fn attended(&self) -> bool {
        self.lock().agents > 0
    }

    pub(super) fn spawn(self: &Arc<Children>, order: &Order) {
        let mut inner = self.lock();
        if let Some(known) = inner.known.get(&order.exec).cloned() {
            return inner.tell(&known);
        }
        let exec = &order.exec;
        let tell = match start(order) {
            Ok(child) => {
                let pid = child.id();
                match self.clone().wait_on_thread(exec.clone(), child) {
                    Ok(()) => Tell::Running { exec: exec.clone(), pid },
                    Err(error) => failed(order, &error),
                }
            }
            Err(error) => failed(order, &error),
        };
        inner.learn(exec, tell);
    }

    fn wait_on_thread(self: Arc<Children>, exec: ExecId, mut child: Child) -> io::Result<()> {
        const STACK: usize = 64 << 10;
        let waiter = std::thread::Builder::new().name("wait".into()).stack_size(STACK);
        let wait = move || {
            let cpu = ended_cpu(child.id());
            // What it left behind goes with it, as in a container; its id is not free before the wait.
            signal_group(child.id(), Signal::KILL.as_raw());
            let code = child.wait().map_or(-1, exit_code);
            self.lock().learn(&exec, Tell::Ended { exec: exec.clone(), code, cpu });
        };
        waiter.spawn(wait).map(drop)
    }

    pub(super) fn kill(&self, exec: &ExecId, signal: i32) {
        if let Some(Tell::Running { pid, .. }) = self.lock().known.get(exec) {
            signal_group(*pid, signal);
        }
    }

    pub(super) fn kill_all(&self) {
        for tell in self.lock().known.values() {
            if let Tell::Running { pid, .. } = tell {
                signal_group(*pid, Signal::KILL.as_raw());
            }
        }
    }

    pub(super) fn forget(&self, exec: &ExecId) {
        self.lock().known.remove(exec);
    }
}

fn start(order: &Order) -> io::Result<Child> {
    let [program, args @ ..] = &order.command[..] else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the command is empty"));
    };
    let mut command = Command::new(program);
    command.args(args).envs(&order.env).stdin(Stdio::null()).process_group(0);
    command.stdout(File::create(&order.stdout)?).stderr(File::create(&order.stderr)?);
    if let Some(dir) = &order.workdir {
        command.current_dir(dir);
    }
    command.spawn()
}

fn failed(order: &Order, error: &io::Error) -> Tell {
    let program = order.command.first().map_or("", String::as_str);
    let message = format!("cannot start {program:?}: {error}");
    Tell::Failed { exec: order.exec.clone(), message }
}

/// Waits for the end of a process without reaping it, and reads what it used while that can still be
/// read.
fn ended_cpu(pid: u32) -> Millis {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Millis(0) };
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while matches!(waitid(WaitId::Pid(pid), options), Err(rustix::io::Errno::INTR)) {}
    cpu_of(pid).unwrap_or_default()
}

/// User and system time from `/proc/PID/stat`, fields 14 and 15, in ticks of 10 ms.
fn cpu_of(pid: Pid) -> Option<Millis> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Millis((user + system) * 10))
}

fn exit_code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}

fn signal_group(pid: u32, signal: i32) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let (Some(pid), Some(signal)) = (pid, Signal::from_named_raw(signal)) {
        let _ = kill_process_group(pid, signal);
    }
}
