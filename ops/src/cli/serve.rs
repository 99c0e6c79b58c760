//! The processes of a cluster: `up` and `controller`.

use super::cloud::{Chosen, CloudArgs};
use super::context::{ClusterArgs, Context, Noted, id, named, note};
use crate::output::{OURS, Output, Usage, say};
use anyhow::Context as _;
use clap::Args;
use controlplane::cloud::local::Host as _;
use controlplane::cloud::local::process::{Processes, strip};
use controlplane::{Options, Replica};
use replay::log::embedded::EmbeddedLog;
use schema::id::{AuthorId, ClusterId};
use schema::policy::Policy;
use schema::unit::Millis;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

pub(super) const POLL: Duration = Duration::from_millis(200);
/// How long an agent that is told to end has for its execs.
pub(super) const GRACE: Duration = Duration::from_secs(2);
/// How long an agent that died may be started again before its instance is taken for gone.
const RESTART: Duration = Duration::from_secs(10);

/// Start a cluster on this machine, and keep it up until interrupted
#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// Put the log on this NATS instead of one embedded here
    #[arg(long, value_name = "URL")]
    nats: Option<String>,
    /// How many controllers
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=9))]
    controllers: u32,
    /// Keep at least this many instances
    #[arg(long, default_value_t = 0)]
    instances: u32,
    /// Where instances and an embedded log keep their files
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Port of an embedded log; if 0, the one that it had before, else a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
}

/// Run one controller
#[derive(Debug, Args)]
pub(crate) struct ControllerArgs {
    #[command(flatten)]
    cloud: CloudArgs,
    /// Keep at least this many instances (when it opens an empty log)
    #[arg(long, default_value_t = 0)]
    instances: u32,
    /// Its name; must be new for each process
    #[arg(long)]
    replica: Option<String>,
    /// Stop when stdin ends: whoever started it has gone, however it went
    #[arg(long, hide = true)]
    leashed: bool,
}

pub(crate) async fn up(args: UpArgs, names: ClusterArgs) -> anyhow::Result<ExitCode> {
    let cluster = named(names.cluster.as_deref())?;
    first_policy(args.instances)?;
    let dir = match args.dir.clone() {
        Some(dir) => dir,
        None => default_dir()?.join(cluster.as_str()),
    };
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let dir = dir.canonicalize()?;
    // Not `--log` or `FLEETLOG_LOG`: those name a cluster to use, not one to be.
    let (url, log) = match args.nats.clone() {
        Some(url) => {
            replay::log::open(&url, &cluster, true).await?;
            (url, None)
        }
        None => {
            let (url, log) = embedded(&dir, &cluster, args.port).await?;
            (url, Some(log))
        }
    };
    note(&Noted { log: url.clone(), cluster: cluster.to_string() })?;
    say(&format!("cluster {cluster}: log at {url}, files in {}", dir.display()));
    say("in another terminal: fleetlog run --cpu 1 --memory 64MiB -- echo hello");
    let start = || controller_process(&args, &url, &cluster, &dir);
    let mut controllers = (0..args.controllers).map(|_| start()).collect::<Result<Vec<_>, _>>()?;
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    loop {
        tokio::select! {
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            reason = failed(log.as_deref()) => {
                say(&format!("fleetlog: the log in {} takes no more: {reason}", dir.display()));
                say("free some space and start `fleetlog up` again");
                down(controllers, &dir).await?;
                return Ok(ExitCode::from(OURS));
            }
            () = tokio::time::sleep(POLL) => {}
        }
        for controller in &mut controllers {
            if let Some(status) = controller.try_wait()? {
                say(&format!("a controller ended ({status}); starting another"));
                *controller = start()?;
            }
        }
    }
    say("stopping");
    down(controllers, &dir).await
}

pub(super) fn default_dir() -> anyhow::Result<PathBuf> {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"));
    let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).or_else(home);
    Ok(data.context("neither XDG_DATA_HOME nor HOME is set; give --dir")?.join("fleetlog"))
}

/// Serves an embedded log from this process; returns where.
async fn embedded(
    dir: &Path,
    cluster: &ClusterId,
    port: u16,
) -> anyhow::Result<(String, Arc<EmbeddedLog>)> {
    let (log, telemetry) = replay::log::embedded::open(&dir.join("log"), cluster, true)?;
    let listener = listener(dir, port).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let served = log.clone();
    tokio::spawn(async move {
        if let Err(error) = replay::log::remote::serve(served, telemetry, listener).await {
            tracing::error!(%error, "the log is no longer served");
        }
    });
    Ok((url, log))
}

/// Waits until a log that is embedded here has failed.
async fn failed(log: Option<&EmbeddedLog>) -> String {
    match log {
        Some(log) => log.failed().await,
        None => std::future::pending().await,
    }
}

/// The port that this cluster's log had before, if it is free: agents and drivers look for it there.
async fn listener(dir: &Path, port: u16) -> anyhow::Result<TcpListener> {
    let noted = dir.join("port");
    let before = std::fs::read_to_string(&noted).ok().and_then(|text| text.trim().parse().ok());
    let bind = |port: u16| TcpListener::bind(("127.0.0.1", port));
    let listener = match (port, before) {
        (0, Some(before)) => match bind(before).await {
            Ok(listener) => listener,
            Err(error) => {
                say(&format!("port {before}, which the log had before, is taken: {error}"));
                bind(0).await?
            }
        },
        (port, _) => bind(port).await.with_context(|| format!("cannot listen on port {port}"))?,
    };
    std::fs::write(&noted, listener.local_addr()?.port().to_string())
        .with_context(|| format!("cannot write {}", noted.display()))?;
    Ok(listener)
}

fn controller_process(
    args: &UpArgs,
    url: &str,
    cluster: &ClusterId,
    dir: &Path,
) -> anyhow::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--log", url, "--cluster", cluster.as_str(), "controller", "--dir"]);
    command.arg(dir).args(["--instances", &args.instances.to_string()]);
    command.args(["--replica", fresh_name().as_str(), "--leashed"]);
    // In a group of its own, so that Ctrl-C reaches `up` alone and the controllers end in order. The
    // pipe ends with this process, even if that is killed.
    command.stdin(Stdio::piped()).process_group(0).kill_on_drop(true);
    command.spawn().context("cannot start a controller")
}

/// Ends the controllers, then everything that they have brought up.
async fn down(controllers: Vec<Child>, dir: &Path) -> anyhow::Result<ExitCode> {
    use rustix::process::{Pid, Signal, kill_process};
    for mut controller in controllers {
        let pid = controller.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        if let Some(pid) = pid {
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = tokio::time::timeout(GRACE, controller.wait()).await;
    }
    let host = here(dir, Vec::new());
    for instance in host.list().await.map_err(anyhow::Error::msg)?.into_keys() {
        let _ = host.end(&instance).await;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn here(dir: &Path, agent: Vec<OsString>) -> Processes {
    let processes = Processes::new(dir.join("instances"), agent).clearing(|dir| {
        agent::keeper::end(dir);
        if let Err(error) = strip(dir) {
            tracing::warn!(%error, dir = %dir.display(), "cannot remove what an instance left");
        }
    });
    processes.restart_within(RESTART)
}

pub(crate) async fn controller(
    args: ControllerArgs,
    names: &ClusterArgs,
) -> anyhow::Result<ExitCode> {
    let context = Context::find(names, Output::Table)?;
    let cluster = context.cluster.clone();
    let policy = first_policy(args.instances)?;
    let (log, telemetry) = replay::log::open(&context.url, &cluster, true).await?;
    let mut agent: Vec<OsString> = vec![std::env::current_exe()?.into()];
    agent.extend(["--log", &context.url, "--cluster", cluster.as_str(), "agent"].map(Into::into));
    let chosen = args.cloud.open(&cluster, |dir| here(dir, agent));
    let Chosen { cloud, offerings } = chosen.await?;
    let policy = Policy { offerings, ..policy };
    let replica = Replica::start(Options {
        cluster,
        replica: args.replica.as_deref().map_or_else(|| Ok(fresh_name()), id)?,
        log,
        telemetry,
        cloud,
        policy,
    });
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = unleashed(), if args.leashed => {}
        () = replica.finished() => {
            replica.ended().await?;
            return Ok(ExitCode::SUCCESS);
        }
    }
    match tokio::time::timeout(GRACE, replica.stop()).await {
        Ok(stopped) => stopped?,
        Err(_) => tracing::warn!("the log is out of reach: stopping without a word"),
    }
    Ok(ExitCode::SUCCESS)
}

/// What a new log's policy says of instances. A log would be begun with another one in vain, for ever.
fn first_policy(instances: u32) -> anyhow::Result<Policy> {
    let unreachable_after = Millis::from_secs(15);
    let policy = Policy { min_instances: instances, unreachable_after, ..Policy::default() };
    policy.check().map_err(|wrong| Usage(format!("--instances {instances}: {wrong}")))?;
    Ok(policy)
}

/// Returns when stdin ends.
async fn unleashed() {
    let mut stdin = tokio::io::stdin();
    let mut bytes = [0; 64];
    while matches!(tokio::io::AsyncReadExt::read(&mut stdin, &mut bytes).await, Ok(1..)) {}
}

/// Two processes that share a name would share a term.
fn fresh_name() -> AuthorId {
    let now = u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0);
    AuthorId::made(now, uuid::Uuid::new_v4().as_u64_pair().0)
}
