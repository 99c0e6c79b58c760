//! What every log must do.

use bytes::Bytes;
use replay::log::{AppendError, Entry, Fence, Log, MAX_PAYLOAD, MAX_ROUND, ReadError, Reader};
use replay::log::{open, read_to_end};
use schema::id::ClusterId;
use schema::unit::Seq;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

pub(crate) const WAIT: Duration = Duration::from_secs(10);
const ELECTION: &str = "fl.test.log.ctl._._._.leader.elected";

pub(crate) fn entry(subject: &str, payload: &str) -> Entry {
    Entry { subject: subject.into(), payload: Bytes::from(payload.to_owned()) }
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

/// Opens a log again whose last holder may not have let go of its files yet.
pub(crate) async fn again(url: &str) -> Arc<dyn Log> {
    let cluster = ClusterId::new("test").expect("an id");
    let since = Instant::now();
    loop {
        match open(url, &cluster, false).await {
            Ok((log, _)) => return log,
            Err(error) => assert!(since.elapsed() < WAIT, "{error}"),
        }
        poll().await;
    }
}

/// Appends each number on its own, as an author would: again and again until it is there.
pub(crate) async fn append_each(log: &Arc<dyn Log>, numbers: Range<u32>) {
    for number in numbers {
        let entry = entry("fl.test.log.a", &number.to_string());
        loop {
            match log.append(std::slice::from_ref(&entry), None).await {
                Ok(_) => break,
                Err(AppendError::Busy(_)) => poll().await,
                Err(AppendError::Unresolved(_)) => {
                    if numbers_after_settling(&**log).await.contains(&number) {
                        break;
                    }
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

async fn numbers_after_settling(log: &dyn Log) -> Vec<u32> {
    until(async || log.last_seq().await.is_ok()).await;
    numbers(log).await
}

pub(crate) async fn numbers(log: &dyn Log) -> Vec<u32> {
    let records = read_to_end(log, Seq(1), None).await.expect("reads");
    records.iter().map(|record| number(&record.payload)).collect()
}

fn number(payload: &[u8]) -> u32 {
    std::str::from_utf8(payload).ok().and_then(|text| text.parse().ok()).expect("a number")
}

/// Follows the log until `count` records have come.
pub(crate) fn collect(log: Arc<dyn Log>, count: usize) -> JoinHandle<Vec<u32>> {
    tokio::spawn(async move {
        let mut reader = log.read(Seq(1), None).await.expect("reads");
        let (mut seen, since) = (Vec::new(), Instant::now());
        while seen.len() < count && since.elapsed() < 3 * WAIT {
            let batch = reader.next_batch(WAIT).await.expect("a batch");
            seen.extend(batch.records.iter().map(|record| number(&record.payload)));
        }
        seen
    })
}

pub(crate) async fn read_error(reader: &mut dyn Reader) -> ReadError {
    let since = Instant::now();
    loop {
        match reader.next_batch(Duration::from_millis(200)).await {
            Err(error) => return error,
            Ok(_) => assert!(since.elapsed() < 5 * WAIT, "the reader noticed nothing"),
        }
    }
}

pub(crate) async fn order_and_contiguity(log: Arc<dyn Log>) {
    let writers = (0..4).map(|writer| {
        let log = log.clone();
        tokio::spawn(async move {
            for index in 0..25 {
                let entry = entry(&format!("fl.test.log.w{writer}"), &index.to_string());
                log.append(&[entry], None).await.expect("stored");
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.expect("ends");
    }
    let records = read_to_end(&*log, Seq(1), None).await.expect("reads");
    let seqs: Vec<u64> = records.iter().map(|record| record.seq.0).collect();
    assert_eq!(seqs, (1..=100).collect::<Vec<_>>());
    for writer in 0..4 {
        let subject = format!("fl.test.log.w{writer}");
        let of = records.iter().filter(|record| record.subject == subject);
        let order: Vec<u32> = of.map(|record| number(&record.payload)).collect();
        assert_eq!(order, (0..25).collect::<Vec<_>>());
    }
    let tail = read_to_end(&*log, Seq(91), None).await.expect("reads");
    assert_eq!(tail.len(), 10);
}

pub(crate) async fn filters(log: Arc<dyn Log>) {
    let subjects = ["fl.test.log.a.x", "fl.test.log.b.x", "fl.test.log.a.y", "fl.test.log.a.x.z"];
    for subject in subjects {
        log.append(&[entry(subject, "1")], None).await.expect("stored");
    }
    for (filter, expected) in [
        ("fl.test.log.a.*", vec![1, 3]),
        ("fl.test.log.*.x", vec![1, 2]),
        ("fl.test.log.a.>", vec![1, 3, 4]),
        ("fl.test.log.b.x", vec![2]),
        ("fl.test.log.c.>", vec![]),
    ] {
        let found = read_to_end(&*log, Seq(1), Some(filter)).await.expect("reads");
        let seqs: Vec<u64> = found.iter().map(|record| record.seq.0).collect();
        assert_eq!(seqs, expected, "{filter}");
    }
}

pub(crate) async fn followers_see_what_comes(log: Arc<dyn Log>) {
    let following = [collect(log.clone(), 50), collect(log.clone(), 50)];
    append_each(&log, 0..50).await;
    for following in following {
        assert_eq!(following.await.expect("collected"), (0..50).collect::<Vec<_>>());
    }
}

fn fence(seq: Seq) -> Fence {
    Fence { subject: ELECTION.into(), seq }
}

pub(crate) async fn fences(log: Arc<dyn Log>) {
    let elected =
        log.append(&[entry(ELECTION, "1")], Some(&fence(Seq(0)))).await.expect("the first");
    let round = [entry("fl.test.log.ctl.r.a", "1")];
    log.append(&round, Some(&fence(elected))).await.expect("holds");
    log.append(&[entry("fl.test.log.driver.d", "1")], None).await.expect("others go on");
    log.append(&round, Some(&fence(elected))).await.expect("holds still");
    let next =
        log.append(&[entry(ELECTION, "2")], Some(&fence(elected))).await.expect("a successor");
    let before = log.last_seq().await.expect("answers");
    let pair = [entry("fl.test.log.ctl.r.a", "1"), entry("fl.test.log.ctl.r.b", "1")];
    for round in [&round[..], &pair[..]] {
        let deposed = log.append(round, Some(&fence(elected))).await;
        assert!(matches!(deposed, Err(AppendError::Fenced { .. })), "{deposed:?}");
    }
    assert_eq!(log.last_seq().await.expect("answers"), before);
    log.append(&pair, Some(&fence(next))).await.expect("the successor goes on");
}

pub(crate) async fn rounds_are_all_or_nothing(log: Arc<dyn Log>) {
    let round: Vec<Entry> = (0..10).map(|n| entry("fl.test.log.a", &n.to_string())).collect();
    assert_eq!(log.append(&round, None).await.expect("stored"), Seq(10));
    let mut spoiled = round.clone();
    spoiled.push(Entry { payload: Bytes::from(vec![0; MAX_PAYLOAD + 1]), ..round[0].clone() });
    let refused = log.append(&spoiled, None).await;
    assert!(matches!(refused, Err(AppendError::Refused(_))), "{refused:?}");
    let fenced = log.append(&round, Some(&fence(Seq(5)))).await;
    assert!(matches!(fenced, Err(AppendError::Fenced { .. })), "{fenced:?}");
    assert_eq!(numbers(&*log).await, (0..10).collect::<Vec<_>>());
}

pub(crate) async fn a_full_round(log: Arc<dyn Log>) {
    let round: Vec<Entry> =
        (0..MAX_ROUND).map(|n| entry("fl.test.log.a", &n.to_string())).collect();
    for _ in 0..2 {
        log.append(&round, None).await.expect("stored");
    }
    assert_eq!(log.last_seq().await.expect("answers").0 as usize, 2 * MAX_ROUND);
    assert_eq!(numbers(&*log).await.len(), 2 * MAX_ROUND);
}

pub(crate) async fn one_election_wins(log: Arc<dyn Log>) {
    let candidates = (0..8).map(|n| {
        let log = log.clone();
        tokio::spawn(async move {
            loop {
                match log.append(&[entry(ELECTION, &n.to_string())], Some(&fence(Seq(0)))).await {
                    Err(AppendError::Busy(_)) => poll().await,
                    result => return result.is_ok(),
                }
            }
        })
    });
    let mut winners = 0;
    for candidate in candidates.collect::<Vec<_>>() {
        winners += usize::from(candidate.await.expect("ends"));
    }
    assert_eq!(winners, 1);
    assert_eq!(log.last_seq().await.expect("answers"), Seq(1));
}

pub(crate) async fn hostile_appends_are_refused(log: Arc<dyn Log>) {
    for subject in
        ["fl.test.log.*", "fl.test.log.>", "fl.test..log", "", "fl.test.log.a b", "fl.\r\n"]
    {
        let refused = log.append(&[entry(subject, "1")], None).await;
        assert!(matches!(refused, Err(AppendError::Refused(_))), "{subject:?}: {refused:?}");
    }
    let wildcard = Fence { subject: "fl.test.log.ctl.>".into(), seq: Seq(0) };
    let refused = log.append(&[entry("fl.test.log.a", "1")], Some(&wildcard)).await;
    assert!(matches!(refused, Err(AppendError::Refused(_))), "{refused:?}");
    assert!(matches!(log.append(&[], None).await, Err(AppendError::Refused(_))));
    assert_eq!(log.last_seq().await.expect("answers"), Seq(0));
}

pub(crate) async fn lost_ack(log: Arc<dyn Log>) {
    let round = [entry("fl.test.log.a", "7")];
    let lost = log.append(&round, None).await;
    assert!(matches!(lost, Err(AppendError::Unresolved(_))), "{lost:?}");
    assert_eq!(numbers(&*log).await, [7], "what was unresolved had landed");
}

pub(crate) async fn rolls_over(log: Arc<dyn Log>, url: &str) {
    append_each(&log, 0..3).await;
    let genesis = entry("fl.test.log.ctl.r._._.cluster.genesis", "100");
    for _ in 0..2 {
        let since = Instant::now();
        let next = loop {
            match log.roll_over(&genesis).await {
                Ok(next) => break next,
                Err(error) => assert!(since.elapsed() < WAIT, "{error}"),
            }
            poll().await;
        };
        assert_eq!(next.identity().generation, 2);
        assert_eq!(numbers(&*next).await, [100]);
    }
    assert_eq!(numbers(&*log).await, [0, 1, 2], "the old generation can be read to its end");
    let late = log.append(&[entry("fl.test.log.a", "9")], None).await;
    assert!(matches!(late, Err(AppendError::WrongLog(_) | AppendError::Busy(_))), "{late:?}");
    assert_eq!(again(url).await.identity().generation, 2);
}
