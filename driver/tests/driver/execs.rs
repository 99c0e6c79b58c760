//! Execs: their ends, and what is said of those that nobody can report any more.

use crate::support::{World, id, sleep_100, soon};
use driver::{ExecEnd, Oom, OverWhy};
use schema::event::{AllocClosed, AllocRevoked, Event, ExecFailed, ExecOomKilled};
use schema::unit::Millis;
use schema::why::{FailureClass, OomConstraint, OomVictim, RevokedWhy};

#[tokio::test]
async fn an_exec_ends_as_its_agent_says() {
    let world = World::new().await;
    let driver = world.join("d-1").await;
    let alloc = world.alloc(&driver).await;
    let exec = alloc.exec(sleep_100()).await.expect("submitted");
    world.started(&driver, alloc.id(), exec.id()).await;
    world.exited(&driver, alloc.id(), exec.id(), 7).await;
    world.exited(&driver, alloc.id(), exec.id(), 8).await;
    let (end, oom) = soon(exec.wait()).await.expect("ended");
    assert!(matches!(end, ExecEnd::Exited { code: 7, .. }), "{end:?}");
    assert_eq!(oom, None);
    soon(exec.kill(9)).await.expect("nothing is left to do");
}

#[tokio::test]
async fn a_failure_has_its_class() {
    let world = World::new().await;
    let driver = world.join("d-1").await;
    let alloc = world.alloc(&driver).await;
    let exec = alloc.exec(sleep_100()).await.expect("submitted");
    world
        .report(ExecFailed {
            exec: exec.id().clone(),
            alloc: alloc.id().clone(),
            driver: driver.id().clone(),
            instance: id("i-1"),
            class: FailureClass::ImageMissing { image: "local/none".into() },
            message: "no such image".into(),
        })
        .await;
    let (end, _) = soon(exec.wait()).await.expect("ended");
    let ExecEnd::Failed { class, message } = end else { panic!("{end:?}") };
    let sentence = driver::describe::failure(&class, &message);
    assert_eq!(sentence, "image local/none is not there: no such image");
}

#[tokio::test]
async fn a_kill_for_memory_comes_with_the_end() {
    let world = World::new().await;
    let driver = world.join("d-1").await;
    let alloc = world.alloc(&driver).await;
    let exec = alloc.exec(sleep_100()).await.expect("submitted");
    world.started(&driver, alloc.id(), exec.id()).await;
    world
        .report(ExecOomKilled {
            exec: exec.id().clone(),
            alloc: alloc.id().clone(),
            driver: driver.id().clone(),
            instance: id("i-1"),
            limit: 32 << 20,
            peak: 31 << 20,
            victim: OomVictim::Main,
            constraint: OomConstraint::Exec,
            process: None,
            killed: 1,
            sources: Vec::new(),
            confidence: 90,
        })
        .await;
    world.exited(&driver, alloc.id(), exec.id(), 137).await;
    let (end, oom) = soon(exec.wait()).await.expect("ended");
    assert!(matches!(end, ExecEnd::Exited { code: 137, .. }), "{end:?}");
    let constraint = OomConstraint::Exec;
    let told = Oom { limit: 32 << 20, peak: 31 << 20, constraint, confidence: 90 };
    assert_eq!(oom, Some(told));
}

#[tokio::test]
async fn a_kill_names_the_exec_and_its_signal() {
    let mut world = World::new().await;
    let driver = world.join("d-1").await;
    let alloc = world.alloc(&driver).await;
    let exec = alloc.exec(sleep_100()).await.expect("submitted");
    exec.kill(15).await.expect("written");
    let kill = |event: &Event| matches!(event, Event::ExecKillRequested(e) if e.exec == *exec.id() && e.signal == 15);
    world.until(kill).await;
}

#[tokio::test]
async fn the_same_id_twice_is_one_exec() {
    let mut world = World::new().await;
    let driver = world.join("d-1").await;
    let (alloc, other) = (world.alloc(&driver).await, world.alloc(&driver).await);
    let exec = alloc.exec_as(id("x-1"), sleep_100()).await.expect("submitted");
    let mut progress = exec.progress();
    world.started(&driver, alloc.id(), exec.id()).await;
    soon(progress.wait_for(|view| view.started)).await.expect("started");
    let again = other.exec_as(id("x-1"), sleep_100()).await.expect("known");
    world.exited(&driver, alloc.id(), exec.id(), 0).await;
    soon(exec.wait()).await.expect("ended");
    soon(again.wait()).await.expect("ended");
    assert_eq!(world.count(|event| matches!(event, Event::ExecSubmitted(_))).await, 1);
}

#[tokio::test]
async fn execs_on_an_instance_that_is_gone_are_lost_at_once() {
    let mut world = World::new().await;
    let driver = world.join("d-1").await;
    let alloc = world.alloc(&driver).await;
    let exec = alloc.exec(sleep_100()).await.expect("submitted");
    world.revoke(&driver, &alloc, RevokedWhy::InstanceLost, Millis::from_secs(600)).await;
    let (end, _) = soon(exec.wait()).await.expect("known");
    assert_eq!(end, ExecEnd::Lost(OverWhy::Revoked(RevokedWhy::InstanceLost)));
}

#[tokio::test]
async fn a_late_exit_of_an_alloc_that_is_over_counts() {
    let mut world = World::new().await;
    let driver = world.join("d-1").await;
    let alloc = world.alloc(&driver).await;
    let (late, never) = (alloc.exec(sleep_100()).await, alloc.exec(sleep_100()).await);
    let (late, never) = (late.expect("submitted"), never.expect("submitted"));
    world.revoke(&driver, &alloc, RevokedWhy::Interrupted, Millis::from_secs(600)).await;
    soon(alloc.over()).await.expect("known");
    assert!(late.progress().borrow().end.is_none());
    world.exited(&driver, alloc.id(), late.id(), 5).await;
    let (end, _) = soon(late.wait()).await.expect("ended");
    assert!(matches!(end, ExecEnd::Exited { code: 5, .. }), "{end:?}");
    let (id, driver_id) = (alloc.id().clone(), driver.id().clone());
    world
        .report(AllocClosed { alloc: id, driver: driver_id, instance: crate::support::id("i-1") })
        .await;
    let (end, _) = soon(never.wait()).await.expect("known");
    assert_eq!(end, ExecEnd::Lost(OverWhy::Revoked(RevokedWhy::Interrupted)));
}

#[tokio::test]
async fn an_exec_that_nobody_can_report_in_time_is_lost() {
    let world = World::new().await;
    let driver = world.join("d-1").await;
    let request = world.ask(&driver).await;
    // Its agent would go by this, and let them run on for as long if it were cut off.
    world.grant(driver.id(), request.id(), Millis(200)).await;
    let alloc = request.granted().await.expect("granted");
    let exec = alloc.exec(sleep_100()).await.expect("submitted");
    let (id, driver_id) = (alloc.id().clone(), driver.id().clone());
    let execs_until = schema::unit::LogTime(0);
    let (instance, why) = (crate::support::id("i-1"), RevokedWhy::AllocKilled);
    let revoked = AllocRevoked { alloc: id, driver: driver_id, instance, execs_until, why };
    world.decide(revoked).await;
    let (end, _) = soon(exec.wait()).await.expect("known");
    assert_eq!(end, ExecEnd::Lost(OverWhy::Revoked(RevokedWhy::AllocKilled)));
}

#[tokio::test]
async fn an_exec_that_came_too_late_is_lost_and_not_waited_for() {
    let mut world = World::new().await;
    let driver = world.join("d-1").await;
    let alloc = world.alloc(&driver).await;
    world.log.faults().refuse(1);
    let (submitted, ()) = tokio::join!(alloc.exec(sleep_100()), async {
        world.revoke(&driver, &alloc, RevokedWhy::InstanceLost, Millis(0)).await;
    });
    // Either it was told before, or it waits for nothing.
    if let Ok(exec) = submitted {
        let (end, _) = soon(exec.wait()).await.expect("known");
        assert_eq!(end, ExecEnd::Lost(OverWhy::Revoked(RevokedWhy::InstanceLost)));
    }
}

#[tokio::test]
async fn thousands_of_execs_at_once() {
    const COUNT: usize = 3000;
    let world = World::new().await;
    let driver = world.join("d-1").await;
    let alloc = world.alloc(&driver).await;
    let submit = (0..COUNT).map(|_| alloc.exec(sleep_100()));
    let execs = soon(futures::future::try_join_all(submit)).await.expect("submitted");
    let waits = futures::future::try_join_all(execs.iter().map(|exec| exec.wait()));
    let end = async {
        let ends = execs.iter().map(|exec| world.exited(&driver, alloc.id(), exec.id(), 0));
        futures::future::join_all(ends).await;
    };
    let (ends, _) = soon(futures::future::join(waits, end)).await;
    let ended = |(end, _): &(ExecEnd, _)| matches!(end, ExecEnd::Exited { code: 0, .. });
    assert!(ends.expect("ended").iter().all(ended));
}

/// Whoever looks at one thing may meanwhile ask for another, whatever is just being told.
#[tokio::test(flavor = "multi_thread")]
async fn looking_at_what_is_told_blocks_nobody() {
    let world = World::new().await;
    let driver = world.join("d-1").await;
    let alloc = world.alloc(&driver).await;
    let exec = alloc.exec(sleep_100()).await.expect("submitted");
    world.started(&driver, alloc.id(), exec.id()).await;
    let mut progress = exec.progress();
    soon(progress.wait_for(|exec| exec.started)).await.expect("started");
    let looking = progress.borrow();
    world.exited(&driver, alloc.id(), exec.id(), 7).await;
    let (asking, exec) = (driver.clone(), exec.id().clone());
    let ended = move || asking.execs().get(&exec).is_some_and(|exec| exec.end.is_some());
    let ended = tokio::task::spawn_blocking(move || {
        while !ended() {
            std::thread::yield_now();
        }
    });
    soon(ended).await.expect("the end is known");
    drop(looking);
}
