//! What the leader writes of what the cloud tells of its types, and when it asks.

use crate::world::{World, cores, offering};
use controlplane_core::effects::{Call, Effects, News};
use controlplane_core::prices::{Prices, TypeTold, TypesTold, news, type_news};
use controlplane_core::{Moment, decide};
use schema::event::{Event, Hardware, MAX_PRICES, OwnDisks, PriceSeen, PriceSource, TypeSeen};
use schema::policy::types::{Arch, LocalDisk};
use schema::policy::worth::Links;
use schema::policy::{Offering, Policy};
use schema::requirements::Market;
use schema::unit::{Micros, Millis, Seq};

const DAY: u64 = 24 * 3_600_000;

fn hardware(vcpu: u32) -> Hardware {
    Hardware {
        arch: Arch::X86,
        vcpu,
        memory_mib: 8192,
        disks: None,
        gpu: None,
        accelerator: None,
        links: Links::default(),
        spot: true,
    }
}

fn sold(kind: &str, vcpu: u32, price: Option<u64>) -> TypeSeen {
    let (hardware, on_demand) = (Some(hardware(vcpu)), price.map(Micros));
    TypeSeen { kind: kind.into(), sold: true, hardware, on_demand }
}

fn unsold(kind: &str) -> TypeSeen {
    TypeSeen { kind: kind.into(), sold: false, hardware: None, on_demand: None }
}

fn told(seen: TypeSeen, shipped: Option<TypeSeen>) -> TypesTold {
    let types = vec![TypeTold { zone: "z".into(), seen, shipped }];
    TypesTold { types, partly: false }
}

/// What is written of it, once it is on the log.
fn written(w: &mut World, told: &TypesTold) -> Vec<TypeSeen> {
    let events = type_news(&w.state, told);
    let types = |event: &Event| match event {
        Event::PriceSeen(e) => e.types.clone(),
        other => panic!("{other:?}"),
    };
    let types = events.iter().flat_map(types).collect();
    events.into_iter().for_each(|event| w.say(event));
    assert_eq!(type_news(&w.state, told), [], "once");
    types
}

#[test]
fn of_types_that_is_written_which_the_catalogue_and_the_log_do_not_say() {
    let known = || Some(sold("m5.large", 2, Some(96_000)));
    // What is told, what the catalogue says, what was written before, what is written.
    type Case = (&'static str, TypeSeen, Option<TypeSeen>, Option<TypeSeen>, Option<TypeSeen>);
    let cases: [Case; 13] = [
        ("as shipped", sold("m5.large", 2, Some(96_000)), known(), None, None),
        ("as shipped, no price told", sold("m5.large", 2, None), known(), None, None),
        (
            "other hardware",
            sold("m5.large", 4, None),
            known(),
            None,
            Some(sold("m5.large", 4, None)),
        ),
        (
            "another price, however little",
            sold("m5.large", 2, Some(96_001)),
            known(),
            None,
            Some(sold("m5.large", 2, Some(96_001))),
        ),
        ("not sold", unsold("m5.large"), known(), None, Some(unsold("m5.large"))),
        ("a new one", sold("m9.large", 2, None), None, None, Some(sold("m9.large", 2, None))),
        ("one that nobody sells", unsold("m9.large"), None, None, None),
        (
            "as the log says",
            sold("m5.large", 4, None),
            known(),
            Some(sold("m5.large", 4, None)),
            None,
        ),
        (
            "as shipped again",
            sold("m5.large", 2, None),
            known(),
            Some(sold("m5.large", 4, None)),
            Some(sold("m5.large", 2, None)),
        ),
        (
            "sold again",
            sold("m5.large", 2, None),
            known(),
            Some(unsold("m5.large")),
            Some(sold("m5.large", 2, None)),
        ),
        (
            "a price that was told before stands",
            sold("m5.large", 4, None),
            known(),
            Some(sold("m5.large", 2, Some(90_000))),
            Some(sold("m5.large", 4, Some(90_000))),
        ),
        (
            "and is not told anew where nothing else is new",
            sold("m5.large", 2, None),
            known(),
            Some(sold("m5.large", 2, Some(90_000))),
            None,
        ),
        ("what the rules do not allow", sold("t9.large", 2, None), None, None, None),
    ];
    for (what, seen, shipped, before, wanted) in cases {
        let mut w = World::new();
        if let Some(before) = before {
            written(&mut w, &told(before, shipped.clone()));
        }
        assert_eq!(written(&mut w, &told(seen, shipped)), Vec::from_iter(wanted), "{what}");
    }
}

#[test]
fn rules_are_held_against_what_a_type_had_while_it_was_sold() {
    let mut w = World::new();
    w.policy(|p| p.types.local_disk = LocalDisk::Required);
    let disks = Some(OwnDisks { count: 1, gb: 75, ssd: true });
    let has = Hardware { disks, ..hardware(2) };
    let shipped = TypeSeen { hardware: Some(has), ..sold("m5d.large", 2, None) };
    assert_eq!(written(&mut w, &told(unsold("m5d.large"), Some(shipped))).len(), 1);
    let plain = sold("m5.large", 2, None);
    assert_eq!(written(&mut w, &told(unsold("m5.large"), Some(plain))), []);
}

#[test]
fn what_is_told_of_many_types_is_written_in_records_of_bounded_size() {
    let mut w = World::new();
    let one = |n: usize| TypeTold {
        zone: ["y", "z"][n % 2].into(),
        seen: sold(&format!("m9.{n}xlarge"), 2, None),
        shipped: None,
    };
    let types: Vec<TypeTold> = (0..20 * MAX_PRICES).map(one).collect();
    let told = TypesTold { types, partly: false };
    let (mut rounds, mut records) = (0, 0);
    loop {
        let events = type_news(&w.state, &told);
        if events.is_empty() {
            break;
        }
        assert!(events.len() <= 16, "{} records in a round", events.len());
        (rounds, records) = (rounds + 1, records + events.len());
        events.into_iter().for_each(|event| w.say(event));
    }
    assert_eq!((rounds, records), (2, 20));
    assert_eq!(w.state.types.len(), 20 * MAX_PRICES);
}

#[test]
fn what_is_no_type_is_void_and_what_is_one_is_marked() {
    let mut w = World::new();
    assert_eq!(w.state.head.typed, Seq(0));
    let record = |types: Vec<TypeSeen>| PriceSeen {
        source: PriceSource::Api,
        zone: "z".into(),
        offerings: Vec::new(),
        withdrawn: Vec::new(),
        scores: Vec::new(),
        types,
    };
    assert!(w.void(record(vec![sold("m5.large", 0, None)])), "it has no cpu");
    assert!(w.void(record(vec![sold("", 2, None)])), "it has no name");
    let many = (0..=MAX_PRICES).map(|n| unsold(&format!("m9.{n}xlarge"))).collect();
    assert!(w.void(record(many)), "more than fit in a record");
    assert_eq!((w.state.types.len(), w.state.head.typed), (0, Seq(0)));
    w.say(record(vec![unsold("m5.large")]));
    assert_eq!(w.state.head.typed, w.state.head.applied);
    let key = ("m5.large".into(), "z".into());
    assert_eq!(w.state.types.get(&key).map(|told| told.at), Some(w.state.head.time));
}

/// Or each would be news for ever.
#[test]
fn of_what_is_told_twice_the_last_counts() {
    let mut w = World::new();
    let mut twice = told(sold("m9.large", 2, None), None);
    twice.types.extend(told(sold("m9.large", 4, None), None).types);
    assert_eq!(written(&mut w, &twice), [sold("m9.large", 4, None)]);
}

/// A list price is exact: however little it changes, what can be spent at most changes with it.
#[test]
fn an_on_demand_price_is_news_however_little_it_changes() {
    for (market, new) in [(Market::OnDemand, true), (Market::Spot, false)] {
        let mut w = World::new();
        let of = |price| {
            let one = Offering { market, ..offering("m7g.large", cores(2), price) };
            Prices::of(PriceSource::Api, [one])
        };
        news(&w.state, &of(100_000)).into_iter().for_each(|event| w.say(event));
        assert_eq!(news(&w.state, &of(100_001)).len(), usize::from(new), "{market:?}");
    }
}

/// What the cloud says of types is on the log, and changes nothing by itself: offerings do, in records that
/// follow.
#[test]
fn a_decision_is_made_by_offerings_alone() {
    let mut w = World::new();
    w.policy(|p| p.offerings.clear());
    let one = Prices::of(PriceSource::Shipped, [offering("m5.large", cores(2), 96_000)]);
    news(&w.state, &one).into_iter().for_each(|event| w.say(event));
    w.ask("a-1", cores(2));
    let sight = w.sight.clone();
    let decided = decide(&w.state, &sight);
    assert!(decided.iter().any(|event| matches!(event, Event::LaunchRequested(_))));
    written(&mut w, &told(unsold("m5.large"), Some(sold("m5.large", 2, Some(96_000)))));
    assert_eq!(decide(&w.state, &sight), decided);
    news(&w.state, &Prices::default()).into_iter().for_each(|event| w.say(event));
    let now = decide(&w.state, &sight);
    assert!(!now.iter().any(|event| matches!(event, Event::LaunchRequested(_))), "{now:?}");
}

#[test]
fn types_are_asked_for_once_a_day_and_when_the_rules_change() {
    let mut policy = Policy::default();
    let mut effects = Effects::default();
    let asked = |policy: &Policy| Some(Call::Types(Box::new(policy.clone())));
    let all = || News::Typed(Some(TypesTold::default()));
    assert_eq!(effects.types(Moment(0), &policy), asked(&policy));
    assert_eq!(effects.types(Moment(2 * DAY), &policy), None, "it is asked for");
    effects.take(Moment(2 * DAY), all());
    assert_eq!(effects.types(Moment(2 * DAY), &policy), asked(&policy));
    effects.take(Moment(2 * DAY), all());
    effects.forget();
    assert_eq!(effects.types(Moment(3 * DAY - 1), &policy), None, "nor for another term");
    policy.max_pending += 1;
    assert_eq!(effects.types(Moment(3 * DAY - 1), &policy), None, "that is no rule for types");
    policy.types.burstable = true;
    assert_eq!(effects.types(Moment(3 * DAY - 1), &policy), asked(&policy));
}

#[test]
fn what_is_not_told_is_asked_for_again_more_and_more_seldom() {
    let policy = Policy::default();
    for untold in [None, Some(TypesTold { partly: true, ..TypesTold::default() })] {
        let mut effects = Effects::default();
        let (mut now, mut waits) = (Moment(0), Vec::new());
        assert!(effects.types(now, &policy).is_some());
        for _ in 0..11 {
            effects.take(now, News::Typed(untold.clone()));
            let wait = (1..=24 * 60)
                .find(|minutes| effects.types(now + Millis(minutes * 60_000), &policy).is_some());
            let wait = wait.expect("it is asked for within a day");
            now = now + Millis(wait * 60_000);
            waits.push(wait);
        }
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 640, 1280, 1440, 1440]);
        // Once it is told, all is as if it always had been.
        effects.take(now, News::Typed(Some(TypesTold::default())));
        assert_eq!(effects.types(now + Millis(DAY - 1), &policy), None);
        assert!(effects.types(now + Millis(DAY), &policy).is_some());
        effects.take(now + Millis(DAY), News::Typed(None));
        assert!(effects.types(now + Millis(DAY + 300_000), &policy).is_some());
    }
}
