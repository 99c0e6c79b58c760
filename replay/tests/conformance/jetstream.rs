//! What only JetStream goes through: half-sent batches, consumers that vanish, headers.

use crate::place::{Place, directory, opened};
use crate::support::{
    SUBJECT, append_each, append_round, entries, more, numbers, once, patiently, until,
};
use async_nats::jetstream::{self, stream::Stream};
use async_nats::{Client, HeaderMap};
use futures::TryStreamExt;
use replay::testing::NatsServer;
use schema::unit::Seq;

async fn admin(url: &str) -> (Client, Stream) {
    let client = async_nats::connect(url).await.expect("connects");
    let stream = jetstream::new(client.clone()).get_stream("FLEETLOG_test_G1").await;
    (client, stream.expect("is there"))
}

fn part(batch: &str, number: u32) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Batch-Id", batch);
    headers.insert("Nats-Batch-Sequence", number.to_string());
    headers
}

/// Sends the beginning of a batch over a connection of its own, and makes sure that it arrived.
async fn half_a_batch(url: &str, batch: &str) -> Client {
    let (client, _) = admin(url).await;
    for number in 1..=5 {
        let payload = format!("{}", 100 + number).into();
        let sent = client.publish_with_headers(SUBJECT, part(batch, number), payload);
        sent.await.expect("sent");
    }
    let round_trip = client.request("$JS.API.INFO", "".into()).await;
    round_trip.expect("what was sent before has arrived");
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_dies_in_the_middle_of_a_round_stores_nothing() {
    let dir = directory();
    let mut server = NatsServer::start(dir.path()).expect("a nats-server");
    let log = opened(&server.url()).await;
    append_each(&*log, 0..1).await;
    drop(half_a_batch(&server.url(), "dropped").await);
    patiently(&*log, &entries(1..4), None).await.expect("stored");
    assert_eq!(numbers(&*log).await, [0, 1, 2, 3]);
    let cut_off = half_a_batch(&server.url(), "cut-off").await;
    server.kill();
    server.up().expect("up again");
    append_round(&*log, 4..6).await;
    assert_eq!(once(&numbers(&*log).await), [0, 1, 2, 3, 4, 5]);
    drop(cut_off);
}

/// The rest of a batch whose beginning was lost with a connection is not stored either.
#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_batch_alone_stores_nothing() {
    let place = Place::jetstream().await;
    let (client, _) = admin(&place.url).await;
    let mut commit = part("no-beginning", 3);
    commit.insert("Nats-Batch-Commit", "1");
    let answer = client.request_with_headers(SUBJECT, commit, "103".into()).await;
    let answer = String::from_utf8_lossy(&answer.expect("answered").payload).into_owned();
    assert!(answer.contains("error"), "{answer}");
    append_each(&*place.log, 0..1).await;
    assert_eq!(numbers(&*place.log).await, [0]);
}

/// Somebody holds as many open batches as the server allows: rounds wait, and then go through.
#[tokio::test(flavor = "multi_thread")]
async fn hoarded_batches_only_delay() {
    let place = Place::jetstream().await;
    for n in 0..50 {
        drop(half_a_batch(&place.url, &format!("hoarded-{n}")).await);
    }
    patiently(&*place.log, &entries(0..3), None).await.expect("stored");
    assert_eq!(numbers(&*place.log).await, [0, 1, 2]);
}

/// A consumer that is lost before its first message is made anew where the reader stands, not at 1,
/// and each record is delivered once whatever happens to consumers.
#[tokio::test(flavor = "multi_thread")]
async fn readers_go_on_where_they_stood_when_their_consumer_is_lost() {
    let place = Place::jetstream().await;
    append_each(&*place.log, 0..3).await;
    let (_client, stream) = admin(&place.url).await;
    let mut reader = place.log.read(Seq(4), None).await.expect("reads");
    for turn in 3..8 {
        let nothing = reader.next_batch(std::time::Duration::from_millis(20)).await;
        assert!(nothing.expect("no error").records.is_empty());
        delete_consumers(&stream).await;
        append_each(&*place.log, turn..turn + 1).await;
        assert_eq!(more(&mut *reader, 1).await, [turn]);
    }
}

async fn delete_consumers(stream: &Stream) {
    let mut names = Vec::new();
    until(async || {
        names = stream.consumer_names().try_collect().await.expect("names");
        !names.is_empty()
    })
    .await;
    for name in names {
        stream.delete_consumer(&name).await.expect("deleted");
    }
}

/// `Nats-Expected-Last-Msg-Id` can freeze a replicated stream, and `Nats-Msg-Id` lets anybody squat
/// on ids: neither is ever sent. Each append names the stream it means.
#[tokio::test(flavor = "multi_thread")]
async fn only_safe_headers_are_sent() {
    let place = Place::jetstream().await;
    let fence = crate::support::fence(Seq(0));
    patiently(&*place.log, &entries(0..1), Some(&fence)).await.expect("stored");
    patiently(&*place.log, &entries(1..3), Some(&fence)).await.expect("stored");
    let (_client, stream) = admin(&place.url).await;
    for seq in 1..=3 {
        let headers = stream.get_raw_message(seq).await.expect("is there").headers;
        assert_eq!(
            headers.get("Nats-Expected-Stream").map(|value| value.as_str()),
            Some("FLEETLOG_test_G1")
        );
        for (name, _) in headers.iter() {
            let name: &str = name.as_ref();
            assert!(
                name.starts_with("Nats-Batch-")
                    || name == "Nats-Expected-Stream"
                    || name.starts_with("Nats-Expected-Last-Subject-Sequence"),
                "{name}"
            );
        }
    }
}

/// A foreign message id never makes the server swallow a record of ours.
#[tokio::test(flavor = "multi_thread")]
async fn squatting_on_message_ids_swallows_nothing() {
    let place = Place::jetstream().await;
    let (client, _) = admin(&place.url).await;
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Msg-Id", "1");
    let stored = client.request_with_headers(SUBJECT, headers, "0".into()).await;
    stored.expect("answered");
    append_each(&*place.log, 1..4).await;
    assert_eq!(numbers(&*place.log).await, [0, 1, 2, 3]);
}
