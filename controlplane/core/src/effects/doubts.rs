//! Calls without an answer: each is repeated ever more seldom, and of launches it is written why nobody knows
//! what came of them.

use super::outcome::brief;
use crate::cloud::Doubt;
use crate::plan::EffectKey;
use replay_core::State;
use replay_core::state::launch::LaunchStatus;
use schema::event::{Event, LaunchUnanswered};
use schema::unit::Millis;
use std::collections::{BTreeMap, BTreeSet};

/// Rest after the first call without an answer.
const FIRST: Millis = Millis(200);
/// Longest rest.
const LONGEST: Millis = Millis::from_secs(30);

/// Effects whose last call had no answer.
#[derive(Debug, Default)]
pub(super) struct Doubts(BTreeMap<EffectKey, Unanswered>);

#[derive(Debug, Default)]
struct Unanswered {
    /// How many calls in a row.
    calls: u32,
    /// Why nobody knows what came of a launch.
    doubt: Option<Doubt>,
}

impl Doubts {
    /// One more call without an answer; how long the effect rests: twice as long each time.
    pub(super) fn add(&mut self, key: &EffectKey, doubt: Option<Doubt>) -> Millis {
        let known = self.0.entry(key.clone()).or_default();
        let rest = FIRST.0.saturating_mul(1 << known.calls.min(20)).min(LONGEST.0);
        known.calls = known.calls.saturating_add(1);
        known.doubt = doubt;
        Millis(rest)
    }

    /// There is an answer.
    pub(super) fn end(&mut self, key: &EffectKey) {
        self.0.remove(key);
    }

    pub(super) fn only(&mut self, wanted: &BTreeSet<EffectKey>) {
        self.0.retain(|key, _| wanted.contains(key));
    }

    /// The records that say what the log does not yet.
    pub(super) fn events(&self, state: &State) -> impl Iterator<Item = Event> {
        self.0.iter().filter_map(|(key, unanswered)| {
            let EffectKey::Launch(launch, attempt) = key else { return None };
            let Doubt { class, message } = unanswered.doubt.as_ref()?;
            let intent = state.launches.get(launch)?;
            let open = intent.status == LaunchStatus::Requested && intent.attempt == *attempt;
            let told = intent.doubt.as_ref().is_some_and(|doubt| doubt.class == *class);
            let (launch, attempt, class) = (launch.clone(), *attempt, *class);
            let message = brief(message);
            (open && !told).then(|| LaunchUnanswered { launch, attempt, class, message }.into())
        })
    }
}
