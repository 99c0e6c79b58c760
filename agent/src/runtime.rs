//! What execs run in: plain processes or containers. A runtime outlives the agent: an exec that was
//! started is found again after a restart, and its true end is not lost.

use async_trait::async_trait;
use schema::event::ExecConfig;
use schema::id::{AllocId, ExecId, InstanceId};
use schema::resources::Resources;
use schema::unit::Millis;
use schema::why::FailureClass;
use smol_str::SmolStr;
use std::path::PathBuf;

pub use agent_core::exec::{End, Failure};

mod capture;
pub mod docker;
pub mod process;

/// An exec, ready to run.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The instance.
    pub instance: InstanceId,
    /// The exec.
    pub exec: ExecId,
    /// Its alloc.
    pub alloc: AllocId,
    /// What to run.
    pub config: ExecConfig,
    /// What it may use.
    pub limits: Resources,
    /// File for its stdout.
    pub stdout: PathBuf,
    /// File for its stderr.
    pub stderr: PathBuf,
}

/// What execs run in.
#[async_trait]
pub trait Runtime: Send + Sync + 'static {
    /// `process`, `docker`.
    fn name(&self) -> &'static str;

    /// Starts an exec and returns what the runtime calls it; one that was started before is only
    /// found again.
    async fn start(&self, spec: &Spec) -> Result<SmolStr, Failure>;

    /// Waits for the end of an exec that was started, now or by an earlier life of the agent.
    async fn wait(&self, spec: &Spec) -> Result<End, Failure>;

    /// Returns when all that an exec which has ended wrote is in its files.
    async fn settle(&self, spec: &Spec);

    /// How long an exec has been running; 0 if that is not known.
    async fn age(&self, exec: &ExecId) -> Millis;

    /// Sends a signal to an exec; one that is not there is not there any more.
    async fn kill(&self, exec: &ExecId, signal: i32);

    /// Every exec of this instance that the runtime knows of, running or ended.
    async fn known(&self, instance: &InstanceId) -> Vec<ExecId>;

    /// Drops what the runtime keeps of an exec whose end has been written.
    async fn forget(&self, exec: &ExecId);
}

/// Refuses what no program can be given.
fn check(config: &ExecConfig) -> Result<(), Failure> {
    let texts = config.command.iter().chain(config.env.keys()).chain(config.env.values());
    let nul = texts.chain(&config.workdir).chain(&config.image).any(|text| text.contains('\0'));
    let bad_key = config.env.keys().any(|key| key.is_empty() || key.contains('='));
    let message = match () {
        () if nul => "command, environment, working directory or image hold a NUL byte",
        () if bad_key => "a name in the environment is empty or holds '='",
        () if config.command.first().is_some_and(String::is_empty) => "the program has no name",
        () => return Ok(()),
    };
    Err(Failure { class: FailureClass::CannotStart, message: message.to_owned() })
}
