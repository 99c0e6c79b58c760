//! Types whose instances have less than was promised: what the last one had is what counts when the next is
//! bought, for what was seen to be sold and for what the policy names.

use crate::tell::tell;
use crate::world::{World, cores, id, offering, small};
use controlplane_core::explain::Wanted;
use controlplane_core::explain::offers::{Course, Lost, offers};
use replay_core::State;
use replay_core::state::found::MAX_FOUND;
use schema::event::{Event, LeaderElected, LeaderResigned, PriceSeen, PriceSource, ProbeDone};
use schema::policy::Offering;
use schema::requirements::Constraint;
use schema::resources::Resources;
use schema::unit::{Epoch, Millis};
use schema::why::{PendingWhy, RefusedWhy};

/// Eight cores, it is said.
fn short() -> Offering {
    offering("short", cores(8), 100_000)
}

/// As many, for more.
fn sound() -> Offering {
    offering("sound", cores(8), 300_000)
}

/// One that boots with six cores of the eight.
fn boots_short(w: &mut World, instance: &str) {
    w.booting(instance, short());
    w.boot(instance, cores(6));
}

/// What is sold, as the policy names it or as the leader saw it.
fn sell(w: &mut World, named: bool, sold: &[Offering]) {
    w.policy(|p| p.offerings = if named { sold.to_vec() } else { Vec::new() });
    if !named {
        w.policy(|p| p.types.min_generation.clear());
        let (source, zone, offerings) = (PriceSource::Shipped, "z".into(), sold.to_vec());
        let (withdrawn, scores, types) = (Vec::new(), Vec::new(), Vec::new());
        w.say(PriceSeen { source, zone, offerings, withdrawn, scores, types });
    }
}

/// Makes what is launched boot, short or not, until nothing more is said; what was launched.
fn launched(w: &mut World) -> Vec<String> {
    let mut launched = Vec::new();
    for _ in 0..30 {
        let mut words: Vec<String> = w.rounds();
        words.retain(|word| word.starts_with("launch "));
        if words.is_empty() {
            return launched;
        }
        launched.append(&mut words);
        w.accept_all();
        let booting: Vec<_> = w.state.index.live_instances.iter().cloned().collect();
        for instance in booting {
            let known = &w.state.instances.get(&instance).expect("it lives");
            if known.address.is_empty() {
                let kind = known.offering.kind.clone();
                let has = if kind == "short" { cores(6) } else { known.resources.clone() };
                let launch = known.launch.clone();
                w.booted(instance, launch, has);
            }
        }
    }
    panic!("launched for ever: {launched:?}");
}

#[test]
fn what_boots_with_less_is_launched_once_and_not_for_ever() {
    for named in [true, false] {
        let mut w = World::new();
        sell(&mut w, named, &[short(), sound()]);
        w.ask("a-1", cores(8));
        assert_eq!(launched(&mut w), ["launch short for a-1", "launch sound for a-1"], "{named}");
        assert_eq!(w.state.found.len(), 1);
        // Who needs no more than was found is given it, by its own price.
        w.ask("a-2", cores(6));
        w.ask("a-3", cores(5));
        assert_eq!(launched(&mut w), ["launch short for a-3"], "{named}");
    }
}

#[test]
fn where_nothing_else_is_sold_the_reason_has_what_was_found() {
    for named in [true, false] {
        let mut w = World::new();
        sell(&mut w, named, &[short()]);
        w.ask("a-1", cores(8));
        assert_eq!(launched(&mut w), ["launch short for a-1"]);
        w.ask("a-2", cores(7));
        let told = w.round();
        let [Event::AllocRefused(refused)] = &told[..] else { panic!("{told:?}") };
        let RefusedWhy::TooLarge { shortage, largest, has, promised } = &refused.why else {
            panic!("{refused:?}")
        };
        assert_eq!((shortage.asked, shortage.available, largest.as_str()), (7000, 6000, "short"));
        assert_eq!((has, promised.as_deref()), (&cores(6), Some(&cores(8))));
        let wanted = Wanted { floor: cores(7), constraint: Constraint::default(), count: 1 };
        let all = offers(&w.state, &wanted, &Course::Waits(PendingWhy::Unknown));
        let Some(Lost::LessThanPromised(shortage)) = &all[0].lost else { panic!("{all:?}") };
        assert_eq!((shortage.asked, shortage.available), (7000, 6000));
    }
}

#[test]
fn a_later_one_that_has_as_much_as_promised_corrects_it() {
    let mut w = World::new();
    sell(&mut w, true, &[short(), sound()]);
    boots_short(&mut w, "i-1");
    assert_eq!(w.state.believed(&short()).cpu, 6000);
    w.booting("i-2", short());
    w.boot("i-2", cores(7));
    assert_eq!(w.state.believed(&short()).cpu, 7000, "the last one counts");
    w.up_as("i-3", short());
    assert_eq!(w.state.believed(&short()).cpu, 8000);
    assert!(w.state.found.is_empty());
}

/// What was promised with less to begin with is not made more, and what there was enough of is let be.
#[test]
fn only_what_there_was_less_of_counts() {
    let mut w = World::new();
    let of = |cpu, memory, disk| Resources { cpu, memory, disk, ..Resources::default() };
    let promise = |resources| Offering { resources, ..short() };
    w.booting("i-1", promise(of(8000, 100, 100)));
    w.boot("i-1", of(9000, 90, 100));
    for (promised, taken) in [
        (of(8000, 100, 100), of(8000, 90, 100)),
        (of(16_000, 200, 500), of(16_000, 90, 500)),
        (of(4000, 80, 10), of(4000, 80, 10)),
    ] {
        assert_eq!(*w.state.believed(&promise(promised.clone())), taken, "{promised}");
    }
    assert_eq!(*w.state.believed(&small()), small().resources, "of another type nothing is known");
}

/// A probe is a launch: what it booted with is known before it is said how long it took.
#[test]
fn what_a_probe_finds_counts_as_what_any_other_boots_with() {
    let mut w = World::new();
    boots_short(&mut w, "i-1");
    let done = ProbeDone {
        instance: id("i-1"),
        launch: id("l-1"),
        kind: "short".into(),
        zone: "z".into(),
        market: short().market,
        promised: cores(8),
        resources: cores(6),
        accepted: Millis(1),
        booted: Millis(2),
        usable: Millis(3),
    };
    assert!(w.void(ProbeDone { resources: Resources::default(), ..done.clone() }));
    let before = w.state.found.get(&"short".into()).cloned();
    w.say(done);
    assert!(before.is_some() && w.state.found.get(&"short".into()).cloned() == before);
}

#[test]
fn no_more_types_are_remembered_than_fit() {
    let mut w = World::new();
    w.policy(|p| (p.max_instances, p.max_hourly_cost.0) = (u32::MAX, u64::MAX));
    for n in 0..=MAX_FOUND {
        w.pass(Millis(1));
        w.booting(&format!("i-{n}"), offering(&format!("t{n}"), cores(8), 1));
        w.boot(&format!("i-{n}"), cores(6));
    }
    let known = |n: usize| w.state.found.contains(&format!("t{n}").into());
    assert_eq!(w.state.found.len(), MAX_FOUND);
    assert!(!known(0) && known(1) && known(MAX_FOUND));
}

/// What older leaders wrote folds to what it did.
#[test]
fn in_a_term_of_an_older_leader_nothing_is_noted() {
    for (fold, noted) in [(0, 0), (9, 0), (10, 1)] {
        let mut w = World::new();
        w.say(LeaderResigned {});
        w.say(LeaderElected { replica: id("r-1"), epoch: Epoch(2), fold });
        boots_short(&mut w, "i-1");
        assert_eq!(w.state.found.len(), noted, "fold version {fold}");
        let restored = State::restore(&w.state.snapshot()).expect("a snapshot");
        assert_eq!(restored.found.len(), noted);
    }
    let words: Vec<String> = World::new().round().iter().map(tell).collect();
    assert!(words.is_empty(), "{words:?}");
}
