//! Following the cluster's log while it runs, as a replica would: who leads, and what there is.

use replay::log::{Log, read_to_end};
use replay_core::State;
use replay_core::state::leader::Holder;
use schema::id::{ClusterId, InstanceId};
use schema::unit::{Epoch, Seq};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;

const TICK: Duration = Duration::from_millis(50);

pub(crate) struct Watch {
    log: Arc<dyn Log>,
    state: Arc<Mutex<State>>,
    following: JoinHandle<()>,
}

impl Watch {
    /// Follows the log from its first record.
    ///
    /// # Errors
    /// There is no such log, or it is out of reach.
    pub(crate) async fn open(url: &str, cluster: &ClusterId) -> anyhow::Result<Watch> {
        let (log, _) = replay::log::open(url, cluster, true).await?;
        let mut reader = log.read(Seq(1), None).await?;
        let state = Arc::new(Mutex::new(State::default()));
        let folded = state.clone();
        let following = tokio::spawn(async move {
            loop {
                match reader.next_batch(TICK).await {
                    Ok(batch) => {
                        let mut state = lock(&folded);
                        replay::fold::fold(&mut state, &batch.records, |_, _, _, _| {});
                    }
                    Err(error) => return crate::say(&format!("the log is not followed: {error}")),
                }
            }
        });
        Ok(Watch { log, state, following })
    }

    /// Looks at the state as it is now.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&lock(&self.state))
    }

    /// Whether the log can still be followed.
    pub(crate) fn goes_on(&self) -> bool {
        !self.following.is_finished()
    }

    /// The replica that leads, and its term.
    pub(crate) fn leader(&self) -> Option<(String, Epoch)> {
        self.look(|state| match &state.head.leader.holder {
            Holder::Replica(leader) => Some((leader.to_string(), state.head.leader.epoch)),
            Holder::Nobody | Holder::Resigned => None,
        })
    }

    /// The instances that there are.
    pub(crate) fn instances(&self) -> Vec<InstanceId> {
        self.look(|state| state.index.live_instances.iter().cloned().collect())
    }

    /// Every record of the log.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) async fn records(&self) -> anyhow::Result<Vec<replay::log::Stored>> {
        Ok(read_to_end(&*self.log, Seq(1), None).await?)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.following.abort();
    }
}
