//! What agent and keeper say to each other.

use schema::id::ExecId;
use schema::unit::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A process to start.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) exec: ExecId,
    pub(crate) command: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) workdir: Option<String>,
    pub(crate) stdout: PathBuf,
    pub(crate) stderr: PathBuf,
}

/// What an agent asks of its keeper.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Ask {
    /// Start this; nothing is done if it was started before.
    Spawn(Order),
    /// Send a signal to the process group of an exec.
    Kill { exec: ExecId, signal: i32 },
    /// The end of this exec has been written.
    Forget { exec: ExecId },
    /// Kill everything and end.
    End,
}

/// What a keeper tells its agent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Tell {
    /// All that was known before has been told.
    Ready,
    /// It runs, under this process id.
    Running { exec: ExecId, pid: u32 },
    /// It could not be started.
    Failed { exec: ExecId, message: String },
    /// It has ended.
    Ended { exec: ExecId, code: i32, cpu: Millis },
}
