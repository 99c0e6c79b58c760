//! What only the remote log goes through: its server, and who else may talk to it.

use crate::place::{Place, directory, opened, served};
use crate::support::{
    append_each, cluster, collect, entries, entry, more, numbers, once, read_error, until,
};
use replay::log::{AppendError, Log, OpenError, ReadError, embedded, open, remote};
use schema::id::ClusterId;
use schema::unit::Seq;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn port(url: &str) -> u16 {
    url.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("a port")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_served_on_loopback_only() {
    let (log, telemetry) = embedded::temporary(&cluster()).expect("opens");
    let listener = TcpListener::bind("0.0.0.0:0").await.expect("a port");
    let error = remote::serve(log, telemetry, listener).await.expect_err("refused");
    assert!(error.to_string().contains("loopback"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_and_another_cluster_are_told_apart() {
    let nobody = open("http://127.0.0.1:1", &cluster(), false).await.err();
    assert!(matches!(nobody, Some(OpenError::Unreachable { .. })), "{nobody:?}");
    let place = Place::remote().await;
    let other = ClusterId::new("other").expect("an id");
    let missing = open(&place.url, &other, false).await.err();
    assert!(matches!(missing, Some(OpenError::Missing { .. })), "{missing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_server_loses_and_doubles_nothing() {
    let dir = directory();
    let (url, serving) = served(dir.path(), 0).await;
    let log = opened(&url).await;
    let following = collect(log.clone(), 200);
    append_each(&*log, 0..100).await;
    drop(serving);
    let (_, _serving) = served(dir.path(), port(&url)).await;
    append_each(&*log, 100..200).await;
    let seen = following.await.expect("collected");
    assert!(numbers(&*log).await.starts_with(&seen), "the reader saw another order");
    assert_eq!(once(&numbers(&*log).await), (0..200).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_log_under_the_same_address_is_not_taken_for_it() {
    let dir = directory();
    let (url, serving) = served(dir.path(), 0).await;
    let log = opened(&url).await;
    append_each(&*log, 0..5).await;
    let mut reader = log.read(Seq(1), None).await.expect("reads");
    assert_eq!(more(&mut *reader, 5).await.len(), 5);
    drop(serving);
    let other = directory();
    let (_, _serving) = served(other.path(), port(&url)).await;
    append_each(&*opened(&url).await, 0..9).await;
    let error = read_error(&mut *reader).await;
    assert!(matches!(error, ReadError::WrongLog(_)), "{error}");
    let error = log.last_seq().await.expect_err("another log");
    assert!(matches!(error, ReadError::WrongLog(_)), "{error}");
    let error = log.append(&entries(5..6), None).await.expect_err("another log");
    assert!(matches!(error, AppendError::WrongLog(_)), "{error}");
}

/// Sends what it is told over a connection of its own; returns the status line of the answer.
async fn raw(port: u16, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("connects");
    stream.write_all(request).await.expect("sent");
    let mut answer = vec![0; 64];
    let length = stream.read(&mut answer).await.expect("answered");
    String::from_utf8_lossy(&answer[..length]).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_request_stores_nothing() {
    let place = Place::remote().await;
    let head = "POST /v1/append HTTP/1.1\r\nhost: 127.0.0.1\r\n\
                content-type: application/msgpack\r\ncontent-length: 5000\r\n\r\n";
    let mut stream = TcpStream::connect(("127.0.0.1", port(&place.url))).await.expect("connects");
    stream.write_all(head.as_bytes()).await.expect("sent");
    stream.write_all(&[0x93; 700]).await.expect("sent");
    drop(stream);
    append_each(&*place.log, 0..1).await;
    assert_eq!(numbers(&*place.log).await, [0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_page_is_not_let_through() {
    let place = Place::remote().await;
    let port = port(&place.url);
    let append = |host: &str, kind: &str| {
        let head = format!("POST /v1/append HTTP/1.1\r\nhost: {host}\r\ncontent-type: {kind}\r\n");
        format!("{head}content-length: 1\r\n\r\nx").into_bytes()
    };
    let right = raw(port, &append("127.0.0.1", "application/msgpack")).await;
    assert!(right.contains("400"), "{right}");
    for (host, kind) in
        [("127.0.0.1", "text/plain"), ("evil.example", "application/msgpack"), ("", "")]
    {
        let refused = raw(port, &append(host, kind)).await;
        assert!(refused.contains("403"), "{host} {kind}: {refused}");
    }
    let rebound = raw(port, b"GET /v1/identity HTTP/1.1\r\nhost: evil.example:80\r\n\r\n").await;
    assert!(rebound.contains("403"), "{rebound}");
}

/// A server that takes a request and hangs up leaves its fate unknown; none at all does not.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_lost_in_the_middle_is_unresolved() {
    let dir = directory();
    let (url, serving) = served(dir.path(), 0).await;
    let log = opened(&url).await;
    drop(serving);
    let round = [entry("fl.test.log.a", "1")];
    until(async || matches!(log.append(&round, None).await, Err(AppendError::Busy(_)))).await;
    let listener = TcpListener::bind(("127.0.0.1", port(&url))).await.expect("the port");
    let hang_up = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("accepts");
        let _ = stream.read(&mut [0; 1024]).await;
    });
    let lost = log.append(&round, None).await;
    assert!(matches!(lost, Err(AppendError::Unresolved(_))), "{lost:?}");
    hang_up.await.expect("ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollover_in_the_serving_process_is_seen_outside() {
    let dir = directory();
    let (url, _serving) = served(dir.path(), 0).await;
    let outside = opened(&url).await;
    append_each(&*outside, 0..3).await;
    let (inside, _) = embedded::open(dir.path(), &cluster(), false).expect("shared");
    inside.roll_over(&entry("fl.test.log.ctl.genesis", "100")).await.expect("rolls over");
    let next = outside.successor().await.expect("answers").expect("there is one");
    assert_eq!(numbers(&*next).await, [100]);
    assert_eq!(opened(&url).await.identity().generation, 2);
    assert_eq!(numbers(&*outside).await, [0, 1, 2]);
}
