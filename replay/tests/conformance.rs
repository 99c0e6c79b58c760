//! One suite for all logs: embedded, remote, JetStream alone and JetStream replicated.

#[path = "conformance/suite.rs"]
mod suite;

use replay::log::{Log, OpenError, embedded, open, remote};
use replay::testing::{NatsCluster, NatsServer};
use schema::id::ClusterId;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn cluster() -> ClusterId {
    ClusterId::new("test").expect("an id")
}

/// Opens a log, waiting for a cluster of servers to elect its leader.
async fn opened(url: &str) -> Arc<dyn Log> {
    let since = Instant::now();
    loop {
        match open(url, &cluster(), true).await {
            Ok((log, _)) => return log,
            Err(error) if since.elapsed() > Duration::from_secs(30) => panic!("{error}"),
            Err(_) => suite::poll().await,
        }
    }
}

macro_rules! conformance {
    ($($name:ident),* $(,)?) => {
        mod on_embedded {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let dir = tempfile::tempdir().expect("a directory");
                let (log, _) = super::embedded::open(dir.path(), &super::cluster(), true).expect("opens");
                super::suite::$name(log).await;
            })*
        }
        mod on_remote {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let dir = tempfile::tempdir().expect("a directory");
                let url = super::served(dir.path()).await;
                super::suite::$name(super::opened(&url).await).await;
            })*
        }
        mod on_jetstream {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let dir = tempfile::tempdir().expect("a directory");
                let server = super::NatsServer::start(dir.path()).expect("a nats-server");
                super::suite::$name(super::opened(&server.url()).await).await;
            })*
        }
        mod on_jetstream_replicated {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let dir = tempfile::tempdir().expect("a directory");
                let servers = super::NatsCluster::start(dir.path()).expect("three nats-servers");
                super::suite::$name(super::opened(&servers.url()).await).await;
            })*
        }
    };
}

conformance!(
    order_and_contiguity,
    filters,
    followers_see_what_comes,
    fences,
    rounds_are_all_or_nothing,
    a_full_round,
    one_election_wins,
    hostile_appends_are_refused,
);

/// Serves an embedded log on loopback; returns where.
async fn served(dir: &std::path::Path) -> String {
    let (log, telemetry) = embedded::open(dir, &cluster(), true).expect("opens");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(remote::serve(log, telemetry, listener));
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_served_on_loopback_only() {
    let dir = tempfile::tempdir().expect("a directory");
    let (log, telemetry) = embedded::open(dir.path(), &cluster(), true).expect("opens");
    let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await.expect("a port");
    let error = remote::serve(log, telemetry, listener).await.expect_err("refused");
    assert!(error.to_string().contains("loopback"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_acknowledgements_are_resolved_by_reading_back() {
    let dir = tempfile::tempdir().expect("a directory");
    let (log, _) = embedded::open(dir.path(), &cluster(), true).expect("opens");
    log.faults().lose_acks(1);
    suite::lost_ack(log).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_embedded_log_survives_its_process() {
    let dir = tempfile::tempdir().expect("a directory");
    let url = format!("file://{}", dir.path().display());
    drop(opened(&url).await);
    for round in 0..3 {
        let log = suite::again(&url).await;
        assert_eq!(log.last_seq().await.expect("answers").0, round);
        log.append(&[suite::entry("fl.test.log.a", "x")], None).await.expect("stored");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_used_are_refused_with_a_sentence() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir_all(dir.path().join("test/g1/db")).expect("made");
    let error = embedded::open(dir.path(), &cluster(), false).err().expect("refused");
    assert!(matches!(error, OpenError::Broken { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_log_says_how_to_make_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = NatsServer::start(dir.path()).expect("a nats-server");
    for url in [format!("file://{}", dir.path().display()), server.url()] {
        let error = open(&url, &cluster(), false).await.err().expect("missing");
        assert!(error.to_string().contains("fleetlog up"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_server_loses_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut server = NatsServer::start(dir.path()).expect("a nats-server");
    let log = opened(&server.url()).await;
    let following = suite::collect(log.clone(), 200);
    suite::append_each(&log, 0..100).await;
    server.kill();
    server.up().expect("up again");
    suite::append_each(&log, 100..200).await;
    let seen = following.await.expect("collected");
    assert_eq!(seen, (0..200).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_server_leaves_an_append_unresolved_and_it_lands_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = NatsServer::start(dir.path()).expect("a nats-server");
    let log = opened(&server.url()).await;
    suite::append_each(&log, 0..1).await;
    server.pause(true);
    let cut_off = log.append(&[suite::entry("fl.test.log.a", "1")], None).await;
    assert!(matches!(cut_off, Err(replay::log::AppendError::Unresolved(_))), "{cut_off:?}");
    server.pause(false);
    suite::until(async || log.last_seq().await.is_ok_and(|seq| seq.0 >= 2)).await;
    assert_eq!(suite::numbers(&*log).await, [0, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_made_anew_is_another_log() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = NatsServer::start(dir.path()).expect("a nats-server");
    let log = opened(&server.url()).await;
    suite::append_each(&log, 0..5).await;
    let mut reader = log.read(schema::unit::Seq(1), None).await.expect("reads");
    let mut read = 0;
    while read < 5 {
        read += reader.next_batch(suite::WAIT).await.expect("a batch").records.len();
    }
    let admin =
        async_nats::jetstream::new(async_nats::connect(server.url()).await.expect("connects"));
    admin.delete_stream("FLEETLOG_test_G1").await.expect("deleted");
    let again = opened(&server.url()).await;
    suite::append_each(&again, 0..9).await;
    let error = suite::read_error(&mut *reader).await;
    assert!(matches!(error, replay::log::ReadError::WrongLog(_)), "{error}");
    assert!(log.last_seq().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_with_other_settings_is_refused_by_name() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = NatsServer::start(dir.path()).expect("a nats-server");
    let admin =
        async_nats::jetstream::new(async_nats::connect(server.url()).await.expect("connects"));
    let wrong = async_nats::jetstream::stream::Config {
        name: "FLEETLOG_test_G1".into(),
        subjects: vec!["fl.test.log.>".into()],
        max_messages: 5,
        ..Default::default()
    };
    admin.create_stream(wrong).await.expect("made");
    let error = open(&server.url(), &cluster(), true).await.err().expect("refused");
    let text = error.to_string();
    for setting in ["max_messages is 5", "deny_purge", "allow_atomic_publish", "compression"] {
        assert!(text.contains(setting), "{setting} is not named: {text}");
    }
}

#[test]
fn old_servers_are_refused() {
    use replay::log::jetstream::new_enough;
    for old in ["2.9.10", "2.12.9", "2.14.3", "2.14", "", "x.y.z", "1.99.99"] {
        assert!(!new_enough(old), "{old}");
    }
    for new in ["2.14.4", "2.14.10", "2.15.1", "2.15.0-dev", "3.0.0"] {
        assert!(new_enough(new), "{new}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn generations_roll_over() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = NatsServer::start(dir.path()).expect("a nats-server");
    suite::rolls_over(opened(&server.url()).await, &server.url()).await;
    let url = format!("file://{}", dir.path().display());
    suite::rolls_over(opened(&url).await, &url).await;
}
