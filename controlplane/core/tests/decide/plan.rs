//! Which effects the folded intents still ask for.

use crate::world::{World, cores, id, small};
use controlplane_core::cloud::{Doubt, LaunchAnswer, LaunchOrder};
use controlplane_core::effects::{Call, Effects, News};
use controlplane_core::plan::EffectKey;
use controlplane_core::{Effect, Moment, plan};
use schema::event::{
    BootTimedOut, CloudConfigured, ConsoleSeen, Event, InstanceLost, InstanceTerminated,
    MAX_CONSOLE, MAX_SETTINGS, TerminateRequested,
};
use schema::unit::{Epoch, LogTime, Micros, Millis};
use schema::why::{RefusalClass, RefusalScope, TerminateWhy};

/// Name, what has happened, and what is owed then.
type Owed = (&'static str, fn(&mut World), Vec<EffectKey>);

fn keys(w: &World) -> Vec<EffectKey> {
    plan(&w.state).iter().map(Effect::key).collect()
}

fn end(w: &mut World, instance: &str) {
    w.say(TerminateRequested { instance: id(instance), why: TerminateWhy::Drained });
}

#[test]
fn an_intent_is_owed_until_its_outcome_is_on_the_log() {
    let launch = || EffectKey::Launch(id("l-1"), 1);
    let terminate = || EffectKey::Terminate(id("i-1"));
    let cases: [Owed; 9] = [
        ("nothing is asked for", |w| w.ask("a-1", cores(1)), vec![]),
        ("asked for", |w| w.launch("i-1", small(), &[]), vec![launch()]),
        ("made", |w| w.booting("i-1", small()), vec![]),
        (
            "refused",
            |w| {
                w.launch("i-1", small(), &[]);
                w.refuse("i-1", Millis(1));
            },
            vec![],
        ),
        (
            "up before the cloud has answered: its answer is still owed",
            |w| {
                w.launch("i-1", small(), &[]);
                w.boot("i-1", cores(2));
            },
            vec![launch()],
        ),
        (
            "to be ended",
            |w| {
                w.up("i-1", cores(2));
                end(w, "i-1");
            },
            vec![terminate()],
        ),
        (
            "ended",
            |w| {
                w.up("i-1", cores(2));
                end(w, "i-1");
                w.say(InstanceTerminated { instance: id("i-1"), cost: Micros(1) });
            },
            vec![],
        ),
        (
            "gone by itself before",
            |w| {
                w.up("i-1", cores(2));
                end(w, "i-1");
                w.say(InstanceLost { instance: id("i-1"), message: String::new() });
            },
            vec![],
        ),
        (
            "launches first",
            |w| {
                w.up("i-2", cores(2));
                end(w, "i-2");
                w.launch("i-1", small(), &[]);
            },
            vec![launch(), EffectKey::Terminate(id("i-2"))],
        ),
    ];
    for (name, happen, expected) in cases {
        let mut w = World::new();
        happen(&mut w);
        assert_eq!(keys(&w), expected, "{name}");
    }
}

#[test]
fn an_effect_is_what_the_intent_said_though_the_policy_is_another_by_now() {
    let mut w = World::new();
    w.ask("a-1", cores(1));
    w.round();
    w.policy(|p| p.offerings = Vec::new());
    let [Effect::Launch(launch_id, launch)] = &plan(&w.state)[..] else { panic!("one launch") };
    assert_eq!((launch.attempt, launch.count, &launch.offering), (1, 1, &small()));
    assert_eq!(launch.reserved_for, [id("a-1")]);
    assert!(w.state.index.open_launches.contains(launch_id));
}

#[test]
fn no_more_launches_are_under_way_at_once_than_the_policy_wants() {
    let mut w = World::new();
    w.policy(|p| (p.max_creating, p.max_pending) = (2, 9));
    for n in 1..=5 {
        w.launch(&format!("i-{n}"), small(), &[]);
    }
    let mut effects = Effects::default();
    let begun = |effects: &mut Effects, w: &World| {
        effects.calls(Moment(0), &id("c"), &w.state, Epoch(1)).len()
    };
    assert_eq!(begun(&mut effects, &w), 2);
    assert!(!effects.wanted(Moment(0), &w.state), "nothing more can be begun");
    assert_eq!(begun(&mut effects, &w), 0);
    // One is answered, and the answer is on the log.
    w.made("i-1");
    effects.outcomes(Moment(0), &w.state);
    assert!(effects.wanted(Moment(0), &w.state));
    assert_eq!(begun(&mut effects, &w), 1);
}

#[test]
fn an_order_is_made_by_the_settings_under_which_it_was_decided() {
    let configure = |w: &mut World, settings: &str| {
        w.say(CloudConfigured { settings: settings.into(), fingerprint: None });
    };
    let mut w = World::new();
    w.policy(|p| p.max_pending = 9);
    w.launch("i-1", small(), &[]);
    configure(&mut w, "old");
    w.launch("i-2", small(), &[]);
    configure(&mut w, "new");
    w.launch("i-3", small(), &[]);
    let settings = |w: &World| -> Vec<Option<String>> {
        let calls = Effects::default().calls(Moment(0), &id("c"), &w.state, Epoch(1));
        let of = |call: Call| match call {
            Call::Launch(order) => Some(order.settings.map(|text| text.to_string())),
            Call::Terminate(_) | Call::Console(_) => None,
            Call::List | Call::Prices(_) | Call::Scores(_) | Call::Types(_) => None,
        };
        calls.into_iter().filter_map(of).collect()
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(settings(&w), [None, text("old"), text("new")]);
    assert_eq!(w.state.settings_now(), Some("new"));
    // What nobody needs is forgotten when there are others.
    w.made("i-2");
    configure(&mut w, "newest");
    assert_eq!(w.state.settings.len(), 2);
    assert_eq!(settings(&w), [None, text("new")]);
    assert!(w.void(CloudConfigured { settings: "x".repeat(MAX_SETTINGS + 1), fingerprint: None }));
}

/// Of three launches of the same, one is refused before the others were sent.
#[test]
fn what_has_been_refused_since_it_was_decided_is_not_sent() {
    let (class, scope) = (RefusalClass::Capacity, RefusalScope::Zone);
    let sent = |unsent: LaunchAnswer, epoch: u64| {
        let mut w = World::new();
        w.policy(|p| (p.max_pending, p.max_creating) = (9, 2));
        (1..=3).for_each(|n| w.launch(&format!("i-{n}"), small(), &[]));
        let mut effects = Effects::default();
        let calls = |effects: &mut Effects, at: u64, w: &World| {
            let calls = effects.calls(Moment(at), &id("c"), &w.state, Epoch(epoch));
            let of = |call: Call| match call {
                Call::Launch(order) => Some(order.launch.to_string()),
                Call::Terminate(_) | Call::Console(_) => None,
                Call::List | Call::Prices(_) | Call::Scores(_) | Call::Types(_) => None,
            };
            calls.into_iter().filter_map(of).collect::<Vec<_>>()
        };
        assert_eq!(calls(&mut effects, 0, &w), ["l-1", "l-2"]);
        effects.take(Moment(0), News::Launched(id("l-2"), 1, unsent));
        w.refuse_as("i-1", class.clone(), scope, Millis::from_secs(60));
        effects.outcomes(Moment(0), &w.state);
        let sent = calls(&mut effects, 1000, &w);
        assert!(calls(&mut effects, 1000, &w).is_empty(), "nor before that is written");
        for event in effects.outcomes(Moment(1000), &w.state) {
            match &event {
                Event::LaunchRefused(e) => assert_eq!((&e.class, e.scope), (&class, Some(scope))),
                event => assert!(matches!(event, Event::LaunchUnanswered(_)), "{event:?}"),
            }
            w.say(event);
        }
        assert_eq!(w.state.rests.iter().map(|(_, rest)| rest.refusals).collect::<Vec<_>>(), [1]);
        sent
    };
    assert!(sent(LaunchAnswer::NotYet("its turn".into()), 1).is_empty());
    assert_eq!(
        sent(LaunchAnswer::Unknown(Doubt::no_answer("lost")), 1),
        ["l-2"],
        "EC2 may have heard of it"
    );
    // Decided in another term: somebody else may have sent it.
    assert_eq!(sent(LaunchAnswer::NotYet("its turn".into()), 2), ["l-2", "l-3"]);
}

#[test]
fn an_order_is_the_same_whoever_asks() {
    let mut w = World::new();
    w.launch("i-1", small(), &[]);
    let written = w.state.head.leader.epoch;
    let ask = |epoch: Epoch| {
        let calls = Effects::default().calls(Moment(0), &id("c"), &w.state, epoch);
        let [Call::Launch(order)] = &calls[..] else { panic!("not one launch: {calls:?}") };
        order.clone()
    };
    let (first, later) = (ask(written), ask(Epoch(written.0 + 6)));
    assert_eq!(later.epoch, Epoch(written.0 + 6), "the term of the leader that asks");
    assert_eq!(later.intended, written, "the term in which the intent was written");
    assert_eq!(LaunchOrder { epoch: first.epoch, ..*later }, *first);
}

/// One that did not boot, and that the leader wants gone.
fn stillborn(w: &mut World) {
    w.booting("i-1", small());
    let (waited, until) = (Millis(1), LogTime(0));
    w.say(BootTimedOut { instance: id("i-1"), waited, until });
    w.say(TerminateRequested { instance: id("i-1"), why: TerminateWhy::BootTimeout });
}

fn calls(w: &World, effects: &mut Effects, at: u64) -> Vec<Call> {
    effects.calls(Moment(at), &id("test"), &w.state, Epoch(1))
}

#[test]
fn what_did_not_boot_is_ended_once_its_console_is_on_the_log() {
    let (mut w, mut effects) = (World::new(), Effects::default());
    stillborn(&mut w);
    assert!(effects.wanted(Moment(0), &w.state));
    assert_eq!(calls(&w, &mut effects, 0), [Call::Console(id("i-1"))]);
    assert_eq!(calls(&w, &mut effects, 9_000), [], "its end waits");
    assert!(!effects.wanted(Moment(9_000), &w.state));
    effects.take(Moment(9_000), News::Console(id("i-1"), Some("panic: no disk".into())));
    assert_eq!(calls(&w, &mut effects, 9_000), [], "not before it is on the log");
    let seen = ConsoleSeen { instance: id("i-1"), text: "panic: no disk".into() };
    assert_eq!(effects.outcomes(Moment(9_000), &w.state), [Event::from(seen.clone())]);
    w.say(seen);
    assert_eq!(calls(&w, &mut effects, 9_001), [Call::Terminate(id("i-1"))]);
    assert_eq!(effects.outcomes(Moment(9_002), &w.state), [], "once");
}

#[test]
fn a_console_that_cannot_be_seen_holds_up_no_end_for_long() {
    for answer in [None, Some(None), Some(Some(" \n".to_owned()))] {
        let (mut w, mut effects) = (World::new(), Effects::default());
        stillborn(&mut w);
        assert_eq!(calls(&w, &mut effects, 0), [Call::Console(id("i-1"))]);
        let answered = answer.is_some();
        answer.into_iter().for_each(|a| effects.take(Moment(1), News::Console(id("i-1"), a)));
        let end = if answered { 2 } else { 10_000 };
        assert_eq!(calls(&w, &mut effects, end), [Call::Terminate(id("i-1"))]);
        // Too late: it has been ended without.
        effects.take(Moment(end), News::Console(id("i-1"), Some("late".into())));
        effects.take(Moment(end), News::Console(id("i-9"), Some("nobody asked".into())));
        if answered {
            assert_eq!(effects.outcomes(Moment(end), &w.state), []);
        }
    }
}

#[test]
fn what_ended_for_another_reason_shows_no_console_and_none_is_taken_of_what_is_gone() {
    let (mut w, mut effects) = (World::new(), Effects::default());
    w.up("i-1", cores(2));
    end(&mut w, "i-1");
    assert_eq!(calls(&w, &mut effects, 0), [Call::Terminate(id("i-1"))]);
    let long = "x".repeat(MAX_CONSOLE + 1);
    assert!(w.void(ConsoleSeen { instance: id("i-1"), text: long }));
    w.say(InstanceTerminated { instance: id("i-1"), cost: Micros(1) });
    assert!(w.void(ConsoleSeen { instance: id("i-1"), text: "late".into() }));
}
