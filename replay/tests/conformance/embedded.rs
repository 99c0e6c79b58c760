//! What only the embedded log goes through: faults on demand, damaged files, other processes.

use crate::place::directory;
use crate::support::{append_each, cluster, entries, numbers};
use replay::log::{AppendError, Log, OpenError, embedded};
use schema::unit::Seq;
use std::path::Path;

/// Sled's files of the log under `dir`, with nobody else at them.
fn raw(dir: &Path) -> sled::Db {
    sled::open(dir.join("test")).expect("opens")
}

async fn filled(dir: &Path) {
    let (log, _) = embedded::open(dir, &cluster(), true).expect("opens");
    append_each(&*log, 0..3).await;
    log.append(&entries(3..6), None).await.expect("stored");
}

fn refusal(dir: &Path) -> String {
    let error = embedded::open(dir, &cluster(), false).err().expect("refused");
    assert!(matches!(error, OpenError::Broken { .. }), "{error}");
    error.to_string()
}

fn key(seq: u64) -> [u8; 10] {
    let mut key = [0; 10];
    key[..8].copy_from_slice(&seq.to_be_bytes());
    key
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_acknowledgements_are_resolved_by_reading_back() {
    let (log, _) = embedded::temporary(&cluster()).expect("opens");
    log.faults().lose_acks(1);
    let lost = log.append(&entries(7..8), None).await;
    assert!(matches!(lost, Err(AppendError::Unresolved(_))), "{lost:?}");
    assert_eq!(numbers(&*log).await, [7], "what was unresolved had landed");
    log.faults().refuse(1);
    let refused = log.append(&entries(8..9), None).await;
    assert!(matches!(refused, Err(AppendError::Busy(_))), "{refused:?}");
    assert_eq!(numbers(&*log).await, [7], "what was refused had not");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_there_again_when_opened_again() {
    let dir = directory();
    let mut created = None;
    for round in 0..3 {
        let (log, _) = embedded::open(dir.path(), &cluster(), true).expect("opens");
        assert_eq!(log.last_seq().await.expect("answers").0, u64::from(round));
        assert_eq!(*created.get_or_insert(log.identity().created), log.identity().created);
        append_each(&*log, round..round + 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_shares_it_and_another_is_told_that_it_is_in_use() {
    let dir = directory();
    let (first, _) = embedded::open(dir.path(), &cluster(), true).expect("opens");
    let (second, _) = embedded::open(dir.path(), &cluster(), true).expect("opens");
    append_each(&*first, 0..1).await;
    append_each(&*second, 1..2).await;
    assert_eq!(numbers(&*first).await, [0, 1]);
    drop((first, second));
    let _held = raw(dir.path());
    assert!(refusal(dir.path()).contains("in use by another process"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_keeps_the_log_open() {
    let (log, _) = embedded::temporary(&cluster()).expect("opens");
    append_each(&*log, 0..3).await;
    let mut reader = log.read(Seq(1), None).await.expect("reads");
    drop(log);
    assert_eq!(crate::support::more(&mut *reader, 3).await, [0, 1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_round_on_disk_is_no_round() {
    let dir = directory();
    filled(dir.path()).await;
    {
        let db = raw(dir.path());
        db.open_tree("g1").expect("opens").remove(key(6)).expect("removed").expect("was there");
        db.flush().expect("flushed");
    }
    let (log, _) = embedded::open(dir.path(), &cluster(), false).expect("opens");
    assert_eq!(numbers(&*log).await, [0, 1, 2]);
    assert_eq!(log.append(&entries(9..10), None).await.expect("stored"), Seq(4));
    assert_eq!(numbers(&*log).await, [0, 1, 2, 9]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_or_damaged_record_is_refused_with_a_sentence() {
    for (damage, sentence) in [(None, "record 2 is missing"), (Some(b"x"), "record 2 is damaged")] {
        let dir = directory();
        filled(dir.path()).await;
        {
            let records = raw(dir.path()).open_tree("g1").expect("opens");
            match damage {
                None => records.remove(key(2)).expect("removed"),
                Some(bytes) => records.insert(key(2), bytes).expect("written"),
            };
            records.flush().expect("flushed");
        }
        let refusal = refusal(dir.path());
        assert!(refusal.contains(sentence), "{refusal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_used_are_refused_with_a_sentence() {
    let dir = directory();
    std::fs::create_dir_all(dir.path().join("test/db")).expect("made");
    refusal(dir.path());
    let dir = directory();
    filled(dir.path()).await;
    let config = dir.path().join("test/conf");
    std::fs::write(config, "no configuration of sled's").expect("written");
    refusal(dir.path());
}

/// Whatever is done to the files: a sentence, or a log that can be read to its end. Never a panic.
#[tokio::test(flavor = "multi_thread")]
async fn bytes_turned_over_on_disk_never_panic() {
    for offset in [0, 5, 17, 64, 200, 350] {
        let dir = directory();
        filled(dir.path()).await;
        let file = dir.path().join("test/db");
        let mut bytes = std::fs::read(&file).expect("read");
        let Some(byte) = bytes.get_mut(offset) else { continue };
        *byte ^= 0xff;
        std::fs::write(&file, bytes).expect("written");
        if let Ok((log, _)) = embedded::open(dir.path(), &cluster(), true) {
            let found = numbers(&*log).await;
            assert!((0..6).collect::<Vec<_>>().starts_with(&found), "{found:?}");
        }
    }
}
