//! What every log must do for those who read it.

use crate::place::Place;
use crate::support::{
    SUBJECT, WAIT, append_each, collect, entry, number, patiently, read_error, seqs,
};
use bytes::Bytes;
use replay::log::{ReadError, read_to_end};
use schema::unit::Seq;
use std::time::{Duration, Instant};

pub(crate) async fn filters(Place { log, .. }: &Place) {
    let subjects = ["fl.test.log.a.x", "fl.test.log.b.x", "fl.test.log.a.y", "fl.test.log.a.x.z"];
    for subject in subjects {
        patiently(&**log, &[entry(subject, "1")], None).await.expect("stored");
    }
    for (filter, expected) in [
        ("fl.test.log.a.*", vec![1, 3]),
        ("fl.test.log.*.x", vec![1, 2]),
        ("fl.test.log.a.>", vec![1, 3, 4]),
        ("fl.test.log.b.x", vec![2]),
        ("fl.test.log.>", vec![1, 2, 3, 4]),
        ("fl.test.log.c.>", vec![]),
        ("fl.test.log.a", vec![]),
    ] {
        assert_eq!(seqs(&**log, Some(filter)).await, expected, "{filter}");
    }
    let tail = read_to_end(&**log, Seq(2), Some("fl.test.log.a.>")).await.expect("reads");
    assert_eq!(tail.iter().map(|record| record.seq.0).collect::<Vec<_>>(), [3, 4]);
}

pub(crate) async fn followers_see_what_comes(Place { log, .. }: &Place) {
    let following = [collect(log.clone(), 60), collect(log.clone(), 60)];
    let writers = [0..20, 20..40, 40..60].map(|numbers| {
        let log = log.clone();
        tokio::spawn(async move { append_each(&*log, numbers).await })
    });
    for writer in writers {
        writer.await.expect("ends");
    }
    let [first, second] = following;
    let first = first.await.expect("collected");
    assert_eq!(first, second.await.expect("collected"), "both see one order");
    let mut sorted = first;
    sorted.sort_unstable();
    assert_eq!(sorted, (0..60).collect::<Vec<_>>());
}

/// On replicated logs a reader may be served by one that lags: it must not believe that to be all.
pub(crate) async fn what_was_acknowledged_is_read(Place { log, .. }: &Place) {
    for n in 1..=20 {
        let subject = format!("fl.test.log.n{}", n % 3);
        let stored = patiently(&**log, &[entry(&subject, "1")], None).await.expect("stored");
        assert_eq!(log.last_seq().await.expect("answers"), stored);
        let found = seqs(&**log, Some(&subject)).await;
        assert_eq!(found.last(), Some(&stored.0));
        assert_eq!(seqs(&**log, None).await.len(), n);
    }
}

/// A caller that has other things to do drops its call and calls again.
pub(crate) async fn abandoned_reads_lose_nothing(Place { log, .. }: &Place) {
    let writing = {
        let log = log.clone();
        tokio::spawn(async move { append_each(&*log, 0..100).await })
    };
    let mut reader = log.read(Seq(1), None).await.expect("reads");
    let (mut seen, since) = (Vec::new(), Instant::now());
    while seen.len() < 100 {
        assert!(since.elapsed() < 3 * WAIT, "only {} came", seen.len());
        let call = reader.next_batch(WAIT);
        if let Ok(batch) = tokio::time::timeout(Duration::from_micros(300), call).await {
            let batch = batch.expect("a batch");
            seen.extend(batch.records.iter().map(|record| number(&record.payload)));
        }
    }
    writing.await.expect("ends");
    assert_eq!(seen, (0..100).collect::<Vec<_>>());
}

pub(crate) async fn improper_filters_are_refused(Place { log, .. }: &Place) {
    for filter in ["", "fl..x", "fl.>.x", "fl.a*", "fl. x", ">>", "fl.x>", "."] {
        let refused = log.read(Seq(1), Some(filter)).await.err();
        assert!(matches!(refused, Some(ReadError::Refused(_))), "{filter:?}: {refused:?}");
    }
}

/// To read from a sequence is to have all before it.
pub(crate) async fn reading_beyond_the_end_is_another_log(Place { log, .. }: &Place) {
    append_each(&**log, 0..3).await;
    let mut follower = log.read(Seq(4), None).await.expect("reads");
    append_each(&**log, 3..4).await;
    let batch = follower.next_batch(WAIT).await.expect("a batch");
    assert_eq!(batch.records.first().map(|record| record.seq), Some(Seq(4)));
    let mut ahead = log.read(Seq(9), None).await.expect("reads");
    let error = read_error(&mut *ahead).await;
    assert!(matches!(error, ReadError::WrongLog(_)), "{error}");
}

pub(crate) async fn telemetry_is_heard(Place { telemetry, .. }: &Place) {
    let mut all = telemetry.subscribe("fl.test.tel.>").await.expect("listens");
    let mut one = telemetry.subscribe("fl.test.tel.*.b").await.expect("listens");
    let since = Instant::now();
    // A subscription may take a moment to reach the server, so it is said until it is heard.
    let heard = loop {
        assert!(since.elapsed() < WAIT, "nothing was heard");
        telemetry.publish("fl.test.tel.x.a", Bytes::from_static(b"1")).await;
        telemetry.publish("fl.test.tel.x.b", Bytes::from_static(b"2")).await;
        if let Some(heard) = one.next(Duration::from_millis(100)).await {
            break heard;
        }
    };
    assert_eq!(heard, ("fl.test.tel.x.b".to_owned(), Bytes::from_static(b"2")));
    let (subject, _) = all.next(WAIT).await.expect("heard");
    assert!(subject.starts_with("fl.test.tel.x."), "{subject}");
    assert_ne!(subject, SUBJECT);
}
