//! A controller replica in its world: log, heartbeats, cloud and clock around the pure
//! [core](controlplane_core::replica), which says what is to be done.

use crate::cloud::{Cloud, Doubt, LaunchAnswer, TerminateAnswer};
use crate::heartbeat::{self, Beat};
use bytes::Bytes;
use controlplane_core::Moment;
use controlplane_core::effects::{Call, News};
use controlplane_core::replica::{Do, Halt, Replica as Core};
use controlplane_core::round::{Answer, Append, Me};
use replay::log::{AppendError, Batch, Entry, Fence, Log, ReadError, Telemetry};
use replay_core::author::Line;
use replay_core::{Outcome, State};
use schema::id::{AuthorId, ClusterId};
use schema::policy::Policy;
use schema::subject;
use schema::unit::{Millis, Seq};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Longest time between two looks at clocks and heartbeats.
const TICK: Duration = Duration::from_millis(50);

/// How long the cloud may take to show what an instance wrote on its console.
const CONSOLE: Duration = Duration::from_secs(5);

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
    /// What the log says keeps it from going on.
    #[error(transparent)]
    Halt(#[from] Halt),
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

/// What the world tells a replica.
enum Told {
    Answer(Result<Seq, AppendError>),
    End(Option<Seq>),
    News(News),
    Beat(Beat),
}

impl From<Beat> for Told {
    fn from(beat: Beat) -> Told {
        Told::Beat(beat)
    }
}

/// This process's monotonic clock.
struct Clock(Instant);

impl Clock {
    fn now(&self) -> Moment {
        Moment(Millis::of(self.0.elapsed()).0)
    }
}

async fn run(
    options: Options,
    mut views: mpsc::Receiver<oneshot::Sender<State>>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), ReplicaError> {
    let Options { cluster, replica, log, telemetry, cloud, policy } = options;
    let clock = Clock(Instant::now());
    let (told, mut inbox) = mpsc::unbounded_channel();
    let _ears = heartbeat::listen(&telemetry, &cluster, &told);
    let mut reader = log.read(Seq(1), None).await?;
    let me = Me { cluster, replica, incarnation: Uuid::now_v7() };
    let world = World { me: me.clone(), log, telemetry, cloud, told };
    let mut core = Core::new(clock.now(), me, policy);
    core.list_every(world.cloud.list_every());
    world.cloud.settings().into_iter().for_each(|settings| core.settings(settings));
    world.cloud.key().into_iter().for_each(|key| core.key(key));
    let mut barred = None;
    let (mut led, mut priced, mut known) = (None, None, None);
    loop {
        let state = core.state();
        let seen = Some(state.head.typed);
        if priced.as_ref() != Some(&state.head.policy) || seen != known {
            let policy = state.head.policy.clone();
            world.cloud.types_known(state);
            world.cloud.prices(&policy).into_iter().for_each(|prices| core.prices(prices));
            (priced, known) = (Some(policy), seen);
        }
        for wanted in core.step(clock.now(), Uuid::new_v4().as_u64_pair().0)? {
            if wanted == Do::Stopped {
                return Ok(());
            }
            world.have(wanted);
        }
        if core.barred() != barred {
            barred = core.barred();
            barred.iter().for_each(|reason| tracing::warn!(%reason, "stands by"));
        }
        if core.leads() != led {
            led = core.leads();
            tracing::info!(epoch = ?led, replica = %world.me.replica, "leads");
        }
        tokio::select! {
            batch = reader.next_batch(TICK) => fold(&mut core, &clock, &batch?),
            Some(first) = inbox.recv() => {
                let mut next = Some(first);
                while let Some(told) = next {
                    take(&mut core, clock.now(), told)?;
                    next = inbox.try_recv().ok();
                }
            }
            Some(view) = views.recv() => {
                let _ = view.send(core.state().clone());
            }
            _ = stop.changed() => core.stop(),
        }
    }
}

fn fold(core: &mut Core, clock: &Clock, batch: &Batch) {
    let now = clock.now();
    replay::fold::decode(&batch.records, |stored, decoded| {
        if let Outcome::Void(void) = core.fold(now, replay::fold::message(stored), decoded) {
            tracing::debug!(seq = %stored.seq, subject = stored.subject, %void, "void");
        }
    });
    core.folded(batch.pending);
}

fn take(core: &mut Core, now: Moment, told: Told) -> Result<(), ReplicaError> {
    match told {
        Told::Answer(answer) => core.answered(now, meaning(answer)?),
        Told::End(seq) => core.end(seq),
        Told::News(news) => core.news(now, news),
        Told::Beat(Beat::Agent(instance)) => core.heard_agent(now, &instance),
        Told::Beat(Beat::Leader(epoch)) => core.heard_leader(now, epoch),
    }
    Ok(())
}

fn meaning(answer: Result<Seq, AppendError>) -> Result<Answer, ReplicaError> {
    match answer {
        Ok(seq) => Ok(Answer::Stored(seq)),
        Err(AppendError::Fenced { .. }) => Ok(Answer::Fenced),
        Err(AppendError::Busy(reason)) => {
            tracing::debug!(reason, "the log asks to try again");
            Ok(Answer::Busy)
        }
        Err(AppendError::Unresolved(reason)) => {
            tracing::warn!(reason, "reading back what became of a round");
            Ok(Answer::Unknown)
        }
        Err(error @ (AppendError::Refused(_) | AppendError::WrongLog(_))) => Err(error.into()),
    }
}

/// What a replica acts on. Everything it wants is done beside its loop, which never waits for it.
struct World {
    me: Me,
    log: Arc<dyn Log>,
    telemetry: Arc<dyn Telemetry>,
    cloud: Arc<dyn Cloud>,
    told: mpsc::UnboundedSender<Told>,
}

impl World {
    fn have(&self, wanted: Do) {
        match wanted {
            Do::Append(append) => self.tell(append_to(self.log.clone(), append, self.fence())),
            Do::AskEnd => {
                let log = self.log.clone();
                self.tell(async move { Told::End(log.last_seq().await.ok()) });
            }
            Do::Call(call) => {
                let cloud = self.cloud.clone();
                self.tell(async move { Told::News(answer(&*cloud, call).await) });
            }
            Do::Beat(epoch) => {
                let Me { cluster, replica, .. } = self.me.clone();
                tokio::spawn(heartbeat::say(self.telemetry.clone(), cluster, replica, epoch));
            }
            Do::Stopped => {}
        }
    }

    fn fence(&self) -> String {
        subject::election(&self.me.cluster)
    }

    fn tell(&self, what: impl Future<Output = Told> + Send + 'static) {
        let told = self.told.clone();
        tokio::spawn(async move {
            // Nobody listens any more once the replica has stopped.
            let _ = told.send(what.await);
        });
    }
}

async fn append_to(log: Arc<dyn Log>, append: Append, fence: String) -> Told {
    let entry = |line: &Line| Entry {
        subject: line.subject.clone(),
        payload: Bytes::from(line.payload.clone()),
    };
    let entries: Vec<Entry> = append.lines.iter().map(entry).collect();
    let fence = append.fence.map(|seq| Fence { subject: fence, seq });
    Told::Answer(log.append(&entries, fence.as_ref()).await)
}

async fn answer(cloud: &dyn Cloud, call: Call) -> News {
    match call {
        Call::Launch(order) => {
            let answer = cloud.launch(&order).await;
            match &answer {
                LaunchAnswer::Unknown(Doubt { class, message }) => {
                    tracing::warn!(launch = %order.launch, ?class, message,
                        "nobody knows what came of a launch: it will be repeated");
                }
                LaunchAnswer::NotYet(reason) => {
                    tracing::debug!(launch = %order.launch, reason, "a launch will be repeated");
                }
                LaunchAnswer::Accepted(_) | LaunchAnswer::Refused { .. } => {}
            }
            News::Launched(order.launch, order.attempt, answer)
        }
        Call::Terminate(instance) => {
            let answer = cloud.terminate(&instance).await;
            if let TerminateAnswer::Unknown(reason) = &answer {
                tracing::warn!(%instance, reason,
                    "nobody knows whether an instance ends: it will be asked for again");
            }
            News::Terminated(instance, answer)
        }
        Call::Prices(policy) => News::Priced(cloud.prices_now(&policy).await),
        Call::Scores(policy) => News::Scored(cloud.scores_now(&policy).await),
        Call::Types(policy) => News::Typed(cloud.types_now(&policy).await),
        Call::Console(instance) => {
            let shown = tokio::time::timeout(CONSOLE, cloud.console(&instance)).await;
            News::Console(instance, shown.ok().flatten())
        }
        Call::List => match cloud.list().await {
            Ok(seen) => News::Listed(Some(seen)),
            Err(error) => {
                tracing::warn!(%error, "cannot list instances");
                News::Listed(None)
            }
        },
    }
}
