//! Effects on the cloud, as the leader keeps track of them: from folded intents only, one at a time
//! for each intent, and repeated as they were until the answer is definite.

use crate::cloud::{Doubt, LaunchAnswer, LaunchOrder, Seen, SeenState, TerminateAnswer};
use crate::moment::Moment;
use crate::plan::{Effect, EffectKey, plan};
use crate::prices::{Prices, SpotScore, TypesTold};
use crate::strays::Strays;
use replay_core::State;
use replay_core::state::launch::Launch;
use schema::event::Event;
use schema::id::{ClusterId, InstanceId, LaunchId};
use schema::policy::Policy;
use schema::requirements::Market;
use schema::unit::{Epoch, Millis};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

mod asked;
mod consoles;
mod doubts;
mod outcome;

use asked::{Asked, Daily};
use consoles::{Consoles, Turn};
use doubts::Doubts;
use outcome::{Outcome, Refusal};

/// How often the cloud is asked what there is, unless it says otherwise.
pub const LIST_EVERY: Millis = Millis(500);
/// Wait before an effect is repeated whose turn had not come, or that is under way.
const REPEAT: Millis = Millis(200);

/// A call to the cloud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// Make the instances of this order.
    Launch(Box<LaunchOrder>),
    /// End this instance.
    Terminate(InstanceId),
    /// Tell what this instance wrote on its console.
    Console(InstanceId),
    /// Tell which instances there are.
    List,
    /// Tell what is sold by this policy, and for how much now.
    Prices(Box<Policy>),
    /// Tell how likely spot is to be had of what this policy allows.
    Scores(Box<Policy>),
    /// Tell what the types that this policy may allow have, where they are sold, and their list price.
    Types(Box<Policy>),
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// Of the launch of this intent and attempt.
    Launched(LaunchId, u32, LaunchAnswer),
    /// Of ending this instance.
    Terminated(InstanceId, TerminateAnswer),
    /// Of the console of this instance; nothing if the cloud shows none.
    Console(InstanceId, Option<String>),
    /// All instances; nothing if the cloud could not tell.
    Listed(Option<Vec<Seen>>),
    /// What is sold now; nothing if the cloud could not tell, or has no prices of its own.
    Priced(Option<Prices>),
    /// How likely spot is to be had; nothing if the cloud could not tell.
    Scored(Option<Vec<SpotScore>>),
    /// What there is of types; nothing if the cloud could not tell, or has nothing to tell.
    Typed(Option<TypesTold>),
}

/// The effects of one term.
#[derive(Debug, Default)]
pub struct Effects {
    running: BTreeSet<EffectKey>,
    resting: BTreeMap<EffectKey, Moment>,
    outcomes: BTreeMap<EffectKey, Outcome>,
    doubts: Doubts,
    /// Launches that the cloud may have heard of in this term.
    sent: BTreeSet<EffectKey>,
    gone: BTreeMap<InstanceId, String>,
    strays: Strays,
    consoles: Consoles,
    lists: Asked,
    prices: Asked,
    scores: Asked,
    types: Daily,
}

impl Effects {
    /// Drops all that was under way: whoever leads next starts from the state.
    pub fn forget(&mut self) {
        let (lists, prices) = (self.lists.anew(), self.prices.anew());
        // What may be asked so many times a day is not asked again because another term begins.
        let (scores, types) = (self.scores, std::mem::take(&mut self.types));
        *self = Effects { lists, prices, scores, types, ..Effects::default() };
    }

    /// Instances that the cloud says are no more.
    #[must_use]
    pub fn gone(&self) -> &BTreeMap<InstanceId, String> {
        &self.gone
    }

    /// Instances that the cloud has, and that the state has not accounted for in a while.
    pub fn strays(&mut self, state: &State) -> &BTreeMap<InstanceId, Seen> {
        self.strays.of(state)
    }

    /// Takes in what came of a call.
    pub fn take(&mut self, now: Moment, news: News) {
        match news {
            News::Launched(id, attempt, answer) => {
                let key = EffectKey::Launch(id, attempt);
                if !matches!(answer, LaunchAnswer::NotYet(_)) {
                    self.sent.insert(key.clone());
                }
                match answer {
                    LaunchAnswer::Accepted(instances) => {
                        self.answered(key, Outcome::Accepted(instances));
                    }
                    LaunchAnswer::Refused { class, message, scope, back_off } => {
                        let refusal = Refusal { class, message, scope, back_off };
                        self.answered(key, Outcome::Refused(refusal));
                    }
                    LaunchAnswer::NotYet(_) => self.repeat(now, key, REPEAT),
                    LaunchAnswer::Unknown(doubt) => self.unanswered(now, key, Some(doubt)),
                }
            }
            News::Terminated(id, answer) => {
                let key = EffectKey::Terminate(id);
                match answer {
                    TerminateAnswer::Gone => self.answered(key, Outcome::Gone),
                    TerminateAnswer::Going => {
                        self.doubts.end(&key);
                        self.repeat(now, key, REPEAT);
                    }
                    TerminateAnswer::NotYet(_) => self.repeat(now, key, REPEAT),
                    TerminateAnswer::Unknown(_) => self.unanswered(now, key, None),
                }
            }
            News::Priced(_) => self.prices.done(),
            News::Scored(_) => self.scores.done(),
            News::Typed(told) => self.types.done(told.is_some_and(|told| !told.partly)),
            News::Console(id, text) => self.consoles.take(id, text.as_deref()),
            News::Listed(seen) => {
                self.lists.done();
                if let Some(seen) = seen {
                    let there = |seen: &Seen| seen.state == SeenState::There;
                    let (there, gone): (Vec<_>, Vec<_>) = seen.into_iter().partition(there);
                    self.gone = gone.into_iter().map(|seen| (seen.instance, seen.why)).collect();
                    self.strays.seen(now, there);
                }
            }
        }
    }

    /// An answer to an effect that this term did not ask for is of no use: the effect is repeated.
    fn answered(&mut self, key: EffectKey, outcome: Outcome) {
        self.doubts.end(&key);
        if self.running.contains(&key) {
            self.outcomes.insert(key, outcome);
        }
    }

    fn unanswered(&mut self, now: Moment, key: EffectKey, doubt: Option<Doubt>) {
        let rest = self.doubts.add(&key, doubt);
        self.repeat(now, key, rest);
    }

    fn repeat(&mut self, now: Moment, key: EffectKey, rest: Millis) {
        self.running.remove(&key);
        self.resting.insert(key, now + rest);
    }

    /// The events that say what came of effects; those that the state has settled already are
    /// forgotten.
    pub fn outcomes(&mut self, now: Moment, state: &State) -> Vec<Event> {
        let mut shown = self.consoles.events(state);
        if self.running.is_empty() && self.resting.is_empty() && self.outcomes.is_empty() {
            return shown;
        }
        let wanted: BTreeSet<EffectKey> = plan(state).iter().map(Effect::key).collect();
        self.running.retain(|key| wanted.contains(key));
        self.resting.retain(|key, _| wanted.contains(key));
        self.outcomes.retain(|key, _| wanted.contains(key));
        self.sent.retain(|key| wanted.contains(key));
        self.doubts.only(&wanted);
        // Once written an outcome has settled its effect; if the fold did not take it, the effect is
        // wanted still, and is repeated after a rest.
        let outcomes = std::mem::take(&mut self.outcomes);
        for key in outcomes.keys() {
            self.running.remove(key);
            self.resting.insert(key.clone(), now + REPEAT);
        }
        shown.extend(
            outcomes.iter().filter_map(|(key, outcome)| outcome::event(state, key, outcome)),
        );
        shown.extend(self.doubts.events(state));
        shown
    }

    /// Whether there is anything to do to the cloud now.
    #[must_use]
    pub fn wanted(&self, now: Moment, state: &State) -> bool {
        let launches = self.creating() < state.head.policy.max_creating as usize;
        plan(state).iter().map(Effect::key).any(|key| {
            self.startable(now, &key)
                && match &key {
                    EffectKey::Launch(..) => launches,
                    EffectKey::Terminate(id) => self.consoles.turn(now, state, id) != Turn::Wait,
                }
        })
    }

    /// How many calls are under way that launch instances.
    fn creating(&self) -> usize {
        self.running.iter().filter(|key| matches!(key, EffectKey::Launch(..))).count()
    }

    fn startable(&self, now: Moment, key: &EffectKey) -> bool {
        !self.running.contains(key) && self.resting.get(key).is_none_or(|at| *at <= now)
    }

    /// Every call that the state asks for and that is not under way, but for launches beyond as many as
    /// the policy wants under way at once.
    pub fn calls(
        &mut self,
        now: Moment,
        cluster: &ClusterId,
        state: &State,
        epoch: Epoch,
    ) -> Vec<Call> {
        let mut calls = Vec::new();
        let most = state.head.policy.max_creating as usize;
        let mut creating = self.creating();
        for effect in plan(state) {
            let key = effect.key();
            // What came of it is still to be written.
            if self.outcomes.contains_key(&key) {
                continue;
            }
            if let Some(refusal) = self.futile(&key, &effect, state, epoch) {
                self.outcomes.insert(key, Outcome::Refused(refusal));
                continue;
            }
            if let EffectKey::Terminate(id) = &key
                && self.startable(now, &key)
            {
                match self.consoles.turn(now, state, id) {
                    Turn::Ask => {
                        self.consoles.ask(now, id.clone());
                        calls.push(Call::Console(id.clone()));
                        continue;
                    }
                    Turn::Wait => continue,
                    Turn::End => {}
                }
            }
            let launches = matches!(key, EffectKey::Launch(..));
            if self.startable(now, &key) && !(launches && creating >= most) {
                creating += usize::from(launches);
                self.resting.remove(&key);
                self.running.insert(key);
                calls.push(match effect {
                    Effect::Launch(id, intent) => {
                        let order = order(state, cluster.clone(), id, &intent, epoch);
                        Call::Launch(Box::new(order))
                    }
                    Effect::Terminate(id) => Call::Terminate(id),
                });
            }
        }
        calls
    }

    /// Why it is of no use to send this launch: what it asks for has been refused since it was decided. Only
    /// of one that nobody can have sent: it was decided in this term, and not sent yet.
    fn futile(
        &self,
        key: &EffectKey,
        effect: &Effect,
        state: &State,
        epoch: Epoch,
    ) -> Option<Refusal> {
        let Effect::Launch(_, intent) = effect else { return None };
        let known = self.sent.contains(key) || self.running.contains(key);
        if known || intent.epoch != epoch {
            return None;
        }
        let (scope, rest) = state.resting(&intent.offering)?;
        let (class, message) = (rest.class.clone(), rest.message.clone());
        Some(Refusal { class, message, scope, back_off: Millis(0) })
    }

    /// The cloud is asked every so often what there is, and by each new leader at once. That changes
    /// nothing: it needs no proof that this replica still leads.
    pub fn list(&mut self, now: Moment, every: Millis) -> Option<Call> {
        self.lists.begin(now, every).then_some(Call::List)
    }

    /// The cloud is asked for prices as often as the policy says.
    pub fn price(&mut self, now: Moment, policy: &Policy) -> Option<Call> {
        let every = policy.spot.price_every;
        let due = every > Millis(0) && self.prices.begin(now, every);
        due.then(|| Call::Prices(Box::new(policy.clone())))
    }

    /// The cloud is asked what it has of types once a day, and when the rules for types have changed.
    pub fn types(&mut self, now: Moment, policy: &Policy) -> Option<Call> {
        self.types.begin(now, &policy.types).then(|| Call::Types(Box::new(policy.clone())))
    }

    /// The cloud is asked how likely spot is to be had as often as the policy says, and only while somebody
    /// waits who may be given spot, or some of it runs.
    pub fn score(&mut self, now: Moment, state: &State) -> Option<Call> {
        let policy = &state.head.policy;
        let every = policy.spot.score_every;
        let allowed = every > Millis(0) && policy.types.markets.contains(&Market::Spot);
        // Whether anybody wants it takes a look at all instances: only when it is due.
        let wanted = allowed && self.scores.is_due(now, every) && wants_spot(state);
        (wanted && self.scores.begin(now, every)).then(|| Call::Scores(Box::new(policy.clone())))
    }
}

fn wants_spot(state: &State) -> bool {
    let mut waiting = state.index.waiting.iter().filter_map(|(_, _, id)| state.allocs.get(id));
    let mut live = state.index.live_instances.iter().filter_map(|id| state.instances.get(id));
    waiting.any(|alloc| alloc.constraint.market != Some(Market::OnDemand))
        || live.any(|instance| instance.offering.market == Market::Spot)
}

/// What the cloud is told: a pure function of the folded intent, but for the term, which is a label.
fn order(
    state: &State,
    cluster: ClusterId,
    launch: LaunchId,
    intent: &Launch,
    epoch: Epoch,
) -> LaunchOrder {
    let settings = intent.settings.and_then(|number| state.settings_of(number));
    LaunchOrder {
        cluster,
        launch,
        attempt: intent.attempt,
        offering: intent.offering.clone(),
        count: intent.count,
        settings: settings.map(Arc::from),
        intended: intent.epoch,
        epoch,
    }
}
