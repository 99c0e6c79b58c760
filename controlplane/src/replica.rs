//! A controller replica: follows the log, folds it, answers questions about the state, and waits to
//! lead. While it leads it decides, one round after the other, and has its effects.

use crate::cloud::Cloud;
use crate::effect::Effects;
use crate::heartbeat::{BEAT, Heard, Pulse};
use crate::leader::Leading;
use crate::round::{Hold, Landed};
use replay::log::{AppendError, Log, ReadError, Telemetry};
use replay_core::State;
use replay_core::state::leader::Holder;
use schema::SCHEMA_VERSION;
use schema::codec::EncodeError;
use schema::event::{Genesis, LeaderChallenged, LeaderElected, LeaderResigned, ReplicaStarted};
use schema::id::{AuthorId, ClusterId};
use schema::policy::Policy;
use schema::unit::Epoch;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// Longest time between two looks at clocks and heartbeats.
const TICK: Duration = Duration::from_millis(50);

/// What a replica needs.
pub struct Options {
    /// The cluster.
    pub cluster: ClusterId,
    /// This replica. Must be new for each process: two that share a name would share a term.
    pub replica: AuthorId,
    /// The log.
    pub log: Arc<dyn Log>,
    /// Heartbeats.
    pub telemetry: Arc<dyn Telemetry>,
    /// Where instances come from.
    pub cloud: Arc<dyn Cloud>,
    /// The policy to begin with, should the log be empty.
    pub policy: Policy,
}

/// Why a replica stopped.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError {
    /// The log cannot be read any more.
    #[error("cannot follow the log")]
    Read(#[from] ReadError),
    /// The log takes no more rounds of this replica.
    #[error("cannot append to the log")]
    Append(#[from] AppendError),
    /// A round cannot be encoded.
    #[error("cannot write a decision")]
    Encode(#[from] EncodeError),
    /// The log says things that this version must not ignore.
    #[error("{0}")]
    Halted(String),
    /// This replica's state is not the one that the leader had.
    #[error("this replica's state at record {0} is not what the leader's checkpoint says")]
    Diverged(schema::unit::Seq),
    /// The task was aborted.
    #[error("the replica was stopped")]
    Stopped,
}

/// A running replica.
pub struct Replica {
    id: AuthorId,
    views: mpsc::Sender<oneshot::Sender<State>>,
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<(), ReplicaError>>,
}

impl Replica {
    /// Starts following the log.
    #[must_use]
    pub fn start(options: Options) -> Replica {
        let (views, asked) = mpsc::channel(64);
        let (stop, stopped) = watch::channel(false);
        let id = options.replica.clone();
        let task = tokio::spawn(run(options, asked, stopped));
        Replica { id, views, stop, task }
    }

    /// Who this is.
    #[must_use]
    pub fn id(&self) -> &AuthorId {
        &self.id
    }

    /// The state as folded so far; none once the replica has stopped.
    pub async fn state(&self) -> Option<State> {
        let (answer, state) = oneshot::channel();
        self.views.send(answer).await.ok()?;
        state.await.ok()
    }

    /// Stops it as a crash would: at once, without a word.
    pub fn kill(&self) {
        self.task.abort();
    }

    /// Stops it: it resigns first if it leads.
    ///
    /// # Errors
    /// Why it had stopped by itself before, if it had.
    pub async fn stop(self) -> Result<(), ReplicaError> {
        let _ = self.stop.send(true);
        self.ended().await
    }

    /// Waits until it has stopped, for whatever reason.
    pub async fn finished(&self) {
        self.views.closed().await;
    }

    /// Waits until it stops by itself.
    ///
    /// # Errors
    /// Why it did.
    pub async fn ended(self) -> Result<(), ReplicaError> {
        self.task.await.unwrap_or(Err(ReplicaError::Stopped))
    }
}

async fn run(
    options: Options,
    mut views: mpsc::Receiver<oneshot::Sender<State>>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), ReplicaError> {
    let Options { cluster, replica, log, telemetry, cloud, policy } = options;
    let heard = Heard::start(telemetry.clone(), &cluster);
    let pulse = Pulse::start(telemetry, cluster.clone(), replica.clone());
    let mut hold = Hold::open(log.clone(), cluster.clone(), replica.clone(), heard.clone()).await?;
    hold.fold_to(log.last_seq().await?).await?;
    begin(&mut hold, policy).await?;
    let (effects, mut news) = Effects::new(cloud, cluster);
    let mut standing = Standing { heard: heard.clone(), challenged: None };
    let mut leading: Option<Leading> = None;
    let mut effects = effects;
    loop {
        pulse.alive();
        tokio::select! {
            batch = hold.next(TICK) => hold.fold(&batch?),
            Some(item) = news.recv() => effects.take(item),
            Some(view) = views.recv() => {
                let _ = view.send(hold.state.clone());
            }
            _ = stop.changed() => {
                if let Some(term) = &leading {
                    hold.append(vec![LeaderResigned {}.into()], term.epoch, true).await?;
                }
                return Ok(());
            }
        }
        check(&hold.state)?;
        if !hold.caught_up {
            continue;
        }
        leading = match leading {
            Some(term) if term.holds(&hold) => Some(term),
            _ => standing.step(&mut hold).await?,
        };
        pulse.lead(leading.as_ref().map(|term| term.epoch));
        match &mut leading {
            Some(term) => term.step(&mut hold, &mut effects, &heard).await?,
            None => effects.forget(),
        }
    }
}

/// Opens an empty log, and says that this replica is there.
async fn begin(hold: &mut Hold, policy: Policy) -> Result<(), ReplicaError> {
    if hold.state.head.generation == 0 {
        let cluster = hold.cluster.clone();
        let genesis = Genesis { cluster, generation: 1, policy, previous: None };
        hold.append(vec![genesis.into()], Epoch(0), false).await?;
    }
    let started = ReplicaStarted {
        replica: hold.replica.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        schema: SCHEMA_VERSION,
    };
    hold.append(vec![started.into()], Epoch(0), false).await?;
    Ok(())
}

fn check(state: &State) -> Result<(), ReplicaError> {
    if let Some(reason) = &state.head.halted {
        return Err(ReplicaError::Halted(reason.clone()));
    }
    state.diverged.map_or(Ok(()), |seq| Err(ReplicaError::Diverged(seq)))
}

/// A replica that does not lead.
struct Standing {
    heard: Arc<Heard>,
    challenged: Option<Instant>,
}

impl Standing {
    /// Stands for election when one is due, challenges a leader that has fallen silent, or waits.
    async fn step(&mut self, hold: &mut Hold) -> Result<Option<Leading>, ReplicaError> {
        let patience = hold.state.head.policy.patience.duration();
        let epoch = hold.state.head.leader.epoch;
        match (&hold.state.head.leader.holder, &hold.state.head.leader.challenge) {
            (Holder::Nobody | Holder::Resigned, _) => return stand(hold).await,
            (Holder::Replica(_), Some(_)) => {
                // A little more than the patience: log time has its own grain.
                let stood = hold.challenged.is_some_and(|at| at.elapsed() >= patience + TICK / 2);
                if stood {
                    return stand(hold).await;
                }
            }
            (Holder::Replica(_), None) => {
                let lately = self.challenged.is_some_and(|at| at.elapsed() < patience);
                if self.heard.leader_silent(epoch) >= 5 * BEAT && !lately {
                    self.challenged = Some(Instant::now());
                    let replica = hold.replica.clone();
                    tracing::info!(%epoch, "the leader is silent: challenging it");
                    let challenge = LeaderChallenged { replica, epoch };
                    hold.append(vec![challenge.into()], Epoch(0), false).await?;
                }
            }
        }
        Ok(None)
    }
}

/// Stands for election. The first valid one wins; the fence keeps all others out.
async fn stand(hold: &mut Hold) -> Result<Option<Leading>, ReplicaError> {
    let epoch = hold.state.head.leader.epoch.next();
    let elected = LeaderElected { replica: hold.replica.clone(), epoch };
    let landed = hold.append(vec![elected.into()], epoch, true).await?;
    let leads = hold.state.leads(&hold.replica) && hold.state.head.leader.epoch == epoch;
    if landed == Landed::Yes && leads {
        tracing::info!(%epoch, "elected");
        return Ok(Some(Leading::new(epoch)));
    }
    Ok(None)
}
