//! The processes that a keeper keeps.

use super::notebook::Notebook;
use super::process;
use super::wire::{Note, Order, Tell};
use schema::id::ExecId;
use schema::unit::Millis;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub(super) struct Children {
    inner: Mutex<Inner>,
}

struct Inner {
    /// The last thing noted of each exec that the agent has not forgotten, and since when.
    known: BTreeMap<ExecId, (Note, Instant)>,
    notebook: Notebook,
    /// Whoever listens: the agent, or for a while two of which one is about to go.
    agents: Vec<UnixStream>,
    /// Connections of agents, and since when there has been none.
    attended: u32,
    alone_since: Instant,
}

impl Inner {
    fn tell(&mut self, tell: &Tell) {
        if let Some(line) = line(tell) {
            self.agents.retain_mut(|agent| agent.write_all(&line).is_ok());
        }
    }

    /// Noted before it is told: what an agent has heard is known to the next keeper too.
    fn learn(&mut self, note: Note) {
        self.notebook.add(&note);
        let now = Instant::now();
        if let Some(tell) = told(&note, now, now) {
            self.tell(&tell);
        }
        self.known.insert(note.exec().clone(), (note, now));
    }
}

fn line(tell: &Tell) -> Option<Vec<u8>> {
    let mut line = serde_json::to_vec(tell).ok()?;
    line.push(b'\n');
    Some(line)
}

fn told(note: &Note, since: Instant, now: Instant) -> Option<Tell> {
    Some(match note.clone() {
        Note::Asked { .. } | Note::Forgotten { .. } => return None,
        Note::Running { exec, pid, .. } => {
            Tell::Running { exec, pid, age: Millis::of(now.duration_since(since)) }
        }
        Note::Failed { exec, message } => Tell::Failed { exec, message },
        Note::Ended { exec, code, wall, cpu } => Tell::Ended { exec, code, wall, cpu },
        Note::Lost { exec } => Tell::Lost { exec },
    })
}

impl Children {
    /// Nothing runs yet; what earlier keepers noted at `notes` is known.
    pub(super) fn open(notes: PathBuf) -> io::Result<Children> {
        let (notebook, noted) = Notebook::open(notes)?;
        let now = Instant::now();
        let known = noted.into_iter().map(|(exec, note)| (exec, (note, now))).collect();
        let inner = Inner { known, notebook, agents: Vec::new(), attended: 0, alone_since: now };
        Ok(Children { inner: Mutex::new(inner) })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells a new agent all that is known.
    pub(super) fn greet(&self, mut agent: UnixStream) {
        let mut inner = self.lock();
        inner.attended += 1;
        let now = Instant::now();
        let known = inner.known.values().filter_map(|(note, since)| told(note, *since, now));
        let lines: Vec<u8> =
            known.chain([Tell::Ready]).filter_map(|tell| line(&tell)).flatten().collect();
        if agent.write_all(&lines).is_ok() {
            inner.agents.push(agent);
        }
    }

    /// An agent's connection has ended.
    pub(super) fn left(&self) {
        let mut inner = self.lock();
        inner.attended = inner.attended.saturating_sub(1);
        inner.alone_since = Instant::now();
    }

    /// How long there has been no agent.
    pub(super) fn alone(&self) -> Duration {
        let inner = self.lock();
        if inner.attended > 0 { Duration::ZERO } else { inner.alone_since.elapsed() }
    }

    pub(super) fn spawn(self: &Arc<Children>, order: &Order) {
        let mut inner = self.lock();
        let exec = &order.exec;
        if let Some((note, since)) = inner.known.get(exec) {
            let tell = told(note, *since, Instant::now());
            return tell.into_iter().for_each(|tell| inner.tell(&tell));
        }
        inner.notebook.add(&Note::Asked { exec: exec.clone() });
        let since = Instant::now();
        let note =
            match start(order).and_then(|child| self.clone().keep(exec.clone(), child, since)) {
                Ok(pid) => {
                    let born = process::born(pid).unwrap_or(0);
                    Note::Running { exec: exec.clone(), pid, born }
                }
                Err(error) => failed(order, &error),
            };
        inner.learn(note);
    }

    /// Sees a child to its end, on a thread of its own.
    fn keep(
        self: Arc<Children>,
        exec: ExecId,
        mut child: Child,
        since: Instant,
    ) -> io::Result<u32> {
        const STACK: usize = 64 << 10;
        let pid = child.id();
        let waiter = std::thread::Builder::new().name("wait".into()).stack_size(STACK);
        let spawned = waiter.spawn(move || {
            process::ended(pid);
            let (wall, cpu) = (Millis::of(since.elapsed()), process::cpu(pid));
            // What it left behind goes with it, as in a container.
            process::signal_group(pid, process::KILL);
            // Reaped under the lock: nobody may signal an id that is free for others.
            let mut inner = self.lock();
            let code = child.wait().map_or(-1, process::exit_code);
            inner.learn(Note::Ended { exec, code, wall, cpu });
        });
        if spawned.is_err() {
            process::signal_group(pid, process::KILL);
        }
        spawned.map(|_| pid)
    }

    pub(super) fn kill(&self, exec: &ExecId, signal: i32) {
        if let Some((Note::Running { pid, .. }, _)) = self.lock().known.get(exec) {
            process::signal_group(*pid, signal);
        }
    }

    pub(super) fn kill_all(&self) {
        for (note, _) in self.lock().known.values() {
            if let Note::Running { pid, .. } = note {
                process::signal_group(*pid, process::KILL);
            }
        }
    }

    /// One that still runs must be killed first: nobody will hear of its end.
    pub(super) fn forget(&self, exec: &ExecId) {
        let mut inner = self.lock();
        let inner = &mut *inner;
        if inner.known.remove(exec).is_some() {
            inner.notebook.add(&Note::Forgotten { exec: exec.clone() });
            inner.notebook.tidy(inner.known.values().map(|(note, _)| note));
        }
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
        if !Path::new(dir).is_dir() {
            let message = format!("its working directory {dir:?} is not there");
            return Err(io::Error::new(io::ErrorKind::NotFound, message));
        }
        command.current_dir(dir);
    }
    command.spawn()
}

fn failed(order: &Order, error: &io::Error) -> Note {
    let program = order.command.first().map_or("", String::as_str);
    let message = format!("cannot start {program:?}: {error}");
    Note::Failed { exec: order.exec.clone(), message }
}
