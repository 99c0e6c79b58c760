//! What the cloud refuses rests as far as the refusal reaches; siblings serve meanwhile, and one launch
//! at a time tries again.

use crate::check;
use crate::world::{World, cores, id, offering};
use schema::event::{Event, LaunchRefused};
use schema::policy::Offering;
use schema::requirements::Market;
use schema::unit::Millis;
use schema::why::{PendingWhy, RefusalClass, RefusalScope};

fn sold(kind: &str, zone: &str, market: Market, price: u64) -> Offering {
    Offering { zone: zone.into(), market, ..offering(kind, cores(2), price) }
}

/// One type in two zones and on two markets, and dearer ones of the same and of another quota group.
fn shop(w: &mut World) {
    w.policy(|p| {
        p.offerings = vec![
            sold("c5.large", "za", Market::Spot, 10),
            sold("c5.large", "zb", Market::Spot, 11),
            sold("m5.large", "za", Market::Spot, 12),
            sold("g5.large", "za", Market::Spot, 30),
            sold("c5.large", "za", Market::OnDemand, 40),
            sold("c5.large", "zb", Market::OnDemand, 41),
        ];
        p.max_hourly_cost = schema::unit::Micros(1_000_000);
    });
}

/// The leader's launches of this state, as type, zone and market.
fn bought(w: &World) -> Vec<String> {
    let launch = |event: &Event| match event {
        Event::LaunchRequested(e) => {
            let Offering { kind, zone, market, .. } = &e.offering;
            Some(format!("{kind} {zone} {market:?}"))
        }
        _ => None,
    };
    w.decided().iter().filter_map(launch).collect()
}

/// A refusal of the first offering that reaches so far, and what is bought then.
fn after(scope: RefusalScope) -> Vec<String> {
    let mut w = World::new();
    shop(&mut w);
    w.launch("i-1", sold("c5.large", "za", Market::Spot, 10), &[]);
    w.refuse_as("i-1", RefusalClass::Capacity, scope, Millis::from_secs(60));
    w.ask("a-1", cores(2));
    bought(&w)
}

#[test]
fn a_refusal_reaches_as_far_as_it_says() {
    for (scope, next) in [
        (RefusalScope::Offering, "c5.large zb Spot"),
        (RefusalScope::TypeInZone, "c5.large zb Spot"),
        (RefusalScope::Zone, "c5.large zb Spot"),
        (RefusalScope::QuotaGroup, "g5.large za Spot"),
    ] {
        assert_eq!(after(scope), [next], "{scope:?}");
    }
    assert!(after(RefusalScope::Account).is_empty());
    let mut w = World::new();
    shop(&mut w);
    w.policy(|p| p.offerings.retain(|o| o.kind == "c5.large" && o.zone == "za"));
    w.launch("i-1", sold("c5.large", "za", Market::Spot, 10), &[]);
    w.refuse_as("i-1", RefusalClass::Capacity, RefusalScope::TypeInZone, Millis::from_secs(60));
    w.ask("a-1", cores(2));
    assert!(bought(&w).is_empty(), "on no market");
}

#[test]
fn what_rests_is_tried_again_by_one_launch() {
    let mut w = World::new();
    w.policy(|p| p.offerings = vec![sold("c5.large", "za", Market::Spot, 10)]);
    w.launch("i-1", sold("c5.large", "za", Market::Spot, 10), &[]);
    w.refuse_as("i-1", RefusalClass::Capacity, RefusalScope::Zone, Millis::from_secs(60));
    (1..=3).for_each(|n| w.ask(&format!("a-{n}"), cores(2)));
    assert!(bought(&w).is_empty());
    w.secs(61);
    let round = w.round();
    let tried = |event: &Event| matches!(event, Event::LaunchRequested(_));
    assert_eq!(round.iter().filter(|event| tried(event)).count(), 1, "{round:?}");
    assert!(bought(&w).is_empty(), "as long as nobody knows what comes of that");
    w.accept_all();
    assert_eq!(bought(&w).len(), 2, "the others at once");
}

#[test]
fn a_quota_is_remembered_until_something_of_its_group_has_gone() {
    for (gone, again) in [("c5.large", true), ("g5.large", false)] {
        let mut w = World::new();
        w.policy(|p| p.offerings = vec![sold("m5.large", "za", Market::Spot, 10)]);
        w.up_as("i-9", sold(gone, "zb", Market::Spot, 10));
        w.launch("i-1", sold("m5.large", "za", Market::Spot, 10), &[]);
        w.refuse_as("i-1", RefusalClass::Quota, RefusalScope::QuotaGroup, Millis::from_secs(600));
        w.give("a-1", "i-9", cores(2));
        w.ask("a-2", cores(2));
        assert!(bought(&w).is_empty());
        w.say(schema::event::InstanceLost { instance: id("i-9"), message: String::new() });
        assert_eq!(!bought(&w).is_empty(), again, "{gone}");
    }
}

#[test]
fn a_calm_makes_up_for_refusals() {
    let mut w = World::new();
    let spot = || sold("c5.large", "za", Market::Spot, 10);
    let refusals = |w: &World| w.state.refusal(&spot()).map(|rest| rest.refusals);
    for (name, calm, counted) in [
        ("i-1", 0, 1),
        ("i-2", 61, 2),
        ("i-3", 61, 3),
        ("i-4", 61, 4),
        ("i-5", 661, 3),
        ("i-6", 7200, 1),
    ] {
        w.secs(calm);
        w.launch(name, spot(), &[]);
        w.refuse_as(name, RefusalClass::Capacity, RefusalScope::Offering, Millis::from_secs(60));
        assert_eq!(refusals(&w), Some(counted), "{name}");
    }
    w.launch("i-7", spot(), &[]);
    w.launch("i-8", spot(), &[]);
    w.made("i-7");
    assert_eq!(refusals(&w), Some(1), "it was asked for before, and says nothing of now");
    w.secs(61);
    w.made("i-8");
    assert_eq!(refusals(&w), None, "it is to be had again");
}

#[test]
fn who_waits_hears_why_the_first_to_be_tried_rests() {
    let mut w = World::new();
    shop(&mut w);
    w.policy(|p| p.offerings.truncate(2));
    let refuse = |w: &mut World, instance: &str, zone: &str, message: &str, class, rest| {
        w.launch(instance, sold("c5.large", zone, Market::Spot, 10), &[]);
        let rest = Millis::from_secs(rest);
        let Event::LaunchRefused(told) = w.refusal(instance, class, RefusalScope::Zone, rest)
        else {
            panic!("another event")
        };
        w.say(LaunchRefused { message: message.into(), ..told });
    };
    refuse(&mut w, "i-1", "za", "no room", RefusalClass::Capacity, 60);
    refuse(&mut w, "i-2", "zb", "no such subnet", RefusalClass::Configuration, 30);
    w.ask("a-1", cores(2));
    let whys = |w: &mut World| -> Vec<PendingWhy> {
        let why = |event| match event {
            Event::AllocPending(e) => Some(e.why),
            _ => None,
        };
        w.round().into_iter().filter_map(why).collect()
    };
    let rests = |class, message: &str| PendingWhy::BackedOff {
        kind: "c5.large".into(),
        class: Some(class),
        message: message.into(),
    };
    assert_eq!(whys(&mut w), [rests(RefusalClass::Configuration, "no such subnet")]);
    assert_eq!(whys(&mut w), [], "told once");
    refuse(&mut w, "i-3", "zb", "no such subnet", RefusalClass::Configuration, 90);
    assert_eq!(whys(&mut w), [rests(RefusalClass::Capacity, "no room")]);
}

#[test]
fn an_account_that_refuses_everything_is_tried_once_a_while() {
    check(&[(
        "a rest of everything",
        |w| {
            shop(w);
            w.launch("i-1", sold("c5.large", "za", Market::Spot, 10), &[]);
            let (class, scope) = (RefusalClass::Authorisation, RefusalScope::Account);
            w.refuse_as("i-1", class, scope, Millis::from_secs(600));
            w.ask("a-1", cores(2));
            w.ask("a-2", cores(2));
            w.secs(601);
        },
        &[
            "launch c5.large for a-1",
            "a-1 waits: launching c5.large",
            "then",
            "a-2 waits: c5.large rests",
        ],
    )]);
}
