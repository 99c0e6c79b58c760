//! Where instances come from. Every call is idempotent by the intent that it serves, so that the
//! next leader may repeat whatever its predecessor began.

use async_trait::async_trait;
use controlplane_core::credential::ClusterKey;
use controlplane_core::effects::LIST_EVERY;
use controlplane_core::prices::{Prices, SpotScore, TypesTold};
use replay_core::State;
use schema::id::InstanceId;
use schema::policy::Policy;
use schema::unit::Millis;

pub mod local;

pub use controlplane_core::cloud::{
    Doubt, LaunchAnswer, LaunchOrder, Seen, SeenState, TerminateAnswer,
};

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

    /// What this cloud sells by the rules of this policy, beside what the policy itself names. Asked
    /// for at the start, and when the policy has changed.
    fn prices(&self, policy: &Policy) -> Option<Prices> {
        let _ = policy;
        None
    }

    /// The same as the cloud itself tells it now; asked for every now and then by whoever leads. Nothing if it
    /// has no prices of its own, or cannot tell them: then what was seen last counts.
    async fn prices_now(&self, policy: &Policy) -> Option<Prices> {
        let _ = policy;
        None
    }

    /// How likely spot is to be had of what this policy allows; asked for seldom, by whoever leads. Nothing
    /// if the cloud cannot tell.
    async fn scores_now(&self, policy: &Policy) -> Option<Vec<SpotScore>> {
        let _ = policy;
        None
    }

    /// What the types have that this policy may allow, where they are sold, and what they cost by the list;
    /// asked for once a day, by whoever leads. Nothing if this cloud has nothing to tell, or cannot.
    async fn types_now(&self, policy: &Policy) -> Option<TypesTold> {
        let _ = policy;
        None
    }

    /// What was told of types is what the log says now: what is sold is to be told by that from here on.
    /// Said at the start, and whenever the log says something else of them.
    fn types_known(&self, state: &State) {
        let _ = state;
    }

    /// The settings that launches are made by, if this cloud has any: what an order's call takes from
    /// them, it takes from those that come with the order.
    fn settings(&self) -> Option<String> {
        None
    }

    /// The cluster's secret, if the instances of this cloud have credentials by it.
    fn key(&self) -> Option<ClusterKey> {
        None
    }

    /// The last of what an instance wrote on its console, if there is any way to tell. Nothing is waited
    /// for: what the cloud has by now.
    async fn console(&self, instance: &InstanceId) -> Option<String> {
        let _ = instance;
        None
    }

    /// How often whoever leads asks for that list. Nothing waits for it but to notice what nobody told:
    /// instances that went by themselves, and such as nothing accounts for.
    fn list_every(&self) -> Millis {
        LIST_EVERY
    }

    /// All instances of the cluster that the cloud knows of.
    async fn list(&self) -> Result<Vec<Seen>, CloudError>;
}
