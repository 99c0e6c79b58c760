//! What may be bought: the fixed offerings of the policy, and those that were seen and that its rules allow.

use crate::pack::Limits;
use replay_core::State;
use replay_core::state::launch::{Backoff, key};
use schema::policy::types::{ACCELERATOR, Accelerators, GPU};
use schema::policy::{Offering, Policy};
use schema::requirements::Market;
use schema::resources::Resources;
use schema::unit::Micros;

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

/// Whether an offering is sold on this market, if that matters.
#[must_use]
pub fn on_market(asked: Option<Market>, offering: &Offering) -> bool {
    asked.is_none_or(|market| market == offering.market)
}

/// The rest that an offering is given now because it was refused.
#[must_use]
pub fn rests<'a>(state: &'a State, offering: &Offering) -> Option<&'a Backoff> {
    let backoff = state.backoffs.get(&key(offering));
    backoff.filter(|backoff| state.head.time < backoff.until)
}

/// What may still be launched beside so much that is committed, and so many instances under way and in all.
#[must_use]
pub fn limits(policy: &Policy, committed: Micros, pending: u32, instances: u32) -> Limits {
    Limits {
        budget: policy.max_hourly_cost.minus(committed),
        instances: policy.max_instances.saturating_sub(instances),
        pending: policy.max_pending.saturating_sub(pending),
    }
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
