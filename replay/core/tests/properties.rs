//! Properties of the fold over whole histories of every kind of event, spoilt, repeated and cut.

use proptest::prelude::*;
use proptest::sample::Index;
use replay_core::table::Table;
use replay_core::{Outcome, State, invariant};
use schema::event::{DriverJoined, Event};
use schema::id::DriverId;
use std::collections::{BTreeMap, BTreeSet};
use targets::fold::{fold as any_fold, frame, snapshot, unframe};
use targets::history::{Told, history};
use targets::{seeds, sound};

/// How many reasons there are for which a record may have no effect.
const REASONS: usize = 28;

/// Within so many histories all of it has happened.
const SEEDS: u64 = 6000;

/// Bytes of which a history is made: about one record of every ten.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..3000)
}

fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 1000,
        ..ProptestConfig::with_cases(150)
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_invariant_holds_after_every_record(bytes in bytes()) {
        let told = history(&bytes);
        let (state, outcomes) = sound::walk(&told);
        sound::ignores(&state, &told);
        sound::forgets_nothing(&state, &told, &outcomes);
    }

    #[test]
    fn the_same_history_gives_the_same_state(bytes in bytes()) {
        sound::repeats(&history(&bytes));
    }

    #[test]
    fn a_snapshot_at_any_cut_and_the_rest_give_the_whole(bytes in bytes(), cut in any::<Index>()) {
        let told = history(&bytes);
        sound::resumes(&told, cut.index(told.len() + 1));
    }

    #[test]
    fn what_came_before_a_cut_has_no_effect_after_it(bytes in bytes(), cut in any::<Index>()) {
        let told = history(&bytes);
        let told = &told[..cut.index(told.len() + 1)];
        let (state, outcomes) = sound::walk(told);
        sound::forgets_nothing(&state, told, &outcomes);
    }

    #[test]
    fn any_bytes_fold(bytes in bytes()) {
        any_fold(&bytes);
    }

    #[test]
    fn any_bytes_are_a_snapshot_or_a_reason(bytes in bytes()) {
        snapshot(&bytes);
    }

    #[test]
    fn messages_are_framed_and_taken_out_again(bytes in bytes()) {
        let told = history(&bytes);
        prop_assume!(told.iter().all(|told| told.line.subject.len() < 256));
        let (most, frames) = (told.len().min(400), frame(&told));
        prop_assert_eq!(&unframe(&frames)[..most], &told[..most]);
    }

    /// A table's sum follows from what is in it, not from how it came there.
    #[test]
    fn a_sum_follows_from_what_is_there(
        steps in prop::collection::vec((0..20_u8, any::<Option<u8>>(), any::<bool>()), 0..60),
    ) {
        let (mut table, mut rows) = (Table::default(), BTreeMap::new());
        for (key, value, sum) in steps {
            match value {
                Some(value) => {
                    table.insert(key, value);
                    rows.insert(key, value);
                }
                None => prop_assert_eq!(table.remove(&key), rows.remove(&key)),
            }
            if let Some(value) = table.get_mut(&(key / 2)) {
                *value = value.wrapping_add(1);
                rows.entry(key / 2).and_modify(|value| *value = value.wrapping_add(1));
            }
            if sum {
                table.sum("it");
            }
        }
        let mut built = Table::default();
        rows.iter().rev().for_each(|(key, value)| built.insert(*key, *value));
        prop_assert_eq!(built.sum("it"), table.sum("it"));
        prop_assert!(built.iter().eq(&rows));
    }

    /// Whoever came first, the state is the same once all are there.
    #[test]
    fn a_digest_does_not_know_who_came_first(
        drivers in prop::collection::btree_set("[a-z]{1,8}", 1..12)
            .prop_map(|names| names.into_iter().collect::<Vec<_>>())
            .prop_flat_map(|names| (Just(names.clone()), Just(names).prop_shuffle())),
    ) {
        let (one, other) = drivers;
        prop_assert_eq!(joined(&one).digest(), joined(&other).digest());
    }
}

fn joined(names: &[String]) -> State {
    let mut state = targets::history::fold(State::default(), &history(&[]));
    for name in names {
        let driver = DriverId::new(name).expect("an id");
        let event = DriverJoined { driver: driver.clone(), version: "1".into() }.into();
        let told = targets::history::said(&state, (&driver).into(), event);
        assert_eq!(told.next(&mut state), Outcome::Applied);
    }
    state
}

/// The histories are worth something: everything that can happen does, and is refused for every reason.
#[test]
fn histories_hold_every_event_and_every_refusal() {
    let (mut applied, mut voids) = (BTreeSet::new(), BTreeSet::new());
    for seed in 0..SEEDS {
        if applied.len() == Event::KINDS.len() && voids.len() == REASONS {
            break;
        }
        let mut state = State::default();
        for told in history(&seeds::noise(seed, 3000)) {
            match told.next(&mut state) {
                Outcome::Applied => applied.insert(kind(&told)),
                Outcome::Void(void) => voids.insert(void.to_string()),
                Outcome::Ignored => panic!("out of order"),
            };
        }
        assert_eq!(invariant::check(&state), []);
    }
    let missing: Vec<_> = Event::KINDS.iter().filter(|kind| !applied.contains(*kind)).collect();
    assert!(missing.is_empty(), "never applied: {missing:?}");
    assert_eq!(voids.len(), REASONS, "{voids:?}");
}

fn kind(told: &Told) -> &'static str {
    schema::codec::decode(&told.line.payload).expect("applied, so readable").event.kind()
}
