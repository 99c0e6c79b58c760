//! Each offering that is known, and what stands against buying it now.

use super::Wanted;
use crate::decide::is_for;
use replay_core::State;
use replay_core::state::launch::{LaunchStatus, OfferingKey, key};
use schema::id::LaunchId;
use schema::policy::Offering;
use schema::policy::types::{NotAllowed, Traits};
use schema::requirements::Market;
use schema::resources::Shortage;
use schema::unit::{LogTime, Micros};
use schema::why::{PendingWhy, RefusalClass};
use serde::Serialize;
use std::collections::BTreeMap;

/// Why an offering is not bought. The first that is true, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum Lost {
    /// It does not hold one of what is asked for.
    TooSmall(Shortage),
    /// Another market is asked for.
    OtherMarket {
        /// That market.
        asked: Market,
    },
    /// The policy does not allow it.
    NotAllowed {
        /// By which rule.
        rule: NotAllowed,
    },
    /// It is kept for who asks for an accelerator.
    Kept,
    /// The cloud has refused it lately.
    Resting {
        /// It is not tried before this log time.
        until: LogTime,
        /// How often it has refused in a row.
        refusals: u32,
        /// What the cloud said the last time, if that is still known. An instance that did not boot in
        /// time has nothing to say.
        said: Option<Said>,
    },
    /// An operator froze launches.
    Frozen,
    /// It can cost more than is left.
    OverBudget {
        /// The most that it can cost per hour.
        asked: Micros,
        /// What is committed per hour now.
        committed: Micros,
        /// The limit per hour.
        limit: Micros,
    },
    /// There are as many instances as allowed.
    MaxInstances {
        /// The limit.
        limit: u32,
    },
    /// As many launches are under way as allowed.
    MaxPending {
        /// The limit.
        limit: u32,
    },
    /// What is left of the budget is kept for somebody who has waited for longer.
    BudgetKept {
        /// What that one's cheapest launch can cost per hour.
        asked: Micros,
        /// What is committed per hour now.
        committed: Micros,
        /// The limit per hour.
        limit: Micros,
    },
    /// It would cost more to hold all that is asked for of this shape.
    Dearer {
        /// What it would cost per hour, as many as are needed together.
        costs: Micros,
        /// What as many as are needed of the chosen offering cost.
        chosen: Micros,
    },
    /// Alone it would cost no more than what is chosen: the rest of the mix, or at the same price its
    /// size and name, are what the choice went by.
    AsCheap,
    /// An instance is on its way already.
    Covered {
        /// The launch.
        launch: LaunchId,
    },
}

/// What the cloud said when it refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Said {
    /// The log time at which it was asked.
    pub asked: LogTime,
    /// What kind of refusal.
    pub class: RefusalClass,
    /// Its words.
    pub message: String,
}

/// An offering, held against what is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer<'a> {
    /// What could be bought.
    pub offering: &'a Offering,
    /// How many of it would hold all that is wanted; none if it does not hold one.
    pub instances: Option<u32>,
    /// What stands against it; none if nothing does.
    pub lost: Option<Lost>,
}

impl Offer<'_> {
    /// What as many as are needed cost, in micro-dollars per hour. Of what is too small, one.
    #[must_use]
    pub fn costs(&self) -> Micros {
        let count = u64::from(self.instances.unwrap_or(1));
        Micros(self.offering.price.0.saturating_mul(count))
    }
}

/// All offerings that are known, those that could hold it first and the cheapest of them before others.
#[must_use]
pub fn offers<'a>(state: &'a State, wanted: &Wanted) -> Vec<Offer<'a>> {
    let said = refusals(state);
    let named = state.head.policy.offerings.iter().map(|offering| (offering, None));
    let rules = &state.head.policy.types;
    let seen = state.market.iter().map(|(_, seen)| {
        let offering = &seen.offering;
        let price = || rules.price_refusal(offering.market, offering.price);
        (offering, rules.refusal(&Traits::of(offering)).or_else(price))
    });
    let judged = named.chain(seen).map(|(offering, rule)| {
        let lost = lost(state, wanted, offering, rule, &said);
        Offer { offering, instances: instances(wanted, offering), lost }
    });
    let mut all: Vec<Offer<'_>> = judged.collect();
    all.sort_by_key(|o| {
        let (kind, zone) = (&o.offering.kind, &o.offering.zone);
        (o.instances.is_none(), o.costs(), kind.clone(), zone.clone(), o.offering.market)
    });
    all
}

/// Says of those against which nothing stands why others were chosen.
pub fn compare(offers: &mut [Offer<'_>], chosen: &[&Offering]) {
    let is_chosen = |offer: &Offer<'_>| chosen.contains(&offer.offering);
    let Some(best) = offers.iter().filter(|o| is_chosen(o)).map(Offer::costs).min() else { return };
    for offer in offers.iter_mut().filter(|o| o.lost.is_none()) {
        if !is_chosen(offer) {
            let costs = offer.costs();
            let dearer = Lost::Dearer { costs, chosen: best };
            offer.lost = Some(if costs > best { dearer } else { Lost::AsCheap });
        }
    }
}

/// Says of those against which nothing stands what else somebody waits for.
pub fn waited(offers: &mut [Offer<'_>], why: &PendingWhy) {
    let lost = match why {
        PendingWhy::Launching { launch, .. } => Lost::Covered { launch: launch.clone() },
        PendingWhy::Budget { asked, committed, limit } => {
            Lost::BudgetKept { asked: *asked, committed: *committed, limit: *limit }
        }
        PendingWhy::MaxPending { limit } => Lost::MaxPending { limit: *limit },
        PendingWhy::MaxInstances { limit } => Lost::MaxInstances { limit: *limit },
        PendingWhy::Frozen => Lost::Frozen,
        PendingWhy::NamedInstanceBusy { .. }
        | PendingWhy::BackedOff { .. }
        | PendingWhy::Unknown => return,
    };
    offers.iter_mut().filter(|o| o.lost.is_none()).for_each(|o| o.lost = Some(lost.clone()));
}

/// How many of an offering hold all that is wanted.
fn instances(wanted: &Wanted, offering: &Offering) -> Option<u32> {
    let (need, have) = (&wanted.floor, &offering.resources);
    let features = need.features.iter().map(|(name, count)| (*count, have.feature(name)));
    let plain = [(need.cpu, have.cpu), (need.memory, have.memory), (need.disk, have.disk)];
    let all = plain.into_iter().chain(features).filter(|(need, _)| *need > 0);
    let room = all.map(|(need, have)| have / need).min().unwrap_or(u64::MAX);
    let room = u32::try_from(room).unwrap_or(u32::MAX);
    (room > 0).then(|| wanted.count.max(1).div_ceil(room))
}

fn lost(
    state: &State,
    wanted: &Wanted,
    offering: &Offering,
    rule: Option<NotAllowed>,
    said: &BTreeMap<OfferingKey, Said>,
) -> Option<Lost> {
    let (head, policy) = (&state.head, &state.head.policy);
    if let Some(shortage) = offering.resources.shortage(&wanted.floor) {
        return Some(Lost::TooSmall(shortage));
    }
    if let Some(asked) = wanted.market.filter(|market| *market != offering.market) {
        return Some(Lost::OtherMarket { asked });
    }
    if let Some(rule) = rule {
        return Some(Lost::NotAllowed { rule });
    }
    if !is_for(policy, offering, &wanted.floor) {
        return Some(Lost::Kept);
    }
    let key = key(offering);
    if let Some(rest) = state.backoffs.get(&key).filter(|rest| head.time < rest.until) {
        let (until, refusals, said) = (rest.until, rest.refusals, said.get(&key).cloned());
        return Some(Lost::Resting { until, refusals, said });
    }
    if head.frozen {
        return Some(Lost::Frozen);
    }
    let (asked, committed, limit) = (offering.at_most(), head.committed, policy.max_hourly_cost);
    if asked > limit.minus(committed) {
        return Some(Lost::OverBudget { asked, committed, limit });
    }
    if head.instances >= policy.max_instances {
        return Some(Lost::MaxInstances { limit: policy.max_instances });
    }
    let full = head.pending >= policy.max_pending;
    full.then_some(Lost::MaxPending { limit: policy.max_pending })
}

/// What the cloud said of each offering that it refused, the last time.
fn refusals(state: &State) -> BTreeMap<OfferingKey, Said> {
    let mut last: BTreeMap<OfferingKey, Said> = BTreeMap::new();
    for (_, launch) in state.launches.iter() {
        let LaunchStatus::Refused { class, message } = &launch.status else { continue };
        let asked = launch.requested;
        let key = key(&launch.offering);
        if last.get(&key).is_none_or(|said| said.asked <= asked) {
            last.insert(key, Said { asked, class: class.clone(), message: message.clone() });
        }
    }
    last
}
