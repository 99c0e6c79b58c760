//! What can be said of a request before anything is packed for it: that it can never be met, or what it has to
//! wait for whatever is launched.

use super::budget::{self, Over};
use super::draft::Draft;
use super::offer::{is_for, on_market, refused_lately, will_do};
use super::space::size;
use crate::deadline::serves;
use replay_core::State;
use replay_core::state::alloc::{Alloc, AllocStatus};
use replay_core::state::budget::share;
use replay_core::state::instance::{Instance, Phase};
use schema::policy::Offering;
use schema::resources::Resources;
use schema::why::{PendingWhy, RefusedWhy};

/// What can be said of an amount before anything is packed: None if a launch is to be tried.
pub(super) type Verdict = Result<Option<PendingWhy>, RefusedWhy>;

/// An alloc that names its instance waits for that one, or is refused; nothing is launched for it.
pub(super) fn named(draft: &Draft<'_>, alloc: &Alloc) -> Option<Verdict> {
    let instance = alloc.constraint.instance.clone()?;
    let floor = alloc.requirements.floor();
    let could = draft
        .state
        .instances
        .get(&instance)
        .filter(|i| matches!(i.phase, Phase::Booting | Phase::Up) && i.resources.holds(&floor));
    let Some(could) = could else { return Some(Err(RefusedWhy::NoSuchInstance { instance })) };
    let over = budget::over(draft, alloc, share(&floor, &could.offering), &draft.costs);
    let busy = || Ok(PendingWhy::NamedInstanceBusy { instance });
    Some(over.map_or_else(busy, Over::verdict).map(Some))
}

pub(super) fn suits(alloc: &Alloc, offering: &Offering) -> bool {
    let alone = alloc.constraint.alone.as_ref();
    will_do(&alloc.constraint, offering)
        && alone.is_none_or(|alone| alone.takes(&offering.kind, &offering.zone))
}

/// Whether an offering will do for it that is kept for no others, and is large enough.
fn can_carry(draft: &Draft<'_>, alloc: &Alloc, offering: &Offering, floor: &Resources) -> bool {
    may_carry(draft, alloc, offering, floor) && draft.holds(offering, floor)
}

/// Whether an offering will do for it that is kept for no others, however large it is.
fn may_carry(draft: &Draft<'_>, alloc: &Alloc, offering: &Offering, floor: &Resources) -> bool {
    suits(alloc, offering) && is_for(&draft.state.head.policy, offering, floor)
}

/// Offerings that are large enough, or why none may ever be bought: what is told then. What runs already may
/// be larger than anything that may be bought now, so nobody is refused whom a living instance could hold.
fn fitting<'a>(
    draft: &Draft<'a>,
    alloc: &Alloc,
    floor: &Resources,
) -> Result<Vec<&'a Offering>, Verdict> {
    let may = |o: &&Offering| may_carry(draft, alloc, o, floor);
    let allowed: Vec<&Offering> = draft.candidates().iter().copied().filter(may).collect();
    let fitting: Vec<&Offering> =
        allowed.iter().copied().filter(|o| draft.holds(o, floor)).collect();
    let Some(why) = refusal(draft.state, floor, &allowed, &fitting) else { return Ok(fitting) };
    let outside = why == RefusedWhy::NoOfferings && !alloc.constraint.only.is_any();
    let why = if outside { none_within(draft, alloc, floor).unwrap_or(why) } else { why };
    let busy = u32::try_from(living(draft, alloc, floor).count()).unwrap_or(u32::MAX);
    let waits = |reason| Ok(Some(PendingWhy::NothingToBuy { reason: Box::new(reason), busy }));
    Err(if busy > 0 { waits(why) } else { Err(why) })
}

/// Instances that could hold it once they are empty. Looks at every instance: only for somebody who would be
/// refused.
fn living<'a>(
    draft: &Draft<'a>,
    alloc: &Alloc,
    floor: &Resources,
) -> impl Iterator<Item = &'a Instance> {
    let own = |i: &Instance| match &alloc.status {
        AllocStatus::Waiting { reserved, .. } => reserved.as_ref() == Some(&i.launch),
        AllocStatus::Granted { .. } | AllocStatus::Ending { .. } | AllocStatus::Ended { .. } => {
            false
        }
    };
    let could = move |i: &&Instance| {
        serves(i)
            && suits(alloc, &i.offering)
            && i.resources.holds(floor)
            && (alloc.constraint.alone.is_none() || own(i))
    };
    draft.live().map(|(_, instance)| instance).filter(could)
}

/// Where all that may be bought falls out that is not in the zones and of the types that will do; none if
/// nothing may be bought.
fn none_within(draft: &Draft<'_>, alloc: &Alloc, floor: &Resources) -> Option<RefusedWhy> {
    let (constraint, policy) = (&alloc.constraint, &draft.state.head.policy);
    let (mut offerings, mut other_zone, mut other_type) = (0_u32, 0_u32, 0_u32);
    let (mut other_market, mut kept) = (0_u32, 0_u32);
    let alone = constraint.alone.clone().unwrap_or_default();
    for offering in draft.candidates() {
        let (kind, zone) = (&offering.kind, &offering.zone);
        offerings += 1;
        if !constraint.only.takes_zone(zone) || !alone.takes_zone(zone) {
            other_zone += 1;
        } else if !constraint.only.takes_type(kind) || !alone.takes_type(kind) {
            other_type += 1;
        } else if !on_market(constraint.market, offering) {
            other_market += 1;
        } else if !is_for(policy, offering, floor) {
            kept += 1;
        }
    }
    let only = constraint.only.clone();
    let why =
        RefusedWhy::NoneWithin { only, offerings, other_zone, other_type, other_market, kept };
    (offerings > 0).then_some(why)
}

/// Why nothing that may be bought will ever do; none if something will.
fn refusal(
    state: &State,
    floor: &Resources,
    allowed: &[&Offering],
    fitting: &[&Offering],
) -> Option<RefusedWhy> {
    let limit = state.head.policy.max_hourly_cost;
    if let Some(asked) = fitting.iter().map(|o| o.at_most()).min() {
        return (asked > limit).then_some(RefusedWhy::OverBudget { asked, limit });
    }
    let Some(largest) = allowed.iter().max_by_key(|o| size(&state.believed(o))) else {
        return Some(RefusedWhy::NoOfferings);
    };
    let shortfall = allowed.iter().filter_map(|o| state.believed(o).shortage(floor));
    let has = state.believed(largest).into_owned();
    let shortage = has.shortage(floor);
    let shortage = shortage.or_else(|| shortfall.max_by_key(|s| s.asked - s.available));
    let promised = (has != largest.resources).then(|| Box::new(largest.resources.clone()));
    let largest = largest.kind.clone();
    let too_large = |shortage| RefusedWhy::TooLarge { shortage, largest, has, promised };
    Some(shortage.map_or(RefusedWhy::NoOfferings, too_large))
}

/// Whether something may be launched now that is large enough, and what is to be waited for if not.
pub(super) fn judge(draft: &Draft<'_>, alloc: &Alloc, floor: &Resources) -> Verdict {
    let policy = &draft.state.head.policy;
    // The cheapest that is open: where that is within the budget there is nothing else to be said.
    let cheapest = draft.opened().iter().find(|o| can_carry(draft, alloc, o, floor));
    if cheapest.is_some_and(|offering| offering.at_most() <= policy.max_hourly_cost) {
        return Ok(draft.shut());
    }
    let fitting = match fitting(draft, alloc, floor) {
        Ok(fitting) => fitting,
        Err(told) => return told,
    };
    let head = &draft.state.head;
    if let Some(why) = draft.shut() {
        return Ok(Some(why));
    }
    let rested: Vec<_> = fitting.iter().filter(|o| !draft.resting(o)).collect();
    let open = rested.iter().filter(|o| !draft.zone_full(&o.zone));
    let Some(asked) = open.map(|o| o.at_most()).min() else {
        if let (false, Some(limit)) = (rested.is_empty(), head.policy.max_per_zone) {
            return Ok(Some(PendingWhy::MaxPerZone { limit }));
        }
        return Ok(Some(backed_off(draft, &fitting)));
    };
    // Not before something cheaper has rested: nobody behind it waits for that.
    let (committed, limit) = (draft.committed, head.policy.max_hourly_cost);
    let never = asked > limit;
    Ok(never.then_some(PendingWhy::Budget { asked, committed, limit }))
}

/// Why nothing of this may be launched now: what keeps the one from it that will be tried first.
pub(super) fn backed_off(draft: &Draft<'_>, fitting: &[&Offering]) -> PendingWhy {
    let known = |o: &Offering| refused_lately(draft.state, o);
    let until = |o: &Offering| known(o).map(|rest| rest.until);
    let first = fitting.iter().min_by_key(|o| (until(o), &o.kind, &o.zone));
    let kind = first.map(|o| o.kind.clone()).unwrap_or_default();
    let refusal = first.and_then(|o| known(o)?.refusal);
    let class = refusal.map(|rest| rest.class.clone());
    let message = refusal.map(|rest| rest.message.clone()).unwrap_or_default();
    PendingWhy::BackedOff { kind, class, message }
}
