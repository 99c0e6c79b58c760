//! New instances for what cannot be placed: packed onto the offerings that cost least for what is
//! used, within the hourly budget and the caps on launches under way and on instances.

use super::draft::Draft;
use super::offer::is_for;
use super::place::size;
use crate::deadline::{serves, serving};
use replay_core::state::alloc::{Alloc, AllocStatus};
use replay_core::state::instance::{Instance, Phase};
use replay_core::state::launch::key;
use schema::event::{AllocPending, AllocRefused, LaunchRequested};
use schema::id::{AllocId, LaunchId};
use schema::policy::{Offering, Policy};
use schema::resources::Resources;
use schema::unit::{LogTime, Micros};
use schema::why::{LaunchWhy, PendingWhy, RefusedWhy};

/// How many waiting allocs are looked at to judge how well an offering would be used.
const LOOK_AHEAD: usize = 200;

/// A launch in the making.
struct Bin {
    launch: LaunchId,
    offering: Offering,
    free: Resources,
    reserved_for: Vec<AllocId>,
    candidates: u32,
}

pub(super) fn decide(draft: &mut Draft<'_>, unplaced: &[(&AllocId, &Alloc)]) {
    let mut bins: Vec<Bin> = Vec::new();
    let mut told: Vec<(&AllocId, &Alloc, PendingWhy)> = Vec::new();
    let mut uncovered: Vec<(&AllocId, &Alloc)> = Vec::new();
    for (id, alloc) in unplaced.iter().copied() {
        match covered(draft, alloc) {
            Some(why) => told.push((id, alloc, why)),
            None => uncovered.push((id, alloc)),
        }
    }
    for (at, (id, alloc)) in uncovered.iter().enumerate() {
        let ahead = &uncovered[at..uncovered.len().min(at + LOOK_AHEAD)];
        match seat(draft, &mut bins, id, alloc, ahead) {
            Ok(why) => told.push((id, alloc, why)),
            Err(why) => {
                let (alloc, driver) = ((*id).clone(), alloc.driver.clone());
                draft.push(AllocRefused { alloc, driver, why });
                if draft.full() {
                    return;
                }
            }
        }
    }
    let committed = draft.state.head.committed;
    for bin in bins {
        let used = size(&bin.offering.resources.minus(&bin.free)).max(1);
        let why = LaunchWhy::Demand {
            requests: u32::try_from(bin.reserved_for.len()).unwrap_or(u32::MAX),
            offerings: bin.candidates,
            price_per_core: Micros(bin.offering.price.0.saturating_mul(1000) / used),
            committed,
        };
        request(draft, bin.launch, bin.offering, bin.reserved_for, why);
    }
    // After the launches: a round cut short tells nobody of one that it does not hold.
    for (id, alloc, why) in told {
        if draft.full() {
            return;
        }
        pending(draft, id, alloc, why);
    }
    keep_floor(draft);
}

/// What this alloc waits for if an instance that is on its way is kept for it.
fn covered(draft: &Draft<'_>, alloc: &Alloc) -> Option<PendingWhy> {
    let AllocStatus::Waiting { reserved: Some(launch), .. } = &alloc.status else { return None };
    let launch_state = draft.state.launches.get(launch)?;
    let booting = |i: &Instance| i.phase == Phase::Booting && serves(i);
    let booting = |id| draft.state.instances.get(id).is_some_and(booting);
    let open = draft.state.index.open_launches.contains(launch);
    let coming = open || launch_state.instances.iter().any(booting);
    coming.then(|| launching(launch, &launch_state.offering))
}

/// Finds a seat in a launch of this round, or begins another one.
fn seat(
    draft: &mut Draft<'_>,
    bins: &mut Vec<Bin>,
    id: &AllocId,
    alloc: &Alloc,
    ahead: &[(&AllocId, &Alloc)],
) -> Result<PendingWhy, RefusedWhy> {
    if let Some(why) = named(draft, alloc) {
        return why;
    }
    let floor = alloc.requirements.floor();
    let market = |offering: &Offering| suits(alloc, offering);
    if let Some(bin) = bins.iter_mut().find(|bin| bin.free.holds(&floor) && market(&bin.offering)) {
        bin.free = bin.free.minus(&floor);
        bin.reserved_for.push(id.clone());
        return Ok(launching(&bin.launch, &bin.offering));
    }
    let fitting = fitting(draft, alloc, &floor)?;
    let (offering, candidates) = match affordable(draft, alloc, &fitting, ahead) {
        Ok(choice) => choice,
        Err(why) => return Ok(why),
    };
    let launch = LaunchId::made(unix_ms(draft.state.head.time), draft.random());
    let why = launching(&launch, &offering);
    draft.committed = draft.committed.plus(offering.at_most());
    draft.pending += 1;
    draft.instances += 1;
    let free = offering.resources.minus(&floor);
    bins.push(Bin { launch, offering, free, reserved_for: vec![id.clone()], candidates });
    Ok(why)
}

fn launching(launch: &LaunchId, offering: &Offering) -> PendingWhy {
    PendingWhy::Launching {
        launch: launch.clone(),
        kind: offering.kind.clone(),
        price: offering.price,
    }
}

/// An alloc that names its instance waits for that one, or is refused; nothing is launched for it.
fn named(draft: &Draft<'_>, alloc: &Alloc) -> Option<Result<PendingWhy, RefusedWhy>> {
    let instance = alloc.constraint.instance.clone()?;
    let could = draft.state.instances.get(&instance).is_some_and(|i| {
        matches!(i.phase, Phase::Booting | Phase::Up)
            && i.resources.holds(&alloc.requirements.floor())
    });
    Some(if could {
        Ok(PendingWhy::NamedInstanceBusy { instance })
    } else {
        Err(RefusedWhy::NoSuchInstance { instance })
    })
}

fn suits(alloc: &Alloc, offering: &Offering) -> bool {
    alloc.constraint.market.is_none_or(|market| market == offering.market)
}

/// Offerings that are large enough, or why there are none. What runs already may be larger than
/// anything that may be bought now, so nobody is refused whom a living instance could hold.
fn fitting<'a>(
    draft: &Draft<'a>,
    alloc: &Alloc,
    floor: &Resources,
) -> Result<Vec<&'a Offering>, RefusedWhy> {
    let policy = &draft.state.head.policy;
    let suits_it = |o: &&Offering| suits(alloc, o) && is_for(policy, o, floor);
    let allowed: Vec<&Offering> = draft.candidates().iter().copied().filter(suits_it).collect();
    let fitting: Vec<&Offering> =
        allowed.iter().copied().filter(|o| o.resources.holds(floor)).collect();
    let Some(why) = refusal(policy, floor, &allowed, &fitting) else { return Ok(fitting) };
    // Looks at every instance: only for somebody who would be refused.
    let could = |i: &Instance| serves(i) && suits(alloc, &i.offering) && i.resources.holds(floor);
    if draft.live().any(|(_, instance)| could(instance)) { Ok(fitting) } else { Err(why) }
}

/// Why nothing that may be bought will ever do; none if something will.
fn refusal(
    policy: &Policy,
    floor: &Resources,
    allowed: &[&Offering],
    fitting: &[&Offering],
) -> Option<RefusedWhy> {
    let limit = policy.max_hourly_cost;
    if let Some(asked) = fitting.iter().map(|o| o.at_most()).min() {
        return (asked > limit).then_some(RefusedWhy::OverBudget { asked, limit });
    }
    let Some(largest) = allowed.iter().max_by_key(|o| size(&o.resources)) else {
        return Some(RefusedWhy::NoOfferings);
    };
    let shortfall = allowed.iter().filter_map(|o| o.resources.shortage(floor));
    let shortage = largest.resources.shortage(floor);
    let shortage = shortage.or_else(|| shortfall.max_by_key(|s| s.asked - s.available));
    let (largest, has) = (largest.kind.clone(), largest.resources.clone());
    let too_large = |shortage| RefusedWhy::TooLarge { shortage, largest, has };
    Some(shortage.map_or(RefusedWhy::NoOfferings, too_large))
}

/// The offering with the lowest price for what would be used of it, among those that the caps allow;
/// or what has to be waited for.
fn affordable(
    draft: &Draft<'_>,
    alloc: &Alloc,
    fitting: &[&Offering],
    ahead: &[(&AllocId, &Alloc)],
) -> Result<(Offering, u32), PendingWhy> {
    let head = &draft.state.head;
    let policy = &head.policy;
    if head.frozen {
        return Err(PendingWhy::Frozen);
    }
    let rested: Vec<&Offering> = fitting.iter().copied().filter(|o| !resting(draft, o)).collect();
    let Some(asked) = rested.iter().map(|o| o.at_most()).min() else {
        let until = |o: &&&Offering| draft.state.backoffs.get(&key(o)).map(|b| b.until);
        let kind = fitting.iter().min_by_key(until).map(|o| o.kind.clone()).unwrap_or_default();
        return Err(PendingWhy::BackedOff { kind });
    };
    if draft.instances >= policy.max_instances {
        return Err(PendingWhy::MaxInstances { limit: policy.max_instances });
    }
    if draft.pending >= policy.max_pending {
        return Err(PendingWhy::MaxPending { limit: policy.max_pending });
    }
    let (committed, limit) = (draft.committed, policy.max_hourly_cost);
    let best = rested
        .iter()
        .filter(|o| committed.plus(o.at_most()) <= limit)
        .min_by_key(|o| (price_of_use(o, alloc, ahead), o.price, o.kind.clone()));
    match best {
        Some(best) => Ok(((*best).clone(), u32::try_from(rested.len()).unwrap_or(u32::MAX))),
        None => Err(PendingWhy::Budget { asked, committed, limit }),
    }
}

fn resting(draft: &Draft<'_>, offering: &Offering) -> bool {
    let backoff = draft.state.backoffs.get(&key(offering));
    backoff.is_some_and(|backoff| draft.state.head.time < backoff.until)
}

/// Micro-dollars per hour for each 1000 units of [`size`] that the waiting allocs would use of it.
fn price_of_use(offering: &Offering, alloc: &Alloc, ahead: &[(&AllocId, &Alloc)]) -> u64 {
    let mut free = offering.resources.minus(&alloc.requirements.floor());
    for (_, next) in ahead.iter().skip(1) {
        let floor = next.requirements.floor();
        if next.constraint.instance.is_none() && suits(next, offering) && free.holds(&floor) {
            free = free.minus(&floor);
        }
    }
    let used = size(&offering.resources.minus(&free)).max(1);
    offering.price.0.saturating_mul(1_000_000) / used
}

/// Tells the driver what it waits for, if that has changed.
fn pending(draft: &mut Draft<'_>, id: &AllocId, alloc: &Alloc, why: PendingWhy) {
    let AllocStatus::Waiting { why: before, .. } = &alloc.status else { return };
    if before.as_ref().is_none_or(|before| changed(before, &why)) {
        draft.push(AllocPending { alloc: id.clone(), driver: alloc.driver.clone(), why });
    }
}

/// Figures alone are no news: a budget that is full is the same reason at every level.
fn changed(before: &PendingWhy, after: &PendingWhy) -> bool {
    match (before, after) {
        (PendingWhy::Launching { launch: a, .. }, PendingWhy::Launching { launch: b, .. }) => {
            a != b
        }
        _ => std::mem::discriminant(before) != std::mem::discriminant(after),
    }
}

fn request(
    draft: &mut Draft<'_>,
    launch: LaunchId,
    offering: Offering,
    reserved_for: Vec<AllocId>,
    why: LaunchWhy,
) {
    draft.push(LaunchRequested { launch, attempt: 1, offering, count: 1, reserved_for, why });
}

/// Launches the cheapest offering until there are as many instances as the policy keeps.
fn keep_floor(draft: &mut Draft<'_>) {
    let policy = &draft.state.head.policy;
    // Of a launch that has no answer yet an instance may be up, and counted as such.
    let unborn = |id: &&LaunchId| {
        draft.state.launches.get(id).is_some_and(|launch| launch.instances.is_empty())
    };
    let unborn = draft.state.index.open_launches.iter().filter(unborn).count();
    let known = serving(draft.state) + unborn;
    let begun = draft.instances.saturating_sub(draft.state.head.instances) as usize;
    for _ in known + begun..policy.min_instances as usize {
        let rested = draft.candidates().iter().copied();
        let rested =
            rested.filter(|o| !resting(draft, o) && is_for(policy, o, &Resources::default()));
        let Some(offering) = rested.min_by_key(|o| (o.price, o.kind.clone())).cloned() else {
            return;
        };
        let committed = draft.committed.plus(offering.at_most());
        let full = draft.pending >= policy.max_pending || draft.instances >= policy.max_instances;
        if draft.state.head.frozen || full || committed > policy.max_hourly_cost {
            return;
        }
        draft.committed = committed;
        draft.pending += 1;
        draft.instances += 1;
        let launch = LaunchId::made(unix_ms(draft.state.head.time), draft.random());
        let why = LaunchWhy::MinInstances { floor: policy.min_instances };
        request(draft, launch, offering, Vec::new(), why);
    }
}

fn unix_ms(time: LogTime) -> u64 {
    time.0 / 1_000_000
}
