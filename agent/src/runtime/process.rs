//! Execs as plain processes, kept by the [keeper](crate::keeper). Limits are not enforced: an exec
//! that must not take more than its alloc needs a container.

use super::{End, Failure, Runtime, Spec};
use crate::keeper::{self, Ask, Tell};
use async_trait::async_trait;
use schema::id::ExecId;
use schema::unit::Millis;
use schema::why::FailureClass;
use smol_str::{SmolStr, ToSmolStr};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

const START: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(5);

#[derive(Debug, Clone)]
enum Known {
    Asked,
    Running(SmolStr),
    Failed(String),
    Ended(i32, Millis),
    /// The keeper died, and this with it.
    Lost,
}

type Table = Arc<Mutex<BTreeMap<ExecId, watch::Sender<Known>>>>;

/// Runs execs as processes.
pub struct Processes {
    asks: mpsc::UnboundedSender<Ask>,
    table: Table,
}

impl Processes {
    /// Connects to the keeper of this directory, and starts it (`command DIR`) if there is none.
    ///
    /// # Errors
    /// The keeper cannot be started or does not answer.
    pub async fn start(dir: &Path, command: &[OsString]) -> io::Result<Processes> {
        let stream = connect(dir, command).await?;
        let (reading, mut writing) = stream.into_split();
        let table = Table::default();
        let mut lines = BufReader::new(reading);
        while let Some(tell) = next(&mut lines).await? {
            if matches!(tell, Tell::Ready) {
                break;
            }
            learn(&table, tell);
        }
        tokio::spawn(listen(lines, table.clone()));
        let (asks, mut inbox) = mpsc::unbounded_channel::<Ask>();
        tokio::spawn(async move {
            let mut lines = Vec::new();
            while let Some(ask) = inbox.recv().await {
                lines.clear();
                let mut next = Some(ask);
                while let Some(ask) = next {
                    let _ = serde_json::to_writer(&mut lines, &ask);
                    lines.push(b'\n');
                    next = inbox.try_recv().ok();
                }
                if writing.write_all(&lines).await.is_err() {
                    return;
                }
            }
        });
        Ok(Processes { asks, table })
    }

    fn ask(&self, ask: Ask) {
        // A keeper that is gone has lost its execs, and the table says so.
        let _ = self.asks.send(ask);
    }

    fn watch(&self, exec: &ExecId) -> Option<watch::Receiver<Known>> {
        lock(&self.table).get(exec).map(watch::Sender::subscribe)
    }
}

fn lock(table: &Table) -> MutexGuard<'_, BTreeMap<ExecId, watch::Sender<Known>>> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn connect(dir: &Path, command: &[OsString]) -> io::Result<UnixStream> {
    let path = keeper::socket(dir);
    if let Ok(stream) = UnixStream::connect(&path).await {
        return Ok(stream);
    }
    spawn(dir, command)?;
    let deadline = Instant::now() + START;
    loop {
        match UnixStream::connect(&path).await {
            Ok(stream) => return Ok(stream),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => tokio::time::sleep(POLL).await,
        }
    }
}

fn spawn(dir: &Path, command: &[OsString]) -> io::Result<()> {
    use std::os::unix::process::CommandExt;
    let [program, args @ ..] = command else {
        return Err(io::Error::other("no command to start a keeper with"));
    };
    let dir: PathBuf = dir.canonicalize()?;
    let log = std::fs::OpenOptions::new().create(true).append(true).open(dir.join("keeper.log"))?;
    let mut keeper = std::process::Command::new(program);
    keeper.args(args).arg(&dir).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let mut child = keeper.process_group(0).spawn()?;
    std::thread::Builder::new().name("reaper".into()).spawn(move || child.wait()).map(drop)
}

async fn next(lines: &mut BufReader<OwnedReadHalf>) -> io::Result<Option<Tell>> {
    let mut line = String::new();
    if lines.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    serde_json::from_str(&line).map(Some).map_err(io::Error::other)
}

async fn listen(mut lines: BufReader<OwnedReadHalf>, table: Table) {
    while let Ok(Some(tell)) = next(&mut lines).await {
        learn(&table, tell);
    }
    tracing::warn!("the keeper is gone, and its execs with it");
    for known in lock(&table).values() {
        known.send_if_modified(|known| {
            let lost = matches!(known, Known::Asked | Known::Running(_));
            if lost {
                *known = Known::Lost;
            }
            lost
        });
    }
}

fn learn(table: &Table, tell: Tell) {
    let (exec, known) = match tell {
        Tell::Ready => return,
        Tell::Running { exec, pid } => (exec, Known::Running(pid.to_smolstr())),
        Tell::Failed { exec, message } => (exec, Known::Failed(message)),
        Tell::Ended { exec, code, cpu } => (exec, Known::Ended(code, cpu)),
    };
    lock(table).entry(exec).or_insert_with(|| watch::Sender::new(Known::Asked)).send_replace(known);
}

fn lost(spec: &Spec) -> Failure {
    let message = format!("the keeper of {} is gone, and the process with it", spec.exec);
    Failure { class: FailureClass::Lost, message }
}

fn check(spec: &Spec) -> Result<(), Failure> {
    let config = &spec.config;
    let texts = config.command.iter().chain(config.env.keys()).chain(config.env.values());
    let nul = texts.chain(&config.workdir).any(|text| text.contains('\0'));
    let bad_key = config.env.keys().any(|key| key.is_empty() || key.contains('='));
    let message = match () {
        () if config.command.is_empty() => "the command is empty",
        () if nul => "command, environment or working directory hold a NUL byte",
        () if bad_key => "a name in the environment is empty or holds '='",
        () => return Ok(()),
    };
    Err(Failure { class: FailureClass::CannotStart, message: message.to_owned() })
}

#[async_trait]
impl Runtime for Processes {
    fn name(&self) -> &'static str {
        "process"
    }

    async fn start(&self, spec: &Spec) -> Result<SmolStr, Failure> {
        check(spec)?;
        let known = self.watch(&spec.exec);
        let mut known = known.unwrap_or_else(|| {
            let mut table = lock(&self.table);
            let entry = table.entry(spec.exec.clone());
            let known = entry.or_insert_with(|| watch::Sender::new(Known::Asked)).subscribe();
            drop(table);
            self.ask(Ask::Spawn(keeper::Order {
                exec: spec.exec.clone(),
                command: spec.config.command.clone(),
                env: spec.config.env.clone(),
                workdir: spec.config.workdir.clone(),
                stdout: spec.stdout.clone(),
                stderr: spec.stderr.clone(),
            }));
            known
        });
        let started = known.wait_for(|known| !matches!(known, Known::Asked)).await;
        match started.map(|known| known.clone()) {
            Ok(Known::Running(pid)) => Ok(pid),
            Ok(Known::Ended(..)) => Ok(SmolStr::default()),
            Ok(Known::Failed(message)) => {
                Err(Failure { class: FailureClass::CannotStart, message })
            }
            Ok(Known::Asked | Known::Lost) | Err(_) => Err(lost(spec)),
        }
    }

    async fn wait(&self, spec: &Spec) -> Result<End, Failure> {
        let Some(mut known) = self.watch(&spec.exec) else { return Err(lost(spec)) };
        let over = |known: &Known| !matches!(known, Known::Asked | Known::Running(_));
        match known.wait_for(over).await.map(|known| known.clone()) {
            Ok(Known::Ended(code, cpu)) => Ok(End { code, cpu, ..End::default() }),
            Ok(Known::Failed(message)) => {
                Err(Failure { class: FailureClass::CannotStart, message })
            }
            Ok(Known::Asked | Known::Running(_) | Known::Lost) | Err(_) => Err(lost(spec)),
        }
    }

    async fn kill(&self, exec: &ExecId, signal: i32) {
        self.ask(Ask::Kill { exec: exec.clone(), signal });
    }

    async fn forget(&self, exec: &ExecId) {
        lock(&self.table).remove(exec);
        self.ask(Ask::Forget { exec: exec.clone() });
    }
}
