//! Which effects the world still needs, from the state alone: a new leader starts from here and not
//! from what its predecessor had in mind.

use replay_core::State;
use replay_core::state::launch::Launch;
use schema::id::{InstanceId, LaunchId};
use schema::unit::Millis;

/// Longest rest of what is refused again and again.
const LONGEST_REST: Millis = Millis::from_secs(600);

/// Something to do to the cloud. Idempotent by its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Make the instances of this intent.
    Launch(LaunchId, Box<Launch>),
    /// End this instance.
    Terminate(InstanceId),
}

/// How long something rests that was refused `refusals` times in a row before: each time twice as
/// long as the time before, at most ten minutes, or as long as the cloud asked for if that is more.
#[must_use]
pub fn rest(asked: Millis, refusals: u32) -> Millis {
    let grown = asked.0.saturating_mul(1 << refusals.min(20));
    Millis(grown.min(LONGEST_REST.0).max(asked.0))
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
    let orphans = state.orphans_to_end().map(|id| Effect::Terminate(id.clone()));
    launches.chain(ends).chain(orphans).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_grow_to_a_limit() {
        let second = Millis::from_secs(1);
        for (refusals, seconds) in [(0, 1), (1, 2), (2, 4), (9, 512), (10, 600), (u32::MAX, 600)] {
            assert_eq!(rest(second, refusals), Millis::from_secs(seconds), "{refusals}");
        }
        assert_eq!(rest(Millis::from_secs(3600), 3), Millis::from_secs(3600));
    }
}
