//! Best fit of waiting allocs onto instances that have room.

use super::budget;
use super::draft::Draft;
use super::fair;
use super::offer::will_do;
use super::preempt;
use super::space::{Space, is_open, size_without};
use replay_core::state::alloc::{Alloc, AllocStatus};
use replay_core::state::budget::{share, worth};
use replay_core::state::instance::Instance;
use schema::event::AllocGranted;
use schema::id::{AllocId, DriverId, InstanceId, LaunchId};
use schema::requirements::Constraint;
use schema::resources::Resources;
use schema::unit::Micros;
use schema::why::GrantWhy;
use std::collections::BTreeSet;

/// Most needs that are kept in mind as hopeless.
const HOPELESS: usize = 64;

/// Places what can be placed, those first for whom an instance was launched; returns the rest, in
/// the order in which they are served. Stops where the round is full: who comes after that is in
/// neither.
pub(super) fn decide<'a>(draft: &mut Draft<'a>) -> Vec<(&'a AllocId, &'a Alloc)> {
    let waiting = fair::order(draft);
    let promised = preempt::promise(draft, &waiting);
    let waiting = waiting.into_iter().enumerate();
    let (kept, rest): (Vec<_>, Vec<_>) =
        waiting.partition(|(_, (_, alloc))| kept_for(draft, alloc).is_some());
    let mut unplaced = Vec::new();
    let mut hopeless = Hopeless::default();
    let mut claimants: BTreeSet<&DriverId> = BTreeSet::new();
    for (rank, (id, alloc)) in kept.into_iter().chain(rest) {
        if draft.full() {
            break;
        }
        let (need, constraint) = (alloc.requirements.floor(), &alloc.constraint);
        let kept = kept_for(draft, alloc).is_some();
        let alone = alloc.constraint.alone.is_some();
        // To who may have what is kept from others, what is true of them says nothing.
        let plain = alloc.constraint.instance.is_none() && !kept && !alone;
        let plain = plain && !promised.is_above(id, alloc);
        if draft.free.is_empty() || (plain && hopeless.knows(&need, constraint)) {
            unplaced.push((rank, (id, alloc)));
            continue;
        }
        let most = budget::most(draft, alloc);
        if !place(draft, id, alloc, most) {
            unplaced.push((rank, (id, alloc)));
            // There may be room for others where it costs too much for this one.
            let plain = plain && most.is_none();
            if plain && fair::starves(draft, alloc) && claimants.insert(&alloc.driver) {
                claim(draft, id, alloc);
            }
            if plain {
                hopeless.learn(need, constraint);
            }
        }
    }
    unplaced.sort_by_key(|(rank, _)| *rank);
    unplaced.into_iter().map(|(_, asked)| asked).collect()
}

/// Needs that no instance has room for any more; within a round, rooms only shrink. Whoever needs as
/// much or more of everything needs not be tried.
#[derive(Default)]
struct Hopeless<'a>(Vec<(Resources, &'a Constraint)>);

impl<'a> Hopeless<'a> {
    fn knows(&self, need: &Resources, asked: &Constraint) -> bool {
        self.0.iter().any(|(least, of)| need.holds(least) && covers(of, asked))
    }

    fn learn(&mut self, need: Resources, asked: &'a Constraint) {
        self.0.retain(|(other, of)| !(other.holds(&need) && covers(asked, of)));
        if self.0.len() < HOPELESS {
            self.0.push((need, asked));
        }
    }
}

/// Whether what is true of all instances that will do for the first is true of all that will for the second.
fn covers(all: &Constraint, some: &Constraint) -> bool {
    let market = all.market.is_none() || all.market == some.market;
    market && (all.only.is_any() || all.only == some.only)
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
        let fits = |space: &Space<'_>| {
            space.free().holds(&floor)
                && is_open(space.promised, id, alloc.priority)
                && budget::affords(alloc, most, &space.instance.offering)
        };
        draft.free.get(instance).is_some_and(fits)
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
    let could = |space: &Space<'_>| {
        let instance = space.instance;
        let holds = space.promised.is_none() && instance.resources.holds(&floor);
        holds && will_do(&alloc.constraint, &instance.offering)
    };
    let nearest = draft.free.iter().filter(|(_, space)| could(space));
    let nearest = nearest.min_by_key(|(id, space)| (size_without(&floor, space.free()), *id));
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
    let floor = &alloc.requirements.floor();
    let mut fits: Vec<(u64, u64, &InstanceId)> = Vec::new();
    for (id, space) in &draft.free {
        if !space.free().holds(floor) || !is_open(space.promised, asker, alloc.priority) {
            continue;
        }
        let of = &space.instance.offering;
        if will_do(&alloc.constraint, of) && budget::affords(alloc, most, of) {
            fits.push((space.in_vain(), size_without(space.free(), floor), id));
        }
    }
    let (_, left, instance) = fits.iter().min()?;
    let tighter = fits.iter().filter(|(_, other, _)| other < left).count();
    let count = |of: usize| u32::try_from(of).unwrap_or(u32::MAX);
    let (candidates, emptying) = (count(fits.len()), count(tighter));
    Some(Fit { instance: (*instance).clone(), candidates, emptying })
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
    let Some(Space { instance, .. }) = draft.free.get(on) else { return false };
    let (instance, floor) = (*instance, alloc.requirements.floor());
    let wanted = alloc.requirements.max.times(u64::from(alloc.requirements.width));
    let kept = if wanted == floor { None } else { Some(kept_for_others(draft, id, instance)) };
    let Some(space) = draft.free.get_mut(on) else { return false };
    let open = space.free().minus(&kept.unwrap_or_default());
    let paid = most.map_or(open.clone(), |most| worth(most, &instance.offering));
    let resources = wanted.at_most(&open).at_most(&paid).at_least(&floor);
    space.take(&resources);
    let why = why(space.free().clone());
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
