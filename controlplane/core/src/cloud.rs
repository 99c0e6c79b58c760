//! What is asked of a cloud, and what it answers.

use schema::id::{ClusterId, InstanceId, LaunchId};
use schema::policy::Offering;
use schema::unit::{Epoch, LogTime, Millis};
use schema::why::RefusalClass;

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
    /// When the intent was written.
    pub requested: LogTime,
    /// The term in which the intent was written: the same whoever asks.
    pub intended: Epoch,
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
