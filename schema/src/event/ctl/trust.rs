//! Whether an instance is the one that was launched, as far as the leader can tell who has the cluster's
//! secret. Of what launches ask it, an agent's word counts from here on and not before.

use super::super::body;
use crate::id::InstanceId;
use crate::unit::Seq;
use crate::why::DistrustWhy;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The agent has proved that it is the one of this instance: it has joined, in this life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceVerified {
    /// The instance.
    pub instance: InstanceId,
    /// The incarnation that has proved it.
    pub life: Uuid,
    /// The record by which it did: what that says is so.
    pub boot: Seq,
}
body!(Ctl "instance-verified" InstanceVerified |e| Instance e.instance.as_str(),
    instance &e.instance);

/// Somebody says to be the agent of this instance, and has not proved it: what he says counts for
/// nothing. Whoever proves it later joins all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceDistrusted {
    /// The instance.
    pub instance: InstanceId,
    /// The incarnation that says so.
    pub life: Uuid,
    /// The record by which it did.
    pub boot: Seq,
    /// What is wrong with it.
    pub why: DistrustWhy,
}
body!(Ctl "instance-distrusted" InstanceDistrusted |e| Instance e.instance.as_str(),
    instance &e.instance);
