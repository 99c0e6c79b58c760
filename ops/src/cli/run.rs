//! `run`: one command in an alloc of its own, its output here, its exit code ours.

use super::context::{Context, id};
use crate::output::{OURS, Usage, say};
use clap::Args;
use driver::logs::Which;
use driver::{
    AllocOptions, AllocRequest, AllocView, Driver, DriverError, Exec, ExecEnd, JoinOptions, Oom,
    describe,
};
use futures::StreamExt;
use schema::event::ExecConfig;
use schema::requirements::{Constraint, Requirements};
use schema::resources::{Resources, parse_bytes, parse_cpu, show_bytes};
use schema::unit::Millis;
use schema::why::FailureClass;
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;

/// The command ran for longer than `--timeout`.
const TIMED_OUT: u8 = 124;
const INTERRUPT: i32 = 2;
const KILL: i32 = 9;

/// Run a command on the cluster, in an alloc of its own
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Cores: 2, 0.5, 500m
    #[arg(long, default_value = "1", allow_hyphen_values = true)]
    cpu: String,
    /// Memory: 64MiB, 1.5GiB
    #[arg(long, default_value = "256MiB", allow_hyphen_values = true)]
    memory: String,
    /// Disk: 10GiB
    #[arg(long, default_value = "0", allow_hyphen_values = true)]
    disk: String,
    /// A feature that the instance must have, as NAME=COUNT
    #[arg(long = "feature", value_name = "NAME=COUNT")]
    features: Vec<String>,
    /// Container image; a plain process if none
    #[arg(long)]
    image: Option<String>,
    /// Environment, as NAME=VALUE
    #[arg(long = "env", short = 'e', value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// Kill it after this many seconds
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// Higher goes first
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    priority: i32,
    /// A word for people and bills, as NAME=VALUE
    #[arg(long = "label", value_name = "NAME=VALUE")]
    labels: Vec<String>,
    /// Under which driver id; one of its own if none
    #[arg(long)]
    driver: Option<String>,
    /// What to run
    #[arg(required = true, trailing_var_arg = true)]
    command: Vec<String>,
}

fn pair(text: &str) -> anyhow::Result<(String, String)> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = pair.ok_or_else(|| Usage(format!("{text:?} is not NAME=VALUE")))?;
    Ok((name.to_owned(), value.to_owned()))
}

fn resources(args: &RunArgs) -> anyhow::Result<Resources> {
    let mut features = BTreeMap::new();
    for text in &args.features {
        let (name, count) = pair(text)?;
        let count = count.parse().map_err(|e| Usage(format!("{text:?}: {e}")))?;
        features.insert(SmolStr::from(name), count);
    }
    let resources = Resources {
        cpu: parse_cpu(&args.cpu).map_err(Usage)?,
        memory: parse_bytes(&args.memory).map_err(Usage)?,
        disk: parse_bytes(&args.disk).map_err(Usage)?,
        features,
    };
    Ok(resources)
}

pub(crate) async fn run(args: RunArgs, context: Context) -> anyhow::Result<ExitCode> {
    let requirements = Requirements::exactly(resources(&args)?);
    requirements.check().map_err(Usage)?;
    let labels = args.labels.iter().map(|text| pair(text).map(|(n, v)| (n.into(), v.into())));
    let options = AllocOptions {
        requirements,
        constraint: Constraint::default(),
        priority: args.priority,
        labels: labels.collect::<anyhow::Result<_>>()?,
    };
    let config = ExecConfig {
        image: args.image.clone(),
        command: args.command.clone(),
        env: args.env.iter().map(|text| pair(text)).collect::<anyhow::Result<_>>()?,
        timeout: args.timeout.map(Millis::from_secs),
        ..ExecConfig::default()
    };
    let name =
        args.driver.clone().unwrap_or_else(|| format!("run-{}", uuid::Uuid::now_v7().simple()));
    let join = JoinOptions {
        cluster: context.cluster.clone(),
        log: context.open().await?,
        driver: id(&name)?,
        lease: Millis::from_secs(120),
    };
    let driver = Driver::join(join).await?;
    let request = driver.alloc(options).await?;
    let code = attempt(request, config).await;
    driver.leave().await?;
    code
}

async fn attempt(request: AllocRequest, config: ExecConfig) -> anyhow::Result<ExitCode> {
    let telling = tokio::spawn(tell(request.progress()));
    let granted = request.granted().await;
    telling.abort();
    let alloc = match granted {
        Ok(alloc) => alloc,
        // It can never be met as it was asked for: that is for whoever asked to change.
        Err(DriverError::Refused(why)) => return Err(Usage(describe::refused(&why)).into()),
        Err(error) => return Err(error.into()),
    };
    let exec = alloc.exec(config).await?;
    let printing =
        [Which::Stdout, Which::Stderr].map(|which| tokio::spawn(copy(exec.clone(), which)));
    let interrupts = tokio::spawn(pass_interrupts(exec.clone()));
    let end = exec.wait().await;
    for printing in printing {
        if let Ok(Err(error)) = printing.await {
            say(&format!("fleetlog: output may be missing: {error:#}"));
        }
    }
    interrupts.abort();
    let _ = alloc.free().await;
    let (end, oom) = end?;
    Ok(report(&end, oom))
}

/// Says what a request waits for, each time that changes.
async fn tell(mut progress: tokio::sync::watch::Receiver<AllocView>) {
    loop {
        if let AllocView::Waiting(Some(why)) = &*progress.borrow_and_update() {
            say(&format!("fleetlog: {}", describe::pending(why)));
        }
        if progress.changed().await.is_err() {
            return;
        }
    }
}

/// Copies output as it comes. Starts once the exec has: before there is nothing to read.
async fn copy(exec: Exec, which: Which) -> anyhow::Result<()> {
    let mut progress = exec.progress();
    progress.wait_for(|view| view.started || view.end.is_some()).await?;
    if !progress.borrow().started {
        return Ok(());
    }
    let mut stream = exec.logs(which, 0, true)?;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        let written = match which {
            Which::Stdout => std::io::stdout().write_all(&chunk),
            Which::Stderr => std::io::stderr().write_all(&chunk),
        };
        if written.is_err() {
            return Ok(());
        }
        let _ = std::io::stdout().flush();
    }
    Ok(())
}

/// Ctrl-C interrupts the exec; a second one kills it.
async fn pass_interrupts(exec: Exec) {
    for signal in [INTERRUPT, KILL] {
        if tokio::signal::ctrl_c().await.is_ok() {
            let _ = exec.kill(signal).await;
        }
    }
}

fn report(end: &ExecEnd, oom: Option<Oom>) -> ExitCode {
    if let Some(Oom { limit, peak }) = oom {
        let peak = if peak > 0 { show_bytes(peak) } else { "unknown".to_owned() };
        say(&format!("fleetlog: killed for memory: limit {}, peak {peak}", show_bytes(limit)));
    }
    match end {
        ExecEnd::Exited { code, .. } => ExitCode::from(u8::try_from(*code & 0xff).unwrap_or(OURS)),
        ExecEnd::Failed { class, message } => {
            say(&format!("fleetlog: {}", describe::failure(class, message)));
            match class {
                FailureClass::TimedOut => ExitCode::from(TIMED_OUT),
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
