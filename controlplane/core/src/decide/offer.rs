//! What may be bought: the fixed offerings of the policy, and those that were seen and that its rules allow.

use replay_core::State;
use schema::policy::types::{ACCELERATOR, Accelerators, GPU};
use schema::policy::{Offering, Policy};
use schema::resources::Resources;

/// All offerings from which the leader chooses now, the policy's own first.
#[must_use]
pub fn candidates(state: &State) -> Vec<&Offering> {
    let policy = &state.head.policy;
    let seen = state.market.iter().map(|(_, seen)| &seen.offering);
    policy.offerings.iter().chain(seen.filter(|offering| policy.types.admits(offering))).collect()
}

/// Whether an offering is one for who asks for this: accelerators may be kept for who asks for one.
#[must_use]
pub fn is_for(policy: &Policy, offering: &Offering, floor: &Resources) -> bool {
    asks(floor) || !is_kept(policy, offering)
}

/// Whether an offering is kept for who asks for an accelerator: what the policy itself names is not.
pub(super) fn is_kept(policy: &Policy, offering: &Offering) -> bool {
    policy.types.accelerators == Accelerators::Asked
        && asks(&offering.resources)
        && !policy.offerings.contains(offering)
}

/// Whether there is an accelerator among this.
pub(super) fn asks(amount: &Resources) -> bool {
    amount.feature(GPU) > 0 || amount.feature(ACCELERATOR) > 0
}
