//! Those who give way: where nothing can be launched for who waits, what others hold who asked with a lower
//! priority is taken back after notice, if the policy allows it. All of it is on one instance, which nobody
//! else is given anything of meanwhile. Who turns out not to be needed is spared.

use super::budget;
use super::draft::Draft;
use super::offer::will_do;
use super::space::{Promise, Space, is_open};
use replay_core::state::alloc::{Alloc, AllocStatus, Grant};
use replay_core::state::budget::share;
use replay_core::state::instance::Instance;
use schema::event::{AllocPreempted, AllocSpared};
use schema::id::{AllocId, InstanceId};
use schema::policy::Preemption;
use schema::requirements::Constraint;
use schema::resources::Resources;
use schema::why::PendingWhy::{self, Preempting};
use schema::why::RevokedWhy;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Most of those who wait for whom others are looked for in one round, beside those to whom others give way
/// already.
const MOST: usize = 64;

/// Where others give way to somebody who waits: for this reason, if nothing else was to be had.
#[derive(Default)]
pub(super) struct Promised<'a> {
    to: BTreeSet<&'a AllocId>,
    lowest: Option<i32>,
}

impl Promised<'_> {
    /// Whether this one may have something that is kept from others.
    pub(super) fn is_above(&self, id: &AllocId, alloc: &Alloc) -> bool {
        self.lowest.is_some_and(|lowest| lowest < alloc.priority) || self.to.contains(id)
    }
}

/// Keeps for those who wait what others give way for.
pub(super) fn promise<'a>(
    draft: &mut Draft<'a>,
    waiting: &[(&'a AllocId, &'a Alloc)],
) -> Promised<'a> {
    let promises = promises(draft, waiting);
    for (instance, promise) in &promises {
        if let Some(space) = draft.free.get_mut(instance) {
            space.promised = Some(*promise);
        }
    }
    let (to, priorities): (BTreeSet<_>, Vec<_>) = promises.into_values().unzip();
    Promised { to, lowest: priorities.into_iter().min() }
}

fn promises<'a>(
    draft: &Draft<'a>,
    waiting: &[(&'a AllocId, &'a Alloc)],
) -> BTreeMap<&'a InstanceId, Promise<'a>> {
    if draft.state.head.policy.fairness.preemption == Preemption::Never {
        return BTreeMap::new();
    }
    let mut promised: BTreeMap<&InstanceId, Promise<'_>> = BTreeMap::new();
    for (id, alloc) in waiting {
        let Some(instance) = promised_to(alloc) else { continue };
        let known = promised.entry(instance).or_insert((id, alloc.priority));
        if known.1 < alloc.priority {
            *known = (id, alloc.priority);
        }
    }
    promised
}

/// Where others were last said to give way to this one.
fn promised_to(alloc: &Alloc) -> Option<&InstanceId> {
    let AllocStatus::Waiting { why: Some(Preempting { instance, .. }), .. } = &alloc.status else {
        return None;
    };
    Some(instance)
}

pub(super) fn decide(draft: &mut Draft<'_>) {
    // A round that is full has not looked at all who wait.
    if draft.full() {
        return;
    }
    let ways = ways(draft);
    let needed: BTreeSet<&AllocId> =
        ways.iter().flat_map(|way| &way.giving).map(|giving| giving.id).collect();
    for (_, id) in &draft.state.index.notices {
        if !needed.contains(id) && !draft.taken_back.contains(id) {
            spare(draft, id);
        }
    }
    for way in ways {
        give(draft, way);
    }
}

/// One who waits, and those who give way to him.
struct Way<'a> {
    by: &'a AllocId,
    over: i32,
    instance: &'a InstanceId,
    giving: Vec<Giving<'a>>,
}

/// An alloc that may have to give way.
#[derive(Clone, Copy)]
struct Giving<'a> {
    id: &'a AllocId,
    alloc: &'a Alloc,
    grant: &'a Grant,
    /// What it has held times for how long: work that may be lost.
    worth: u128,
}

impl Giving<'_> {
    fn is_told_of(&self, by: &AllocId) -> bool {
        self.grant.notice.as_ref().is_some_and(|notice| notice.by == *by)
    }
}

/// An instance, and what would become free there.
struct Place<'a> {
    id: &'a InstanceId,
    instance: &'a Instance,
    /// To whom others were last said to give way there.
    promised: Option<Promise<'a>>,
    /// What is free or about to be.
    free: Resources,
    /// Lowest priority first, then what was given last.
    held: Vec<Giving<'a>>,
}

fn spare(draft: &mut Draft<'_>, id: &AllocId) {
    let Some(alloc) = draft.state.allocs.get(id) else { return };
    let Some(grant) = alloc.grant() else { return };
    let (alloc, driver, instance) = (id.clone(), alloc.driver.clone(), grant.instance.clone());
    draft.push(AllocSpared { alloc, driver, instance });
}

/// Gives notice to those who have had none, takes back what is due once all of it is, and says what is
/// waited for.
fn give<'a>(draft: &mut Draft<'a>, way: Way<'a>) {
    let head = &draft.state.head;
    let (time, notice) = (head.time, head.policy.fairness.notice);
    let until = |giving: &Giving<'_>| {
        giving.grant.notice.as_ref().map_or(time + notice, |notice| notice.until)
    };
    let last = way.giving.iter().map(until).max().unwrap_or(time);
    for giving in way.giving.iter().filter(|giving| !giving.is_told_of(way.by)) {
        draft.push(AllocPreempted {
            alloc: giving.id.clone(),
            driver: giving.alloc.driver.clone(),
            instance: way.instance.clone(),
            by: way.by.clone(),
            notice,
            priority: giving.alloc.priority,
            over: way.over,
        });
    }
    let told = way.giving.iter().all(|giving| giving.is_told_of(way.by));
    if told && last <= time {
        for giving in &way.giving {
            draft.revoke(giving.id, RevokedWhy::Preempted { by: way.by.clone() });
        }
    }
    draft.claimed.insert(way.instance.clone(), way.by.clone());
    let allocs = u32::try_from(way.giving.len()).unwrap_or(u32::MAX);
    if let Some((_, why)) = draft.waits.iter_mut().find(|(id, _)| *id == way.by) {
        let (instance, left) = (way.instance.clone(), last.since(time));
        *why = PendingWhy::Preempting { instance, allocs, left };
    }
}

/// Whether somebody who waits for this waits for what others hold.
fn is_held_by_others(why: &PendingWhy) -> bool {
    match why {
        PendingWhy::Budget { .. }
        | PendingWhy::MaxInstances { .. }
        | PendingWhy::MaxPerZone { .. }
        | PendingWhy::NamedInstanceBusy { .. }
        | PendingWhy::BackedOff { .. }
        | PendingWhy::Frozen
        | PendingWhy::NothingToBuy { .. }
        | PendingWhy::Breaker { .. } => true,
        // What is under way ends before long, and an own budget is not to be had from others.
        PendingWhy::Launching { .. }
        | PendingWhy::Unanswered { .. }
        | PendingWhy::MaxPending { .. }
        | PendingWhy::DriverBudget { .. }
        | PendingWhy::LabelBudget { .. }
        | PendingWhy::Preempting { .. }
        | PendingWhy::Unknown => false,
    }
}

/// To whom others give way, and who. Higher priority first.
fn ways<'a>(draft: &Draft<'a>) -> Vec<Way<'a>> {
    if draft.state.head.policy.fairness.preemption == Preemption::Never {
        return Vec::new();
    }
    let asks = |(id, why): &(&'a AllocId, PendingWhy)| {
        let alloc = draft.state.allocs.get(id)?;
        let served = draft.roomy.contains(id) || alloc.constraint.alone.is_some();
        (is_held_by_others(why) && !served).then_some((*id, alloc))
    };
    let mut askers: Vec<(&AllocId, &Alloc)> = draft.waits.iter().filter_map(asks).collect();
    askers.sort_by_key(|(_, alloc)| Reverse(alloc.priority));
    let Some((_, highest)) = askers.first() else { return Vec::new() };
    let mut places = Places::of(draft, highest.priority);
    let (mut ways, mut new) = (Vec::new(), 0);
    for (id, alloc) in askers {
        let kept = places.kept(id, alloc);
        let way = if kept.is_none() && new < MOST { places.way(draft, id, alloc) } else { None };
        new += usize::from(way.is_some());
        ways.extend(kept.or(way));
    }
    ways
}

/// All instances, until somebody has one.
struct Places<'a> {
    left: BTreeMap<&'a InstanceId, Place<'a>>,
    /// What nobody who asked with no more than so high a priority could be given.
    hopeless: Vec<(Resources, i32)>,
}

impl<'a> Places<'a> {
    fn of(draft: &Draft<'a>, highest: i32) -> Places<'a> {
        let mut left: BTreeMap<&InstanceId, Place<'a>> = BTreeMap::new();
        for (id, space) in &draft.free {
            let Space { instance, promised, .. } = *space;
            let (free, held) = (space.free().clone(), Vec::new());
            left.insert(id, Place { id, instance, promised, free, held });
        }
        for (instance, alloc) in &draft.state.index.on_instance {
            let Some(place) = left.get_mut(instance) else { continue };
            place.add(draft, alloc, highest);
        }
        for place in left.values_mut() {
            place.held.sort_by_key(|held| (held.alloc.priority, Reverse(held.grant.at), held.id));
        }
        Places { left, hopeless: Vec::new() }
    }

    /// Who gives way to this one already, if no more are needed.
    fn kept(&mut self, id: &'a AllocId, alloc: &'a Alloc) -> Option<Way<'a>> {
        let instance = promised_to(alloc)?;
        let open = |place: &&Place<'_>| is_open(place.promised, id, alloc.priority);
        let place = self.left.get(instance).filter(open)?;
        let giving = place.give(id, &alloc.requirements.floor(), alloc.priority)?;
        let told = giving.iter().all(|giving| giving.is_told_of(id));
        let kept = told.then(|| self.left.remove(instance)).flatten();
        kept.map(|place| Way { by: id, over: alloc.priority, instance: place.id, giving })
    }

    /// Who gives way to this one, and where: those of whom the highest has the lowest priority, and then whose
    /// work is worth least. Those who have notice for it already count for nothing.
    fn way(&mut self, draft: &Draft<'a>, id: &'a AllocId, alloc: &'a Alloc) -> Option<Way<'a>> {
        let (need, over) = (alloc.requirements.floor(), alloc.priority);
        let most = budget::most(draft, alloc);
        let plain = alloc.constraint == Constraint::default() && most.is_none();
        let known = |(least, of): &(Resources, i32)| need.holds(least) && over <= *of;
        if plain && self.hopeless.iter().any(known) {
            return None;
        }
        let suits = |place: &&Place<'_>| {
            let named = alloc.constraint.instance.as_ref();
            let of = &place.instance.offering;
            named.is_none_or(|named| named == place.id)
                && will_do(&alloc.constraint, of)
                && budget::affords(alloc, most, of)
                && is_open(place.promised, id, alloc.priority)
        };
        let found = self.left.values().filter(suits).filter_map(|place| {
            let giving = place.give(id, &need, over)?;
            let more = || giving.iter().filter(|giving| !giving.is_told_of(id));
            let highest = more().map(|giving| giving.alloc.priority).max();
            let worth = more().fold(0_u128, |sum, giving| sum.saturating_add(giving.worth));
            Some(((!giving.is_empty(), highest, worth, place.id), giving))
        });
        match found.min_by(|(a, _), (b, _)| a.cmp(b)) {
            // There will be room without anybody's giving way.
            Some(((false, ..), _)) => None,
            Some(((.., instance), giving)) => {
                self.left.remove(instance);
                Some(Way { by: id, over, instance, giving })
            }
            None => {
                if plain && self.hopeless.len() < MOST {
                    self.hopeless.push((need, over));
                }
                None
            }
        }
    }
}

impl<'a> Place<'a> {
    fn add(&mut self, draft: &Draft<'a>, id: &'a AllocId, highest: i32) {
        let Some(alloc) = draft.state.allocs.get(id) else { return };
        match &alloc.status {
            AllocStatus::Granted { grant, .. } if !draft.taken_back.contains(id) => {
                let cost = share(&grant.resources, &self.instance.offering);
                let held = draft.state.head.time.since(grant.at);
                let worth = u128::from(cost.0) * u128::from(held.0);
                if alloc.priority < highest {
                    self.held.push(Giving { id, alloc, grant, worth });
                }
            }
            AllocStatus::Granted { grant, .. } | AllocStatus::Ending { grant, .. } => {
                self.free = self.free.plus(&grant.resources);
            }
            AllocStatus::Waiting { .. } | AllocStatus::Ended { .. } => {}
        }
    }

    /// The fewest of those below this priority who leave it so much, those first who have notice for it; none
    /// if all of them do not.
    fn give(&self, by: &AllocId, need: &Resources, over: i32) -> Option<Vec<Giving<'a>>> {
        let below = || self.held.iter().filter(|held| held.alloc.priority < over);
        let told = below().filter(|held| held.is_told_of(by));
        let others = below().filter(|held| !held.is_told_of(by));
        let mut free = self.free.clone();
        let mut giving: Vec<Giving<'a>> = Vec::new();
        for held in told.chain(others) {
            if free.holds(need) {
                break;
            }
            free = free.plus(&held.grant.resources);
            giving.push(*held);
        }
        if !free.holds(need) {
            return None;
        }
        // Some that came first may not be needed beside those that came last.
        for at in (0..giving.len()).rev() {
            let without = free.minus(&giving[at].grant.resources);
            if without.holds(need) {
                free = without;
                giving.remove(at);
            }
        }
        Some(giving)
    }
}
