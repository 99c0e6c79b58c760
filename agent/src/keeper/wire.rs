//! What agent and keeper say to each other, and what the keeper notes for a keeper after it.

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
    /// It runs, under this process id, for this long.
    Running { exec: ExecId, pid: u32, age: Millis },
    /// It could not be started.
    Failed { exec: ExecId, message: String },
    /// It has ended.
    Ended { exec: ExecId, code: i32, wall: Millis, cpu: Millis },
    /// The keeper that started it died, and its end cannot be known.
    Lost { exec: ExecId },
}

/// What a keeper notes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Note {
    /// It is about to be started.
    Asked { exec: ExecId },
    /// It runs; `born` tells its process from another one under the same id.
    Running { exec: ExecId, pid: u32, born: u64 },
    /// It could not be started.
    Failed { exec: ExecId, message: String },
    /// It has ended.
    Ended { exec: ExecId, code: i32, wall: Millis, cpu: Millis },
    /// Its end cannot be known.
    Lost { exec: ExecId },
    /// It is nobody's any more.
    Forgotten { exec: ExecId },
}

impl Note {
    pub(super) fn exec(&self) -> &ExecId {
        match self {
            Note::Asked { exec }
            | Note::Running { exec, .. }
            | Note::Failed { exec, .. }
            | Note::Ended { exec, .. }
            | Note::Lost { exec }
            | Note::Forgotten { exec } => exec,
        }
    }
}
