//! Generations: how one ends and the next begins, also when whoever does it is cut short.

use crate::place::{Place, directory, opened};
use crate::support::{append_each, cluster, entry, numbers, patiently, seqs};
use async_nats::jetstream;
use replay::log::{AppendError, Entry, Log, embedded, open};
use replay::testing::NatsServer;
use std::sync::Arc;

fn genesis() -> Entry {
    entry("fl.test.log.ctl.r._._.cluster.genesis", "100")
}

pub(crate) async fn a_log_rolls_over(Place { log, url, .. }: &Place) {
    append_each(&**log, 0..3).await;
    assert!(log.successor().await.expect("answers").is_none());
    for _ in 0..2 {
        let next = log.roll_over(&genesis()).await.expect("rolls over");
        assert_eq!(next.identity().generation, 2);
        assert_eq!(numbers(&*next).await, [100]);
    }
    assert_eq!(numbers(&**log).await, [0, 1, 2], "the old generation can be read to its end");
    assert_eq!(seqs(&**log, Some("fl.test.log.*")).await, [1, 2, 3], "with a filter too");
    for round in [vec![entry("fl.test.log.a", "9")], vec![entry("fl.test.log.a", "9"); 2]] {
        let late = patiently(&**log, &round, None).await;
        assert!(matches!(late, Err(AppendError::WrongLog(_))), "{late:?}");
    }
    let next = log.successor().await.expect("answers").expect("there is one");
    patiently(&*next, &[entry("fl.test.log.a", "101")], None).await.expect("stored");
    let (newest, _) = open(url, &cluster(), false).await.expect("opens");
    assert_eq!(newest.identity(), next.identity());
    assert_eq!(numbers(&*newest).await, [100, 101]);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_rollovers_make_one_generation() {
    for place in [Place::embedded(), Place::remote().await, Place::jetstream().await] {
        append_each(&*place.log, 0..3).await;
        let all = (0..4).map(|_| {
            let log = place.log.clone();
            tokio::spawn(async move { log.roll_over(&genesis()).await.expect("rolls over") })
        });
        for one in all.collect::<Vec<_>>() {
            assert_eq!(numbers(&*one.await.expect("ends")).await, [100], "{}", place.url);
        }
    }
}

/// Brings a log of three records to where a rollover was cut short; returns it as found afterwards.
async fn cut_short(server: &NatsServer, next_was_made: bool) -> Arc<dyn Log> {
    append_each(&*opened(&server.url()).await, 0..3).await;
    let admin = async_nats::connect(server.url()).await.expect("connects");
    let admin = jetstream::new(admin);
    let old = admin.get_stream("FLEETLOG_test_G1").await.expect("is there");
    let config = old.cached_info().config.clone();
    let mut let_go = config.clone();
    let_go.subjects = vec!["fl.test.sealed.g1.>".into()];
    admin.update_stream(let_go).await.expect("updated");
    if next_was_made {
        let mut next = config;
        next.name = "FLEETLOG_test_G2".into();
        admin.create_stream(next).await.expect("made");
    }
    opened(&server.url()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollover_that_was_cut_short_is_completed() {
    for next_was_made in [false, true] {
        let dir = directory();
        let server = NatsServer::start(dir.path()).expect("a nats-server");
        let log = cut_short(&server, next_was_made).await;
        assert_eq!(log.identity().generation, 1, "what has no first record is not the log");
        assert_eq!(numbers(&*log).await, [0, 1, 2]);
        let next = log.roll_over(&genesis()).await.expect("rolls over");
        assert_eq!(numbers(&*next).await, [100]);
        assert_eq!(opened(&server.url()).await.identity().generation, 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_embedded_rollover_outlives_its_process() {
    let dir = directory();
    {
        let (log, _) = embedded::open(dir.path(), &cluster(), true).expect("opens");
        append_each(&*log, 0..3).await;
        log.roll_over(&genesis()).await.expect("rolls over");
    }
    let (log, _) = embedded::open(dir.path(), &cluster(), false).expect("opens");
    assert_eq!(log.identity().generation, 2);
    assert_eq!(numbers(&*log).await, [100]);
}
