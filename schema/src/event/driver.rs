//! What drivers state: that they are there, what they need, what they run.

use super::body;
use crate::id::{AllocId, DriverId, ExecId, InstanceId};
use crate::requirements::{Constraint, Requirements};
use crate::resources::Resources;
use crate::unit::Millis;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// A driver process began to speak under this id. A newer incarnation of the same id takes over its
/// allocs and execs. Read by everyone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverJoined {
    /// The driver.
    pub driver: DriverId,
    /// Version of its client library.
    pub version: SmolStr,
}
body!(Driver "driver-joined" DriverJoined |e| Driver e.driver.as_str(), driver &e.driver);

/// A driver asks for capacity. The leader answers with a grant, a pending reason, or a refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocRequested {
    /// The alloc asked for.
    pub alloc: AllocId,
    /// Who asks.
    pub driver: DriverId,
    /// What is needed.
    pub requirements: Requirements,
    /// What narrows the choice.
    #[serde(default)]
    pub constraint: Constraint,
    /// Higher goes first.
    #[serde(default)]
    pub priority: i32,
    /// Free words for people and bills.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<SmolStr, SmolStr>,
    /// Length of the lease wanted; the policy's default if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Millis>,
}
body!(Driver "alloc-requested" AllocRequested |e| Alloc e.alloc.as_str(), driver &e.driver, check asked);

fn asked(e: &AllocRequested) -> Result<(), String> {
    e.requirements.check()?;
    e.constraint.check()
}

/// A driver no longer wants what it asked for. Void once granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocWithdrawn {
    /// The alloc asked for.
    pub alloc: AllocId,
    /// Who asked.
    pub driver: DriverId,
}
body!(Driver "alloc-withdrawn" AllocWithdrawn |e| Alloc e.alloc.as_str(), driver &e.driver);

/// A driver still wants these allocs: one record for all of them. Each lease now ends `interval`
/// after the log time of this record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocsKept {
    /// Who keeps them.
    pub driver: DriverId,
    /// Which ones.
    pub allocs: Vec<AllocId>,
    /// Length of lease wanted; capped by the policy.
    pub interval: Millis,
}
body!(Driver "allocs-kept" AllocsKept |e| Driver e.driver.as_str(), driver &e.driver);

/// A driver gives an alloc back. Its agent kills what still runs there and closes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocFreed {
    /// The alloc.
    pub alloc: AllocId,
    /// Who held it.
    pub driver: DriverId,
    /// Where it is.
    pub instance: InstanceId,
}
body!(Driver "alloc-freed" AllocFreed |e| Alloc e.alloc.as_str(),
    instance &e.instance, driver &e.driver);

/// What to run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ExecConfig {
    /// Container image; a plain process if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Program and arguments; the image's own if empty.
    pub command: Vec<String>,
    /// Environment, added to the runtime's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Working directory; the runtime's if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workdir: Option<String>,
    /// Limits, within the alloc's; the whole alloc if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Resources>,
    /// Kill it after this; never if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Millis>,
}

/// A driver wants this run in its alloc. The same id twice is one exec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecSubmitted {
    /// The exec.
    pub exec: ExecId,
    /// Where to run it.
    pub alloc: AllocId,
    /// Who wants it.
    pub driver: DriverId,
    /// Where the alloc is.
    pub instance: InstanceId,
    /// What to run.
    pub config: ExecConfig,
}
body!(Driver "exec-submitted" ExecSubmitted |e| Exec e.exec.as_str(),
    instance &e.instance, driver &e.driver);

/// A driver wants an exec to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecKillRequested {
    /// The exec.
    pub exec: ExecId,
    /// Its alloc.
    pub alloc: AllocId,
    /// Who wants it.
    pub driver: DriverId,
    /// Where it runs.
    pub instance: InstanceId,
    /// Signal number to send; 9 cannot be caught.
    pub signal: i32,
}
body!(Driver "exec-kill-requested" ExecKillRequested |e| Exec e.exec.as_str(),
    instance &e.instance, driver &e.driver);

/// A driver is done: whatever it still waits for is withdrawn. Its allocs run until freed or expired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverLeft {
    /// The driver.
    pub driver: DriverId,
}
body!(Driver "driver-left" DriverLeft |e| Driver e.driver.as_str(), driver &e.driver);
