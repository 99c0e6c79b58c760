//! What every log must do with what is appended.

use crate::place::Place;
use crate::support::{ELECTION, SUBJECT, entries, entry, fence, number, numbers, patiently, seqs};
use bytes::Bytes;
use replay::log::{AppendError, Entry, Fence, MAX_PAYLOAD, MAX_ROUND, read_to_end};
use schema::unit::Seq;

pub(crate) async fn order_and_contiguity(Place { log, .. }: &Place) {
    let writers = (0..4).map(|writer| {
        let log = log.clone();
        tokio::spawn(async move {
            for index in 0..25 {
                let entry = entry(&format!("fl.test.log.w{writer}"), &index.to_string());
                patiently(&*log, &[entry], None).await.expect("stored");
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.expect("ends");
    }
    let records = read_to_end(&**log, Seq(1), None).await.expect("reads");
    let seqs: Vec<u64> = records.iter().map(|record| record.seq.0).collect();
    assert_eq!(seqs, (1..=100).collect::<Vec<_>>());
    for writer in 0..4 {
        let subject = format!("fl.test.log.w{writer}");
        let of = records.iter().filter(|record| record.subject == subject);
        let order: Vec<u32> = of.map(|record| number(&record.payload)).collect();
        assert_eq!(order, (0..25).collect::<Vec<_>>());
    }
    assert_eq!(read_to_end(&**log, Seq(91), None).await.expect("reads").len(), 10);
}

pub(crate) async fn fences_hold_and_refuse(Place { log, .. }: &Place) {
    let elect = |n: &str, after| {
        let (entry, fence) = (entry(ELECTION, n), fence(after));
        async move { patiently(&**log, &[entry], Some(&fence)).await }
    };
    let elected = elect("1", Seq(0)).await.expect("the first");
    let again = elect("1", Seq(0)).await;
    assert!(matches!(again, Err(AppendError::Fenced { .. })), "{again:?}");
    let round = [entry("fl.test.log.ctl.r.a", "1")];
    patiently(&**log, &round, Some(&fence(elected))).await.expect("holds");
    patiently(&**log, &entries(1..2), None).await.expect("others go on");
    patiently(&**log, &round, Some(&fence(elected))).await.expect("holds still");
    let next = elect("2", elected).await.expect("a successor");
    let before = log.last_seq().await.expect("answers");
    let pair = [entry("fl.test.log.ctl.r.a", "1"), entry("fl.test.log.ctl.r.b", "1")];
    for round in [&round[..], &pair[..]] {
        let deposed = patiently(&**log, round, Some(&fence(elected))).await;
        assert!(matches!(deposed, Err(AppendError::Fenced { .. })), "{deposed:?}");
    }
    assert_eq!(log.last_seq().await.expect("answers"), before);
    patiently(&**log, &pair, Some(&fence(next))).await.expect("the successor goes on");
}

pub(crate) async fn rounds_are_all_or_nothing(Place { log, .. }: &Place) {
    let round = entries(0..10);
    assert_eq!(log.append(&round, None).await.expect("stored"), Seq(10));
    let mut spoiled = round.clone();
    spoiled.push(Entry { payload: Bytes::from(vec![0; MAX_PAYLOAD + 1]), ..round[0].clone() });
    let refused = log.append(&spoiled, None).await;
    assert!(matches!(refused, Err(AppendError::Refused(_))), "{refused:?}");
    let fenced = log.append(&round, Some(&fence(Seq(5)))).await;
    assert!(matches!(fenced, Err(AppendError::Fenced { .. })), "{fenced:?}");
    assert_eq!(numbers(&**log).await, (0..10).collect::<Vec<_>>());
}

pub(crate) async fn full_rounds(Place { log, .. }: &Place) {
    let full = MAX_ROUND as u32;
    patiently(&**log, &entries(0..full), None).await.expect("stored");
    patiently(&**log, &entries(full..2 * full), None).await.expect("stored");
    assert_eq!(log.last_seq().await.expect("answers").0, u64::from(2 * full));
    assert_eq!(numbers(&**log).await, (0..2 * full).collect::<Vec<_>>());
}

pub(crate) async fn large_records(Place { log, .. }: &Place) {
    let large = |n: u8| Entry {
        subject: format!("fl.test.log.large.{n}"),
        payload: Bytes::from(vec![n; MAX_PAYLOAD]),
    };
    let round: Vec<Entry> = (0..24).map(large).collect();
    for last in [24, 48, 72] {
        assert_eq!(patiently(&**log, &round, None).await.expect("stored"), Seq(last));
    }
    let records = read_to_end(&**log, Seq(1), None).await.expect("reads");
    assert_eq!(records.len(), 72);
    for (record, sent) in records.iter().zip(round.iter().cycle()) {
        assert_eq!(record.subject, sent.subject);
        assert!(record.payload == sent.payload, "record {} came back changed", record.seq);
    }
    assert_eq!(seqs(&**log, Some("fl.test.log.large.3")).await, [4, 28, 52]);
    let too_large: Vec<Entry> = (0..40).map(large).collect();
    let refused = log.append(&too_large, None).await;
    assert!(matches!(refused, Err(AppendError::Refused(_))), "{refused:?}");
}

pub(crate) async fn one_election_wins(Place { log, .. }: &Place) {
    let candidates = (0..8).map(|n: u32| {
        let log = log.clone();
        tokio::spawn(async move {
            let election = [entry(ELECTION, &n.to_string())];
            patiently(&*log, &election, Some(&fence(Seq(0)))).await.is_ok()
        })
    });
    let mut winners = 0;
    for candidate in candidates.collect::<Vec<_>>() {
        winners += usize::from(candidate.await.expect("ends"));
    }
    assert_eq!(winners, 1);
    assert_eq!(log.last_seq().await.expect("answers"), Seq(1));
}

/// The log itself knows no duplicates, so that no window of the server's is ever relied on: a fence
/// refuses what moves it a second time, and anything else is stored again, for the fold to void.
pub(crate) async fn what_landed_is_refused_or_doubled_when_sent_again(Place { log, .. }: &Place) {
    let round = [entry(ELECTION, "1"), entry(SUBJECT, "2")];
    patiently(&**log, &round, Some(&fence(Seq(0)))).await.expect("stored");
    let again = patiently(&**log, &round, Some(&fence(Seq(0)))).await;
    assert!(matches!(again, Err(AppendError::Fenced { .. })), "{again:?}");
    for round in [entries(3..4), entries(3..4), entries(4..6), entries(4..6)] {
        patiently(&**log, &round, None).await.expect("stored");
    }
    assert_eq!(numbers(&**log).await, [1, 2, 3, 3, 4, 5, 4, 5]);
}

pub(crate) async fn hostile_appends_are_refused(Place { log, .. }: &Place) {
    for subject in
        ["fl.test.log.*", "fl.test.log.>", "fl.test..log", "", "fl.test.log.a b", "fl.\r\n"]
    {
        let refused = log.append(&[entry(subject, "1")], None).await;
        assert!(matches!(refused, Err(AppendError::Refused(_))), "{subject:?}: {refused:?}");
    }
    let wildcard = Fence { subject: "fl.test.log.ctl.>".into(), seq: Seq(0) };
    let refused = log.append(&[entry(SUBJECT, "1")], Some(&wildcard)).await;
    assert!(matches!(refused, Err(AppendError::Refused(_))), "{refused:?}");
    let too_many = entries(0..MAX_ROUND as u32 + 1);
    for round in [&[][..], &too_many[..]] {
        assert!(matches!(log.append(round, None).await, Err(AppendError::Refused(_))));
    }
    assert_eq!(log.last_seq().await.expect("answers"), Seq(0));
}
