//! Effects on the cloud: run from folded intents only, one at a time for each intent, and repeated
//! as they were until the answer is definite. What came of them is written by the leader.

use crate::cloud::{Cloud, LaunchAnswer, LaunchOrder, Seen, SeenState, TerminateAnswer};
use controlplane_core::plan::{EffectKey, rest};
use controlplane_core::{Effect, plan};
use replay_core::State;
use replay_core::state::launch::{self, Launch, LaunchStatus};
use schema::event::{Event, InstanceTerminated, LaunchAccepted, LaunchRefused};
use schema::id::{ClusterId, InstanceId, LaunchId};
use schema::unit::{Epoch, Micros, Millis};
use schema::why::RefusalClass;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How often the cloud is asked what there is.
const LIST_EVERY: Duration = Duration::from_millis(500);
/// Wait before an effect with an unknown answer is repeated.
const REPEAT: Duration = Duration::from_millis(200);

/// What an effect has to say when it is done.
pub(crate) enum News {
    Launched(LaunchId, u32, LaunchAnswer),
    Terminated(InstanceId, TerminateAnswer),
    Listed(Option<Vec<Seen>>),
}

/// An answer that waits to be written.
enum Outcome {
    Accepted(Vec<InstanceId>),
    Refused { class: RefusalClass, message: String, back_off: Millis },
    Gone,
}

pub(crate) struct Effects {
    cloud: Arc<dyn Cloud>,
    cluster: ClusterId,
    news: mpsc::UnboundedSender<News>,
    running: BTreeSet<EffectKey>,
    resting: BTreeMap<EffectKey, Instant>,
    outcomes: BTreeMap<EffectKey, Outcome>,
    gone: BTreeSet<InstanceId>,
    listing: bool,
    listed: Option<Instant>,
}

impl Effects {
    pub(crate) fn new(
        cloud: Arc<dyn Cloud>,
        cluster: ClusterId,
    ) -> (Effects, mpsc::UnboundedReceiver<News>) {
        let (news, inbox) = mpsc::unbounded_channel();
        let effects = Effects {
            cloud,
            cluster,
            news,
            running: BTreeSet::new(),
            resting: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            gone: BTreeSet::new(),
            listing: false,
            listed: None,
        };
        (effects, inbox)
    }

    /// Drops all that was under way: whoever leads next starts from the state.
    pub(crate) fn forget(&mut self) {
        self.running.clear();
        self.resting.clear();
        self.outcomes.clear();
        self.gone.clear();
        self.listed = None;
    }

    /// Instances that the cloud says are no more.
    pub(crate) fn gone(&self) -> BTreeSet<InstanceId> {
        self.gone.clone()
    }

    /// Takes in what an effect has to say.
    pub(crate) fn take(&mut self, news: News) {
        match news {
            News::Launched(id, attempt, answer) => {
                let key = EffectKey::Launch(id, attempt);
                match answer {
                    LaunchAnswer::Accepted(instances) => {
                        self.answered(key, Outcome::Accepted(instances))
                    }
                    LaunchAnswer::Refused { class, message, back_off } => {
                        self.answered(key, Outcome::Refused { class, message, back_off });
                    }
                    LaunchAnswer::Unknown(reason) => self.repeat(key, &reason),
                }
            }
            News::Terminated(id, answer) => {
                let key = EffectKey::Terminate(id);
                match answer {
                    TerminateAnswer::Gone => self.answered(key, Outcome::Gone),
                    TerminateAnswer::Going => self.repeat(key, "still going"),
                    TerminateAnswer::Unknown(reason) => self.repeat(key, &reason),
                }
            }
            News::Listed(seen) => {
                self.listing = false;
                if let Some(seen) = seen {
                    let gone = seen.into_iter().filter(|seen| seen.state == SeenState::Gone);
                    self.gone = gone.map(|seen| seen.instance).collect();
                }
            }
        }
    }

    /// An answer to an effect that this term did not ask for is of no use: the effect is repeated.
    fn answered(&mut self, key: EffectKey, outcome: Outcome) {
        if self.running.contains(&key) {
            self.outcomes.insert(key, outcome);
        }
    }

    fn repeat(&mut self, key: EffectKey, reason: &str) {
        tracing::debug!(?key, reason, "an effect will be repeated");
        self.running.remove(&key);
        self.resting.insert(key, Instant::now() + REPEAT);
    }

    /// The events that say what came of effects; those that the state has settled already are
    /// forgotten.
    pub(crate) fn outcomes(&mut self, state: &State) -> Vec<Event> {
        let wanted: BTreeSet<EffectKey> = plan(state).iter().map(Effect::key).collect();
        self.running.retain(|key| wanted.contains(key));
        self.resting.retain(|key, _| wanted.contains(key));
        self.outcomes.retain(|key, _| wanted.contains(key));
        // Once written an outcome has settled its effect; if the fold did not take it, the effect is
        // wanted still, and is repeated after a rest.
        let outcomes = std::mem::take(&mut self.outcomes);
        for key in outcomes.keys() {
            self.running.remove(key);
            self.resting.insert(key.clone(), Instant::now() + REPEAT);
        }
        outcomes.iter().filter_map(|(key, outcome)| event(state, key, outcome)).collect()
    }

    /// Whether there is anything to do to the cloud now.
    pub(crate) fn wanted(&self, state: &State) -> bool {
        plan(state).iter().any(|effect| self.startable(&effect.key()))
    }

    fn startable(&self, key: &EffectKey) -> bool {
        !self.running.contains(key) && self.resting.get(key).is_none_or(|at| *at <= Instant::now())
    }

    /// Starts every effect that the state asks for and that is not under way.
    pub(crate) fn run(&mut self, state: &State, epoch: Epoch) {
        for effect in plan(state) {
            let key = effect.key();
            if self.startable(&key) {
                self.resting.remove(&key);
                self.running.insert(key);
                self.start(effect, epoch);
            }
        }
        let due = self.listed.is_none_or(|at| at.elapsed() >= LIST_EVERY);
        if due && !self.listing {
            self.list();
        }
    }

    fn start(&self, effect: Effect, epoch: Epoch) {
        let (cloud, news) = (self.cloud.clone(), self.news.clone());
        match effect {
            Effect::Launch(id, launch) => {
                let order = order(self.cluster.clone(), id, &launch, epoch);
                tokio::spawn(async move {
                    let answer = cloud.launch(&order).await;
                    let _ = news.send(News::Launched(order.launch, order.attempt, answer));
                });
            }
            Effect::Terminate(id) => {
                tokio::spawn(async move {
                    let answer = cloud.terminate(&id).await;
                    let _ = news.send(News::Terminated(id, answer));
                });
            }
        }
    }

    fn list(&mut self) {
        self.listing = true;
        self.listed = Some(Instant::now());
        let (cloud, news) = (self.cloud.clone(), self.news.clone());
        tokio::spawn(async move {
            let seen = cloud.list().await;
            if let Err(error) = &seen {
                tracing::warn!(%error, "cannot list instances");
            }
            let _ = news.send(News::Listed(seen.ok()));
        });
    }
}

/// What the cloud is told: a pure function of the folded intent, but for the term, which is a label.
fn order(cluster: ClusterId, launch: LaunchId, intent: &Launch, epoch: Epoch) -> LaunchOrder {
    LaunchOrder {
        cluster,
        launch,
        attempt: intent.attempt,
        offering: intent.offering.clone(),
        count: intent.count,
        epoch,
    }
}

fn event(state: &State, key: &EffectKey, outcome: &Outcome) -> Option<Event> {
    match (key, outcome) {
        (EffectKey::Launch(id, attempt), Outcome::Accepted(instances)) => {
            let (launch, attempt, instances) = (id.clone(), *attempt, instances.clone());
            Some(LaunchAccepted { launch, attempt, instances }.into())
        }
        (EffectKey::Launch(id, attempt), Outcome::Refused { class, message, back_off }) => {
            let intent = state.launches.get(id)?;
            let open = intent.status == LaunchStatus::Requested;
            let before =
                state.backoffs.get(&launch::key(&intent.offering)).map_or(0, |b| b.refusals);
            let (launch, attempt, class) = (id.clone(), *attempt, class.clone());
            let (message, until) = (message.clone(), state.head.time + rest(*back_off, before));
            open.then(|| LaunchRefused { launch, attempt, class, message, until }.into())
        }
        (EffectKey::Terminate(id), Outcome::Gone) => {
            let cost = cost(state, id);
            Some(InstanceTerminated { instance: id.clone(), cost }.into())
        }
        (EffectKey::Launch(..), Outcome::Gone)
        | (EffectKey::Terminate(_), Outcome::Accepted(_) | Outcome::Refused { .. }) => None,
    }
}

fn cost(state: &State, id: &InstanceId) -> Micros {
    let of = |i: &replay_core::state::instance::Instance| {
        i.offering.price.over(state.head.time.since(i.created))
    };
    state.instances.get(id).map(of).unwrap_or_default()
}
