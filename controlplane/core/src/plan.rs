//! Which effects the world still needs, from the state alone: a new leader starts from here and not
//! from what its predecessor had in mind.

use replay_core::State;
use replay_core::state::launch::Launch;
use schema::id::{InstanceId, LaunchId};

/// Something to do to the cloud. Idempotent by its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Make the instances of this intent.
    Launch(LaunchId, Box<Launch>),
    /// End this instance.
    Terminate(InstanceId),
}

/// What tells one effect from another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum EffectKey {
    /// A launch and its attempt.
    Launch(LaunchId, u32),
    /// A termination.
    Terminate(InstanceId),
}

impl Effect {
    /// Its key.
    #[must_use]
    pub fn key(&self) -> EffectKey {
        match self {
            Effect::Launch(id, launch) => EffectKey::Launch(id.clone(), launch.attempt),
            Effect::Terminate(id) => EffectKey::Terminate(id.clone()),
        }
    }
}

/// All effects that folded intents ask for and no folded outcome has settled.
#[must_use]
pub fn plan(state: &State) -> Vec<Effect> {
    let launches = state.index.open_launches.iter().filter_map(|id| {
        state.launches.get(id).map(|launch| Effect::Launch(id.clone(), Box::new(launch.clone())))
    });
    let ends = state.index.terminating.iter().map(|id| Effect::Terminate(id.clone()));
    launches.chain(ends).collect()
}
