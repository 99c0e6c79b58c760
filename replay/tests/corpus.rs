//! Logs of every released schema version fold to the digest that they folded to when they were
//! recorded, whole or from a snapshot at any cut.

use replay::fold::message;
use replay::log::Stored;
use replay_core::{Digest, State, invariant};
use schema::codec;
use schema::event::{AllocGranted, Event};
use schema::unit::Millis;
use std::path::{Path, PathBuf};

fn corpus() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schema/corpus");
    let entries = std::fs::read_dir(dir).expect("the corpus is there");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.extension().is_some_and(|e| e == "log")).collect()
}

fn records(path: &Path) -> Vec<Stored> {
    rmp_serde::from_slice(&std::fs::read(path).expect("readable")).expect("records")
}

fn fold(mut state: State, records: &[Stored]) -> State {
    for stored in records {
        state.apply(message(stored));
        assert_eq!(invariant::check(&state), [], "after record {}", stored.seq);
    }
    state
}

fn digest(mut state: State) -> Digest {
    state.digest()
}

#[test]
fn every_recorded_log_folds_to_its_digest() {
    let paths = corpus();
    assert!(!paths.is_empty());
    for path in paths {
        let written = std::fs::read_to_string(format!("{}.digest", path.display()));
        let found = digest(fold(State::default(), &records(&path))).to_string();
        assert_eq!(found, written.expect("a digest").trim(), "{}", path.display());
    }
}

/// Nothing else tells an old agent from one that goes by what it is told.
#[test]
fn a_grant_that_says_no_grace_has_what_agents_went_by() {
    let granted = |stored: &Stored| match codec::decode(&stored.payload).ok()?.event {
        Event::AllocGranted(e) => Some(e.grace),
        _ => None,
    };
    let stored = corpus().into_iter().flat_map(|path| records(&path));
    let graces: Vec<Millis> = stored.filter_map(|stored| granted(&stored)).collect();
    assert!(!graces.is_empty());
    assert!(graces.iter().all(|grace| *grace == AllocGranted::GRACE), "{graces:?}");
}

#[test]
fn a_snapshot_at_any_cut_and_the_rest_give_the_same_digest() {
    for path in corpus() {
        let records = records(&path);
        let whole = digest(fold(State::default(), &records));
        for cut in 0..records.len() {
            let (before, after) = records.split_at(cut);
            let snapshot = fold(State::default(), before).snapshot();
            let restored = State::restore(&snapshot).expect("a snapshot");
            assert_eq!(digest(fold(restored, after)), whole, "cut at {cut}");
        }
    }
}

#[test]
fn delivering_records_again_changes_nothing() {
    for path in corpus() {
        let records = records(&path);
        let whole = digest(fold(State::default(), &records));
        let twice: Vec<Stored> = records.iter().flat_map(|r| [r.clone(), r.clone()]).collect();
        assert_eq!(digest(fold(State::default(), &twice)), whole);
        let again: Vec<Stored> = records.iter().chain(&records).cloned().collect();
        assert_eq!(digest(fold(State::default(), &again)), whole);
    }
}
