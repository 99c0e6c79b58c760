//! Heartbeats: listening for those of agents and leaders, and saying the leader's own. Ephemeral;
//! nothing in the state depends on them but through an event.

use replay::log::{Listener, Telemetry};
use schema::id::{AuthorId, ClusterId, InstanceId};
use schema::subject::{self, Role};
use schema::telemetry::{self, AgentHeartbeat, HEARTBEAT, LeaderHeartbeat};
use schema::unit::Epoch;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;

/// Pause before listening is tried again.
const PAUSE: Duration = Duration::from_millis(500);

/// Somebody who lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Beat {
    /// The agent of this instance.
    Agent(InstanceId),
    /// The leader of this term.
    Leader(Epoch),
}

/// Listens, and tells, until the tasks are dropped.
pub(crate) fn listen<T: From<Beat> + Send + 'static>(
    telemetry: &Arc<dyn Telemetry>,
    cluster: &ClusterId,
    told: &UnboundedSender<T>,
) -> JoinSet<()> {
    let mut ears = JoinSet::new();
    for role in [Role::Agent, Role::Ctl] {
        let filter = subject::all_telemetry(cluster, role, HEARTBEAT);
        ears.spawn(listen_to(telemetry.clone(), filter, role, told.clone()));
    }
    ears
}

async fn listen_to<T: From<Beat>>(
    telemetry: Arc<dyn Telemetry>,
    filter: String,
    role: Role,
    told: UnboundedSender<T>,
) {
    let mut listener: Option<Box<dyn Listener>> = None;
    while !told.is_closed() {
        let Some(current) = &mut listener else {
            match telemetry.subscribe(&filter).await {
                Ok(new) => listener = Some(new),
                Err(error) => {
                    tracing::warn!(%error, filter, "cannot listen for heartbeats");
                    tokio::time::sleep(PAUSE).await;
                }
            }
            continue;
        };
        let next = current.next(PAUSE).await;
        let beat = next.and_then(|(_, payload)| understand(role, &payload));
        beat.into_iter().for_each(|beat| drop(told.send(beat.into())));
    }
}

fn understand(role: Role, payload: &[u8]) -> Option<Beat> {
    if role == Role::Agent {
        telemetry::decode::<AgentHeartbeat>(payload).map(|beat| Beat::Agent(beat.instance))
    } else {
        telemetry::decode::<LeaderHeartbeat>(payload).map(|beat| Beat::Leader(beat.epoch))
    }
}

/// Says that the leader of this term lives.
pub(crate) async fn say(
    telemetry: Arc<dyn Telemetry>,
    cluster: ClusterId,
    replica: AuthorId,
    epoch: Epoch,
) {
    let subject = subject::telemetry(&cluster, Role::Ctl, &replica, HEARTBEAT);
    let beat = LeaderHeartbeat { replica, epoch };
    telemetry.publish(&subject, telemetry::encode(&beat).into()).await;
}

#[cfg(test)]
mod tests;
