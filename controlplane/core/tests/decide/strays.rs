//! Instances that nothing on the log accounts for: found, left alone for a grace, ended, and paid for.

use crate::world::{World, cores, id, small};
use controlplane_core::Moment;
use controlplane_core::cloud::{Seen, SeenState, TerminateAnswer};
use controlplane_core::effects::{Call, Effects, News};
use controlplane_core::plan::{Effect, plan};
use replay_core::state::launch::key;
use schema::event::{Event, InstanceTerminated, OrphanFound};
use schema::id::LaunchId;
use schema::unit::{Epoch, Micros, Millis};

fn stray(name: &str, launch: Option<LaunchId>) -> Seen {
    Seen {
        launch,
        offering: Some(key(&small())),
        age: Millis::from_secs(1800),
        ..Seen::plain(id(name), SeenState::There)
    }
}

fn found(w: &mut World, seen: Seen) -> Vec<OrphanFound> {
    w.sight.strays.insert(seen.instance.clone(), seen);
    let found = |event| match event {
        Event::OrphanFound(e) => Some(e),
        _ => None,
    };
    w.round().into_iter().filter_map(found).collect()
}

#[test]
fn a_stray_is_said_to_be_one_with_what_it_costs() {
    let mut w = World::new();
    let seen = stray("i-7", Some(id("l-7")));
    let told = found(&mut w, seen.clone());
    let [one] = &told[..] else { panic!("{told:?}") };
    let half_an_hour = Millis::from_secs(1800);
    assert_eq!((one.price, one.age, one.kind.as_str()), (small().price, half_an_hour, "small"));
    assert_eq!(found(&mut w, seen), [], "once");
}

#[test]
fn what_the_log_accounts_for_is_no_orphan() {
    let mut w = World::new();
    w.up("i-1", cores(2));
    w.launch("i-2", small(), &[]);
    for (name, launch) in [("i-1", Some(id("l-1"))), ("i-1", None), ("i-9", Some(id("l-2")))] {
        assert_eq!(found(&mut w, stray(name, launch.clone())), [], "{name} of {launch:?}");
        let (instance, kind) = (id(name), "small".into());
        let (price, age) = (Micros(1), Millis(0));
        assert!(w.void(OrphanFound { instance, launch, kind, price, age }), "{name}");
    }
    // Its launch has an answer now that leaves it out.
    w.made("i-2");
    assert_eq!(found(&mut w, stray("i-9", Some(id("l-2")))).len(), 1);
}

#[test]
fn one_that_was_given_up_and_still_runs_is_an_orphan() {
    let mut w = World::new();
    w.up("i-1", cores(2));
    w.gone("i-1");
    w.round();
    w.sight.gone.clear();
    assert_eq!(found(&mut w, stray("i-1", Some(id("l-1")))).len(), 1);
}

#[test]
fn an_orphan_is_ended_after_its_grace() {
    let mut w = World::new();
    assert_eq!(found(&mut w, stray("i-7", None)).len(), 1);
    w.sight.strays.clear();
    assert_eq!(plan(&w.state), []);
    let (due, what) = controlplane_core::next_deadline(&w.state).expect("a deadline");
    assert_eq!((due, what), (w.state.head.time + Millis::from_secs(300), "an orphan"));
    w.secs(300);
    assert_eq!(plan(&w.state), [Effect::Terminate(id("i-7"))]);
    let mut effects = Effects::default();
    let calls = effects.calls(Moment(0), &id("test"), &w.state, Epoch(1));
    assert_eq!(calls, [Call::Terminate(id("i-7"))]);
    effects.take(Moment(0), News::Terminated(id("i-7"), TerminateAnswer::Gone));
    let events = effects.outcomes(Moment(0), &w.state);
    // Half an hour before it was found, and five minutes of grace.
    let cost = small().price.over(Millis::from_secs(2100));
    assert_eq!(events, [InstanceTerminated { instance: id("i-7"), cost }.into()]);
    events.into_iter().for_each(|event| w.say(event));
    assert_eq!(plan(&w.state), []);
    assert!(w.state.orphans.is_empty());
}

#[test]
fn an_orphan_that_goes_by_itself_is_written_off() {
    let mut w = World::new();
    assert_eq!(found(&mut w, stray("i-7", None)).len(), 1);
    w.sight.strays.clear();
    w.gone("i-7");
    assert_eq!(w.rounds(), ["i-7 lost"]);
}

#[test]
fn the_cloud_is_asked_what_there_is_every_so_often_and_one_answer_at_a_time() {
    let mut effects = Effects::default();
    let every = Millis::from_secs(5);
    assert_eq!(effects.list(Moment(0), every), Some(Call::List));
    assert_eq!(effects.list(Moment(9000), every), None, "it has not answered");
    effects.take(Moment(9000), News::Listed(None));
    assert_eq!(effects.list(Moment(9000), every), Some(Call::List));
    effects.take(Moment(9100), News::Listed(Some(Vec::new())));
    assert_eq!(effects.list(Moment(13_999), every), None);
    assert_eq!(effects.list(Moment(14_000), every), Some(Call::List));
    // The next term asks at once, but not while a question is under way.
    effects.forget();
    assert_eq!(effects.list(Moment(14_000), every), None);
    effects.take(Moment(14_100), News::Listed(None));
    assert_eq!(effects.list(Moment(14_100), every), Some(Call::List));
}

#[test]
fn what_a_list_names_once_is_no_stray_yet() {
    let w = World::new();
    let mut effects = Effects::default();
    let mut strays = |at: u64, names: &[&str]| {
        let seen = names.iter().map(|name| stray(name, None)).collect();
        effects.take(Moment(at), News::Listed(Some(seen)));
        effects.strays(&w.state).len()
    };
    assert_eq!(strays(0, &["i-7"]), 0);
    assert_eq!(strays(29_999, &["i-7", "i-8"]), 0);
    assert_eq!(strays(30_000, &["i-7", "i-8"]), 1);
    assert_eq!(strays(31_000, &["i-8"]), 0, "it has gone");
    assert_eq!(strays(60_000, &["i-7", "i-8"]), 1, "it begins anew, and the other one is there");
}
