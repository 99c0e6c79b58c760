//! What the instances of an intent are let in with, and how far.

use crate::Intent;
pub use controlplane_core::credential::{ClusterKey, Credential, judge};
use schema::id::{AuthorId, ClusterId, InstanceId};
use schema::subject::{self, Role};
use schema::unit::Millis;

/// The credential of an intent: the same whoever leads. Its agents have `joins_within` from when the log has
/// their instance.
#[must_use]
pub fn credential(key: &ClusterKey, intent: &Intent, joins_within: Millis) -> Credential {
    Credential::of(key, intent.cluster(), intent.launch(), intent.attempt(), joins_within)
}

/// The subjects of an instance: all that its agent may write to, and all that it may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subjects {
    /// May be written to.
    pub writes: String,
    /// May be read.
    pub reads: String,
}

/// What an admitted agent is limited to.
#[must_use]
pub fn subjects(cluster: &ClusterId, instance: &InstanceId) -> Subjects {
    let author = AuthorId::from(instance);
    Subjects {
        writes: subject::by_author(cluster, Role::Agent, &author),
        reads: subject::for_instance(cluster, instance),
    }
}
