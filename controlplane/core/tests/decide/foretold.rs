//! What is said beforehand beside what comes of it, on clusters drawn from numbers: what is launched,
//! what each instance and each offering is passed over for, and that nothing is left without a reason.

use crate::model::Draw;
use crate::world::{World, gib, id, offering};
use controlplane_core::decide::{Standing, standing};
use controlplane_core::explain::Wanted;
use controlplane_core::explain::instances::places;
use controlplane_core::explain::offers::{Course, Lost, Offer, offers};
use controlplane_core::explain::rehearse::{Ask, Fate, Outlook, Planned, Rehearsal};
use controlplane_core::prices::{Prices, news};
use replay_core::state::alloc::AllocStatus;
use schema::event::{AllocRequested, DriverJoined, Event, InstanceHeld, PriceSource};
use schema::id::{AllocId, InstanceId};
use schema::policy::Offering;
use schema::requirements::{Constraint, Requirements};
use schema::resources::Resources;
use schema::unit::{Micros, Millis};
use std::collections::BTreeSet;

/// Something to buy, of which spot may come to more than it costs.
fn sold(draw: &mut Draw, kind: &str) -> Offering {
    let plain = Resources { disk: gib(draw.below(20)), ..draw.amount(16) };
    let of = offering(kind, plain, 10_000 * (1 + draw.below(30)));
    let zone = ["a", "b"][usize::from(draw.below(2) == 0)];
    let cap = (draw.below(3) == 0).then(|| Micros(of.price.0 + 10_000 * draw.below(30)));
    Offering { market: draw.market(), zone: zone.into(), cap, ..of }
}

/// A cluster on which some wait, some instances take nobody, some offerings rest, and caps bind; its leader
/// has nothing more to say.
fn cluster(draw: &mut Draw) -> World {
    let mut w = World::new();
    let kinds = ["m7.a", "m7.b", "m7.c", "m4.a", "g6.a"];
    let named: Vec<Offering> = (0..draw.below(4)).map(|_| sold(draw, "own")).collect();
    let seen = kinds.iter().flat_map(|kind| {
        let (one, other) = (sold(draw, kind), sold(draw, kind));
        let alike =
            Offering { resources: one.resources.clone(), market: one.market, ..other.clone() };
        [one, if draw.below(2) == 0 { alike } else { other }]
    });
    let sold: Vec<Offering> = seen.collect();
    let prices = Prices::of(PriceSource::Api, sold.clone());
    news(&w.state, &prices).into_iter().for_each(|event| w.say(event));
    for n in 0..draw.below(4) {
        let of = sold[usize::try_from(draw.below(10)).expect("small")].clone();
        match draw.below(3) {
            0 => w.booting(&format!("i-{n}"), of),
            _ => w.up_as(&format!("i-{n}"), of),
        }
        if draw.below(4) == 0 {
            w.say(InstanceHeld { instance: id(&format!("i-{n}")) });
        }
    }
    if draw.below(2) == 0 {
        w.launch("i-9", sold[0].clone(), &[]);
        w.refuse("i-9", Millis::from_secs(60));
    }
    let (budget, instances) = (w.state.head.committed.0 + 50_000 * draw.below(30), draw.below(6));
    w.policy(|p| {
        p.offerings = named;
        p.max_hourly_cost = Micros(budget);
        p.max_instances = 2 + u32::try_from(instances).expect("small");
    });
    for n in 0..draw.below(6) {
        w.ask_with(&format!("a-{n}"), draw.amount(6), |request| {
            request.constraint.market = (draw.below(4) == 0).then(|| draw.market());
        });
    }
    w.rounds();
    if draw.below(2) == 0 {
        w.pass(w.state.head.policy.fairness.aging);
        w.rounds();
    }
    if draw.below(8) == 0 {
        w.freeze();
        w.rounds();
    }
    w
}

/// The same of something, a few times.
fn asks(draw: &mut Draw, w: &World) -> (Wanted, Vec<Ask>) {
    let live = w.state.index.live_instances.iter().next().cloned();
    let constraint = Constraint {
        instance: live.filter(|_| draw.below(10) == 0),
        market: (draw.below(4) == 0).then(|| draw.market()),
        ..Constraint::default()
    };
    let count = 1 + draw.below(4);
    let amount = draw.amount(5);
    let requirements =
        Requirements { width: if count == 1 { 2 } else { 1 }, ..Requirements::exactly(amount) };
    let floor = requirements.floor();
    let one = Ask { requirements, constraint: constraint.clone(), priority: 0 };
    let count = u32::try_from(count).expect("small");
    (Wanted { floor, constraint, count }, vec![one; count as usize])
}

fn rehearsed(w: &World, asks: &[Ask]) -> Outlook {
    let mut rehearsal = Rehearsal::of(w.state.clone()).expect("a cluster");
    assert_eq!(rehearsal.settle().expect("settled"), [], "there was nothing more to say");
    rehearsal.ask(asks).expect("an outlook")
}

/// Asks for the same on the cluster itself.
fn asked(w: &mut World, asks: &[Ask]) -> Vec<AllocId> {
    w.say(DriverJoined { driver: id("d-2"), version: "0".into() });
    let ask = |w: &mut World, at: usize, one: &Ask| {
        let alloc: AllocId = id(&format!("b-{at}"));
        w.say(AllocRequested {
            alloc: alloc.clone(),
            driver: id("d-2"),
            requirements: one.requirements.clone(),
            constraint: one.constraint.clone(),
            priority: one.priority,
            labels: Default::default(),
            lease: None,
        });
        alloc
    };
    asks.iter().enumerate().map(|(at, one)| ask(w, at, one)).collect()
}

/// What the launches of a round are, and whom they carry of those that asked.
fn launches(round: &[Event], ids: &[AllocId]) -> Vec<Planned> {
    let launch = |event: &Event| match event {
        Event::LaunchRequested(e) => {
            let at = |id| ids.iter().position(|own| own == id);
            let mut carries: Vec<usize> = e.reserved_for.iter().filter_map(at).collect();
            carries.sort_unstable();
            let others = e.reserved_for.len() - carries.len();
            Some(Planned { offering: e.offering.clone(), carries, others, why: e.why.clone() })
        }
        _ => None,
    };
    round.iter().filter_map(launch).collect()
}

#[test]
fn what_is_rehearsed_is_what_is_then_done() {
    let (mut launched, mut given, mut waiting) = (0, 0, 0);
    for seed in 0..150 {
        let mut draw = Draw { seed, drawn: 0 };
        let mut w = cluster(&mut draw);
        let (_, asks) = asks(&mut draw, &w);
        let outlook = rehearsed(&w, &asks);
        let ids = asked(&mut w, &asks);
        let mut made = Vec::new();
        for _ in 0..8 {
            made.extend(launches(&w.round(), &ids));
        }
        assert_eq!(outlook.launches, made, "seed {seed}");
        let standing = standing(&w.state, &w.sight);
        for (own, foretold) in ids.iter().zip(&outlook.fates) {
            let alloc = w.state.allocs.get(own).expect("asked");
            match (&alloc.status, foretold) {
                (AllocStatus::Granted { grant, .. }, Fate::Granted(on)) => {
                    assert_eq!(grant.instance, *on, "seed {seed}");
                    given += 1;
                }
                (AllocStatus::Waiting { .. }, Fate::Waits(why)) => {
                    // The launch has another name.
                    let now = standing.waits.get(own).expect("a reason");
                    assert_eq!(
                        std::mem::discriminant(now),
                        std::mem::discriminant(why),
                        "seed {seed}"
                    );
                    waiting += 1;
                }
                (AllocStatus::Ended { .. }, Fate::Refused(_)) => {}
                (status, fate) => panic!("seed {seed}: {fate:?} was foretold of {status:?}"),
            }
        }
        launched += made.len();
    }
    assert!(launched > 40 && given > 10 && waiting > 40, "{launched} {given} {waiting}");
}

/// An instance has a reason against it or would be given, and the leader agrees.
#[test]
fn every_instance_is_given_or_has_a_reason() {
    let (mut with, mut without) = (0, 0);
    for seed in 0..150 {
        let mut draw = Draw { seed, drawn: 0 };
        let mut w = cluster(&mut draw);
        let before = standing(&w.state, &w.sight);
        for (own, why) in &before.waits {
            let alloc = w.state.allocs.get(own).expect("it waits");
            let (floor, constraint) = (alloc.requirements.floor(), alloc.constraint.clone());
            let wanted = Wanted { floor, constraint, count: 1 };
            for place in places(&w.state, &before, own, &wanted) {
                assert!(place.passed.is_some(), "seed {seed}: {} is given to {own}", place.id);
            }
            for offer in offers(&w.state, &wanted, &Course::Waits(why.clone())) {
                assert!(offer.lost.is_some(), "seed {seed}: {offer:?} though {own} waits");
            }
        }
        let (wanted, asks) = asks(&mut draw, &w);
        let own = asked(&mut w, &asks[..1]).remove(0);
        // Who is served before and claims what it leaves is known when the round is over.
        let claims = standing(&w.state, &w.sight).claims;
        let open: Vec<InstanceId> = places(&w.state, &Standing::default(), &own, &wanted)
            .into_iter()
            .filter_map(|place| place.passed.is_none().then(|| place.id.clone()))
            .collect();
        w.round();
        let given = w.state.allocs.get(&own).and_then(|alloc| alloc.grant());
        match given.map(|grant| &grant.instance) {
            Some(on) => assert!(open.contains(on), "seed {seed}: {on} is given"),
            None => assert!(open.iter().all(|on| claims.contains_key(on)), "seed {seed}: {open:?}"),
        }
        if open.is_empty() { without += 1 } else { with += 1 }
    }
    assert!(with > 10 && without > 20, "{with} {without}");
}

/// The cluster as if nothing else were sold.
fn only(w: &World, sold: &Offering) -> Rehearsal {
    let mut rehearsal = Rehearsal::of(w.state.clone()).expect("a cluster");
    let mut policy = w.state.head.policy.clone();
    let seen = !policy.offerings.contains(sold);
    policy.offerings.retain(|other| other == sold);
    let offerings = if seen { vec![sold.clone()] } else { Vec::new() };
    rehearsal.policy(policy).expect("a policy");
    rehearsal.prices(&Prices::of(PriceSource::Api, offerings)).expect("prices");
    rehearsal
}

/// What as many as are carried cost if nothing else is sold; none if not as many are carried.
fn alone(w: &World, offer: &Offer<'_>, asks: &[Ask]) -> Option<Micros> {
    let outlook = only(w, offer.offering).ask(asks).expect("an outlook");
    let own = || outlook.launches.iter().filter(|launch| !launch.carries.is_empty());
    let carried: usize = own().map(|launch| launch.carries.len()).sum();
    let price = own().fold(Micros(0), |sum, launch| sum.plus(launch.offering.price));
    (carried == asks.len()).then_some(price)
}

/// A reason is true if the leader does what it says where nothing else is sold: what is too small, not
/// allowed, resting or beyond the caps is not bought then either, and the rest is, at the cost that is
/// said. Where somebody else waits, the caps may be for them.
#[test]
fn every_offering_is_bought_or_has_a_reason_that_is_true() {
    let (mut reasons, mut weighed) = (BTreeSet::new(), 0);
    for seed in 0..200 {
        let mut draw = Draw { seed, drawn: 0 };
        let w = cluster(&mut draw);
        let (mut wanted, asks) = asks(&mut draw, &w);
        let outlook = rehearsed(&w, &asks);
        let (course, count) = outlook.course();
        wanted.count = count;
        let asks = &asks[..wanted.count as usize];
        let queue = !w.state.index.waiting.is_empty();
        let all = offers(&w.state, &wanted, &course);
        let bought = |offer: &Offer<'_>| match &course {
            Course::Launched { chosen, .. } => chosen.contains(&offer.offering),
            Course::Waits(_) | Course::Settled => false,
        };
        for offer in &all {
            let case = format!("seed {seed}: {offer:?} for {wanted:?}, {course:?}");
            assert_eq!(offer.lost.is_none(), bought(offer), "{case}");
            let Some(lost) = &offer.lost else { continue };
            reasons.insert(
                format!("{lost:?}").split([' ', '(']).next().unwrap_or_default().to_owned(),
            );
            let alone = || alone(&w, offer, asks);
            match lost {
                Lost::TooSmall(_)
                | Lost::LessThanPromised(_)
                | Lost::OtherMarket { .. }
                | Lost::OtherType
                | Lost::OutOfZones { .. }
                | Lost::OutOfTypes { .. }
                | Lost::NotAllowed { .. }
                | Lost::Kept
                | Lost::OverBudget { .. }
                | Lost::Named { .. }
                | Lost::NotNeeded
                | Lost::Resting { .. }
                | Lost::OnTrial
                | Lost::MaxPerZone { .. }
                | Lost::SpotShare
                | Lost::Frozen
                | Lost::Breaker { .. }
                | Lost::MaxInstances { .. }
                | Lost::MaxPending { .. } => {
                    let outlook = only(&w, offer.offering).ask(asks).expect("an outlook");
                    let own = outlook.launches.iter().any(|launch| !launch.carries.is_empty());
                    assert!(!own, "{case}: {outlook:?}");
                }
                Lost::TooMany { .. } => assert_eq!(alone(), None, "{case}"),
                Lost::Dearer { .. } | Lost::AsCheap { .. } | Lost::Shared { .. } if queue => {}
                Lost::Dearer { costs, .. } | Lost::AsCheap { costs } => {
                    weighed += 1;
                    let alone = alone().unwrap_or(*costs);
                    assert_eq!(alone, *costs, "{case}");
                }
                Lost::Shared { .. } => panic!("{case}: with nobody"),
                Lost::Overlooked { .. } | Lost::Riskier { .. } | Lost::Slower { .. } => {
                    panic!("{case}")
                }
                Lost::CheaperZone { price, .. } => {
                    assert!(*price <= offer.offering.price, "{case}")
                }
                Lost::Behind { .. } | Lost::Covered { .. } => assert!(queue, "{case}"),
            }
        }
    }
    assert!(reasons.len() > 12 && weighed > 40, "{reasons:?}, {weighed}");
}
