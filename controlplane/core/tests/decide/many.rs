//! More to say than one round has room for.

use crate::world::{World, cores, id, offering};
use controlplane_core::decide::MAX_ROUND;
use schema::event::{Event, InstanceKilled};
use schema::resources::Resources;
use schema::unit::{Micros, Millis};
use std::collections::BTreeSet;

/// A tenth of a core.
fn tenth() -> Resources {
    Resources { cpu: 100, memory: 1, ..Resources::default() }
}

fn ask_many(w: &mut World, count: usize) {
    (0..count).for_each(|n| w.ask(&format!("a-{n}"), tenth()));
}

/// All that is said, round by round, until there is nothing more to say.
fn all(w: &mut World) -> Vec<Event> {
    let mut said = Vec::new();
    for _ in 0..8 {
        let round = w.round();
        assert!(round.len() <= MAX_ROUND, "{} events in a round", round.len());
        if round.is_empty() {
            return said;
        }
        said.extend(round);
    }
    panic!("{} events, and no end", said.len());
}

#[test]
fn all_are_granted_in_order_though_a_round_has_no_room_for_them() {
    let mut w = World::new();
    ask_many(&mut w, 2500);
    w.up("i-1", cores(250));
    let granted: Vec<String> = all(&mut w)
        .into_iter()
        .map(|event| match event {
            Event::AllocGranted(e) => e.alloc.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    let asked: Vec<String> = (0..2500).map(|n| format!("a-{n}")).collect();
    assert_eq!(granted, asked);
}

#[test]
fn all_are_launched_for_and_told_so_though_a_round_has_no_room_for_them() {
    let mut w = World::new();
    w.policy(|p| p.offerings = vec![offering("huge", cores(100), 1_000_000)]);
    ask_many(&mut w, 2500);
    let said = all(&mut w);
    let mut served = BTreeSet::new();
    let mut told = BTreeSet::new();
    let mut launches = 0;
    for event in &said {
        match event {
            Event::LaunchRequested(e) => {
                launches += 1;
                served.extend(e.reserved_for.iter().cloned());
            }
            Event::AllocPending(e) => assert!(told.insert(e.alloc.clone()), "told twice"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((served.len(), told.len()), (2500, 2500));
    // 250 cores in all: no more is bought because it takes several rounds to say so.
    assert_eq!(launches, 3);
}

#[test]
fn an_instance_ends_when_all_on_it_has_been_taken_back() {
    let mut w = World::new();
    ask_many(&mut w, 1500);
    w.up("i-1", cores(150));
    all(&mut w);
    w.say(InstanceKilled { instance: id("i-1") });
    let said = all(&mut w);
    let revoked = said.iter().filter(|event| matches!(event, Event::AllocRevoked(_))).count();
    assert_eq!(revoked, 1500);
    assert!(matches!(said.last(), Some(Event::TerminateRequested(_))), "the end comes last");
}

#[test]
fn caps_hold_over_many_rounds() {
    let mut w = World::new();
    w.policy(|p| {
        p.max_hourly_cost = Micros(3_500_000);
        p.max_pending = 2;
        p.offerings = vec![offering("ten", cores(10), 1_000_000)];
    });
    ask_many(&mut w, 1200);
    for (launches, committed) in [(2, 2_000_000), (1, 3_000_000), (0, 3_000_000)] {
        all(&mut w);
        let open: Vec<_> = w.state.index.open_launches.iter().cloned().collect();
        assert_eq!(open.len(), launches);
        assert_eq!(w.state.head.committed, Micros(committed));
        for launch in open {
            let name = launch.as_str().replacen('l', "i", 1);
            w.made(&name);
            w.boot(&name, cores(10));
        }
        w.pass(Millis(1));
    }
}
