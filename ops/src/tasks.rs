//! Agents as tasks of this process, each with a keeper process beside it: what the demo and the
//! benchmarks run their execs on.

use agent::kernel::Kernel;
use agent::runtime::process::Processes;
use anyhow::Context;
use controlplane::cloud::local::Birth;
use controlplane::cloud::local::task::Agent;
use replay::log::{Log, Telemetry};
use schema::id::ClusterId;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;

/// What agents have in common.
#[derive(Clone)]
pub(crate) struct Home {
    pub(crate) cluster: ClusterId,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) telemetry: Arc<dyn Telemetry>,
    /// Where each has a directory of its own.
    pub(crate) dir: PathBuf,
}

/// Makes agents of this cluster. A keeper ends with its agent.
pub(crate) fn agents(home: Home) -> anyhow::Result<Agent> {
    let program = std::env::current_exe().context("cannot find this program")?;
    let keeper: Vec<OsString> = vec![program.into(), "keeper".into()];
    Ok(Arc::new(move |birth: Birth, interruption: watch::Receiver<Option<agent::Notice>>| {
        let (home, keeper) = (home.clone(), keeper.clone());
        Box::pin(async move {
            let instance = birth.instance.clone();
            let machine = Machine(home.dir.join(instance.as_str()));
            if let Err(error) = live(home, &machine.0, &keeper, birth, interruption).await {
                tracing::warn!(%instance, error = format!("{error:#}"), "an agent stopped");
            }
        })
    }))
}

async fn live(
    home: Home,
    dir: &Path,
    keeper: &[OsString],
    birth: Birth,
    interruption: watch::Receiver<Option<agent::Notice>>,
) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir)?;
    let kernel = Arc::new(Kernel::here());
    let processes = Processes::start(dir, keeper, kernel).await?;
    let Home { cluster, log, telemetry, .. } = home;
    agent::Agent::run(agent::Options {
        cluster,
        instance: birth.instance,
        launch: birth.launch,
        resources: birth.resources,
        log,
        telemetry,
        dir: dir.to_path_buf(),
        runtimes: vec![Arc::new(processes)],
        interruption,
        joined: None,
        metrics: agent::metrics::EXPORTER.into(),
        bearer: None,
    })
    .await?;
    Ok(())
}

/// A machine takes everything on it along when it goes.
struct Machine(PathBuf);

impl Drop for Machine {
    fn drop(&mut self) {
        let dir = std::mem::take(&mut self.0);
        std::thread::spawn(move || agent::keeper::end(&dir));
    }
}

/// A directory that is gone when this is.
pub(crate) struct Directory(pub(crate) PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
