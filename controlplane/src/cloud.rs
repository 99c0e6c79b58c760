//! Where instances come from. Every call is idempotent by the intent that it serves, so that the
//! next leader may repeat whatever its predecessor began.

use async_trait::async_trait;
use schema::id::{ClusterId, InstanceId, LaunchId};
use schema::policy::Offering;
use schema::unit::{Epoch, Millis};
use schema::why::RefusalClass;

pub mod local;

/// What to launch: a pure function of the folded intent. The term is a label, nothing more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchOrder {
    /// The cluster.
    pub cluster: ClusterId,
    /// The intent.
    pub launch: LaunchId,
    /// Which attempt of it.
    pub attempt: u32,
    /// What to buy.
    pub offering: Offering,
    /// How many instances at most.
    pub count: u32,
    /// The term of the leader that asks.
    pub epoch: Epoch,
}

/// What came of a launch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LaunchAnswer {
    /// These instances exist for it; the same ones however often it is repeated.
    Accepted(Vec<InstanceId>),
    /// Definitely nothing was made.
    Refused {
        /// What kind of refusal.
        class: RefusalClass,
        /// What the cloud said.
        message: String,
        /// The offering should rest this long.
        back_off: Millis,
    },
    /// Not known; repeat the same order.
    Unknown(String),
}

/// What came of a termination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TerminateAnswer {
    /// The instance is no more.
    Gone,
    /// It is going; ask again.
    Going,
    /// Not known; ask again.
    Unknown(String),
}

/// Whether the cloud still has an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeenState {
    /// It has.
    There,
    /// It had, and has no more.
    Gone,
}

/// An instance as the cloud sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Which one.
    pub instance: InstanceId,
    /// Whether it is there.
    pub state: SeenState,
}

/// The cloud could not answer.
#[derive(Debug, thiserror::Error)]
#[error("the cloud could not {what}: {reason}")]
pub struct CloudError {
    /// What was asked.
    pub what: String,
    /// What came of it.
    pub reason: String,
}

/// Where instances come from.
#[async_trait]
pub trait Cloud: Send + Sync + 'static {
    /// Makes the instances of this order; the same order twice makes them once.
    async fn launch(&self, order: &LaunchOrder) -> LaunchAnswer;

    /// Ends an instance; one that is not there has ended.
    async fn terminate(&self, instance: &InstanceId) -> TerminateAnswer;

    /// All instances of the cluster that the cloud knows of.
    async fn list(&self) -> Result<Vec<Seen>, CloudError>;
}
