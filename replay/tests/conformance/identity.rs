//! Which log it is: a stream that was made anew, cut short or rewritten is refused by readers that
//! have read of the old one.

use crate::place::{directory, opened};
use crate::support::{append_each, entries, more, patiently, read_error};
use async_nats::jetstream;
use replay::log::{Log, ReadError, Reader};
use replay::testing::NatsServer;
use schema::unit::Seq;
use std::path::Path;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_made_anew_is_another_log() {
    let dir = directory();
    let server = NatsServer::start(dir.path()).expect("a nats-server");
    let log = opened(&server.url()).await;
    append_each(&*log, 0..5).await;
    let mut reader = log.read(Seq(1), None).await.expect("reads");
    more(&mut *reader, 5).await;
    let admin = jetstream::new(async_nats::connect(server.url()).await.expect("connects"));
    admin.delete_stream("FLEETLOG_test_G1").await.expect("deleted");
    let again = opened(&server.url()).await;
    append_each(&*again, 0..9).await;
    assert!(matches!(read_error(&mut *reader).await, ReadError::WrongLog(_)));
    assert!(matches!(log.last_seq().await, Err(ReadError::WrongLog(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_gone_is_no_log() {
    let dir = directory();
    let server = NatsServer::start(dir.path()).expect("a nats-server");
    let log = opened(&server.url()).await;
    append_each(&*log, 0..5).await;
    let mut reader = log.read(Seq(1), None).await.expect("reads");
    more(&mut *reader, 5).await;
    let admin = jetstream::new(async_nats::connect(server.url()).await.expect("connects"));
    admin.delete_stream("FLEETLOG_test_G1").await.expect("deleted");
    assert!(matches!(read_error(&mut *reader).await, ReadError::WrongLog(_)));
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("made");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(&from, &to).expect("copied");
        }
    }
}

/// A reader that has read ten records, of which a server with older files has only five.
async fn set_back(server: &mut NatsServer, dir: &Path) -> (Arc<dyn Log>, Box<dyn Reader>) {
    let log = opened(&server.url()).await;
    append_each(&*log, 0..5).await;
    let old = dir.join("old");
    server.kill();
    copy(&server.store(), &old);
    server.up().expect("up again");
    append_each(&*log, 5..10).await;
    let mut reader = log.read(Seq(1), None).await.expect("reads");
    more(&mut *reader, 10).await;
    server.kill();
    std::fs::remove_dir_all(server.store()).expect("removed");
    copy(&old, &server.store());
    server.up().expect("up again");
    (log, reader)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_cut_short_is_refused() {
    let dir = directory();
    let mut server = NatsServer::start(dir.path()).expect("a nats-server");
    let (_log, mut reader) = set_back(&mut server, dir.path()).await;
    let error = read_error(&mut *reader).await;
    assert!(error.to_string().contains("cut short"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_rewritten_is_refused() {
    let dir = directory();
    let mut server = NatsServer::start(dir.path()).expect("a nats-server");
    let (log, mut reader) = set_back(&mut server, dir.path()).await;
    patiently(&*log, &entries(50..70), None).await.expect("stored");
    let error = read_error(&mut *reader).await;
    assert!(error.to_string().contains("record 10 of FLEETLOG_test_G1 is another"), "{error}");
}
