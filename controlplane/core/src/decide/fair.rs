//! The order in which waiting allocs are served: higher priority first, where long waiting raises it;
//! among equals whose driver holds the smallest part of the cluster for its weight, each time counting
//! in what it would be given before (dominant resource fairness); then whoever asked first.

use super::draft::Draft;
use replay_core::state::alloc::{Alloc, AllocStatus};
use schema::id::{AllocId, DriverId};
use schema::resources::Resources;
use schema::unit::Seq;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

/// A request that waits, and its id.
pub(super) type Asked<'a> = (&'a AllocId, &'a Alloc);

/// All that waits, in the order in which it is served.
pub(super) fn order<'a>(draft: &Draft<'a>) -> Vec<Asked<'a>> {
    let waiting: Vec<Asked<'a>> = draft.waiting();
    let alone = waiting.windows(2).all(|two| two[0].1.driver == two[1].1.driver);
    let mut classes: BTreeMap<Reverse<i64>, Vec<Asked<'a>>> = BTreeMap::new();
    let highest = waiting.iter().map(|(_, alloc)| i64::from(alloc.priority)).max().unwrap_or(0);
    for (id, alloc) in waiting {
        let rank = rank(draft, alloc).min(highest);
        classes.entry(Reverse(rank)).or_default().push((id, alloc));
    }
    for class in classes.values_mut() {
        class.sort_by_key(|(id, alloc)| (alloc.requested, *id));
    }
    if alone {
        return classes.into_values().flatten().collect();
    }
    let mut shares = Shares::of(draft, classes.values().flatten());
    classes.into_values().flat_map(|class| fill(&mut shares, class)).collect()
}

/// Its priority, and a step for each time that it has waited for as long as the policy says.
fn rank(draft: &Draft<'_>, alloc: &Alloc) -> i64 {
    i64::from(alloc.priority).saturating_add(steps(draft, alloc))
}

fn steps(draft: &Draft<'_>, alloc: &Alloc) -> i64 {
    let (head, waited) = (&draft.state.head, draft.state.head.time.since(alloc.since));
    let steps = waited.0.checked_div(head.policy.fairness.aging.0).unwrap_or(0);
    i64::try_from(steps).unwrap_or(i64::MAX)
}

/// Whether it has waited for so long, for nothing that is on its way, that room is kept for it.
pub(super) fn starves(draft: &Draft<'_>, alloc: &Alloc) -> bool {
    use schema::why::PendingWhy::{
        BackedOff, Breaker, Budget, Frozen, MaxInstances, MaxPending, MaxPerZone, NothingToBuy,
    };
    let AllocStatus::Waiting { why: Some(why), reserved: None } = &alloc.status else {
        return false;
    };
    let capped = matches!(
        why,
        Budget { .. }
            | MaxPending { .. }
            | MaxInstances { .. }
            | MaxPerZone { .. }
            | BackedOff { .. }
            | Frozen
            | Breaker { .. }
            | NothingToBuy { .. }
    );
    capped && is_firm(draft, alloc)
}

/// Whether it has waited for so long that nothing is bought for whoever comes behind it, as long as the
/// caps leave too little for it.
pub(super) fn is_firm(draft: &Draft<'_>, alloc: &Alloc) -> bool {
    steps(draft, alloc) > 0
}

/// Those of equal rank: the driver with the smallest share is served next, as often as there is
/// somebody left. What is on its way to somebody has been decided on, and comes before all others.
fn fill<'a>(shares: &mut Shares<'a>, class: Vec<Asked<'a>>) -> Vec<Asked<'a>> {
    let reserved =
        |alloc: &Alloc| matches!(alloc.status, AllocStatus::Waiting { reserved: Some(_), .. });
    let (mut served, rest): (Vec<_>, Vec<_>) =
        class.into_iter().partition(|(_, alloc)| reserved(alloc));
    let mut queues: BTreeMap<&DriverId, VecDeque<Asked<'a>>> = BTreeMap::new();
    for (id, alloc) in rest {
        queues.entry(&alloc.driver).or_default().push_back((id, alloc));
    }
    let turn = |shares: &Shares<'_>, driver: &'a DriverId, next: Seq| {
        Reverse((shares.of_driver(driver), next, driver))
    };
    let heads = queues.iter().filter_map(|(driver, queue)| Some((*driver, queue.front()?)));
    let mut heap: BinaryHeap<_> =
        heads.map(|(driver, (_, alloc))| turn(shares, driver, alloc.requested)).collect();
    while let Some(Reverse((_, _, driver))) = heap.pop() {
        let Some(queue) = queues.get_mut(driver) else { continue };
        let Some((id, alloc)) = queue.pop_front() else { continue };
        shares.give(driver, &alloc.requirements.floor());
        served.push((id, alloc));
        if let Some((_, next)) = queue.front() {
            heap.push(turn(shares, driver, next.requested));
        }
    }
    served
}

/// What each driver holds, beside all that there is.
struct Shares<'a> {
    total: Resources,
    held: BTreeMap<&'a DriverId, (Resources, u32)>,
}

impl<'a> Shares<'a> {
    /// What the drivers of these hold now, and what is on its way to them. Of what no instance has, all
    /// that is asked for counts as all that there is.
    fn of<'b>(draft: &Draft<'a>, waiting: impl Iterator<Item = &'b Asked<'a>>) -> Shares<'a>
    where
        'a: 'b,
    {
        let state = draft.state;
        let there = draft.live().fold(Resources::default(), |sum, (_, i)| sum.plus(&i.resources));
        let mut asked = Resources::default();
        let mut held: BTreeMap<&DriverId, (Resources, u32)> = BTreeMap::new();
        for (_, alloc) in waiting {
            asked = asked.plus(&alloc.requirements.floor());
            let weighed = || (Resources::default(), state.weight_of(&alloc.driver));
            held.entry(&alloc.driver).or_insert_with(weighed);
        }
        if draft.most_of_all(state.index.of_driver.len()) {
            for (_, alloc) in state.allocs.iter() {
                if let (Some(some), Some((sum, _))) = (holds(alloc), held.get_mut(&alloc.driver)) {
                    *sum = sum.plus(&some);
                }
            }
        } else {
            for (driver, (sum, _)) in &mut held {
                let of = state.index.ids_of_driver(driver);
                let holds = of.filter_map(|id| holds(state.allocs.get(id)?));
                *sum = holds.fold(Resources::default(), |sum, some| sum.plus(&some));
            }
        }
        let instead = |of: u64, otherwise: u64| if of == 0 { otherwise } else { of };
        let features = asked.features.iter().chain(&there.features);
        let total = Resources {
            cpu: instead(there.cpu, asked.cpu),
            memory: instead(there.memory, asked.memory),
            disk: instead(there.disk, asked.disk),
            features: features.map(|(name, count)| (name.clone(), *count)).collect(),
        };
        Shares { total, held }
    }

    fn give(&mut self, driver: &'a DriverId, amount: &Resources) {
        if let Some((held, _)) = self.held.get_mut(driver) {
            *held = held.plus(amount);
        }
    }

    /// The largest of its parts of anything, in millionths, for each unit of weight.
    fn of_driver(&self, driver: &DriverId) -> u128 {
        let Some((held, weight)) = self.held.get(driver) else { return 0 };
        let part = |held: u64, all: u64| match u128::from(all) {
            0 => 0,
            all => u128::from(held) * 1_000_000_000_000 / (all * u128::from((*weight).max(1))),
        };
        let plain = [
            part(held.cpu, self.total.cpu),
            part(held.memory, self.total.memory),
            part(held.disk, self.total.disk),
        ];
        let features =
            held.features.iter().map(|(name, count)| part(*count, self.total.feature(name)));
        plain.into_iter().chain(features).max().unwrap_or(0)
    }
}

/// What an alloc holds, or is sure to be given.
fn holds(alloc: &Alloc) -> Option<Resources> {
    match &alloc.status {
        AllocStatus::Granted { grant, .. } | AllocStatus::Ending { grant, .. } => {
            Some(grant.resources.clone())
        }
        AllocStatus::Waiting { reserved: Some(_), .. } => Some(alloc.requirements.floor()),
        AllocStatus::Waiting { reserved: None, .. } | AllocStatus::Ended { .. } => None,
    }
}
