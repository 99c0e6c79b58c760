//! A folded intent to launch, as far as a request to EC2 may know it.
//!
//! It has no field for the leader that asks. What a request says is frozen with the intent's record:
//! under the same token EC2 refuses a request that differs in a single byte.

use controlplane_core::cloud::LaunchOrder;
use schema::id::{ClusterId, LaunchId};
use schema::policy::Offering;
use schema::unit::Epoch;

/// A folded intent and its attempt under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    cluster: ClusterId,
    launch: LaunchId,
    attempt: u32,
    offering: Offering,
    count: u32,
    epoch: Epoch,
}

impl Intent {
    /// What of an order is the same whoever gives it.
    #[must_use]
    pub fn of(order: &LaunchOrder) -> Intent {
        Intent {
            cluster: order.cluster.clone(),
            launch: order.launch.clone(),
            attempt: order.attempt,
            offering: order.offering.clone(),
            count: order.count,
            epoch: order.intended,
        }
    }

    /// The cluster.
    #[must_use]
    pub fn cluster(&self) -> &ClusterId {
        &self.cluster
    }

    /// The launch.
    #[must_use]
    pub fn launch(&self) -> &LaunchId {
        &self.launch
    }

    /// Which attempt of it, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// What to buy.
    #[must_use]
    pub fn offering(&self) -> &Offering {
        &self.offering
    }

    /// How many instances at most.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The term of its record.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }
}
