//! What the leader knows beside the log: the only clock, the only randomness, and what it has heard
//! and seen of the world. Nothing of it changes the state except through an event.

use crate::cloud::Seen;
use crate::credential::ClusterKey;
use schema::id::{AllocId, InstanceId};
use schema::unit::Millis;
use std::collections::BTreeMap;

/// What the leader knows beside the log.
#[derive(Debug, Clone, Default)]
pub struct Sight {
    /// How long each agent has been silent, by the leader's monotonic clock. An agent that is not
    /// named here is taken as heard.
    pub silent: BTreeMap<InstanceId, Millis>,
    /// How long ago, by the leader's monotonic clock, it folded the record that last began or
    /// renewed each lease. A lease that is not named here has not run out: a jump of the log's clock
    /// alone ends none.
    pub kept: BTreeMap<AllocId, Millis>,
    /// Instances that the cloud says no longer exist, and why, as far as it says.
    pub gone: BTreeMap<InstanceId, String>,
    /// Instances that the cloud has had for long and that nothing accounted for all the time.
    pub strays: BTreeMap<InstanceId, Seen>,
    /// The cluster's secret, if it has one: by it instances prove themselves.
    pub key: Option<ClusterKey>,
    /// Randomness for new ids.
    pub entropy: u64,
}

impl Sight {
    /// The `n`th random number of this round; the same for the same entropy.
    #[must_use]
    pub fn random(&self, n: u64) -> u64 {
        split_mix(self.entropy, n)
    }

    /// How long this agent has been silent.
    #[must_use]
    pub fn silent_for(&self, id: &InstanceId) -> Millis {
        self.silent.get(id).copied().unwrap_or_default()
    }
}

/// The `n`th number of the sequence that a seed begins (SplitMix64): no two of it are the same.
#[must_use]
pub fn split_mix(seed: u64, n: u64) -> u64 {
    let step = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut z = seed.wrapping_add(step);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
