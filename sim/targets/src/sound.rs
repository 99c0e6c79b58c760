//! What must hold of the fold of any messages.

use crate::history::{Told, fold};
use replay_core::invariant;
use replay_core::{Outcome, State, Void};
use schema::unit::{LogTime, Seq};

/// Folds all of them; every invariant holds after each, and each is counted.
#[must_use]
pub fn walk(told: &[Told]) -> (State, Vec<Outcome>) {
    let (mut state, mut outcomes) = (State::default(), Vec::new());
    for one in told {
        let (next, time) = (state.head.applied.next(), state.head.time);
        outcomes.push(one.next(&mut state));
        assert_eq!(state.head.applied, next);
        assert!(state.head.time >= time && state.head.time >= one.time);
        assert_eq!(invariant::check(&state), [], "after record {next}");
    }
    let void = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Void(_))).count();
    let before = state.head.voids.values().sum::<u64>();
    assert!(before >= void as u64, "a void record was not counted");
    (state, outcomes)
}

/// The same messages give the same state.
pub fn repeats(told: &[Told]) {
    let (mut one, mut other) = (fold(State::default(), told), fold(State::default(), told));
    assert_eq!(one.digest(), other.digest());
    assert_eq!(one.snapshot(), other.snapshot());
}

/// A snapshot after `cut` messages and the rest give what all of them give.
pub fn resumes(told: &[Told], cut: usize) {
    let (before, after) = told.split_at(cut.min(told.len()));
    let mut first = fold(State::default(), before);
    let snapshot = first.snapshot();
    let mut restored = State::restore(&snapshot).expect("a snapshot of a state");
    assert_eq!(restored.digest(), first.digest(), "restored as it was, at {cut}");
    assert_eq!(restored.snapshot(), snapshot, "and written as it was");
    let mut whole = fold(first, after);
    let mut rest = fold(restored, after);
    assert_eq!(rest.digest(), whole.digest(), "cut at {cut}");
    assert_eq!(rest.index, whole.index, "cut at {cut}");
}

/// What comes out of order is not looked at.
pub fn ignores(state: &State, told: &[Told]) {
    let mut again = state.clone();
    let before = again.digest();
    let applied = state.head.applied;
    for (one, seq) in told.iter().zip([Seq(0), applied, Seq(1), Seq(applied.0.saturating_add(2))]) {
        assert_eq!(one.at(seq, &mut again), Outcome::Ignored);
    }
    assert_eq!(again.digest(), before);
}

/// Whatever had its effect has none when it comes again, as long as its author is known.
pub fn forgets_nothing(state: &State, told: &[Told], outcomes: &[Outcome]) {
    let mut again = state.clone();
    for (one, outcome) in told.iter().zip(outcomes) {
        let record = schema::codec::decode(&one.line.payload);
        let known = record.is_ok_and(|record| {
            let key = (record.event.role(), record.author);
            let next = (record.incarnation, record.number);
            state.authors.get(&key).is_some_and(|last| (last.incarnation, last.number) >= next)
        });
        if *outcome == Outcome::Applied && known {
            let late = Told { time: LogTime(0), line: one.line.clone() };
            let outcome = late.next(&mut again);
            let expected =
                [Void::Duplicate, Void::RetiredIncarnation, Void::Genesis, Void::GenerationEnded];
            let Outcome::Void(void) = outcome else { panic!("it counted twice: {one:?}") };
            assert!(expected.contains(&void), "{void}");
        }
    }
    again.head.applied = state.head.applied;
    again.head.voids.clone_from(&state.head.voids);
    again.head.leader.election = state.head.leader.election;
    assert_eq!(again.digest(), state.clone().digest(), "coming again changed something");
    assert_eq!(again.index, state.index);
}
