//! What agents state about their instance: that it is up, what ran there, and how it ended.

use super::body;
use crate::id::{AllocId, DriverId, ExecId, InstanceId, LaunchId};
use crate::proof::Proof;
use crate::resources::Resources;
use crate::unit::Millis;
use crate::why::{FailureClass, OomConstraint, OomProcess, OomSource, OomVictim};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// An agent is up and takes allocs. Written again, by a newer incarnation, when an agent that lost
/// its journal comes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceBooted {
    /// The instance.
    pub instance: InstanceId,
    /// The launch that it came from.
    pub launch: LaunchId,
    /// What it has to give, as measured on it.
    pub resources: Resources,
    /// Where its data plane answers: `http://127.0.0.1:PORT`.
    pub address: String,
    /// Version of the agent.
    pub version: SmolStr,
    /// How long it took from process start to here.
    pub boot: Millis,
    /// Which runtimes it has: `process`, `docker`.
    #[serde(default)]
    pub runtimes: Vec<SmolStr>,
    /// What shows that it is the one that was launched; none where launches ask for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
}
body!(Agent "instance-booted" InstanceBooted |e| Instance e.instance.as_str(),
    instance &e.instance);

/// The agent is ready to run execs in this alloc.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocOpened {
    /// The alloc.
    pub alloc: AllocId,
    /// Who holds it.
    pub driver: DriverId,
    /// Where it is.
    pub instance: InstanceId,
}
body!(Agent "alloc-opened" AllocOpened |e| Alloc e.alloc.as_str(),
    instance &e.instance, driver &e.driver);

/// Nothing of this alloc runs any more; its resources are free again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocClosed {
    /// The alloc.
    pub alloc: AllocId,
    /// Who held it.
    pub driver: DriverId,
    /// Where it was.
    pub instance: InstanceId,
}
body!(Agent "alloc-closed" AllocClosed |e| Alloc e.alloc.as_str(),
    instance &e.instance, driver &e.driver);

/// An exec began to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecStarted {
    /// The exec.
    pub exec: ExecId,
    /// Its alloc.
    pub alloc: AllocId,
    /// Whose it is.
    pub driver: DriverId,
    /// Where it runs.
    pub instance: InstanceId,
    /// What the runtime calls it: a process id, a container id.
    pub handle: SmolStr,
}
body!(Agent "exec-started" ExecStarted |e| Exec e.exec.as_str(),
    instance &e.instance, driver &e.driver);

/// What a run used. Zero where the runtime cannot tell.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// From start to end by the agent's monotonic clock.
    pub wall: Millis,
    /// User and system time.
    pub cpu: Millis,
    /// Most resident memory in bytes.
    pub memory_peak: u64,
}

/// Size and digest of what an exec wrote; the bytes stay on the data plane.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LogDigest {
    /// Bytes of stdout.
    pub stdout_bytes: u64,
    /// Bytes of stderr.
    pub stderr_bytes: u64,
    /// BLAKE3 of stdout, hexadecimal.
    pub stdout_blake3: String,
    /// BLAKE3 of stderr, hexadecimal.
    pub stderr_blake3: String,
}

/// An exec ended by itself, or was killed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecExited {
    /// The exec.
    pub exec: ExecId,
    /// Its alloc.
    pub alloc: AllocId,
    /// Whose it is.
    pub driver: DriverId,
    /// Where it ran.
    pub instance: InstanceId,
    /// Exit code; 128 + signal if a signal ended it.
    pub code: i32,
    /// What it used.
    #[serde(default)]
    pub usage: Usage,
    /// What it wrote.
    #[serde(default)]
    pub logs: LogDigest,
}
body!(Agent "exec-exited" ExecExited |e| Exec e.exec.as_str(),
    instance &e.instance, driver &e.driver);

/// An exec did not run, or its end cannot be known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecFailed {
    /// The exec.
    pub exec: ExecId,
    /// Its alloc.
    pub alloc: AllocId,
    /// Whose it is.
    pub driver: DriverId,
    /// Where it should have run.
    pub instance: InstanceId,
    /// What kind of failure.
    pub class: FailureClass,
    /// What was tried, on what, and what came of it.
    pub message: String,
}
body!(Agent "exec-failed" ExecFailed |e| Exec e.exec.as_str(),
    instance &e.instance, driver &e.driver);

/// Something of an exec was killed for memory. Not an end: the exec's own end follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecOomKilled {
    /// The exec.
    pub exec: ExecId,
    /// Its alloc.
    pub alloc: AllocId,
    /// Whose it is.
    pub driver: DriverId,
    /// Where it ran.
    pub instance: InstanceId,
    /// The memory limit in bytes.
    pub limit: u64,
    /// Most memory used in bytes; 0 if not known.
    pub peak: u64,
    /// Who was killed.
    pub victim: OomVictim,
    /// Whose memory had run out.
    #[serde(default)]
    pub constraint: OomConstraint,
    /// The process that was killed: the exec's main one if that is among them, else the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<OomProcess>,
    /// How many were killed, at least.
    #[serde(default = "one")]
    pub killed: u32,
    /// Where this knowledge comes from.
    pub sources: Vec<OomSource>,
    /// How sure this is, in percent.
    pub confidence: u8,
}
body!(Agent "exec-oom-killed" ExecOomKilled |e| Exec e.exec.as_str(),
    instance &e.instance, driver &e.driver);

fn one() -> u32 {
    1
}

/// What takes an instance away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interruption {
    /// Spot capacity is reclaimed.
    Spot,
    /// The instance is at higher risk of it.
    Rebalance,
    /// Scheduled maintenance.
    Maintenance,
    /// Written by a newer version.
    #[serde(other)]
    Unknown,
}

/// The cloud told the instance that it will be taken away: it takes no more allocs. A recommendation to
/// rebalance is taken note of, and what is done about it is the policy's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterruptionNoticed {
    /// The instance.
    pub instance: InstanceId,
    /// What takes it.
    pub interruption: Interruption,
    /// How long it has left from now.
    pub left: Millis,
}
body!(Agent "interruption-noticed" InterruptionNoticed |e| Instance e.instance.as_str(),
    instance &e.instance);

/// The agent stops and takes no more allocs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceStopping {
    /// The instance.
    pub instance: InstanceId,
    /// Why, for people.
    pub reason: String,
}
body!(Agent "instance-stopping" InstanceStopping |e| Instance e.instance.as_str(),
    instance &e.instance);
