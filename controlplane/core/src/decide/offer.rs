//! What may be bought: the fixed offerings of the policy, and those that were seen and that its rules allow.

use crate::pack::Limits;
use replay_core::State;
use replay_core::state::breaker::Breaker;
use replay_core::state::launch::{Backoff, key};
use replay_core::state::rest::{Extent, Rest};
use schema::policy::types::{ACCELERATOR, Accelerators, GPU};
use schema::policy::{Offering, Policy};
use schema::requirements::{Constraint, Market};
use schema::resources::Resources;
use schema::unit::{LogTime, Micros};
use schema::why::PendingWhy;
use std::collections::BTreeSet;

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

/// Whether an instance of this offering will do for so much, as far as is known of those of its type.
#[must_use]
pub fn holds(state: &State, offering: &Offering, need: &Resources) -> bool {
    // What falls short of what is promised has no more than that.
    offering.resources.holds(need) && state.believed(offering).holds(need)
}

/// The same offering with what an instance of it is taken to have.
pub(super) fn believed(state: &State, offering: &Offering) -> Offering {
    Offering { resources: state.believed(offering).into_owned(), ..offering.clone() }
}

/// Whether an offering will do for who narrows the choice so, whatever its size: by its market, zone and type.
#[must_use]
pub fn will_do(asked: &Constraint, offering: &Offering) -> bool {
    on_market(asked.market, offering) && asked.only.takes(&offering.kind, &offering.zone)
}

/// Whether an offering is sold on this market, if that matters.
#[must_use]
pub fn on_market(asked: Option<Market>, offering: &Offering) -> bool {
    asked.is_none_or(|market| market == offering.market)
}

/// What is known of an offering that came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused<'a> {
    /// It is not tried before this log time.
    pub until: LogTime,
    /// How often it came to nothing in a row.
    pub refusals: u32,
    /// What the cloud refused; none if instances did not boot.
    pub refusal: Option<&'a Rest>,
}

/// What came of an offering, or of something around it, the last times, as far as that was nothing: what
/// rests the longest, over or not.
#[must_use]
pub fn refused_lately<'a>(state: &'a State, offering: &Offering) -> Option<Refused<'a>> {
    let unborn = state.backoffs.get(&key(offering)).map(|backoff| {
        let Backoff { until, refusals } = *backoff;
        Refused { until, refusals, refusal: None }
    });
    let refused = state.refusal(offering).map(|rest| {
        let (until, refusals) = (rest.until, rest.refusals);
        Refused { until, refusals, refusal: Some(rest) }
    });
    unborn.into_iter().chain(refused).max_by_key(|refused| refused.until)
}

/// The rest that an offering is given now because it came to nothing.
#[must_use]
pub fn rests<'a>(state: &'a State, offering: &Offering) -> Option<Refused<'a>> {
    refused_lately(state, offering).filter(|refused| state.head.time < refused.until)
}

/// What is on trial, and was asked for by a launch that has no answer yet.
#[must_use]
pub fn tried(state: &State) -> BTreeSet<Extent> {
    let open = || state.index.open_launches.iter().filter_map(|id| state.launches.get(id));
    let known = (!state.rests.is_empty()).then(open);
    known.into_iter().flatten().flat_map(|launch| state.trials(&launch.offering)).collect()
}

/// Whether an offering is part of something that is being tried.
#[must_use]
pub fn is_tried(tried: &BTreeSet<Extent>, offering: &Offering) -> bool {
    !tried.is_empty() && Extent::around(offering).iter().any(|extent| tried.contains(extent))
}

/// The limit of instances in a zone, if so many more than there are come up to it.
#[must_use]
pub fn zone_limit(state: &State, zone: &str, more: u64) -> Option<u32> {
    let there = state.index.in_zone(zone) + more;
    state.head.policy.max_per_zone.filter(|limit| there >= u64::from(*limit))
}

/// What keeps everything from being launched, whatever it is and costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shut {
    /// An operator froze launches.
    Frozen,
    /// Of all that was launched lately nothing booted.
    Breaker {
        /// How many instances in a row did not.
        failures: u32,
    },
}

impl From<Shut> for PendingWhy {
    fn from(shut: Shut) -> PendingWhy {
        match shut {
            Shut::Frozen => PendingWhy::Frozen,
            Shut::Breaker { failures } => PendingWhy::Breaker { failures },
        }
    }
}

/// What keeps everything from being launched now, beside so many launches that are under way.
#[must_use]
pub fn shut(state: &State, breaker: Option<Breaker>, pending: u32) -> Option<Shut> {
    if state.head.frozen {
        return Some(Shut::Frozen);
    }
    let Breaker { failures, until } = breaker?;
    (state.head.time < until || pending > 0).then_some(Shut::Breaker { failures })
}

/// What may still be launched beside so much that is committed, and so many instances under way and in all.
#[must_use]
pub fn limits(
    state: &State,
    breaker: Option<Breaker>,
    committed: Micros,
    (pending, instances): (u32, u32),
) -> Limits {
    let policy = &state.head.policy;
    let most = if breaker.is_some() { 1 } else { policy.max_pending };
    Limits {
        budget: policy.max_hourly_cost.minus(committed),
        instances: policy.max_instances.saturating_sub(instances),
        pending: most.saturating_sub(pending),
    }
}

/// Whether an offering is kept for who asks for an accelerator: what the policy itself names is not.
pub(super) fn is_kept(policy: &Policy, offering: &Offering) -> bool {
    policy.types.accelerators == Accelerators::Asked
        && asks(&offering.resources)
        && !policy.offerings.iter().any(|named| key(named) == key(offering))
}

/// Whether there is an accelerator among this.
pub(super) fn asks(amount: &Resources) -> bool {
    amount.feature(GPU) > 0 || amount.feature(ACCELERATOR) > 0
}
