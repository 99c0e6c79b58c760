//! Opening a log on JetStream, and why it is refused.

use crate::place::{directory, opened};
use crate::support::cluster;
use async_nats::jetstream::{self, stream};
use replay::log::jetstream::new_enough;
use replay::log::{OpenError, open};
use replay::testing::NatsServer;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_log_says_how_to_make_one() {
    let dir = directory();
    let server = NatsServer::start(dir.path()).expect("a nats-server");
    for url in [format!("file://{}", dir.path().display()), server.url()] {
        let error = open(&url, &cluster(), false).await.err().expect("missing");
        assert!(error.to_string().contains("fleetlog up"), "{error}");
    }
    assert!(!dir.path().join("test").exists(), "asking made something");
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_name_no_log_are_refused_with_a_sentence() {
    for url in ["", "ftp://x", "nats://127.0.0.1:1?replicas=2", "nats://127.0.0.1:1?x=y"] {
        let error = open(url, &cluster(), false).await.err().expect("refused");
        let refused = matches!(error, OpenError::Broken { .. } | OpenError::Unnamed { .. });
        assert!(refused, "{url}: {error}");
    }
    let error = open("nats://127.0.0.1:1", &cluster(), false).await.err().expect("nobody there");
    assert!(matches!(error, OpenError::Unreachable { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_with_other_settings_is_refused_by_name() {
    let dir = directory();
    let server = NatsServer::start(dir.path()).expect("a nats-server");
    let admin = jetstream::new(async_nats::connect(server.url()).await.expect("connects"));
    let wrong = stream::Config {
        name: "FLEETLOG_test_G1".into(),
        subjects: vec!["fl.test.log.>".into()],
        max_messages: 5,
        compression: Some(stream::Compression::S2),
        ..Default::default()
    };
    admin.create_stream(wrong).await.expect("made");
    let error = open(&server.url(), &cluster(), true).await.err().expect("refused");
    let text = error.to_string();
    for setting in
        ["max_messages is 5", "discard", "deny_purge", "allow_atomic_publish", "compression"]
    {
        assert!(text.contains(setting), "{setting} is not named: {text}");
    }
}

/// A replica that cuts its last block short compresses it, and goes on appending plain records behind
/// (nats-server 2.15.1): what it then has cannot be read.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_not_compressed() {
    let dir = directory();
    let server = NatsServer::start(dir.path()).expect("a nats-server");
    opened(&server.url()).await;
    let admin = jetstream::new(async_nats::connect(server.url()).await.expect("connects"));
    let stream = admin.get_stream("FLEETLOG_test_G1").await.expect("is there");
    let compression = stream.cached_info().config.compression.clone();
    assert_eq!(compression, Some(stream::Compression::None));
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_are_compared_only_if_named() {
    let dir = directory();
    let server = NatsServer::start(dir.path()).expect("a nats-server");
    opened(&server.url()).await;
    opened(&format!("{}?replicas=1", server.url())).await;
    let other = format!("{}?replicas=3", server.url());
    let error = open(&other, &cluster(), true).await.err().expect("refused");
    assert!(error.to_string().contains("num_replicas is 1, needs to be 3"), "{error}");
}

/// What the server keeps anyone from doing to the log, whoever asks.
#[tokio::test(flavor = "multi_thread")]
async fn records_cannot_be_deleted_or_purged() {
    let dir = directory();
    let server = NatsServer::start(dir.path()).expect("a nats-server");
    let log = opened(&server.url()).await;
    crate::support::append_each(&*log, 0..3).await;
    let admin = jetstream::new(async_nats::connect(server.url()).await.expect("connects"));
    let mut stream = admin.get_stream("FLEETLOG_test_G1").await.expect("is there");
    stream.delete_message(2).await.expect_err("denied");
    stream.purge().await.expect_err("denied");
    let config = stream.info().await.expect("answers").config.clone();
    admin
        .update_stream(stream::Config { deny_purge: false, ..config })
        .await
        .expect_err("denied for ever");
    assert_eq!(crate::support::numbers(&*log).await, [0, 1, 2]);
}

#[test]
fn versions_are_compared_as_numbers() {
    for old in ["2.9.10", "2.12.9", "2.14.3", "2.14", "", "x.y.z", "1.99.99", "0.0.0"] {
        assert!(!new_enough(old), "{old}");
    }
    for new in ["2.14.4", "2.14.10", "2.15.1", "2.15.0-dev", "3.0.0", "2.14.4+build"] {
        assert!(new_enough(new), "{new}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_server_is_refused() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("nats://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("accepts");
        let mut stream = BufReader::new(stream);
        let info = r#"INFO {"server_id":"x","server_name":"x","version":"2.12.8","go":"",
            "host":"127.0.0.1","port":1,"headers":true,"max_payload":1048576,"proto":1}"#;
        let info = info.replace('\n', "") + "\r\n";
        stream.write_all(info.as_bytes()).await.expect("sent");
        let mut line = String::new();
        while stream.read_line(&mut line).await.is_ok_and(|length| length > 0) {
            if std::mem::take(&mut line).starts_with("PING") {
                stream.write_all(b"PONG\r\n").await.expect("sent");
            }
        }
    });
    let error = open(&url, &cluster(), true).await.err().expect("refused");
    assert!(matches!(error, OpenError::TooOld { .. }), "{error}");
    assert!(error.to_string().contains("2.12.8"), "{error}");
}
