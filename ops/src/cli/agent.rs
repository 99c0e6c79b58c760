//! The agent of one instance: on this machine, from the directory that its host has made; on EC2, from
//! what user-data says.

use super::context::{ClusterArgs, Context};
use super::serve::{GRACE, POLL};
use crate::output::{Output, Usage};
use agent::Notice;
use agent::imds::{ENDPOINT, Imds, notice};
use agent::kernel::Kernel;
use agent::metrics::EXPORTER;
use agent::runtime::Runtime;
use agent::runtime::docker::Docker;
use agent::runtime::process::Processes;
use anyhow::{Context as _, bail};
use clap::Args;
use controlplane::cloud::local::process::{birth, hold, interruption};
use ec2_core::credential::Credential;
use ec2_core::userdata::AgentFile;
use replay::log::jetstream::trusting;
use schema::event::Interruption;
use schema::id::ClusterId;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Where the metadata service is, if not where EC2 has it; the AWS SDKs heed the same.
const METADATA: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";

/// Run the agent of one instance
#[derive(Debug, Args)]
pub(crate) struct AgentArgs {
    /// The instance's directory on this machine
    dir: Option<PathBuf>,
    /// What an EC2 instance's user-data tells its agent, instead
    #[arg(long, value_name = "FILE", conflicts_with = "dir")]
    config: Option<PathBuf>,
    /// Where a node exporter answers, if the file does not say it
    #[arg(long, value_name = "ADDRESS", default_value = EXPORTER)]
    metrics: String,
}

pub(crate) async fn agent(args: AgentArgs, names: &ClusterArgs) -> anyhow::Result<ExitCode> {
    match (args.config, args.dir) {
        (Some(file), _) => on_ec2(&file, args.metrics).await,
        (None, Some(dir)) => here(&dir, args.metrics, names).await,
        (None, None) => bail!(Usage("which instance? give its directory, or --config".to_owned())),
    }
}

async fn here(dir: &Path, metrics: String, names: &ClusterArgs) -> anyhow::Result<ExitCode> {
    let dir = dir.canonicalize().map_err(|e| Usage(format!("{}: {e}", dir.display())))?;
    let Ok(birth) = birth(&dir) else {
        bail!(Usage(format!("{} is no directory of an instance", dir.display())));
    };
    // Held for as long as this process lives; a second agent of the same instance ends here.
    let Ok(_lock) = hold(&dir) else { return Ok(ExitCode::SUCCESS) };
    // Before anything is started that would outlive this process.
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        () = tokio::time::sleep(birth.boot_delay.duration()) => {}
        _ = terminate.recv() => return Ok(ExitCode::SUCCESS),
    }
    let context = Context::find(names, Output::Table)?;
    let (log, telemetry) = replay::log::open(&context.url, &context.cluster, false).await?;
    let options = agent::Options {
        runtimes: runtimes(&dir, &context.cluster).await?,
        cluster: context.cluster,
        instance: birth.instance,
        launch: birth.launch,
        resources: birth.resources,
        log,
        telemetry,
        interruption: watch_interruption(dir.clone()),
        joined: None,
        metrics,
        bearer: None,
        dir,
    };
    live(options, terminate).await
}

/// The end of this process in good order is the end of the machine, so all that is wrong is an error:
/// whoever starts agents there tries again.
async fn on_ec2(file: &Path, metrics: String) -> anyhow::Result<ExitCode> {
    let told = told(file)?;
    let credential = credential(&told)?;
    let dir = PathBuf::from(&told.dir);
    let _lock = hold(&dir).with_context(|| format!("cannot use {}", dir.display()))?;
    let terminate = signal(SignalKind::terminate())?;
    let endpoint = std::env::var(METADATA).ok().filter(|endpoint| !endpoint.is_empty());
    let mut metadata = Imds::new(endpoint.as_deref().unwrap_or(ENDPOINT))?;
    let instance = metadata.instance().await?;
    let bearer = credential.bearer(&instance);
    let (log, telemetry) = replay::log::open(&log_of(&told), &told.cluster, false).await?;
    let mut resources = told.promised;
    // A type has less than its name says, and nobody knows how much less before it runs.
    resources.memory = agent::memory::usable().unwrap_or(resources.memory);
    let options = agent::Options {
        runtimes: runtimes(&dir, &told.cluster).await?,
        cluster: told.cluster,
        instance,
        launch: told.launch,
        resources,
        log,
        telemetry,
        interruption: notice::watch(metadata, notice::EVERY),
        joined: Some(told.joined_file.into()),
        metrics: told.metrics.unwrap_or(metrics),
        bearer: Some(bearer),
        dir,
    };
    live(options, terminate).await
}

fn told(file: &Path) -> anyhow::Result<AgentFile> {
    let wrong = |error: String| Usage(format!("{}: {error}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    Ok(serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?)
}

fn log_of(told: &AgentFile) -> String {
    let AgentFile { log, ca_file, .. } = told;
    ca_file.as_ref().map_or_else(|| log.clone(), |ca| trusting(log, ca))
}

/// What it is let in with. One that is not of this very attempt says that the instance is not what it was
/// meant to be. What is in it is not printed.
fn credential(told: &AgentFile) -> anyhow::Result<Credential> {
    let file = &told.credential_file;
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
    let Some(shown) = Credential::parse(text.trim_end()) else {
        bail!(Usage(format!("{file}: no credential")));
    };
    let of = (&shown.cluster, &shown.launch, shown.attempt);
    if of != (&told.cluster, &told.launch, told.attempt) {
        bail!(Usage(format!("{file}: the credential of another launch")));
    }
    Ok(shown)
}

/// Runs an agent until it goes or is told to end; then what it kept ends too.
async fn live(options: agent::Options, mut terminate: Signal) -> anyhow::Result<ExitCode> {
    let dir = options.dir.clone();
    let mut agent = Box::pin(agent::Agent::run(options));
    let result = tokio::select! {
        result = &mut agent => result,
        _ = terminate.recv() => tokio::time::timeout(GRACE, agent).await.unwrap_or(Ok(())),
    };
    // One that failed is started again, and finds its execs as they are.
    result?;
    tokio::task::spawn_blocking(move || agent::keeper::end(&dir)).await?;
    Ok(ExitCode::SUCCESS)
}

async fn runtimes(dir: &Path, cluster: &ClusterId) -> anyhow::Result<Vec<Arc<dyn Runtime>>> {
    let keeper: Vec<OsString> = vec![std::env::current_exe()?.into(), "keeper".into()];
    let kernel = Arc::new(Kernel::here());
    let processes =
        Processes::start(dir, &keeper, kernel.clone()).await.context("cannot start the keeper")?;
    let mut runtimes: Vec<Arc<dyn Runtime>> = vec![Arc::new(processes)];
    match Docker::connect(cluster.clone(), kernel).await {
        Ok(docker) => runtimes.push(Arc::new(docker)),
        Err(error) => tracing::info!(%error, "no Docker engine here: no containers"),
    }
    Ok(runtimes)
}

fn watch_interruption(dir: PathBuf) -> watch::Receiver<Option<Notice>> {
    let (notice, noticed) = watch::channel(None);
    tokio::spawn(async move {
        while !notice.is_closed() {
            if let Some(left) = interruption(&dir) {
                notice.send_replace(Some((Interruption::Spot, left)));
                return notice.closed().await;
            }
            tokio::time::sleep(POLL).await;
        }
    });
    noticed
}
