//! Each offering that is known, and what stands against buying it now.

use super::Wanted;
pub use super::lost::{Lost, Said};
use crate::decide::{
    Share, Shut, is_for, is_tried, likely, limits, links, on_market, rests, shut, tried, worth,
    zone_limit,
};
use crate::pack::Limits;
use replay_core::State;
use replay_core::state::rest::Extent;
use schema::policy::Offering;
use schema::policy::types::{NotAllowed, Traits};
use schema::requirements::Market;
use schema::resources::Resources;
use schema::unit::Micros;
use schema::why::PendingWhy;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// What comes of what is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Course<'a> {
    /// These are launched for it.
    Launched {
        /// What is bought, one for each launch.
        chosen: Vec<&'a Offering>,
        /// How many others they carry who wait.
        others: usize,
    },
    /// It waits.
    Waits(PendingWhy),
    /// There is room for it already, or it is refused for ever.
    Settled,
}

/// An offering, held against what is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer<'a> {
    /// What could be bought.
    pub offering: &'a Offering,
    /// What an hour of one comes to: with what interruptions cost, less what its links are worth.
    pub worth: Micros,
    /// What its network and its EBS throughput are worth an hour.
    pub links: Micros,
    /// How many of it alone would hold all that is wanted; none if it does not hold one.
    pub instances: Option<u32>,
    /// Why it is not bought; none if it is.
    pub lost: Option<Lost>,
}

impl Offer<'_> {
    /// What as many as are needed cost, in micro-dollars per hour. Of what is too small, one.
    #[must_use]
    pub fn costs(&self) -> Micros {
        self.times(self.offering.price)
    }

    fn times(&self, price: Micros) -> Micros {
        Micros(price.0.saturating_mul(u64::from(self.instances.unwrap_or(1))))
    }

    /// What is bought first, then what could be, then what will not do, then what is too small.
    fn class(&self) -> u8 {
        match &self.lost {
            None => 0,
            Some(Lost::TooSmall(_) | Lost::LessThanPromised(_)) => 3,
            Some(
                Lost::OtherMarket { .. }
                | Lost::OtherType
                | Lost::OutOfZones { .. }
                | Lost::OutOfTypes { .. }
                | Lost::NotAllowed { .. }
                | Lost::Kept,
            ) => 2,
            Some(_) => 1,
        }
    }
}

/// All offerings that are known, the best first: in the state before anything was launched for it.
#[must_use]
pub fn offers<'a>(state: &'a State, wanted: &Wanted, course: &Course<'_>) -> Vec<Offer<'a>> {
    let (tried, head) = (tried(state), &state.head);
    let caps = limits(state, head.breaker, head.committed, (head.pending, head.instances));
    let named = head.policy.offerings.iter().map(|offering| (offering, None));
    let rules = &head.policy.types;
    let seen = state.market.iter().map(|(_, seen)| {
        let offering = &seen.offering;
        let price = || rules.price_refusal(offering.market, offering.price);
        (offering, rules.refusal(&Traits::of(offering)).or_else(price))
    });
    let judged = named.chain(seen).map(|(offering, rule)| {
        let lost = unfit(state, wanted, offering, rule).or_else(|| needless(wanted, course));
        let lost = lost.or_else(|| barred(state, offering, &tried));
        let worth = worth(state, offering, offering.price);
        let links = links(state, offering, offering.price);
        let instances = instances(wanted, &state.believed(offering));
        Offer { offering, worth, links, instances, lost }
    });
    let mut all: Vec<Offer<'_>> = judged.collect();
    zones(&mut all);
    for offer in all.iter_mut().filter(|o| o.lost.is_none()) {
        let lost = || outdone(state, offer, course, &caps);
        offer.lost = capped(state, offer.offering, &caps).or_else(lost);
    }
    all.sort_by_key(|o| {
        let (kind, zone) = (&o.offering.kind, &o.offering.zone);
        (o.class(), o.times(o.worth), kind.clone(), zone.clone(), o.offering.market)
    });
    all
}

/// How many of an offering hold all that is wanted.
fn instances(wanted: &Wanted, have: &Resources) -> Option<u32> {
    let need = &wanted.floor;
    let features = need.features.iter().map(|(name, count)| (*count, have.feature(name)));
    let plain = [(need.cpu, have.cpu), (need.memory, have.memory), (need.disk, have.disk)];
    let all = plain.into_iter().chain(features).filter(|(need, _)| *need > 0);
    let room = all.map(|(need, have)| have / need).min().unwrap_or(u64::MAX);
    let room = u32::try_from(room).unwrap_or(u32::MAX);
    (room > 0).then(|| wanted.count.max(1).div_ceil(room))
}

/// Why it will not do, whatever else there is.
fn unfit(
    state: &State,
    wanted: &Wanted,
    offering: &Offering,
    rule: Option<NotAllowed>,
) -> Option<Lost> {
    let (head, policy) = (&state.head, &state.head.policy);
    if let Some(shortage) = offering.resources.shortage(&wanted.floor) {
        return Some(Lost::TooSmall(shortage));
    }
    if let Some(shortage) = state.believed(offering).shortage(&wanted.floor) {
        return Some(Lost::LessThanPromised(shortage));
    }
    let market = wanted.constraint.market;
    if let Some(asked) = market.filter(|_| !on_market(market, offering)) {
        return Some(Lost::OtherMarket { asked });
    }
    let only = &wanted.constraint.only;
    if !only.takes_zone(&offering.zone) {
        return Some(Lost::OutOfZones { zones: only.zones.clone() });
    }
    if !only.takes_type(&offering.kind) {
        return Some(Lost::OutOfTypes { types: only.types.clone() });
    }
    let alone = wanted.constraint.alone.as_ref();
    if alone.is_some_and(|alone| !alone.takes(&offering.kind, &offering.zone)) {
        return Some(Lost::OtherType);
    }
    if let Some(rule) = rule {
        return Some(Lost::NotAllowed { rule });
    }
    if !is_for(policy, offering, &wanted.floor) {
        return Some(Lost::Kept);
    }
    let (asked, committed, limit) = (offering.at_most(), head.committed, policy.max_hourly_cost);
    (asked > limit).then_some(Lost::OverBudget { asked, committed, limit })
}

/// Why nothing needs to be bought at all.
fn needless(wanted: &Wanted, course: &Course<'_>) -> Option<Lost> {
    if let Some(instance) = wanted.constraint.instance.clone() {
        return Some(Lost::Named { instance });
    }
    match course {
        Course::Waits(
            PendingWhy::Launching { launch, .. } | PendingWhy::Unanswered { launch, .. },
        ) => Some(Lost::Covered { launch: launch.clone() }),
        Course::Settled => Some(Lost::NotNeeded),
        Course::Launched { .. } | Course::Waits(_) => None,
    }
}

/// Why nobody is bought this now, however much is left.
fn barred(state: &State, offering: &Offering, tried: &BTreeSet<Extent>) -> Option<Lost> {
    if let Some(rest) = rests(state, offering) {
        let said = rest.refusal.map(|refusal| {
            let (class, message) = (refusal.class.clone(), refusal.message.clone());
            Said { class, message }
        });
        return Some(Lost::Resting { until: rest.until, refusals: rest.refusals, said });
    }
    if is_tried(tried, offering) {
        return Some(Lost::OnTrial);
    }
    if let Some(limit) = zone_limit(state, &offering.zone, 0) {
        return Some(Lost::MaxPerZone { limit });
    }
    match shut(state, state.head.breaker, state.head.pending)? {
        Shut::Breaker { failures } => Some(Lost::Breaker { failures }),
        Shut::Frozen => Some(Lost::Frozen),
    }
}

/// Of what is the same in several zones all but the cheapest have lost.
fn zones(offers: &mut [Offer<'_>]) {
    let mut best: BTreeMap<(&SmolStr, Market), Vec<(Micros, &Offering)>> = BTreeMap::new();
    let alike = |one: &Offering, other: &Offering| one.resources == other.resources;
    for offer in offers.iter().filter(|o| o.lost.is_none()) {
        let (worth, own) = (offer.worth, offer.offering);
        let sizes = best.entry((&own.kind, own.market)).or_default();
        match sizes.iter_mut().find(|(_, other)| alike(own, other)) {
            Some(other) if (worth, &own.zone) < (other.0, &other.1.zone) => *other = (worth, own),
            Some(_) => {}
            None => sizes.push((worth, own)),
        }
    }
    for offer in offers.iter_mut().filter(|o| o.lost.is_none()) {
        let own = offer.offering;
        let sizes = best.get(&(&own.kind, own.market)).into_iter().flatten();
        let best = sizes.copied().find(|(_, other)| alike(own, other) && *other != own);
        offer.lost = best.map(|(chosen, best)| {
            // As much in a zone that comes later by name is more.
            if (own.price, &own.zone) < (best.price, &best.zone) {
                return Lost::Riskier { likely: offer.worth, chosen };
            }
            Lost::CheaperZone { zone: best.zone.clone(), price: best.price }
        });
    }
}

/// Which cap leaves too little for one of it.
fn capped(state: &State, offering: &Offering, caps: &Limits) -> Option<Lost> {
    let (head, policy) = (&state.head, &state.head.policy);
    let (asked, committed, limit) = (offering.at_most(), head.committed, policy.max_hourly_cost);
    if asked > caps.budget {
        return Some(Lost::OverBudget { asked, committed, limit });
    }
    if caps.instances == 0 {
        return Some(Lost::MaxInstances { limit: policy.max_instances });
    }
    (caps.pending == 0).then_some(Lost::MaxPending { limit: policy.max_pending })
}

/// Why another was chosen, or none, though there is nothing against this one; nothing if it was chosen.
fn outdone(state: &State, offer: &Offer<'_>, course: &Course<'_>, caps: &Limits) -> Option<Lost> {
    let (all, others) = match course {
        Course::Launched { chosen, others } => (chosen, *others),
        Course::Waits(reason) => return Some(Lost::Behind { reason: reason.clone() }),
        Course::Settled => return Some(Lost::NotNeeded),
    };
    if all.contains(&offer.offering) {
        return None;
    }
    let sum = |of: &dyn Fn(&Offering) -> Micros| {
        all.iter().fold(Micros(0), |sum, offering| sum.plus(of(offering)))
    };
    let (costs, chosen) = (offer.costs(), sum(&|offering| offering.price));
    let (comes_to, least) = (offer.times(offer.worth), sum(&|one| worth(state, one, one.price)));
    let risky = |one: &Offering| likely(state, one, one.price);
    let instances = offer.instances.unwrap_or(1);
    let reach = caps.budget.0.checked_div(offer.offering.at_most().0).unwrap_or(u64::MAX);
    let reach = u32::try_from(reach).unwrap_or(u32::MAX);
    let most = reach.min(caps.instances).min(caps.pending);
    Some(if comes_to > least && costs > chosen {
        Lost::Dearer { costs, chosen }
    } else if comes_to > least && offer.times(risky(offer.offering)) > sum(&risky) {
        Lost::Riskier { likely: comes_to, chosen: least }
    } else if comes_to > least {
        Lost::Slower { comes_to, chosen: least }
    } else if instances > most {
        Lost::TooMany { instances, most }
    } else if is_enough(state, offer.offering, all) {
        Lost::SpotShare
    } else if comes_to == least {
        Lost::AsCheap { costs: comes_to }
    } else if others > 0 {
        Lost::Shared { costs: comes_to, chosen: least, others }
    } else {
        Lost::Overlooked { costs: comes_to, chosen: least }
    })
}

/// Whether this is spot, and as much is as the policy wants.
fn is_enough(state: &State, offering: &Offering, chosen: &[&Offering]) -> bool {
    let on_demand = |o: &&Offering| o.market == Market::OnDemand;
    offering.market == Market::Spot
        && chosen.iter().any(on_demand)
        && !Share::of(state).admits(state)
}
