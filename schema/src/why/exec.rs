//! Why an exec did not come to its own end.

use crate::id::{ExecId, InstanceId};
use crate::resources::Shortage;
use serde::{Deserialize, Serialize};

/// What kind of failure kept an exec from running to its own end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "class", rename_all = "kebab-case")]
pub enum FailureClass {
    /// The image is not there.
    ImageMissing {
        /// Its name.
        image: String,
    },
    /// The command cannot be started.
    CannotStart,
    /// The alloc had ended, or was not open.
    AllocEnded,
    /// The exec asks for more than its alloc has.
    TooLarge {
        /// The dimension in which it does.
        shortage: Shortage,
    },
    /// The runtime that was asked for is not there.
    NoRuntime,
    /// The container or process was lost without a trace of its end.
    Lost,
    /// The exec's own time limit passed.
    TimedOut,
    /// The agent or its runtime failed.
    Agent,
    /// Written by a newer version.
    #[serde(other)]
    Unknown,
}

/// What an exec of an ended alloc is left with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum LostWhy {
    /// Its instance is gone.
    InstanceGone {
        /// The instance.
        instance: InstanceId,
    },
    /// The agent closed the alloc without an end for it.
    NeverStarted {
        /// The exec.
        exec: ExecId,
    },
    /// Written by a newer version.
    #[serde(other)]
    Unknown,
}
