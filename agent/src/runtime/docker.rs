//! Execs as Docker containers. Named and labelled, so that an agent that comes back finds them; never
//! removed before their end is written; what is true of one is what `inspect` says.

mod memory;

use super::{End, Failure, Runtime, Spec, capture};
use crate::kernel::Kernel;
use async_trait::async_trait;
use bollard::Docker as Client;
use bollard::errors::Error;
use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, ContainerState, ContainerStateStatusEnum,
    ContainerSummaryStateEnum, HostConfig, HostConfigLogConfig,
};
use bollard::query_parameters::{
    CreateContainerOptions, InspectContainerOptions, KillContainerOptions, ListContainersOptions,
    RemoveContainerOptions, StartContainerOptions, WaitContainerOptions,
};
use futures::StreamExt;
use jiff::Timestamp;
use memory::Memory;
use schema::id::{ClusterId, ExecId, InstanceId};
use schema::unit::Millis;
use schema::why::FailureClass;
use smol_str::{SmolStr, ToSmolStr};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;

const POLL: Duration = Duration::from_millis(200);
const NOT_FOUND: u16 = 404;
const CONFLICT: u16 = 409;
const BAD_REQUEST: u16 = 400;
/// One cpu, in billionths.
const CPU: i64 = 1_000_000_000;
const CLUSTER: &str = "fleetlog.cluster";
const INSTANCE: &str = "fleetlog.instance";
const EXEC: &str = "fleetlog.exec";
/// How the engine keeps output until it is copied: all of it, in one file.
const LOG: [(&str, &str); 3] = [("max-size", "100g"), ("max-file", "1"), ("compress", "false")];

/// Runs execs as containers.
pub struct Docker {
    client: Client,
    cluster: ClusterId,
    /// What the machine has, in billionths of a cpu; the engine refuses limits beyond it.
    nano_cpus: i64,
    kernel: Arc<Kernel>,
    parent: Option<String>,
    captures: Mutex<BTreeMap<ExecId, JoinHandle<()>>>,
}

impl Docker {
    /// Connects to the engine on this machine.
    ///
    /// # Errors
    /// There is none, or it does not answer.
    pub async fn connect(cluster: ClusterId, kernel: Arc<Kernel>) -> Result<Docker, Error> {
        let client = Client::connect_with_local_defaults()?;
        let cpus = client.info().await?.ncpu.unwrap_or(0);
        let nano_cpus = if cpus > 0 { cpus.saturating_mul(CPU) } else { i64::MAX };
        let captures = Mutex::default();
        Ok(Docker { client, cluster, nano_cpus, kernel, parent: None, captures })
    }

    /// Puts the containers' cgroups into this one: a limit on it holds for all of them together.
    #[must_use]
    pub fn under(self, cgroup: String) -> Docker {
        Docker { parent: Some(cgroup), ..self }
    }

    /// A limit that the engine takes: an instance may be said to have more than the machine.
    fn cpu_limit(&self, spec: &Spec) -> Option<i64> {
        const SMALLEST: i64 = CPU / 100;
        let nano = i64::try_from(spec.limits.cpu).ok()?.checked_mul(CPU / 1000)?;
        (nano > 0).then(|| nano.clamp(SMALLEST, self.nano_cpus))
    }

    fn name(&self, exec: &ExecId) -> String {
        format!("fl-{}-{exec}", self.cluster)
    }

    async fn inspect(&self, exec: &ExecId) -> Result<ContainerInspectResponse, Error> {
        let options = None::<InspectContainerOptions>;
        self.client.inspect_container(&self.name(exec), options).await
    }

    async fn state(&self, exec: &ExecId) -> Result<ContainerState, Error> {
        Ok(self.inspect(exec).await?.state.unwrap_or_default())
    }

    async fn create(&self, spec: &Spec, image: &str) -> Result<(), Failure> {
        let options =
            CreateContainerOptions { name: Some(self.name(&spec.exec)), ..Default::default() };
        match self.client.create_container(Some(options), self.body(spec, image)).await {
            Ok(_) => Ok(()),
            // It was made before: by an earlier life of this agent, for the same exec.
            Err(Error::DockerResponseServerError { status_code: CONFLICT, .. }) => Ok(()),
            Err(Error::DockerResponseServerError { status_code: NOT_FOUND, message }) => {
                let class = FailureClass::ImageMissing { image: image.to_owned() };
                Err(Failure { class, message })
            }
            Err(error @ Error::DockerResponseServerError { status_code: BAD_REQUEST, .. }) => {
                Err(failed(FailureClass::CannotStart, "create", spec, &error))
            }
            Err(error) => Err(failed(FailureClass::Agent, "create", spec, &error)),
        }
    }

    fn body(&self, spec: &Spec, image: &str) -> ContainerCreateBody {
        let labels = [
            (CLUSTER, self.cluster.to_string()),
            (INSTANCE, spec.instance.to_string()),
            ("fleetlog.alloc", spec.alloc.to_string()),
            (EXEC, spec.exec.to_string()),
        ];
        let memory = i64::try_from(spec.limits.memory).unwrap_or(i64::MAX);
        let command = &spec.config.command;
        ContainerCreateBody {
            image: Some(image.to_owned()),
            cmd: (!command.is_empty()).then(|| command.clone()),
            env: Some(
                spec.config.env.iter().map(|(name, value)| format!("{name}={value}")).collect(),
            ),
            working_dir: spec.config.workdir.clone(),
            labels: Some(
                labels
                    .map(|(name, value)| (name.to_owned(), value))
                    .into_iter()
                    .collect::<HashMap<_, _>>(),
            ),
            host_config: Some(HostConfig {
                memory: (memory > 0).then_some(memory),
                // The same as memory: no swap beyond the limit.
                memory_swap: (memory > 0).then_some(memory),
                nano_cpus: self.cpu_limit(spec),
                cgroup_parent: self.parent.clone(),
                // The default one takes all that is no UTF-8 for something else.
                log_config: Some(HostConfigLogConfig {
                    typ: Some("local".to_owned()),
                    config: Some(LOG.map(|(key, value)| (key.into(), value.into())).into()),
                }),
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    /// Removes a container that was made and never started, unless it is being started just now.
    async fn uncreate(&self, exec: &ExecId) -> bool {
        let options = RemoveContainerOptions { force: false, ..Default::default() };
        self.client.remove_container(&self.name(exec), Some(options)).await.is_ok()
    }

    /// Begins to copy what an exec writes into its files, unless that has begun.
    fn capture(&self, spec: &Spec) {
        let mut captures = self.captures.lock().unwrap_or_else(PoisonError::into_inner);
        captures.entry(spec.exec.clone()).or_insert_with(|| {
            let (client, name) = (self.client.clone(), self.name(&spec.exec));
            tokio::spawn(capture::all(client, name, [spec.stdout.clone(), spec.stderr.clone()]))
        });
    }

    /// Waits until `inspect` says that it has ended; the engine's own wait is only a hint.
    async fn ended(&self, spec: &Spec) -> Result<ContainerState, Failure> {
        loop {
            let name = self.name(&spec.exec);
            let mut wait = self.client.wait_container(&name, None::<WaitContainerOptions>);
            let _ = tokio::time::timeout(POLL * 50, wait.next()).await;
            match self.state(&spec.exec).await {
                Ok(state) if !state.running.unwrap_or(false) => return Ok(state),
                Ok(_) => {}
                Err(Error::DockerResponseServerError { status_code: NOT_FOUND, message }) => {
                    return Err(Failure { class: FailureClass::Lost, message });
                }
                // The engine may be restarting; the container goes on or its end is kept.
                Err(error) => {
                    tracing::warn!(%error, exec = %spec.exec, "cannot inspect a container");
                    tokio::time::sleep(POLL).await;
                }
            }
        }
    }
}

fn failed(class: FailureClass, what: &str, spec: &Spec, error: &Error) -> Failure {
    Failure { class, message: format!("cannot {what} the container of {}: {error}", spec.exec) }
}

/// By the engine's clock, which is this machine's.
fn wall(state: &ContainerState) -> Millis {
    let (from, to) = (time(state.started_at.as_deref()), time(state.finished_at.as_deref()));
    from.zip(to).map_or(Millis(0), |(from, to)| between(from, to))
}

fn time(text: Option<&str>) -> Option<Timestamp> {
    text?.parse().ok()
}

fn between(from: Timestamp, to: Timestamp) -> Millis {
    Millis(u64::try_from(to.duration_since(from).as_millis()).unwrap_or(0))
}

#[async_trait]
impl Runtime for Docker {
    fn name(&self) -> &'static str {
        "docker"
    }

    async fn start(&self, spec: &Spec) -> Result<SmolStr, Failure> {
        super::check(&spec.config)?;
        let image = spec.config.image.clone().unwrap_or_default();
        self.create(spec, &image).await?;
        let found = self.inspect(&spec.exec).await;
        let found = found.map_err(|error| failed(FailureClass::Agent, "find", spec, &error))?;
        let handle = found.id.unwrap_or_default().to_smolstr();
        let status = found.state.and_then(|state| state.status);
        // One that an earlier life started may have ended since: it must not run twice.
        if status.is_none_or(|status| status != ContainerStateStatusEnum::CREATED) {
            return Ok(handle);
        }
        let name = self.name(&spec.exec);
        match self.client.start_container(&name, None::<StartContainerOptions>).await {
            Ok(()) => Ok(handle),
            Err(error) => {
                let failure = failed(FailureClass::CannotStart, "start", spec, &error);
                self.forget(&spec.exec).await;
                Err(failure)
            }
        }
    }

    async fn wait(&self, spec: &Spec) -> Result<End, Failure> {
        let memory = Memory::of(&self.inspect(&spec.exec).await.unwrap_or_default());
        self.capture(spec);
        let state = tokio::select! {
            ended = self.ended(spec) => ended?,
            never = memory.look() => match never {},
        };
        let code = i32::try_from(state.exit_code.unwrap_or(-1)).unwrap_or(-1);
        let (memory_peak, oom) = memory.judged(&self.kernel, &state, code, spec.limits.memory);
        Ok(End { code, wall: wall(&state), memory_peak, oom, ..End::default() })
    }

    async fn settle(&self, spec: &Spec) {
        let capture = {
            let mut captures = self.captures.lock().unwrap_or_else(PoisonError::into_inner);
            captures.remove(&spec.exec)
        };
        if let Some(capture) = capture
            && capture.await.is_err()
        {
            tracing::error!(exec = %spec.exec, "copying the output of a container has failed");
        }
    }

    async fn age(&self, exec: &ExecId) -> Millis {
        let state = self.state(exec).await.unwrap_or_default();
        let since = time(state.started_at.as_deref());
        since.map_or(Millis(0), |since| between(since, Timestamp::now()))
    }

    async fn known(&self, instance: &InstanceId) -> Vec<ExecId> {
        let labels = vec![format!("{CLUSTER}={}", self.cluster), format!("{INSTANCE}={instance}")];
        let filters = Some(HashMap::from([("label".to_owned(), labels)]));
        let options = ListContainersOptions { all: true, filters, ..Default::default() };
        let found = self.client.list_containers(Some(options)).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot list what earlier lives left behind");
            Vec::new()
        });
        let mut known = Vec::new();
        for container in found {
            let labels = container.labels.unwrap_or_default();
            let Some(exec) = labels.get(EXEC).and_then(|id| ExecId::new(id).ok()) else { continue };
            let created = container.state == Some(ContainerSummaryStateEnum::CREATED);
            if !(created && self.uncreate(&exec).await) {
                known.push(exec);
            }
        }
        known
    }

    async fn kill(&self, exec: &ExecId, signal: i32) {
        let options = KillContainerOptions { signal: signal.to_string() };
        let _ = self.client.kill_container(&self.name(exec), Some(options)).await;
    }

    async fn forget(&self, exec: &ExecId) {
        let options = RemoveContainerOptions { force: true, ..Default::default() };
        let _ = self.client.remove_container(&self.name(exec), Some(options)).await;
    }
}
