//! Placement beside a plain model of it, on fleets and queues drawn from numbers: in the order of the
//! queue, each request takes the instance of which least is paid for in vain, among equals that on which
//! least stays free, as far as a round has room.

use crate::world::{World, cores, gib, gpus, id, offering};
use controlplane_core::decide::MAX_ROUND;
use controlplane_core::sight::split_mix;
use replay_core::State;
use schema::event::{AllocGranted, Event};
use schema::id::InstanceId;
use schema::policy::Offering;
use schema::requirements::Market;
use schema::resources::Resources;
use schema::why::GrantWhy;

pub(crate) struct Draw {
    pub(crate) seed: u64,
    pub(crate) drawn: u64,
}

impl Draw {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.drawn += 1;
        split_mix(self.seed, self.drawn) % bound
    }

    pub(crate) fn market(&mut self) -> Market {
        if self.below(2) == 0 { Market::Spot } else { Market::OnDemand }
    }

    pub(crate) fn amount(&mut self, most: u64) -> Resources {
        let memory = gib(1) / 4 * (1 + self.below(4 * most));
        let plain = Resources { cpu: 100 * (1 + self.below(10 * most)), memory, ..cores(0) };
        match self.below(6) {
            0 => gpus(1 + self.below(2), plain),
            1 => Resources { disk: gib(1 + self.below(most)), ..plain },
            _ => plain,
        }
    }
}

/// So many instances, and requests that ask for at most so many cores each.
fn world(draw: &mut Draw, instances: u64, requests: u64, most: u64) -> World {
    let mut w = World::new();
    w.policy(|p| p.max_instances = 1000);
    for n in 0..instances {
        let plain = Resources { disk: gib(draw.below(20)), ..draw.amount(16) };
        let resources = if draw.below(3) == 0 { gpus(draw.below(8), plain) } else { plain };
        let of = offering("any", resources, 1000);
        w.up_as(&format!("i-{n}"), Offering { market: draw.market(), ..of });
    }
    for n in 0..requests {
        w.ask_with(&format!("a-{n}"), draw.amount(most), |request| {
            request.priority = i32::try_from(draw.below(3)).expect("small");
            request.constraint.market = (draw.below(4) == 0).then(|| draw.market());
            let named = (draw.below(10) == 0).then(|| draw.below(instances));
            request.constraint.instance = named.map(|n| id(&format!("i-{n}")));
        });
    }
    w
}

/// A core weighs as much as 8 GiB of memory, 100 GiB of disk, or one of a feature.
fn weight(amount: &Resources) -> u64 {
    let (memory, disk) = (gib(8) / 1000, gib(100) / 1000);
    let features: u64 = amount.features.values().sum();
    amount.cpu + amount.memory / memory + amount.disk / disk + 1000 * features
}

/// What is left of a price of 1000 by what is in use, if that is less than half of it.
fn in_vain(whole: &Resources, has: &Resources) -> u64 {
    let used = whole.minus(has);
    let part = |used: u64, all: u64| if all == 0 { 0 } else { (1000 * used).div_ceil(all) };
    let features = whole.features.iter().map(|(name, all)| part(used.feature(name), *all));
    let plain = [
        part(used.cpu, whole.cpu),
        part(used.memory >> 20, whole.memory >> 20),
        part(used.disk >> 20, whole.disk >> 20),
    ];
    let most = plain.into_iter().chain(features).max().unwrap_or(0);
    if most >= 500 { 0 } else { 1000 - most }
}

/// Who is granted what, where, and why.
type Placed = (String, InstanceId, Resources, GrantWhy);

fn model(state: &State) -> Vec<Placed> {
    let mut free: Vec<(InstanceId, Market, Resources)> = Vec::new();
    free.extend(state.instances.iter().map(|(id, i)| (id.clone(), i.offering.market, i.free())));
    let mut placed = Vec::new();
    for (_, _, id) in &state.index.waiting {
        let alloc = state.allocs.get(id).expect("it waits");
        let (need, constraint) = (alloc.requirements.floor(), &alloc.constraint);
        let suits = |(instance, market, has): &&mut (InstanceId, Market, Resources)| {
            has.holds(&need)
                && constraint.market.is_none_or(|wanted| {
                    // A name alone says where.
                    constraint.instance.is_some() || wanted == *market
                })
                && constraint.instance.as_ref().is_none_or(|named| named == instance)
        };
        let suiting: Vec<_> = free.iter_mut().filter(suits).collect();
        let candidates = u32::try_from(suiting.len()).expect("few");
        let whole = |id: &InstanceId| &state.instances.get(id).expect("it is there").resources;
        let vain = |id: &InstanceId, has: &Resources| in_vain(whole(id), has);
        let mut keys: Vec<(u64, u64, InstanceId)> = Vec::new();
        keys.extend(
            suiting
                .iter()
                .map(|(id, _, has)| (vain(id, has), weight(&has.minus(&need)), id.clone())),
        );
        let Some((_, left, best)) = keys.iter().min().cloned() else { continue };
        let tighter = keys.iter().filter(|(_, other, _)| *other < left).count();
        let emptying = u32::try_from(tighter).expect("few");
        let found = suiting.into_iter().find(|(id, _, _)| *id == best);
        let Some((instance, _, has)) = found else { continue };
        *has = has.minus(&need);
        let why = match constraint.instance {
            Some(_) => GrantWhy::Named,
            None => GrantWhy::BestFit { candidates, left: has.clone(), emptying },
        };
        placed.push((id.to_string(), instance.clone(), need, why));
    }
    placed.truncate(MAX_ROUND);
    placed
}

fn grants(events: Vec<Event>) -> Vec<Placed> {
    let granted = |event| match event {
        Event::AllocGranted(e) => {
            let AllocGranted { alloc, instance, resources, why, .. } = e;
            Some((alloc.to_string(), instance, resources, why))
        }
        _ => None,
    };
    events.into_iter().filter_map(granted).collect()
}

#[test]
fn what_is_placed_is_what_a_plain_model_places() {
    let mut placed = 0;
    for seed in 0..40 {
        let mut draw = Draw { seed, drawn: 0 };
        let (instances, requests) = (1 + draw.below(20), draw.below(120));
        let w = world(&mut draw, instances, requests, 8);
        let expected = model(&w.state);
        assert_eq!(grants(w.decided()), expected, "seed {seed}");
        placed += expected.len();
    }
    assert!(placed > 400, "{placed} were placed");
}

#[test]
fn a_round_that_is_full_holds_what_the_model_places_first() {
    let mut draw = Draw { seed: 99, drawn: 0 };
    let w = world(&mut draw, 400, 1500, 1);
    let expected = model(&w.state);
    assert_eq!(expected.len(), MAX_ROUND);
    assert_eq!(grants(w.decided()), expected);
}
