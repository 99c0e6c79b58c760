//! What is kept of the fuzz targets' input, and mutations of it, through every target.

use schema::codec;
use schema::event::Event;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use targets::TARGETS;
use targets::seeds::mutated;

/// Largest piece that is kept, and most pieces for one target.
const LARGEST: usize = 16 << 10;
const MOST: usize = 80;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus")
}

/// What is kept for a target, in order of name.
fn kept(target: &str) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(corpus().join(target)).expect("a folder of kept input");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut kept: Vec<(String, Vec<u8>)> = paths
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, fs::read(&path).expect("readable"))
        })
        .collect();
    kept.sort();
    kept
}

/// Feeds a target what is kept for it, and so many mutations of each.
fn feed(target: &str, mutations: u64) {
    let (_, run) = TARGETS.iter().find(|(name, _)| *name == target).expect("a target");
    let kept = kept(target);
    assert!(!kept.is_empty());
    for (at, (name, bytes)) in (0_u64..).zip(&kept) {
        let failed = |what: &str, bytes: &[u8]| {
            let broken = std::panic::catch_unwind(|| run(bytes)).is_err();
            assert!(!broken, "{target}: {name}, {what}: {bytes:?}");
        };
        failed("as it is kept", bytes);
        for n in 0..mutations {
            let seed = at * mutations + n;
            let (_, other) = &kept[usize::try_from(seed).expect("small") % kept.len()];
            failed(&format!("mutation {seed}"), &mutated(bytes, other, seed));
        }
    }
}

macro_rules! fed {
    ($($name:ident $mutations:literal),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                feed(stringify!($name), $mutations);
            }
        )*
        const FED: &[&str] = &[$(stringify!($name)),*];
    };
}
fed! {
    record 3000, subject 3000, heartbeat 9000, fold 150, snapshot 5000, id 9000, amount 9000,
    policy 9000, requirements 9000, kernel 9000,
}

#[test]
fn every_target_is_fed_and_has_a_wrapper() {
    let names: BTreeSet<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(FED.iter().copied().collect::<BTreeSet<_>>(), names);
    let wrappers = corpus().join("../fuzz_targets");
    let wrapped: BTreeSet<String> = fs::read_dir(wrappers)
        .expect("a folder of wrappers")
        .map(|entry| entry.expect("an entry").path())
        .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    assert_eq!(wrapped.iter().map(String::as_str).collect::<BTreeSet<_>>(), names);
}

#[test]
fn every_kind_of_event_is_kept() {
    for target in ["record", "subject"] {
        let kept = kept(target);
        for kind in Event::KINDS {
            let (_, bytes) = kept
                .iter()
                .find(|(name, _)| name == kind)
                .unwrap_or_else(|| panic!("{kind}: run the example `corpus` of this crate"));
            let end = bytes.iter().position(|b| *b == b'\n').filter(|_| target == "subject");
            let record = codec::decode(&bytes[end.map_or(0, |end| end + 1)..]).expect("a record");
            assert_eq!(record.event.kind(), *kind);
        }
    }
}

/// Others are refused before they are looked at.
#[test]
fn a_snapshot_of_this_fold_is_kept() {
    let mut kept = kept("snapshot").into_iter();
    let restored = kept.any(|(_, bytes)| replay_core::State::restore(&bytes).is_ok());
    assert!(restored, "all are of other versions: remove them and run the example `corpus`");
}

#[test]
fn what_is_kept_is_small() {
    for (target, _) in TARGETS {
        let kept = kept(target);
        assert!(kept.len() <= MOST, "{target}: {} pieces", kept.len());
        for (name, bytes) in kept {
            assert!(bytes.len() <= LARGEST, "{target}/{name}: {} bytes", bytes.len());
        }
    }
}
