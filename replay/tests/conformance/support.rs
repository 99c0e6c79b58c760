//! What the tests share: entries, waiting for conditions, reading back.

use bytes::Bytes;
use replay::log::{AppendError, Entry, Fence, Log, ReadError, Reader, Stored, read_to_end};
use schema::id::ClusterId;
use schema::unit::Seq;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

pub(crate) const WAIT: Duration = Duration::from_secs(10);
pub(crate) const ELECTION: &str = "fl.test.log.ctl._._._.leader.elected";
pub(crate) const SUBJECT: &str = "fl.test.log.a";

pub(crate) fn cluster() -> ClusterId {
    ClusterId::new("test").expect("an id")
}

pub(crate) fn entry(subject: &str, payload: &str) -> Entry {
    Entry { subject: subject.into(), payload: Bytes::from(payload.to_owned()) }
}

/// One record for each number, on one subject.
pub(crate) fn entries(numbers: Range<u32>) -> Vec<Entry> {
    numbers.map(|number| entry(SUBJECT, &number.to_string())).collect()
}

pub(crate) fn fence(seq: Seq) -> Fence {
    Fence { subject: ELECTION.into(), seq }
}

pub(crate) async fn poll() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

pub(crate) async fn until(mut condition: impl AsyncFnMut() -> bool) {
    let since = Instant::now();
    while !condition().await {
        assert!(since.elapsed() < 3 * WAIT, "it did not come about in time");
        poll().await;
    }
}

/// Appends again and again as long as nothing of it was stored for sure.
pub(crate) async fn patiently(
    log: &dyn Log,
    round: &[Entry],
    fence: Option<&Fence>,
) -> Result<Seq, AppendError> {
    let since = Instant::now();
    loop {
        match log.append(round, fence).await {
            Err(AppendError::Busy(reason)) => {
                assert!(since.elapsed() < 3 * WAIT, "still busy: {reason}");
                poll().await;
            }
            result => return result,
        }
    }
}

/// Appends each number on its own, as an author would: again and again until it is there. Returns
/// how often it could not know: each of those may land later, as a duplicate.
pub(crate) async fn append_each(log: &dyn Log, numbers: Range<u32>) -> usize {
    let mut unresolved = 0;
    for number in numbers {
        let entry = entry(SUBJECT, &number.to_string());
        loop {
            match patiently(log, std::slice::from_ref(&entry), None).await {
                Ok(_) => break,
                Err(AppendError::Unresolved(_)) => {
                    unresolved += 1;
                    if landed(log, number).await {
                        break;
                    }
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
    unresolved
}

/// Appends these as one round, as an author would: again and again until it is there.
pub(crate) async fn append_round(log: &dyn Log, numbers: Range<u32>) {
    let (round, first) = (entries(numbers.clone()), numbers.start);
    loop {
        match patiently(log, &round, None).await {
            Ok(_) => return,
            Err(AppendError::Unresolved(_)) if landed(log, first).await => return,
            Err(AppendError::Unresolved(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// As the fold takes them: each number once, where it first came.
pub(crate) fn once(numbers: &[u32]) -> Vec<u32> {
    let mut seen = std::collections::BTreeSet::new();
    numbers.iter().copied().filter(|number| seen.insert(*number)).collect()
}

/// Resolves an append by reading back.
async fn landed(log: &dyn Log, number: u32) -> bool {
    let since = Instant::now();
    while log.last_seq().await.is_err() {
        assert!(since.elapsed() < 3 * WAIT, "the log does not come back");
        poll().await;
    }
    numbers(log).await.contains(&number)
}

async fn all(log: &dyn Log, filter: Option<&str>) -> Vec<Stored> {
    let read = tokio::time::timeout(3 * WAIT, read_to_end(log, Seq(1), filter)).await;
    read.expect("it ends in time").expect("reads")
}

pub(crate) async fn numbers(log: &dyn Log) -> Vec<u32> {
    let records = all(log, None).await;
    records.iter().map(|record| number(&record.payload)).collect()
}

pub(crate) fn number(payload: &[u8]) -> u32 {
    std::str::from_utf8(payload).ok().and_then(|text| text.parse().ok()).expect("a number")
}

pub(crate) async fn seqs(log: &dyn Log, filter: Option<&str>) -> Vec<u64> {
    let found = all(log, filter).await;
    found.iter().map(|record| record.seq.0).collect()
}

/// Follows the log until `count` records have come.
pub(crate) fn collect(log: Arc<dyn Log>, count: usize) -> JoinHandle<Vec<u32>> {
    tokio::spawn(async move {
        let mut reader = log.read(Seq(1), None).await.expect("reads");
        more(&mut *reader, count).await
    })
}

/// The next `count` records of a reader.
pub(crate) async fn more(reader: &mut dyn Reader, count: usize) -> Vec<u32> {
    let (mut seen, mut since) = (Vec::new(), Instant::now());
    while seen.len() < count {
        assert!(since.elapsed() < 3 * WAIT, "only {seen:?} came");
        let batch = reader.next_batch(WAIT).await.expect("a batch");
        if !batch.records.is_empty() {
            since = Instant::now();
        }
        seen.extend(batch.records.iter().map(|record| number(&record.payload)));
    }
    seen
}

pub(crate) async fn read_error(reader: &mut dyn Reader) -> ReadError {
    let since = Instant::now();
    loop {
        match reader.next_batch(Duration::from_millis(200)).await {
            Err(error) => return error,
            Ok(_) => assert!(since.elapsed() < 3 * WAIT, "the reader noticed nothing"),
        }
    }
}
