//! What is said but never kept: heartbeats of agents and of the leader.

use crate::id::{AuthorId, InstanceId};
use crate::unit::Epoch;
use serde::{Deserialize, Serialize};

/// Last token of the subject of heartbeats.
pub const HEARTBEAT: &str = "heartbeat";

/// An agent is alive. Said every second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentHeartbeat {
    /// The instance.
    pub instance: InstanceId,
    /// Execs that run there now.
    pub execs: u32,
}

/// The leader is alive. Said every 200 ms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaderHeartbeat {
    /// The leader.
    pub replica: AuthorId,
    /// Its term.
    pub epoch: Epoch,
}

/// Encodes a heartbeat; MessagePack with named fields.
#[must_use]
pub fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    rmp_serde::to_vec_named(message).unwrap_or_default()
}

/// Decodes a heartbeat; `None` if it is none.
#[must_use]
pub fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    crate::codec::whole(bytes).ok()
}
