//! What the tests need of a cloud beside the cloud itself.

use controlplane::cloud::local::faults::Faults;
use controlplane::cloud::local::{Host, LocalCloud, offerings};
use controlplane::cloud::{Cloud, LaunchAnswer, LaunchOrder, SeenState};
use schema::id::{ClusterId, InstanceId, LaunchId};
use schema::unit::{Epoch, Millis};
use std::time::{Duration, Instant};

/// Far longer than anything here takes.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A machine with instances, and the fake agents on it.
pub(crate) trait World: Default {
    type Host: Host;

    /// A cloud as a controller opens it: a new one each time, on the same instances.
    fn open(&self, faults: &Faults) -> LocalCloud<Self::Host>;

    /// How many agents of this instance ever came up.
    fn starts(&self, instance: &InstanceId) -> usize;

    /// What the agent was told of its end.
    fn heard(&self, instance: &InstanceId) -> Option<Millis>;
}

pub(crate) fn order(launch: &str, count: u32) -> LaunchOrder {
    LaunchOrder {
        cluster: ClusterId::new("c").unwrap(),
        launch: LaunchId::new(launch).unwrap(),
        attempt: 1,
        offering: offerings().remove(0),
        count,
        settings: None,
        intended: Epoch(1),
        epoch: Epoch(1),
    }
}

/// The instances that the cloud accepts to make.
pub(crate) async fn accepted(cloud: &impl Cloud, order: &LaunchOrder) -> Vec<InstanceId> {
    match cloud.launch(order).await {
        LaunchAnswer::Accepted(instances) => instances,
        other => panic!("not accepted: {other:?}"),
    }
}

/// How the cloud sees an instance; none if it does not know it.
pub(crate) async fn seen(cloud: &impl Cloud, instance: &InstanceId) -> Option<SeenState> {
    let all = cloud.list().await.expect("the cloud can list");
    all.into_iter().find(|seen| seen.instance == *instance).map(|seen| seen.state)
}

/// Waits for a condition.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let since = Instant::now();
    while !condition().await {
        assert!(since.elapsed() < DEADLINE, "waited too long until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) async fn up(world: &impl World, instance: &InstanceId) {
    until("an agent is up", async || world.starts(instance) > 0).await;
}

pub(crate) async fn gone(cloud: &impl Cloud, instance: &InstanceId) {
    until("it is gone", async || seen(cloud, instance).await == Some(SeenState::Gone)).await;
}
