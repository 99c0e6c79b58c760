//! Best fit of waiting allocs onto instances that have room.

use super::budget;
use super::draft::Draft;
use super::fair;
use super::offer::on_market;
use super::preempt;
use replay_core::state::alloc::{Alloc, AllocStatus};
use replay_core::state::budget::{share, worth};
use replay_core::state::instance::Instance;
use schema::event::AllocGranted;
use schema::id::{AllocId, DriverId, InstanceId, LaunchId};
use schema::requirements::Market;
use schema::resources::Resources;
use schema::unit::Micros;
use schema::why::GrantWhy;
use std::collections::{BTreeMap, BTreeSet};

/// Most needs that are kept in mind as hopeless.
const HOPELESS: usize = 64;

/// Places what can be placed, those first for whom an instance was launched; returns the rest, in
/// the order in which they are served. Stops where the round is full: who comes after that is in
/// neither.
pub(super) fn decide<'a>(draft: &mut Draft<'a>) -> Vec<(&'a AllocId, &'a Alloc)> {
    let waiting = fair::order(draft);
    draft.promised = preempt::promises(draft, &waiting);
    let ranks: BTreeMap<&AllocId, usize> =
        waiting.iter().enumerate().map(|(rank, (id, _))| (*id, rank)).collect();
    let (kept, rest): (Vec<_>, Vec<_>) =
        waiting.into_iter().partition(|(_, alloc)| kept_for(draft, alloc).is_some());
    let mut unplaced = Vec::new();
    let mut hopeless = Hopeless::default();
    let mut claimants: BTreeSet<&DriverId> = BTreeSet::new();
    for (id, alloc) in kept.into_iter().chain(rest) {
        if draft.full() {
            break;
        }
        let (need, market) = (alloc.requirements.floor(), alloc.constraint.market);
        let kept = kept_for(draft, alloc).is_some();
        let alone = alloc.constraint.alone.is_some();
        // To who may have what is kept from others, what is true of them says nothing.
        let above = draft.promised.values().any(|(by, than)| by == &id || *than < alloc.priority);
        let plain = alloc.constraint.instance.is_none() && !kept && !alone && !above;
        if draft.free.is_empty() || (plain && hopeless.knows(&need, market)) {
            unplaced.push((id, alloc));
            continue;
        }
        let most = budget::most(draft, alloc);
        if !place(draft, id, alloc, most) {
            unplaced.push((id, alloc));
            // There may be room for others where it costs too much for this one.
            let plain = plain && most.is_none();
            if plain && fair::starves(draft, alloc) && claimants.insert(&alloc.driver) {
                claim(draft, id, alloc);
            }
            if plain {
                hopeless.learn(need, market);
            }
        }
    }
    unplaced.sort_by_key(|(id, _)| ranks.get(id));
    unplaced
}

/// Needs that no instance has room for any more; within a round, rooms only shrink. Whoever needs as
/// much or more of everything needs not be tried.
#[derive(Default)]
struct Hopeless(Vec<(Resources, Option<Market>)>);

impl Hopeless {
    fn knows(&self, need: &Resources, market: Option<Market>) -> bool {
        self.0.iter().any(|(least, of)| covers(*of, market) && need.holds(least))
    }

    fn learn(&mut self, need: Resources, market: Option<Market>) {
        self.0.retain(|(other, of)| !(covers(market, *of) && other.holds(&need)));
        if self.0.len() < HOPELESS {
            self.0.push((need, market));
        }
    }
}

/// Whether what is true of all instances on the first market is true of all on the second.
fn covers(all: Option<Market>, some: Option<Market>) -> bool {
    all.is_none() || all == some
}

/// The accepting instance that was launched for this alloc.
fn kept_for<'a>(draft: &Draft<'a>, alloc: &Alloc) -> Option<(&'a InstanceId, LaunchId)> {
    let AllocStatus::Waiting { reserved: Some(launch), .. } = &alloc.status else { return None };
    let instances = &draft.state.launches.get(launch)?.instances;
    let id = instances.iter().find(|id| draft.free.contains_key(id))?;
    Some((id, launch.clone()))
}

/// Gives it the least that it asks for, or more, where that costs at most so much.
fn place<'a>(draft: &mut Draft<'a>, id: &'a AllocId, alloc: &Alloc, most: Option<Micros>) -> bool {
    let floor = alloc.requirements.floor();
    let fits = |instance: &InstanceId, draft: &Draft<'_>| {
        let holds = draft.free.get(instance).is_some_and(|free| free.holds(&floor));
        let of = draft.state.instances.get(instance).map(|instance| &instance.offering);
        let holds = holds && draft.open_to(id, alloc, instance);
        holds && of.is_some_and(|of| budget::affords(alloc, most, of))
    };
    if let Some(named) = &alloc.constraint.instance {
        return fits(named, draft) && grant(draft, id, alloc, most, named, |_| GrantWhy::Named);
    }
    if let Some((instance, launch)) = kept_for(draft, alloc)
        && fits(instance, draft)
    {
        return grant(draft, id, alloc, most, instance, |_| GrantWhy::Reserved { launch });
    }
    if alloc.constraint.alone.is_some() {
        return false;
    }
    let Some(Fit { instance, candidates, emptying }) = best_fit(draft, id, alloc, most) else {
        return false;
    };
    let why = |left| GrantWhy::BestFit { candidates, left, emptying };
    grant(draft, id, alloc, most, &instance, why)
}

/// Keeps the instance that is nearest to having room for it for those that were served before: nobody
/// who comes after takes what becomes free there.
fn claim(draft: &mut Draft<'_>, asker: &AllocId, alloc: &Alloc) {
    let floor = alloc.requirements.floor();
    let market = alloc.constraint.market;
    let could = |id: &InstanceId| {
        let instance = draft.state.instances.get(id);
        !draft.promised.contains_key(id)
            && instance.is_some_and(|instance| {
                instance.resources.holds(&floor)
                    && market.is_none_or(|market| market == instance.offering.market)
            })
    };
    let nearest = draft.free.iter().filter(|(id, _)| could(id));
    let nearest = nearest.min_by_key(|(id, free)| (size(&floor.minus(free)), *id));
    if let Some(id) = nearest.map(|(id, _)| *id) {
        draft.free.remove(id);
        draft.claimed.insert(id.clone(), asker.clone());
    }
}

/// Where it fits best.
struct Fit {
    instance: InstanceId,
    /// How many had room.
    candidates: u32,
    /// How many of them were tighter, and are left to become empty.
    emptying: u32,
}

/// The instance of which least is paid for in vain, among equals that on which least stays free.
fn best_fit(
    draft: &Draft<'_>,
    asker: &AllocId,
    alloc: &Alloc,
    most: Option<Micros>,
) -> Option<Fit> {
    let (floor, market) = (&alloc.requirements.floor(), alloc.constraint.market);
    let mut fits: Vec<(u64, u64, &InstanceId)> = Vec::new();
    for (id, free) in &draft.free {
        if !free.holds(floor) || !draft.open_to(asker, alloc, id) {
            continue;
        }
        let Some(instance) = draft.state.instances.get(id) else { continue };
        let of = &instance.offering;
        if on_market(market, of) && budget::affords(alloc, most, of) {
            fits.push((in_vain(instance, free), size(&free.minus(floor)), id));
        }
    }
    let (_, left, instance) = fits.iter().min()?;
    let tighter = fits.iter().filter(|(_, other, _)| other < left).count();
    let count = |of: usize| u32::try_from(of).unwrap_or(u32::MAX);
    let (candidates, emptying) = (count(fits.len()), count(tighter));
    Some(Fit { instance: (*instance).clone(), candidates, emptying })
}

/// What is paid per hour, in micro-dollars, for what nobody uses of an instance that is less than half in
/// use: it may become empty, and go, if others have room for who comes. Of any other: nothing.
fn in_vain(instance: &Instance, free: &Resources) -> u64 {
    let price = instance.offering.at_most().0;
    let used = share(&instance.resources.minus(free), &instance.offering).0;
    if used.saturating_mul(2) >= price { 0 } else { price - used }
}

/// One number for an amount of resources: a core weighs as much as 8 GiB of memory, 100 GiB of disk
/// or one of a feature.
pub(super) fn size(amount: &Resources) -> u64 {
    let features: u64 = amount.features.values().fold(0, |sum, count| sum.saturating_add(*count));
    amount
        .cpu
        .saturating_add(amount.memory / ((8 << 30) / 1000))
        .saturating_add(amount.disk / ((100 << 30) / 1000))
        .saturating_add(features.saturating_mul(1000))
}

/// The least that those still need for whom this instance was launched, but for this one.
fn kept_for_others(draft: &Draft<'_>, id: &AllocId, instance: &Instance) -> Resources {
    let mine = |alloc: &Alloc| match &alloc.status {
        AllocStatus::Waiting { reserved, .. } => reserved.as_ref() == Some(&instance.launch),
        AllocStatus::Granted { .. } | AllocStatus::Ending { .. } | AllocStatus::Ended { .. } => {
            false
        }
    };
    let launch = draft.state.launches.get(&instance.launch);
    let others = launch.into_iter().flat_map(|launch| &launch.reserved_for);
    let others = others.filter(|other| *other != id && !draft.granted.contains(other));
    let others = others.filter_map(|other| draft.state.allocs.get(other)).filter(|a| mine(a));
    others.fold(Resources::default(), |sum, alloc| sum.plus(&alloc.requirements.floor()))
}

fn grant<'a>(
    draft: &mut Draft<'a>,
    id: &'a AllocId,
    alloc: &Alloc,
    most: Option<Micros>,
    on: &InstanceId,
    why: impl FnOnce(Resources) -> GrantWhy,
) -> bool {
    let Some(instance) = draft.state.instances.get(on) else { return false };
    let floor = alloc.requirements.floor();
    let wanted = alloc.requirements.max.times(u64::from(alloc.requirements.width));
    let kept = if wanted == floor { None } else { Some(kept_for_others(draft, id, instance)) };
    let Some(free) = draft.free.get_mut(on) else { return false };
    let open = free.minus(&kept.unwrap_or_default());
    let paid = most.map_or(open.clone(), |most| worth(most, &instance.offering));
    let resources = wanted.at_most(&open).at_most(&paid).at_least(&floor);
    *free = free.minus(&resources);
    let why = why(free.clone());
    draft.granted.insert(id);
    budget::spend(draft, alloc, share(&resources, &instance.offering));
    draft.push(AllocGranted {
        alloc: id.clone(),
        driver: alloc.driver.clone(),
        instance: on.clone(),
        resources,
        lease: alloc.lease.min(draft.state.head.policy.max_lease),
        grace: draft.state.head.policy.grace,
        address: instance.address.clone(),
        why,
    });
    true
}
