//! Those who are to have an instance alone: one is launched for each, and it is theirs whole.

use crate::world::{World, cores, id, large, small};
use schema::event::{Event, InstanceBooted};
use schema::requirements::{Alone, Constraint, Market, Requirements};
use schema::unit::{Micros, Millis};
use schema::why::PendingWhy;

fn asks(w: &mut World, name: &str, alone: Alone) {
    let constraint = Constraint { alone: Some(alone), ..Constraint::default() };
    w.ask_with(name, cores(1), |request| {
        (request.requirements, request.constraint) = (Requirements::all(), constraint);
    });
}

fn of(kind: &str) -> Alone {
    Alone { kind: Some(kind.into()), ..Alone::default() }
}

#[test]
fn one_is_launched_for_each_of_the_type_that_it_names_and_given_whole() {
    let mut w = World::new();
    w.up("i-1", cores(2));
    asks(&mut w, "a-1", of("large"));
    asks(&mut w, "a-2", Alone::default());
    let told = w.rounds();
    let launched: Vec<&String> = told.iter().filter(|line| line.starts_with("launch")).collect();
    assert_eq!(launched, ["launch large for a-1", "launch small for a-2"], "{told:?}");
    w.accept_all();
    let made: Vec<_> = w.state.index.live_instances.iter().cloned().collect();
    for instance in made.iter().filter(|instance| instance.as_str() != "i-1") {
        // Others wait, too, and had room there.
        w.ask(&format!("b-{instance}"), cores(1));
        let one = w.state.instances.get(instance).expect("it is there").clone();
        let resources = one.resources;
        w.say(InstanceBooted {
            instance: instance.clone(),
            launch: one.launch,
            resources: resources.clone(),
            address: String::new(),
            version: "0".into(),
            boot: Millis(1),
            runtimes: Vec::new(),
            proof: None,
        });
        let granted = w.round().into_iter().find_map(|event| match event {
            Event::AllocGranted(e) if e.instance == *instance => Some(e),
            _ => None,
        });
        let granted = granted.expect("it is given");
        assert!(granted.alloc.as_str().starts_with('a'), "{granted:?}");
        assert_eq!(granted.resources, resources, "all of it");
    }
}

#[test]
fn who_cannot_have_one_is_told_why() {
    let mut w = World::new();
    asks(&mut w, "a-1", of("huge"));
    assert_eq!(w.rounds(), ["a-1 refused: no offerings"]);
    let zone = Alone { kind: None, zone: Some("elsewhere".into()) };
    asks(&mut w, "a-2", zone);
    assert_eq!(w.rounds(), ["a-2 refused: no offerings"]);
    w.policy(|policy| policy.max_hourly_cost = Micros(400_000));
    asks(&mut w, "a-3", of("large"));
    asks(&mut w, "a-4", of("large"));
    let told = w.rounds();
    assert!(told.contains(&"launch large for a-3".to_owned()), "{told:?}");
    let waits = |w: &World, name: &str| match &w.state.allocs.get(&id(name)).expect("asked").status
    {
        replay_core::state::alloc::AllocStatus::Waiting { why, .. } => why.clone(),
        other => panic!("{name}: {other:?}"),
    };
    let (asked, committed, limit) = (large().price, large().price, Micros(400_000));
    assert_eq!(waits(&w, "a-4"), Some(PendingWhy::Budget { asked, committed, limit }));
    w.policy(|policy| {
        policy.max_hourly_cost = Micros(4_000_000);
        policy.max_pending = 1;
    });
    w.rounds();
    assert_eq!(waits(&w, "a-4"), Some(PendingWhy::MaxPending { limit: 1 }));
}

#[test]
fn what_is_refused_is_tried_again_and_what_is_there_is_not_given() {
    let mut w = World::new();
    asks(&mut w, "a-1", of("small"));
    w.rounds();
    let launch = w.state.index.open_launches.iter().next().expect("one").clone();
    w.refuse_launch(launch, Millis::from_secs(10));
    w.up("i-9", small().resources);
    assert_eq!(w.rounds(), ["a-1 waits: small rests"], "not one that is there");
    w.secs(11);
    assert_eq!(w.rounds()[..1], ["launch small for a-1"]);
    let spot = Constraint {
        market: Some(Market::Spot),
        alone: Some(of("small")),
        ..Constraint::default()
    };
    w.ask_with("a-2", cores(1), |request| {
        (request.requirements, request.constraint) = (Requirements::all(), spot);
    });
    assert_eq!(w.rounds(), ["a-2 refused: no offerings"], "none is sold as spot");
}

/// In the place of whoever has waited for long nobody is given what the caps leave.
#[test]
fn who_comes_behind_one_who_has_waited_for_long_waits_too() {
    for (waited, launched) in [(0, true), (20, false)] {
        let mut w = World::new();
        w.policy(|policy| {
            policy.max_hourly_cost = Micros(400_000);
            policy.fairness.aging = Millis::from_secs(10);
        });
        w.up("i-1", cores(2));
        w.ask("b-1", cores(8));
        w.rounds();
        w.secs(waited);
        asks(&mut w, "a-1", of("small"));
        let told = w.rounds();
        let launch = told.contains(&"launch small for a-1".to_owned());
        assert_eq!(launch, launched, "after {waited} s: {told:?}");
        let waits = |line: &String| line.starts_with("a-1 waits: budget");
        assert!(launched || told.iter().any(waits), "{told:?}");
    }
}

/// And nobody who comes behind one who is to have an instance alone, and has waited for long.
#[test]
fn who_is_to_have_one_alone_does_not_wait_for_ever() {
    for (waited, launched) in [(0, true), (20, false)] {
        let mut w = World::new();
        w.policy(|policy| {
            policy.max_hourly_cost = Micros(400_000);
            policy.fairness.aging = Millis::from_secs(10);
        });
        w.up("i-1", cores(2));
        asks(&mut w, "a-1", of("large"));
        w.rounds();
        w.secs(waited);
        w.ask("b-1", cores(3));
        w.ask("b-2", cores(1));
        w.say(schema::event::InstanceHeld { instance: id("i-1") });
        let told = w.rounds();
        let launch = told.iter().any(|line| line.starts_with("launch"));
        assert_eq!(launch, launched, "after {waited} s: {told:?}");
        let waits = |line: &String| line.starts_with("b-2 waits: budget");
        assert!(launched || told.iter().any(waits), "{told:?}");
    }
}
