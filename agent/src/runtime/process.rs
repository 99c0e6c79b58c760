//! Execs as plain processes, kept by the [keeper](crate::keeper). Limits are not enforced: an exec
//! that must not take more than its alloc needs a container.

use super::{End, Failure, Runtime, Spec};
use crate::keeper::{self, Ask, Tell};
use crate::kernel::Kernel;
use agent_core::oom::{Evidence, Oom, Own};
use async_trait::async_trait;
use schema::id::{ExecId, InstanceId};
use schema::unit::Millis;
use schema::why::FailureClass;
use smol_str::{SmolStr, ToSmolStr};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};

const START: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(5);
/// Pause before a keeper that is gone is replaced: it may have been told to end, and whoever uses
/// this with it.
const AGAIN: Duration = Duration::from_millis(200);

#[derive(Debug, Clone)]
enum Known {
    Asked,
    Running {
        pid: SmolStr,
        since: Instant,
    },
    Failed(String),
    Ended(End),
    /// The keeper died, and this with it.
    Lost,
}

impl Known {
    fn open(&self) -> bool {
        matches!(self, Known::Asked | Known::Running { .. })
    }
}

type Table = Arc<Mutex<BTreeMap<ExecId, watch::Sender<Known>>>>;

/// Runs execs as processes.
pub struct Processes {
    asks: mpsc::UnboundedSender<Ask>,
    table: Table,
    kernel: Arc<Kernel>,
}

impl Processes {
    /// Connects to the keeper of this directory, and starts it (`command DIR`) if there is none.
    /// One that dies is replaced; what it kept is lost, but for what it had seen end.
    ///
    /// # Errors
    /// The keeper cannot be started or does not answer.
    pub async fn start(
        dir: &Path,
        command: &[OsString],
        kernel: Arc<Kernel>,
    ) -> io::Result<Processes> {
        let table = Table::default();
        let link = first_link(dir, command, &table).await?;
        let (asks, inbox) = mpsc::unbounded_channel();
        let place = (dir.to_path_buf(), command.to_vec());
        tokio::spawn(keep_linked(link, place, inbox, table.clone()));
        Ok(Processes { asks, table, kernel })
    }

    fn ask(&self, ask: Ask) {
        // Taken for as long as this is there.
        let _ = self.asks.send(ask);
    }

    fn watch(&self, exec: &ExecId) -> Option<watch::Receiver<Known>> {
        lock(&self.table).get(exec).map(watch::Sender::subscribe)
    }

    /// Whether its main process was killed for memory: what it has started is not known from what others have.
    fn oom(&self, began: &Known, code: i32) -> Option<Oom> {
        let Known::Running { pid, since } = began else { return None };
        let now = Kernel::now();
        let age = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
        let ran = (now.saturating_sub(age), now);
        let own = Own { main: pid.parse().ok(), ran, ..Own::default() };
        let kills = self.kernel.kills(&own);
        Evidence { code, kills, ..Evidence::default() }.verdict(&own)
    }

    /// Asks for an exec to be started, unless it was before.
    fn begin(&self, spec: &Spec) -> watch::Receiver<Known> {
        let mut table = lock(&self.table);
        if let Some(known) = table.get(&spec.exec) {
            return known.subscribe();
        }
        let known = watch::Sender::new(Known::Asked);
        let watched = known.subscribe();
        table.insert(spec.exec.clone(), known);
        // Under the lock: whoever finds it asked for finds the ask on its way too.
        self.ask(Ask::Spawn(keeper::Order {
            exec: spec.exec.clone(),
            command: spec.config.command.clone(),
            env: spec.config.env.clone(),
            workdir: spec.config.workdir.clone(),
            stdout: spec.stdout.clone(),
            stderr: spec.stderr.clone(),
        }));
        watched
    }
}

fn lock(table: &Table) -> MutexGuard<'_, BTreeMap<ExecId, watch::Sender<Known>>> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A keeper that has told what it knows.
struct Link {
    lines: Lines<BufReader<OwnedReadHalf>>,
    writing: OwnedWriteHalf,
}

/// A keeper that is just being killed still takes a connection: try again, for a while.
async fn first_link(dir: &Path, command: &[OsString], table: &Table) -> io::Result<Link> {
    let deadline = Instant::now() + START;
    loop {
        match link(dir, command, table).await {
            Err(error) if broken_off(&error) && Instant::now() < deadline => {
                tokio::time::sleep(POLL).await;
            }
            linked => return linked,
        }
    }
}

fn broken_off(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}

async fn link(dir: &Path, command: &[OsString], table: &Table) -> io::Result<Link> {
    let (reading, writing) = connect(dir, command).await?.into_split();
    let mut lines = BufReader::new(reading).lines();
    loop {
        match next(&mut lines).await? {
            Some(Tell::Ready) => return Ok(Link { lines, writing }),
            Some(tell) => learn(table, tell),
            None => {
                let message = "the keeper ended";
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
            }
        }
    }
}

/// Carries asks to the keeper and what it tells back, for as long as there is somebody who asks.
async fn keep_linked(
    mut link: Link,
    (dir, command): (PathBuf, Vec<OsString>),
    mut inbox: mpsc::UnboundedReceiver<Ask>,
    table: Table,
) {
    loop {
        let Link { lines, writing } = &mut link;
        // Both at once: a keeper that waits until it is heard does not listen meanwhile.
        tokio::select! {
            () = carry(writing, &mut inbox) => {}
            () = listen(lines, &table) => {}
        }
        if inbox.is_closed() {
            return;
        }
        tracing::warn!(dir = %dir.display(), "the keeper is gone, and its execs with it");
        link = loop {
            tokio::time::sleep(AGAIN).await;
            if inbox.is_closed() {
                return;
            }
            match self::link(&dir, &command, &table).await {
                Ok(link) => break link,
                Err(error) => tracing::error!(%error, "cannot start a keeper"),
            }
        };
        lose(&mut inbox, &table);
    }
}

/// What the new keeper did not tell of is lost, what was not yet asked of the old one too.
fn lose(inbox: &mut mpsc::UnboundedReceiver<Ask>, table: &Table) {
    let table = lock(table);
    while inbox.try_recv().is_ok() {}
    for known in table.values() {
        known.send_if_modified(|known| {
            let lost = known.open();
            if lost {
                *known = Known::Lost;
            }
            lost
        });
    }
}

async fn carry(writing: &mut OwnedWriteHalf, inbox: &mut mpsc::UnboundedReceiver<Ask>) {
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

async fn next(lines: &mut Lines<BufReader<OwnedReadHalf>>) -> io::Result<Option<Tell>> {
    let Some(line) = lines.next_line().await? else { return Ok(None) };
    serde_json::from_str(&line).map(Some).map_err(io::Error::other)
}

async fn listen(lines: &mut Lines<BufReader<OwnedReadHalf>>, table: &Table) {
    while let Ok(Some(tell)) = next(lines).await {
        learn(table, tell);
    }
}

fn learn(table: &Table, tell: Tell) {
    let (exec, known) = match tell {
        Tell::Ready => return,
        Tell::Running { exec, pid, age } => {
            let now = Instant::now();
            let since = now.checked_sub(age.duration()).unwrap_or(now);
            (exec, Known::Running { pid: pid.to_smolstr(), since })
        }
        Tell::Failed { exec, message } => (exec, Known::Failed(message)),
        Tell::Ended { exec, code, wall, cpu } => {
            (exec, Known::Ended(End { code, wall, cpu, ..End::default() }))
        }
        Tell::Lost { exec } => (exec, Known::Lost),
    };
    lock(table).entry(exec).or_insert_with(|| watch::Sender::new(Known::Asked)).send_replace(known);
}

fn lost(spec: &Spec) -> Failure {
    let message = format!("the keeper of {} is gone, and the process with it", spec.exec);
    Failure { class: FailureClass::Lost, message }
}

fn cannot_start(message: String) -> Failure {
    Failure { class: FailureClass::CannotStart, message }
}

#[async_trait]
impl Runtime for Processes {
    fn name(&self) -> &'static str {
        "process"
    }

    async fn start(&self, spec: &Spec) -> Result<SmolStr, Failure> {
        super::check(&spec.config)?;
        if spec.config.command.is_empty() {
            return Err(cannot_start("the command is empty".into()));
        }
        let mut known = self.begin(spec);
        let started = known.wait_for(|known| !matches!(known, Known::Asked)).await;
        match started.map(|known| known.clone()) {
            Ok(Known::Running { pid, .. }) => Ok(pid),
            Ok(Known::Ended(_)) => Ok(SmolStr::default()),
            Ok(Known::Failed(message)) => Err(cannot_start(message)),
            Ok(Known::Asked | Known::Lost) | Err(_) => Err(lost(spec)),
        }
    }

    async fn wait(&self, spec: &Spec) -> Result<End, Failure> {
        let Some(mut known) = self.watch(&spec.exec) else { return Err(lost(spec)) };
        let began = known.wait_for(|known| !matches!(known, Known::Asked)).await;
        let began = began.map(|known| known.clone());
        match known.wait_for(|known| !known.open()).await.map(|known| known.clone()) {
            Ok(Known::Ended(end)) => {
                let oom = began.ok().and_then(|began| self.oom(&began, end.code));
                Ok(End { oom, ..end })
            }
            Ok(Known::Failed(message)) => Err(cannot_start(message)),
            Ok(Known::Asked | Known::Running { .. } | Known::Lost) | Err(_) => Err(lost(spec)),
        }
    }

    /// Processes write into their files themselves.
    async fn settle(&self, _: &Spec) {}

    async fn age(&self, exec: &ExecId) -> Millis {
        match lock(&self.table).get(exec).map(|known| known.borrow().clone()) {
            Some(Known::Running { since, .. }) => Millis::of(since.elapsed()),
            Some(Known::Asked | Known::Failed(_) | Known::Ended(_) | Known::Lost) | None => {
                Millis(0)
            }
        }
    }

    async fn known(&self, _: &InstanceId) -> Vec<ExecId> {
        lock(&self.table).keys().cloned().collect()
    }

    async fn kill(&self, exec: &ExecId, signal: i32) {
        self.ask(Ask::Kill { exec: exec.clone(), signal });
    }

    async fn forget(&self, exec: &ExecId) {
        lock(&self.table).remove(exec);
        self.ask(Ask::Forget { exec: exec.clone() });
    }
}
