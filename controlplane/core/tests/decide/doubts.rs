//! Launches of which nobody knows what came of them: they are repeated ever more seldom, and who waits for
//! them is told so, as long as that is true.

use crate::tell::tell;
use crate::world::{World, cores, id, small};
use controlplane_core::Moment;
use controlplane_core::cloud::{Doubt, LaunchAnswer, TerminateAnswer};
use controlplane_core::effects::{Call, Effects, News};
use schema::event::{Event, LaunchUnanswered, TerminateRequested};
use schema::unit::{Epoch, Millis};
use schema::why::{DoubtClass, TerminateWhy};

/// When, in milliseconds from a moment on, the next call is made; each moment is looked at.
fn next(effects: &mut Effects, w: &World, from: u64) -> u64 {
    let due = |now: &u64| !effects.calls(Moment(*now), &id("test"), &w.state, Epoch(1)).is_empty();
    (from..from + 60_000).find(due).expect("it is repeated") - from
}

fn doubt(class: DoubtClass) -> Doubt {
    Doubt { class, message: "InternalError: an error occurred".into() }
}

fn unknown(class: DoubtClass) -> News {
    News::Launched(id("l-1"), 1, LaunchAnswer::Unknown(doubt(class)))
}

#[test]
fn what_has_no_answer_is_repeated_ever_more_seldom() {
    let mut w = World::new();
    w.launch("i-1", small(), &[]);
    w.up("i-2", cores(2));
    w.say(TerminateRequested { instance: id("i-2"), why: TerminateWhy::Drained });
    let end = |answer: TerminateAnswer| News::Terminated(id("i-2"), answer);
    let gone = |what: &str| TerminateAnswer::Unknown(what.into());
    let (mut now, mut effects) = (0, Effects::default());
    assert_eq!(effects.calls(Moment(0), &id("test"), &w.state, Epoch(1)).len(), 2);
    for rest in [200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000] {
        effects.take(Moment(now), unknown(DoubtClass::Failed));
        effects.take(Moment(now), end(gone("500")));
        assert_eq!(next(&mut effects, &w, now), rest);
        now += rest;
    }
    // It is not its turn: that says nothing, and costs nothing. What is going has been heard.
    let unsent = LaunchAnswer::NotYet("its turn".into());
    effects.take(Moment(now), News::Launched(id("l-1"), 1, unsent));
    effects.take(Moment(now), end(TerminateAnswer::Going));
    assert_eq!(next(&mut effects, &w, now), 200);
    now += 200;
    effects.take(Moment(now), unknown(DoubtClass::Failed));
    effects.take(Moment(now), end(gone("500")));
    let only = |calls: Vec<Call>| matches!(&calls[..], [Call::Terminate(_)]);
    assert!(only(effects.calls(Moment(now + 200), &id("test"), &w.state, Epoch(1))), "anew");
    effects.take(Moment(now + 200), end(TerminateAnswer::NotYet("its turn".into())));
    assert_eq!(next(&mut effects, &w, now + 200), 200);
    // A new term asks at once.
    effects.forget();
    assert_eq!(effects.calls(Moment(now + 201), &id("test"), &w.state, Epoch(1)).len(), 2);
}

/// What the leader writes of what came of calls.
fn written(effects: &mut Effects, w: &mut World) -> Vec<Event> {
    let events = effects.outcomes(Moment(0), &w.state);
    events.iter().for_each(|event| w.say(event.clone()));
    events
}

#[test]
fn who_waits_is_told_that_nobody_knows_as_long_as_that_is_so() {
    let (mut w, mut effects) = (World::new(), Effects::default());
    let rounds = |w: &mut World| w.rounds().join(", ");
    w.ask("a-1", cores(2));
    w.launch("i-1", small(), &["a-1"]);
    assert_eq!(rounds(&mut w), "a-1 waits: launching small");
    effects.calls(Moment(0), &id("test"), &w.state, Epoch(1));
    for (class, told, waits) in [
        (DoubtClass::NoAnswer, 1, "a-1 waits: small in doubt, NoAnswer"),
        (DoubtClass::NoAnswer, 0, ""),
        (DoubtClass::Forbidden, 1, "a-1 waits: small in doubt, Forbidden"),
        (DoubtClass::Forbidden, 0, ""),
    ] {
        effects.take(Moment(0), unknown(class));
        let events = written(&mut effects, &mut w);
        assert_eq!(events.len(), told, "{class:?}: {events:?}");
        assert_eq!(rounds(&mut w), waits);
    }
    let since = w.state.launches.get(&id("l-1")).and_then(|l| l.doubt.clone()).expect("a doubt");
    assert_eq!(since.message, "InternalError: an error occurred");
    assert!(since.since <= w.state.head.time);
    // It has an answer: an instance is on its way after all.
    w.made("i-1");
    assert_eq!(rounds(&mut w), "a-1 waits: launching small");
    assert_eq!(w.state.launches.get(&id("l-1")).and_then(|l| l.doubt.clone()), None);
    assert!(effects.outcomes(Moment(0), &w.state).is_empty());
}

#[test]
fn an_instance_that_is_up_answers_it_and_a_refusal_does() {
    let unanswered = |attempt, class| {
        let (launch, message) = (id("l-1"), String::new());
        LaunchUnanswered { launch, attempt, class, message }
    };
    let asked = || {
        let mut w = World::new();
        w.ask("a-1", cores(2));
        w.launch("i-1", small(), &["a-1"]);
        w.say(unanswered(1, DoubtClass::Unseen));
        w
    };
    let mut w = asked();
    assert!(w.void(unanswered(1, DoubtClass::Unseen)), "it is known");
    assert!(w.void(unanswered(2, DoubtClass::Failed)), "another attempt");
    w.boot("i-1", cores(2));
    let told: Vec<String> = w.round().iter().map(tell).collect();
    assert_eq!(told, ["a-1 on i-1: kept for it"]);
    let mut w = asked();
    w.refuse("i-1", Millis(1000));
    assert!(w.void(unanswered(1, DoubtClass::Failed)), "it has an answer");
    let told: Vec<String> = w.round().iter().map(tell).collect();
    assert_eq!(told, ["launch large for a-1", "a-1 waits: launching large"]);
}
