//! Heartbeats: the leader's, by which standbys know that it lives, and the agents', by which the
//! leader knows that they do. Ephemeral; nothing in the state depends on them but through an event.

use replay::log::{Listener, Telemetry};
use schema::id::{AuthorId, ClusterId, InstanceId};
use schema::subject::{self, Role};
use schema::telemetry::{self, AgentHeartbeat, HEARTBEAT, LeaderHeartbeat};
use schema::unit::Epoch;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often the leader says that it lives.
pub(crate) const BEAT: Duration = Duration::from_millis(200);
/// Who has heard no leader for this long, not even itself, is deaf.
const DEAF: Duration = BEAT.saturating_mul(5);
/// Agents that are gone are forgotten here when there are this many more of them than of others.
const SPARE: usize = 256;

/// The leader's pulse: beats while it leads and its loop goes round.
pub(crate) struct Pulse {
    epoch: AtomicU64,
    alive: Mutex<Instant>,
}

impl Pulse {
    pub(crate) fn start(
        telemetry: Arc<dyn Telemetry>,
        cluster: ClusterId,
        replica: AuthorId,
    ) -> Arc<Pulse> {
        let pulse = Arc::new(Pulse { epoch: AtomicU64::new(0), alive: Mutex::new(Instant::now()) });
        let weak = Arc::downgrade(&pulse);
        tokio::spawn(async move {
            let subject = subject::telemetry(&cluster, Role::Ctl, &replica, HEARTBEAT);
            let mut beats = tokio::time::interval(BEAT);
            loop {
                beats.tick().await;
                let Some(pulse) = weak.upgrade() else { return };
                if let Some(epoch) = pulse.beating() {
                    let beat = LeaderHeartbeat { replica: replica.clone(), epoch };
                    telemetry.publish(&subject, telemetry::encode(&beat).into()).await;
                }
            }
        });
        pulse
    }

    /// Says under which term this replica leads; none if it does not.
    pub(crate) fn lead(&self, epoch: Option<Epoch>) {
        self.epoch.store(epoch.map_or(0, |epoch| epoch.0), Ordering::Relaxed);
    }

    /// Says that the loop goes round.
    pub(crate) fn alive(&self) {
        *lock(&self.alive) = Instant::now();
    }

    fn beating(&self) -> Option<Epoch> {
        let epoch = self.epoch.load(Ordering::Relaxed);
        let stuck = lock(&self.alive).elapsed() > 5 * BEAT;
        (epoch > 0 && !stuck).then_some(Epoch(epoch))
    }
}

/// Who was heard, and when, by this process's monotonic clock.
pub(crate) struct Heard {
    agents: Mutex<BTreeMap<InstanceId, Instant>>,
    leader: Mutex<(Epoch, Instant)>,
    ear: Mutex<Ear>,
    since: Instant,
}

/// Whether heartbeats reach this process at all: a leader hears its own.
struct Ear {
    /// Since when they have come without a gap.
    open: Instant,
    /// When the last one of a leader came.
    last: Instant,
}

impl Heard {
    /// Listens until the last handle is dropped.
    pub(crate) fn start(telemetry: Arc<dyn Telemetry>, cluster: &ClusterId) -> Arc<Heard> {
        let now = Instant::now();
        let heard = Arc::new(Heard {
            agents: Mutex::default(),
            leader: Mutex::new((Epoch(0), now)),
            ear: Mutex::new(Ear { open: now, last: now }),
            since: now,
        });
        for role in [Role::Agent, Role::Ctl] {
            let filter = subject::all_telemetry(cluster, role, HEARTBEAT);
            tokio::spawn(listen(telemetry.clone(), filter, Arc::downgrade(&heard), role));
        }
        heard
    }

    /// Notes that this agent was heard now, by whatever means.
    pub(crate) fn agent(&self, id: &InstanceId) {
        lock(&self.agents).insert(id.clone(), Instant::now());
    }

    /// How long this agent has been silent, as far as this process can know.
    pub(crate) fn silent(&self, id: &InstanceId) -> Duration {
        let open = {
            let ear = lock(&self.ear);
            if ear.last.elapsed() > DEAF {
                return Duration::ZERO;
            }
            ear.open
        };
        lock(&self.agents).get(id).copied().unwrap_or(self.since).max(open).elapsed()
    }

    /// Forgets agents of instances that are gone.
    pub(crate) fn only(&self, live: &BTreeSet<InstanceId>) {
        let mut agents = lock(&self.agents);
        if agents.len() > 2 * live.len() + SPARE {
            agents.retain(|id, _| live.contains(id));
        }
    }

    fn beat(&self) {
        let mut ear = lock(&self.ear);
        let now = Instant::now();
        if now.duration_since(ear.last) > DEAF {
            ear.open = now;
        }
        ear.last = now;
    }

    /// Notes that a leader of this term was heard now, by whatever means.
    pub(crate) fn leader(&self, epoch: Epoch) {
        let mut last = lock(&self.leader);
        if epoch >= last.0 {
            *last = (epoch, Instant::now());
        }
    }

    /// How long the leader of this term has been silent.
    pub(crate) fn leader_silent(&self, epoch: Epoch) -> Duration {
        let (heard, at) = *lock(&self.leader);
        if heard == epoch { at.elapsed() } else { self.since.elapsed() }
    }

    fn take(&self, role: Role, payload: &[u8]) {
        if role == Role::Agent {
            if let Some(beat) = telemetry::decode::<AgentHeartbeat>(payload) {
                self.agent(&beat.instance);
            }
        } else if let Some(beat) = telemetry::decode::<LeaderHeartbeat>(payload) {
            self.beat();
            self.leader(beat.epoch);
        }
    }
}

async fn listen(
    telemetry: Arc<dyn Telemetry>,
    filter: String,
    heard: std::sync::Weak<Heard>,
    role: Role,
) {
    const PAUSE: Duration = Duration::from_millis(500);
    let mut listener: Option<Box<dyn Listener>> = None;
    loop {
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
        let Some(heard) = heard.upgrade() else { return };
        if let Some((_, payload)) = next {
            heard.take(role, &payload);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
