//! The demo's cluster: log, replicas, local cloud, agents as tasks, all in this process.

use crate::tasks::{Directory, Home, agents};
use anyhow::{Context, bail};
use controlplane::cloud::local::faults::Faults;
use controlplane::cloud::local::task::Tasks;
use controlplane::cloud::local::{LocalCloud, offerings};
use controlplane::{Options, Replica};
use replay::log::{Log, Telemetry, embedded};
use replay_core::State;
use replay_core::state::exec::ExecStatus;
use replay_core::state::instance::Phase;
use schema::id::{AuthorId, ClusterId, DriverId, InstanceId};
use schema::policy::Policy;
use schema::unit::{Micros, Millis};
use std::sync::Arc;
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Cluster {
    pub(crate) id: ClusterId,
    pub(crate) log: Arc<dyn Log>,
    telemetry: Arc<dyn Telemetry>,
    cloud: Arc<LocalCloud<Tasks>>,
    replicas: Vec<Replica>,
    started: u32,
    pub(crate) dir: Directory,
}

/// What the demo cost.
pub(crate) struct Bill {
    pub(crate) cost: Micros,
    pub(crate) instances: usize,
}

impl Cluster {
    pub(crate) fn start() -> anyhow::Result<Cluster> {
        let dir = std::env::temp_dir().join(format!("fleetlog-demo-{}", std::process::id()));
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let dir = Directory(dir);
        let id = ClusterId::new("demo")?;
        let (log, telemetry) = embedded::open(&dir.0.join("log"), &id, true)?;
        let log: Arc<dyn Log> = log;
        let agent = agents(Home {
            cluster: id.clone(),
            log: log.clone(),
            telemetry: telemetry.clone(),
            dir: dir.0.join("instances"),
        })?;
        let faults = Faults::default();
        faults.set_boot_delay(Millis(300));
        let cloud = Arc::new(LocalCloud::new(Tasks::new(agent), faults));
        let mut cluster =
            Cluster { id, log, telemetry, cloud, replicas: Vec::new(), started: 0, dir };
        for _ in 0..3 {
            cluster.start_replica()?;
        }
        Ok(cluster)
    }

    pub(crate) fn start_replica(&mut self) -> anyhow::Result<()> {
        self.started += 1;
        self.replicas.push(Replica::start(Options {
            cluster: self.id.clone(),
            replica: AuthorId::new(format!("r-{}", self.started))?,
            log: self.log.clone(),
            telemetry: self.telemetry.clone(),
            cloud: self.cloud.clone(),
            policy: policy(),
        }));
        Ok(())
    }

    pub(crate) fn join_options(&self, driver: DriverId) -> driver::JoinOptions {
        let lease = Millis::from_secs(10);
        driver::JoinOptions { cluster: self.id.clone(), log: self.log.clone(), driver, lease }
    }

    /// The state of each replica that runs.
    pub(crate) async fn states(&self) -> Vec<State> {
        let states = self.replicas.iter().map(Replica::state);
        futures::future::join_all(states).await.into_iter().flatten().collect()
    }

    async fn state(&self) -> anyhow::Result<State> {
        self.states().await.into_iter().max_by_key(|s| s.head.applied).context("no replica runs")
    }

    /// Waits until something runs on some instance, and names it.
    pub(crate) async fn busy_instance(
        &self,
        other_than: Option<&InstanceId>,
    ) -> anyhow::Result<InstanceId> {
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            let state = self.state().await?;
            let running = state.execs.iter().filter(|(_, e)| e.status == ExecStatus::Started);
            let mut instances = running.map(|(_, exec)| &exec.instance);
            if let Some(id) = instances.find(|id| Some(*id) != other_than) {
                return Ok(id.clone());
            }
            tokio::time::sleep(POLL).await;
        }
        bail!("no instance was busy within {} s", PATIENCE.as_secs())
    }

    pub(crate) fn interrupt(&self, instance: &InstanceId, left: Millis) {
        let (cloud, instance) = (self.cloud.clone(), instance.clone());
        tokio::spawn(async move { cloud.interrupt(&instance, left).await });
    }

    pub(crate) async fn vanish(&self, instance: &InstanceId) {
        self.cloud.vanish(instance).await;
    }

    /// Kills the leading replica; returns how long it took until another one had decided something.
    pub(crate) async fn kill_leader(&mut self) -> anyhow::Result<Duration> {
        let state = self.state().await?;
        let at = self.replicas.iter().position(|replica| state.leads(replica.id()));
        let leader = self.replicas.swap_remove(at.context("nobody leads")?);
        let (epoch, since) = (state.head.leader.epoch, Instant::now());
        leader.kill();
        while since.elapsed() < PATIENCE {
            if self.state().await?.head.leader.epoch > epoch {
                let took = since.elapsed();
                self.start_replica()?;
                return Ok(took);
            }
            tokio::time::sleep(POLL).await;
        }
        bail!("nobody took over within {} s", PATIENCE.as_secs())
    }

    /// Waits until every instance has gone and nothing is asked for any more.
    pub(crate) async fn settle(&self, patience: Duration) -> anyhow::Result<()> {
        let since = Instant::now();
        while since.elapsed() < patience {
            let state = self.state().await?;
            if state.head.instances == 0 && state.index.waiting.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(POLL * 10).await;
        }
        bail!("idle instances were still there after {} s", patience.as_secs())
    }

    /// What all instances cost, from birth to end.
    pub(crate) async fn bill(&self) -> anyhow::Result<Bill> {
        let state = self.state().await?;
        let cost = state.instances.iter().filter_map(|(_, instance)| match instance.phase {
            Phase::Gone { at, .. } => {
                Some(instance.offering.price.over(at.since(instance.created)))
            }
            Phase::Booting | Phase::Up | Phase::Terminating { .. } => None,
        });
        Ok(Bill { cost: cost.fold(Micros(0), Micros::plus), instances: state.instances.len() })
    }
}

fn policy() -> Policy {
    Policy {
        max_hourly_cost: Micros(300_000),
        max_instances: 8,
        offerings: offerings(),
        idle_timeout: Millis::from_secs(2),
        unreachable_after: Millis::from_secs(3),
        unreachable_grace: Millis::from_secs(3),
        grace: Millis::from_secs(5),
        ..Policy::default()
    }
}
