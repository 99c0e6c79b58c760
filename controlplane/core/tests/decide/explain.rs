//! What is said of offerings and instances that somebody waits for, and of what would be launched: each
//! reason as a table, and beside what the leader decides.

use crate::world::{World, cores, gib, gpus, id, large, offering, small};
use controlplane_core::decide::{Standing, standing};
use controlplane_core::explain::Wanted;
use controlplane_core::explain::instances::{Passed, Place, places};
use controlplane_core::explain::offers::{Course, Lost, Offer, offers};
use controlplane_core::explain::rehearse::{Ask, Fate, Outlook, Rehearsal};
use controlplane_core::prices::Prices;
use schema::event::{InstanceHeld, InstanceUnreachable, PriceSource, TerminateRequested};
use schema::policy::{Offering, Policy};
use schema::requirements::{Alone, Constraint, Market, Only, Requirements};
use schema::resources::Resources;
use schema::unit::{Micros, Millis};
use schema::why::{PendingWhy, TerminateWhy};

/// Name, what has happened, what is wanted, and what stands against the offering `small` (or, if the name
/// of the case names another, that one).
type Case = (&'static str, fn(&mut World), Wanted, &'static str);

fn wanted(cpu: u64) -> Wanted {
    Wanted { floor: cores(cpu), constraint: Constraint::default(), count: 1 }
}

/// One core in these zones and of these types.
fn only(zones: &[&str], types: &[&str]) -> Wanted {
    let set = |names: &[&str]| names.iter().map(|name| (*name).into()).collect();
    let only = Only { zones: set(zones), types: set(types) };
    Wanted { constraint: Constraint { only, ..Constraint::default() }, ..wanted(1) }
}

fn word(lost: Option<&Lost>) -> String {
    match lost {
        None => "nothing".into(),
        Some(Lost::TooSmall(s)) => format!("{} {} of {}", s.dimension, s.asked, s.available),
        Some(Lost::LessThanPromised(s)) => {
            format!("{} {} of {} as found", s.dimension, s.asked, s.available)
        }
        Some(Lost::OtherType) => "another type".to_owned(),
        Some(Lost::OutOfZones { zones }) => format!("only in {zones:?}"),
        Some(Lost::OutOfTypes { types }) => format!("only of {types:?}"),
        Some(Lost::OtherMarket { asked }) => format!("only {asked:?}"),
        Some(Lost::NotAllowed { rule }) => format!("not allowed: {rule}"),
        Some(Lost::Kept) => "kept".into(),
        Some(Lost::Resting { until, refusals, said }) => {
            let class = said.as_ref().map(|said| format!("{:?}", said.class));
            format!("rests until {} s, {refusals} refusals, {class:?}", until.0 / 1_000_000_000)
        }
        Some(Lost::SpotShare) => "spot enough".into(),
        Some(Lost::Frozen) => "frozen".into(),
        Some(Lost::Breaker { failures }) => format!("{failures} did not boot"),
        Some(Lost::OverBudget { asked, committed, limit }) => {
            format!("costs {asked} beside {committed} of {limit}")
        }
        Some(Lost::OnTrial) => "is being tried".into(),
        Some(Lost::MaxPerZone { limit }) => format!("{limit} in its zone"),
        Some(Lost::MaxInstances { limit }) => format!("{limit} instances"),
        Some(Lost::MaxPending { limit }) => format!("{limit} under way"),
        Some(Lost::CheaperZone { zone, price }) => format!("{price} in {zone}"),
        Some(Lost::Named { instance }) => format!("{instance} is asked for"),
        Some(Lost::NotNeeded) => "not needed".into(),
        Some(Lost::Behind { reason }) => format!("within the caps, {reason:?}"),
        Some(Lost::Dearer { costs, chosen }) => format!("{costs} instead of {chosen}"),
        Some(Lost::TooMany { instances, most }) => format!("{instances} of it, {most} allowed"),
        Some(Lost::Shared { costs, chosen, others }) => {
            format!("{costs} instead of {chosen}, which carry {others} others")
        }
        Some(Lost::AsCheap { .. }) => "as cheap".into(),
        Some(Lost::Riskier { likely, chosen }) => format!("risky: {likely} instead of {chosen}"),
        Some(Lost::Slower { comes_to, chosen }) => format!("slow: {comes_to} instead of {chosen}"),
        Some(Lost::Overlooked { costs, chosen }) => format!("{costs} overlooked for {chosen}"),
        Some(Lost::Covered { launch }) => format!("{launch} is on its way"),
    }
}

fn gpu_box() -> Offering {
    offering("g6.xlarge", gpus(1, cores(2)), 50_000)
}

fn sees(w: &mut World, offerings: Vec<Offering>) {
    let prices = Prices::of(PriceSource::Shipped, offerings);
    let news = controlplane_core::prices::news(&w.state, &prices);
    news.into_iter().for_each(|event| w.say(event));
}

#[test]
fn each_offering_has_its_reason() {
    let spot = Constraint { market: Some(Market::Spot), ..Constraint::default() };
    let own = Some(Alone { kind: Some("large".into()), zone: None });
    let alone = Constraint { alone: own, ..Constraint::default() };
    let cases: [Case; 17] = [
        ("large", |_| {}, wanted(2), "nothing"),
        ("small", |_| {}, Wanted { count: 4, ..wanted(2) }, "400000 instead of 360000"),
        ("small", |_| {}, wanted(3), "cpu 3000 of 2000"),
        ("small", |_| {}, Wanted { constraint: spot, ..wanted(1) }, "only Spot"),
        ("small", |_| {}, Wanted { constraint: alone.clone(), ..wanted(1) }, "another type"),
        ("large", |_| {}, Wanted { constraint: alone, ..wanted(1) }, "nothing"),
        ("small", |_| {}, only(&["y"], &["s*"]), "only in {\"y\"}"),
        ("small", |_| {}, only(&["z"], &["l*"]), "only of {\"l*\"}"),
        ("small", World::freeze, wanted(1), "frozen"),
        (
            "small",
            |w| {
                w.launch("i-1", small(), &[]);
                w.refuse("i-1", Millis::from_secs(60));
            },
            wanted(1),
            "rests until 1000060 s, 1 refusals, Some(\"Capacity\")",
        ),
        (
            "small",
            |w| {
                w.up("i-1", cores(1));
                w.policy(|p| p.max_hourly_cost = Micros(199_999));
            },
            wanted(1),
            "costs 100000 beside 100000 of 199999",
        ),
        (
            "small",
            |w| {
                w.up("i-1", cores(1));
                w.policy(|p| p.max_instances = 1);
            },
            wanted(1),
            "1 instances",
        ),
        (
            "small",
            |w| {
                w.launch("i-1", small(), &[]);
                w.policy(|p| p.max_pending = 1);
            },
            wanted(1),
            "1 under way",
        ),
        (
            "small",
            |w| w.policy(|p| p.max_pending = 2),
            Wanted { count: 3, ..wanted(2) },
            "3 of it, 2 allowed",
        ),
        ("g6.xlarge", |w| sees(w, vec![gpu_box()]), wanted(1), "kept"),
        (
            "m4.large",
            |w| sees(w, vec![offering("m4.large", cores(2), 1)]),
            wanted(1),
            "not allowed: generation 4 is older than 5, the oldest that is taken of m",
        ),
        (
            "m7.large",
            |w| {
                let dear = Offering { zone: "a".into(), ..offering("m7.large", cores(2), 2) };
                sees(w, vec![dear, offering("m7.large", cores(2), 1)]);
            },
            wanted(1),
            "1 in z",
        ),
    ];
    for (kind, happen, wanted, expected) in cases {
        let mut world = World::new();
        happen(&mut world);
        let large = large();
        let course = Course::Launched { chosen: vec![&large], others: 0 };
        let all = offers(&world.state, &wanted, &course);
        let one = all.iter().rfind(|o| o.offering.kind == kind).expect("it is known");
        assert_eq!(word(one.lost.as_ref()), expected, "{kind} for {wanted:?}");
    }
}

/// What would be cheaper alone, and is not bought all the same.
#[test]
fn what_is_cheaper_and_not_bought_says_so() {
    let (w, large) = (World::new(), large());
    let cases = [
        (1, "100000 instead of 360000, which carry 1 others"),
        (0, "100000 overlooked for 360000"),
    ];
    for (others, expected) in cases {
        let course = Course::Launched { chosen: vec![&large], others };
        let all = offers(&w.state, &wanted(2), &course);
        assert_eq!((said(&all, "large"), said(&all, "small")), ("nothing".into(), expected.into()));
    }
}

fn said(offers: &[Offer<'_>], kind: &str) -> String {
    let one = offers.iter().find(|o| o.offering.kind == kind).expect("it is known");
    match &one.lost {
        Some(Lost::Covered { .. }) => "on its way".into(),
        lost => word(lost.as_ref()),
    }
}

/// What has happened before somebody asks for a core, and what stands against `small` and `large` then.
type Agreeing<'a> = (fn(&mut World), &'a str, &'a str);

/// What is said of offerings agrees with what the leader tells who waits.
#[test]
fn reasons_agree_with_what_is_decided() {
    let budget =
        "Budget { asked: Micros(360000), committed: Micros(100000), limit: Micros(400000) }";
    let behind = format!("within the caps, {budget}");
    let cases: [Agreeing<'_>; 4] = [
        (
            |w| {
                w.policy(|p| p.max_hourly_cost = Micros(400_000));
                w.ask("a-0", cores(8));
            },
            "costs 100000 beside 360000 of 400000",
            "costs 360000 beside 360000 of 400000",
        ),
        (World::freeze, "frozen", "frozen"),
        (|_| {}, "on its way", "on its way"),
        // What is left is kept for who has waited for long.
        (
            |w| {
                w.up("i-1", cores(1));
                w.give("a-9", "i-1", cores(1));
                w.policy(|p| p.max_hourly_cost = Micros(400_000));
                w.ask("a-0", cores(8));
                w.rounds();
                w.pass(w.state.head.policy.fairness.aging);
                w.rounds();
            },
            &behind,
            "costs 360000 beside 100000 of 400000",
        ),
    ];
    for (happen, of_small, of_large) in cases {
        let mut w = World::new();
        happen(&mut w);
        w.ask("a-1", cores(1));
        w.rounds();
        let why = standing(&w.state, &w.sight).waits.remove(&id("a-1")).expect("it waits");
        let all = offers(&w.state, &wanted(1), &Course::Waits(why));
        assert_eq!((said(&all, "small"), said(&all, "large")), (of_small.into(), of_large.into()));
    }
}

/// Who waits is told why once; the figures of that reason are those of the moment.
#[test]
fn the_figures_of_a_reason_are_those_of_the_moment() {
    let mut w = World::new();
    w.policy(|p| p.max_hourly_cost = Micros(400_000));
    w.up("i-1", cores(1));
    w.up("i-2", cores(1));
    w.give("a-8", "i-1", cores(1));
    w.give("a-9", "i-2", cores(1));
    w.ask("a-1", cores(8));
    let before = w.rounds();
    w.gone("i-2");
    w.round();
    let told = w.rounds();
    let committed = |w: &World| match standing(&w.state, &w.sight).waits.get(&id("a-1")) {
        Some(PendingWhy::Budget { committed, .. }) => *committed,
        why => panic!("{why:?}"),
    };
    assert_eq!((before.len(), told.len(), committed(&w)), (1, 0, Micros(100_000)));
}

/// What is the case, and why the instance `i-1` is not given to who waits for two cores there.
type Passing = (fn(&mut World), fn(&Passed) -> bool);

fn find<'a>(w: &'a World, standing: &Standing, by: &str, wanted: &Wanted) -> Vec<Place<'a>> {
    places(&w.state, standing, &id(by), wanted)
}

#[test]
fn each_instance_has_its_reason() {
    let cases: [Passing; 8] = [
        (|w| w.booting("i-1", small()), |p| matches!(p, Passed::Booting { .. })),
        (|w| w.up("i-1", cores(1)), |p| matches!(p, Passed::TooSmall(s) if s.available == 1000)),
        (
            |w| {
                w.up("i-1", cores(2));
                w.give("a-0", "i-1", cores(1));
            },
            |p| matches!(p, Passed::Full(s) if (s.asked, s.available) == (2000, 1000)),
        ),
        (
            |w| {
                w.up("i-1", cores(2));
                w.say(InstanceHeld { instance: id("i-1") });
            },
            |p| *p == Passed::Held,
        ),
        (
            |w| {
                w.up("i-1", cores(2));
                w.interrupt("i-1", Millis::from_secs(120));
            },
            |p| matches!(p, Passed::Draining { until: Some(_), .. }),
        ),
        (
            |w| {
                w.up("i-1", cores(2));
                let silent = Millis::from_secs(31);
                w.say(InstanceUnreachable { instance: id("i-1"), silent });
            },
            |p| matches!(p, Passed::Silent { .. }),
        ),
        (
            |w| {
                w.up("i-1", cores(2));
                w.say(TerminateRequested { instance: id("i-1"), why: TerminateWhy::Drained });
            },
            |p| matches!(p, Passed::Terminating { reason: TerminateWhy::Drained }),
        ),
        (
            |w| {
                w.ask("a-0", cores(2));
                w.launch("i-1", small(), &["a-0"]);
                w.made("i-1");
            },
            |p| matches!(p, Passed::Booting { others: 1, .. }),
        ),
    ];
    for (at, (happen, expected)) in cases.into_iter().enumerate() {
        let mut w = World::new();
        happen(&mut w);
        w.ask("a-1", cores(2));
        let standing = standing(&w.state, &w.sight);
        let found = find(&w, &standing, "a-1", &wanted(2));
        let passed = found.first().and_then(|place| place.passed.clone()).expect("a reason");
        assert!(expected(&passed), "case {at}: {passed:?}");
    }
}

/// Room that is kept for who has waited for long is nobody else's.
#[test]
fn a_claim_is_named() {
    let mut w = World::new();
    w.up("i-1", cores(2));
    w.give("a-0", "i-1", cores(1));
    w.freeze();
    w.ask("a-1", cores(2));
    w.rounds();
    let aging = w.state.head.policy.fairness.aging;
    w.pass(aging);
    w.ask("a-2", cores(1));
    w.rounds();
    let standing = standing(&w.state, &w.sight);
    let found = find(&w, &standing, "a-2", &wanted(1));
    assert_eq!(found[0].passed, Some(Passed::Claimed { by: id("a-1") }));
}

fn ask(resources: Resources) -> Ask {
    let requirements = Requirements::exactly(resources);
    Ask { requirements, constraint: Constraint::default(), priority: 0 }
}

/// Kinds and whom they carry.
fn told(outlook: &Outlook) -> Vec<(&str, &[usize], usize)> {
    let launches = outlook.launches.iter();
    launches.map(|l| (l.offering.kind.as_str(), &l.carries[..], l.others)).collect()
}

#[test]
fn a_rehearsal_is_what_the_leader_would_do() {
    let mut w = World::new();
    w.up("i-1", cores(2));
    w.policy(|p| p.max_pending = 1);
    w.ask("a-1", cores(4));
    let mut rehearsal = Rehearsal::of(w.state.clone()).expect("a cluster");
    let asks = [ask(cores(4)), ask(cores(2)), ask(cores(9)), ask(cores(8))];
    let outlook = rehearsal.ask(&asks).expect("an outlook");
    assert_eq!(told(&outlook), [("large", &[0][..], 1)]);
    assert!(matches!(outlook.fates[0], Fate::Waits(_)));
    assert_eq!(outlook.fates[1], Fate::Granted(id("i-1")));
    assert!(matches!(outlook.fates[2], Fate::Refused(_)));
    assert!(matches!(outlook.fates[3], Fate::Waits(_)));
}

/// Without a cluster: a policy and prices are enough, and what was not chosen says what it would cost.
#[test]
fn a_policy_and_prices_are_enough() {
    let mut rehearsal = Rehearsal::new(id("test"), Policy::default()).expect("a cluster");
    let big = Resources { memory: gib(64), ..cores(16) };
    let half = Resources { memory: gib(32), ..cores(8) };
    let offerings = vec![
        offering("m7g.4xlarge", big.clone(), 600_000),
        offering("m7g.2xlarge", half.clone(), 310_000),
        offering("m7a.2xlarge", half.clone(), 310_000),
    ];
    rehearsal.prices(&Prices::of(PriceSource::Shipped, offerings)).expect("seen");
    let before = rehearsal.clone();
    let outlook = rehearsal.ask(&[ask(half.clone()), ask(half.clone())]).expect("an outlook");
    assert_eq!(told(&outlook), [("m7g.4xlarge", &[0, 1][..], 0)]);
    let wanted = Wanted { floor: half, constraint: Constraint::default(), count: 2 };
    let course = Course::Launched { chosen: vec![&outlook.launches[0].offering], others: 0 };
    let rest = offers(before.state(), &wanted, &course);
    let words: Vec<String> = rest.iter().map(|o| word(o.lost.as_ref())).collect();
    assert_eq!(words, ["nothing", "620000 instead of 600000", "620000 instead of 600000"]);
}
