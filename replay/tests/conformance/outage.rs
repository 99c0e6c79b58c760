//! Servers that are killed, paused and restarted: nothing is lost, and nothing is believed that is
//! not known.

use crate::place::{directory, opened};
use crate::support::{
    SUBJECT, append_each, collect, entries, entry, numbers, once, patiently, until,
};
use replay::log::AppendError;
use replay::testing::{NatsCluster, NatsServer};

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_server_loses_and_doubles_nothing() {
    let dir = directory();
    let mut server = NatsServer::start(dir.path()).expect("a nats-server");
    let log = opened(&server.url()).await;
    let following = collect(log.clone(), 200);
    append_each(&*log, 0..100).await;
    server.kill();
    server.up().expect("up again");
    append_each(&*log, 100..200).await;
    let seen = following.await.expect("collected");
    let all = numbers(&*log).await;
    assert!(all.starts_with(&seen), "the reader saw another order");
    assert_eq!(once(&all), (0..200).collect::<Vec<_>>());
}

/// An append of unknown fate that lands later, after it was sent again, shows up at most twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_zombie_lands_at_most_as_a_duplicate() {
    let dir = directory();
    let server = NatsServer::start(dir.path()).expect("a nats-server");
    let log = opened(&server.url()).await;
    append_each(&*log, 0..1).await;
    server.pause(true);
    for round in [entries(1..2), entries(2..4)] {
        let cut_off = log.append(&round, None).await;
        assert!(matches!(cut_off, Err(AppendError::Unresolved(_))), "{cut_off:?}");
    }
    server.pause(false);
    until(async || log.last_seq().await.is_ok_and(|seq| seq.0 >= 4)).await;
    assert_eq!(numbers(&*log).await, [0, 1, 2, 3], "both had only been late");
    patiently(&*log, &entries(1..2), None).await.expect("stored");
    patiently(&*log, &entries(2..4), None).await.expect("stored");
    assert_eq!(numbers(&*log).await, [0, 1, 2, 3, 1, 2, 3]);
}

/// While the server is known to be away nothing is queued that would land when nobody waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_while_cut_off_never_lands() {
    let dir = directory();
    let mut server = NatsServer::start(dir.path()).expect("a nats-server");
    let log = opened(&server.url()).await;
    append_each(&*log, 0..1).await;
    server.kill();
    let mut unresolved = 0;
    until(async || match log.append(&[entry(SUBJECT, "7")], None).await {
        Err(AppendError::Busy(_)) => true,
        _ => {
            unresolved += 1;
            false
        }
    })
    .await;
    for _ in 0..20 {
        let busy = log.append(&entries(7..9), None).await;
        assert!(matches!(busy, Err(AppendError::Busy(_))), "{busy:?}");
    }
    server.up().expect("up again");
    append_each(&*log, 1..2).await;
    assert!(numbers(&*log).await.len() <= 2 + unresolved);
}

/// Kills, or pauses, one server after the other while records are written and followed.
async fn one_after_the_other(
    mut hurt: impl FnMut(&mut NatsServer),
    mut heal: impl FnMut(&mut NatsServer),
) {
    let dir = directory();
    let mut servers = NatsCluster::start(dir.path()).expect("three nats-servers");
    let log = opened(&servers.url()).await;
    let following = collect(log.clone(), 90);
    let mut unresolved = 0;
    for (turn, server) in (0_u32..).zip(&mut servers.servers) {
        hurt(server);
        unresolved += append_each(&*log, 30 * turn..30 * turn + 30).await;
        heal(server);
        server.wait().expect("healthy again");
    }
    let seen = following.await.expect("collected");
    let all = numbers(&*log).await;
    assert!(all.starts_with(&seen), "the reader saw another order");
    assert_eq!(once(&all), (0..90).collect::<Vec<_>>(), "nothing is lost or out of order");
    assert!(all.len() <= 90 + unresolved, "more than what was unresolved came twice: {all:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn any_one_of_three_servers_may_be_killed() {
    one_after_the_other(NatsServer::kill, |server| server.up().expect("up again")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_one_of_three_servers_may_hang() {
    one_after_the_other(|server| server.pause(true), |server| server.pause(false)).await;
}
