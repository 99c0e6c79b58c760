//! One driver id, several processes: what a later one finds, and what an earlier one is told.

use crate::support::{World, id, soon};
use driver::{AllocView, DriverError, ExecEnd};
use replay::author::{Author, Forgetful, Identity};
use schema::event::{AllocFreed, DriverJoined, Event};
use schema::unit::{Millis, Seq};
use uuid::Uuid;

#[tokio::test]
async fn a_driver_that_comes_back_finds_its_allocs_and_execs() {
    let mut world = World::new().await;
    let first = world.join("d-1").await;
    let alloc = world.alloc(&first).await;
    let waiting = world.ask(&first).await;
    let (asked, held) = (waiting.id().clone(), alloc.id().clone());
    let (done, open) = (
        alloc.exec(crate::support::sleep_100()).await,
        alloc.exec(crate::support::sleep_100()).await,
    );
    let (done, open) = (done.expect("submitted"), open.expect("submitted"));
    world.started(&first, &held, done.id()).await;
    world.exited(&first, &held, done.id(), 3).await;
    soon(done.wait()).await.expect("ended");
    let (done, open) = (done.id().clone(), open.id().clone());
    // Its process is gone at once: nothing of it is withdrawn.
    let kept = |event: &Event| matches!(event, Event::AllocsKept(_));
    let before = world.count(kept).await;
    std::mem::forget(waiting);
    drop((alloc, first));

    let second = world.join("d-1").await;
    assert!(matches!(second.allocs()[&asked], AllocView::Waiting(None)));
    let alloc = soon(second.attach(&held)).await.expect("still held");
    let again = alloc.exec_as(done.clone(), crate::support::sleep_100()).await.expect("known");
    let (end, _) = soon(again.wait()).await.expect("ended before");
    assert!(matches!(end, ExecEnd::Exited { code: 3, .. }), "{end:?}");
    let open = second.exec(&open).expect("known");
    world.exited(&second, &held, open.id(), 4).await;
    let (end, _) = soon(open.wait()).await.expect("ended now");
    assert!(matches!(end, ExecEnd::Exited { code: 4, .. }), "{end:?}");
    // Nobody knows how long it was away: it keeps what it holds at once, not after a third of the lease.
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
    while world.count(kept).await == before {
        assert!(std::time::Instant::now() < deadline, "the alloc was not kept");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_older_process_is_told_that_it_was_taken_over() {
    let world = World::new().await;
    let first = world.join("d-1").await;
    let alloc = world.alloc(&first).await;
    let exec = alloc.exec(crate::support::sleep_100()).await.expect("submitted");
    let waiting = world.ask(&first).await;
    let second = world.join("d-1").await;
    let taken = |error: DriverError| assert!(matches!(error, DriverError::TakenOver(_)), "{error}");
    taken(soon(first.failed()).await);
    taken(soon(exec.wait()).await.expect_err("it cannot know"));
    taken(soon(waiting.granted()).await.map(|_| ()).expect_err("it cannot know"));
    taken(soon(alloc.over()).await.expect_err("it cannot know"));
    taken(soon(alloc.exec(crate::support::sleep_100())).await.map(|_| ()).expect_err("it is void"));
    taken(soon(alloc.clone().free()).await.expect_err("it is void"));
    // The alloc is the newer one's now, and was not given back.
    let alloc = soon(second.attach(alloc.id())).await.expect("held");
    let exec = second.exec(exec.id()).expect("known");
    world.exited(&second, alloc.id(), exec.id(), 0).await;
    soon(exec.wait()).await.expect("ended");
}

#[tokio::test]
async fn a_process_whose_clock_is_behind_takes_over_all_the_same() {
    let world = World::new().await;
    let incarnation = Uuid::from_u128(Uuid::now_v7().as_u128() + (1 << 100));
    let identity = Identity { incarnation, ..Identity::fresh(world.cluster.clone(), id("d-1")) };
    let ahead = Author::start(world.log.clone(), identity, Box::new(Forgetful));
    let joined = DriverJoined { driver: id("d-1"), version: "0".into() };
    ahead.write(joined, Seq(0)).await.expect("written");
    let driver = world.join("d-1").await;
    world.alloc(&driver).await;
}

#[tokio::test]
async fn others_cannot_speak_for_a_driver() {
    let world = World::new().await;
    let driver = world.join("d-1").await;
    let alloc = world.alloc(&driver).await;
    let identity = Identity::fresh(world.cluster.clone(), id("d-2"));
    let other = Author::start(world.log.clone(), identity, Box::new(Forgetful));
    let (me, instance) = (driver.id().clone(), id("i-1"));
    let freed = AllocFreed { alloc: alloc.id().clone(), driver: me.clone(), instance };
    other.write(DriverJoined { driver: me, version: "0".into() }, Seq(0)).await.expect("written");
    other.write(freed, Seq(0)).await.expect("written");
    let request = world.ask(&driver).await;
    world.grant(driver.id(), request.id(), Millis::from_secs(120)).await;
    soon(request.granted()).await.expect("it goes on");
    assert!(matches!(driver.allocs()[alloc.id()], AllocView::Granted(_)));
}

#[tokio::test]
async fn a_log_that_nobody_opened_is_said_to_be_so() {
    let cluster: schema::id::ClusterId = id("empty");
    let (log, _) = replay::log::embedded::temporary(&cluster).expect("a log");
    let lease = Millis::from_secs(1);
    let options = driver::JoinOptions { cluster, log, driver: id("d-1"), lease };
    let error = soon(driver::Driver::join(options)).await.map(|_| ()).expect_err("nobody is there");
    assert_eq!(error.to_string(), "the cluster has no controller yet: its log is empty");
}
