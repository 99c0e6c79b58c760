//! `run`: one command in an alloc of its own, its output here, its exit code ours.
//!
//! What `alloc` shares with it is here, too: waiting for what was asked for, running something in it, and
//! what an interrupt means meanwhile.

use super::ask::{AskArgs, pair};
use super::context::{Context, id, when};
use crate::output::{OURS, Usage, say};
use anyhow::Context as _;
use clap::Args;
use driver::logs::Which;
use driver::{
    Alloc, AllocRequest, AllocView, Driver, DriverError, Exec, ExecEnd, Given, JoinOptions, Oom,
    describe,
};
use futures::StreamExt;
use schema::event::ExecConfig;
use schema::id::AllocId;
use schema::unit::Millis;
use schema::why::FailureClass;
use std::convert::Infallible;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// The command ran for longer than `--timeout`.
const TIMED_OUT: u8 = 124;
/// Interrupted before there was anything to pass the signal on to.
pub(super) const INTERRUPTED: u8 = 130;
/// As in a shell: the command cannot be started.
const CANNOT_START: u8 = 127;
const HANG_UP: i32 = 1;
const INTERRUPT: i32 = 2;
const KILL: i32 = 9;
const PIPE: i32 = 13;
const TERMINATE: i32 = 15;
/// How long the last records may take: the leases run out by themselves.
const PARTING: Duration = Duration::from_secs(5);
/// How long the first answer may take before that is worth a word.
const UNANSWERED: Duration = Duration::from_secs(2);
const SECOND: Duration = Duration::from_secs(1);

/// What to run it in
#[derive(Debug, Args)]
pub(super) struct ImageArgs {
    /// Container image; a plain process if none
    #[arg(long)]
    image: Option<String>,
    /// Environment, as NAME=VALUE
    #[arg(long = "env", short = 'e', value_name = "NAME=VALUE")]
    env: Vec<String>,
}

/// What to run
#[derive(Debug, Args)]
pub(super) struct CommandArgs {
    #[command(flatten)]
    image: ImageArgs,
    /// Kill it after this many seconds
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// What to run
    #[arg(required = true, trailing_var_arg = true)]
    command: Vec<String>,
}

/// Run a command on the cluster, in an alloc of its own
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    ask: AskArgs,
    /// Under which driver id; one of its own if none. Whoever joins under an id takes it over
    #[arg(long)]
    driver: Option<String>,
    #[command(flatten)]
    command: CommandArgs,
}

impl ImageArgs {
    pub(super) fn config(&self) -> anyhow::Result<ExecConfig> {
        let env = self.env.iter().map(|text| pair(text)).collect::<anyhow::Result<_>>()?;
        Ok(ExecConfig { image: self.image.clone(), env, ..ExecConfig::default() })
    }
}

impl CommandArgs {
    pub(super) fn config(&self) -> anyhow::Result<ExecConfig> {
        let timeout = self.timeout.map(Millis::from_secs);
        Ok(ExecConfig { command: self.command.clone(), timeout, ..self.image.config()? })
    }
}

/// Joins under this name; under one of its own, which begins with `prefix`, if none is given.
pub(super) async fn join(
    context: &Context,
    name: Option<&str>,
    prefix: &str,
    lease: Millis,
) -> anyhow::Result<Driver> {
    let own = || format!("{prefix}-{}", uuid::Uuid::now_v7().simple());
    let options = JoinOptions {
        cluster: context.cluster.clone(),
        driver: id(&name.map_or_else(own, str::to_owned))?,
        log: context.open().await?,
        lease,
    };
    Ok(Driver::join(options).await?)
}

pub(crate) async fn run(args: RunArgs, context: Context) -> anyhow::Result<ExitCode> {
    let (options, config) = (args.ask.options()?, args.command.config()?);
    let mut stops = Stops::listen()?;
    let lease = Millis::from_secs(120);
    let driver = join(&context, args.driver.as_deref(), "run", lease).await?;
    let request = driver.alloc(options).await?;
    let asked = request.id().clone();
    let code = attempt(request, config, &mut stops).await;
    give_back(driver, &asked).await;
    code
}

async fn attempt(
    request: AllocRequest,
    config: ExecConfig,
    stops: &mut Stops,
) -> anyhow::Result<ExitCode> {
    match granted(request, stops).await? {
        Some(alloc) => run_in(&alloc, config, stops).await,
        None => Ok(ExitCode::from(INTERRUPTED)),
    }
}

/// Waits for an alloc, and says what for; nothing if it was interrupted.
pub(super) async fn granted(
    request: AllocRequest,
    stops: &mut Stops,
) -> anyhow::Result<Option<Alloc>> {
    let progress = request.progress();
    tokio::select! {
        granted = request.granted() => match granted {
            Ok(alloc) => Ok(Some(alloc)),
            // It can never be met as it was asked for: that is for whoever asked to change.
            Err(DriverError::Refused(why)) => Err(Usage(describe::refused(&why)).into()),
            Err(error) => Err(error.into()),
        },
        () = tell(progress) => Ok(None),
        _ = stops.next() => Ok(None),
    }
}

/// Leaves; gives back what was granted meanwhile, too. A log that is out of reach does not keep
/// anybody here: the lease runs out.
pub(super) async fn give_back(driver: Driver, asked: &AllocId) {
    let part = async {
        driver.clone().leave().await?;
        match driver.allocs().get(asked) {
            Some(AllocView::Granted(_)) => driver.attach(asked).await?.free().await,
            _ => Ok(()),
        }
    };
    match tokio::time::timeout(PARTING, part).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => say(&format!("fleetlog: {asked} ends with its lease: {error}")),
        Err(_) => say(&format!("fleetlog: {asked} ends with its lease: the log is out of reach")),
    }
}

/// Runs it, shows its output here, and gives its exit code.
pub(super) async fn run_in(
    alloc: &Alloc,
    config: ExecConfig,
    stops: &mut Stops,
) -> anyhow::Result<ExitCode> {
    let exec = alloc.exec(config).await?;
    let printing =
        [Which::Stdout, Which::Stderr].map(|which| tokio::spawn(copy(exec.clone(), which)));
    let (end, oom) = tokio::select! {
        end = exec.wait() => end?,
        never = warn(alloc) => match never {},
        () = insist(&exec, stops) => {
            say(&format!("fleetlog: {} is left behind; it ends with its lease", exec.id()));
            return Ok(ExitCode::from(INTERRUPTED));
        }
    };
    let mut whole = true;
    for printing in printing {
        if let Ok(Err(error)) = printing.await {
            whole = false;
            say(&format!("fleetlog: output is missing: {error:#}"));
        }
    }
    let code = report(&end, oom);
    Ok(if whole { code } else { ExitCode::from(OURS) })
}

/// Says each time when the alloc is to be taken back, and when that is no longer so. Goes on until dropped.
async fn warn(alloc: &Alloc) -> Infallible {
    let mut progress = alloc.progress();
    let mut before = None;
    loop {
        if let AllocView::Granted(Given { notice, .. }) = &*progress.borrow_and_update()
            && *notice != before
        {
            match notice {
                Some(until) => say(&format!(
                    "fleetlog: {} gives way to another of higher priority, and ends at {}",
                    alloc.id(),
                    when(*until)
                )),
                None => say(&format!("fleetlog: {} stays after all", alloc.id())),
            }
            before = *notice;
        }
        if progress.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// What the person at the terminal, or their supervisor, says to this process.
pub(super) struct Stops {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Stops {
    pub(super) fn listen() -> anyhow::Result<Stops> {
        let interrupt = signal(SignalKind::interrupt())?;
        let (terminate, hang_up) =
            (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
        Ok(Stops { interrupt, terminate, hang_up })
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.interrupt.recv() => INTERRUPT,
            _ = self.terminate.recv() => TERMINATE,
            _ = self.hang_up.recv() => HANG_UP,
        }
    }
}

/// Passes the first signal on, kills at the second one, and gives up at the third one; where nobody
/// is at a keyboard, after a while each. Does not wait for the log in between.
async fn insist(exec: &Exec, stops: &mut Stops) {
    let first = stops.next().await;
    for signal in [first, KILL] {
        let exec = exec.clone();
        tokio::spawn(async move {
            if let Err(error) = exec.kill(signal).await {
                say(&format!("fleetlog: signal {signal} cannot be sent: {error}"));
            }
        });
        let wait = if first == INTERRUPT { Duration::MAX } else { PARTING };
        let _ = tokio::time::timeout(wait, stops.next()).await;
    }
}

/// Says what a request waits for, each time that changes; at a terminal, in one line that counts the
/// seconds. Goes on until dropped.
async fn tell(mut progress: watch::Receiver<AllocView>) {
    let mut line =
        Line { since: Instant::now(), terminal: std::io::stderr().is_terminal(), last: None };
    loop {
        let view = progress.borrow_and_update().clone();
        line.show(&view);
        let changed = tokio::time::timeout(SECOND, progress.changed()).await;
        if let Ok(Err(_)) = changed {
            std::future::pending::<()>().await;
        }
    }
}

struct Line {
    since: Instant,
    terminal: bool,
    last: Option<String>,
}

impl Line {
    fn show(&mut self, view: &AllocView) {
        let passed = self.since.elapsed();
        let text = match view {
            AllocView::Waiting(Some(why)) => describe::pending(why),
            AllocView::Waiting(None) if passed > UNANSWERED => "no controller answers yet".into(),
            _ => return,
        };
        if self.terminal {
            let seconds = passed.as_secs();
            let _ = write!(std::io::stderr(), "\r\x1b[2Kfleetlog: {text} ({seconds} s)");
        } else if self.last.as_ref() != Some(&text) {
            say(&format!("fleetlog: {text}"));
        }
        self.last = Some(text);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.terminal && self.last.is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
        }
    }
}

/// Copies output as it comes.
async fn copy(exec: Exec, which: Which) -> anyhow::Result<()> {
    let mut stream = exec.logs(which, 0, true)?;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        let written = match which {
            Which::Stdout => show(std::io::stdout(), &chunk),
            Which::Stderr => show(std::io::stderr(), &chunk),
        };
        match written {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                // As in any pipe: who writes to nobody is told so, and ends unless it minds.
                if which == Which::Stdout {
                    exec.kill(PIPE).await?;
                }
                return Ok(());
            }
            Err(error) => return Err(error).context("cannot write what it writes"),
        }
    }
    Ok(())
}

fn show(mut to: impl Write, bytes: &[u8]) -> std::io::Result<()> {
    to.write_all(bytes)?;
    to.flush()
}

fn report(end: &ExecEnd, oom: Option<Oom>) -> ExitCode {
    if let Some(Oom { limit, peak, constraint, .. }) = oom {
        say(&format!("fleetlog: {}", describe::killed_for_memory(constraint, limit, peak)));
    }
    match end {
        ExecEnd::Exited { code, .. } => ExitCode::from(u8::try_from(*code & 0xff).unwrap_or(OURS)),
        ExecEnd::Failed { class, message } => {
            say(&format!("fleetlog: {}", describe::failure(class, message)));
            match class {
                FailureClass::TimedOut => ExitCode::from(TIMED_OUT),
                FailureClass::CannotStart => ExitCode::from(CANNOT_START),
                FailureClass::ImageMissing { .. } | FailureClass::TooLarge { .. } => {
                    ExitCode::from(2)
                }
                _ => ExitCode::from(OURS),
            }
        }
        ExecEnd::Lost(why) => {
            say(&format!("fleetlog: lost: {}", describe::over(why)));
            ExitCode::from(OURS)
        }
    }
}
