//! Allocs: asked for, pending, granted, refused, kept, withdrawn, taken back.

use crate::support::{World, id, soon};
use driver::{AllocView, DriverError, OverWhy, describe};
use schema::event::{AllocPending, AllocRefused, Event};
use schema::unit::{Micros, Millis};
use schema::why::{PendingWhy, RefusedWhy, RevokedWhy};
use std::collections::BTreeSet;

#[tokio::test]
async fn a_request_says_what_it_waits_for_and_is_granted() {
    let world = World::new().await;
    let driver = world.join("d-1").await;
    let request = world.ask(&driver).await;
    let mut progress = request.progress();
    let why = PendingWhy::Launching {
        launch: id("l-1"),
        kind: "local.large".into(),
        price: Micros(96_000),
    };
    let (alloc, me) = (request.id().clone(), driver.id().clone());
    world.decide(AllocPending { alloc, driver: me, why: why.clone() }).await;
    soon(progress.wait_for(|view| *view == AllocView::Waiting(Some(why.clone()))))
        .await
        .expect("told");
    assert_eq!(describe::pending(&why), "launching 1 x local.large, $0.096/h");
    world.grant(driver.id(), request.id(), Millis::from_secs(120)).await;
    let alloc = soon(request.granted()).await.expect("granted");
    assert_eq!((alloc.instance(), &alloc.given().address), (&id("i-1"), &world.address));
}

#[tokio::test]
async fn a_refusal_says_why() {
    let world = World::new().await;
    let driver = world.join("d-1").await;
    let request = world.ask(&driver).await;
    let why = RefusedWhy::OverBudget { asked: Micros(2_000_000), limit: Micros(1_000_000) };
    let (alloc, me) = (request.id().clone(), driver.id().clone());
    world.decide(AllocRefused { alloc, driver: me, why }).await;
    let error = soon(request.granted()).await.map(|_| ()).expect_err("refused");
    let sentence =
        "one instance that would do costs $2.00/h, more than the whole budget of $1.00/h";
    assert_eq!(error.to_string(), sentence);
}

#[tokio::test]
async fn one_record_keeps_all_allocs() {
    let mut world = World::new().await;
    let driver = world.join_with("d-1", Millis(300)).await;
    let mut allocs = Vec::new();
    for _ in 0..50 {
        allocs.push(world.alloc(&driver).await);
    }
    let all: BTreeSet<_> = allocs.iter().map(|alloc| alloc.id().clone()).collect();
    let whole = |event: &Event| {
        matches!(event, Event::AllocsKept(e)
            if e.interval == Millis(300) && e.allocs.iter().cloned().collect::<BTreeSet<_>>() == all)
    };
    world.until(whole).await;
    let freed = allocs.pop().expect("there are allocs");
    let gone = freed.id().clone();
    freed.free().await.expect("freed");
    let without = |event: &Event| matches!(event, Event::AllocsKept(e) if e.allocs.len() == 49 && !e.allocs.contains(&gone));
    world.until(without).await;
}

#[tokio::test]
async fn a_lease_that_the_policy_cut_is_kept_in_time() {
    let mut world = World::new().await;
    let driver = world.join_with("d-1", Millis::from_secs(3600)).await;
    let request = world.ask(&driver).await;
    world.grant(driver.id(), request.id(), Millis(300)).await;
    let alloc = soon(request.granted()).await.expect("granted");
    world
        .until(|event| matches!(event, Event::AllocsKept(e) if e.allocs == [alloc.id().clone()]))
        .await;
}

#[tokio::test]
async fn keepalives_do_not_pile_up_while_the_log_is_out_of_reach() {
    let mut world = World::new().await;
    let driver = world.join_with("d-1", Millis(90)).await;
    let _alloc = world.alloc(&driver).await;
    let kept = |event: &Event| matches!(event, Event::AllocsKept(_));
    world.until(kept).await;
    let refusals = 12;
    world.log.faults().refuse(refusals);
    // The author alone repeats, each time after a longer pause; a keepalive is due every 30 ms.
    let probe = world.ask(&driver).await;
    world.until(|event| matches!(event, Event::AllocRequested(e) if e.alloc == *probe.id())).await;
    let (records, since) = (world.count(kept).await, world.log.clone());
    assert!(records < 60, "{records} keepalives were written");
    drop((probe, since));
}

#[tokio::test]
async fn drivers_do_not_see_each_other() {
    let world = World::new().await;
    let (one, two) = (world.join("d-1").await, world.join("d-2").await);
    let alloc = world.alloc(&one).await;
    let other = world.alloc(&two).await;
    let exec = alloc.exec(crate::support::sleep_100()).await.expect("submitted");
    world.started(&one, alloc.id(), exec.id()).await;
    soon(exec.progress().wait_for(|view| view.started)).await.expect("started");
    assert_eq!(two.allocs().keys().collect::<Vec<_>>(), [other.id()]);
    assert!(two.execs().is_empty());
    assert!(two.attach(alloc.id()).await.is_err());
}

#[tokio::test]
async fn a_withdrawn_request_is_over() {
    let mut world = World::new().await;
    let driver = world.join("d-1").await;
    let request = world.ask(&driver).await;
    let alloc = request.id().clone();
    soon(request.withdraw()).await.expect("withdrawn");
    assert_eq!(driver.allocs()[&alloc], AllocView::Over(OverWhy::Freed));
    assert_eq!(world.count(|event| matches!(event, Event::AllocFreed(_))).await, 0);
}

#[tokio::test]
async fn a_request_that_was_granted_first_is_given_back() {
    let mut world = World::new().await;
    let driver = world.join("d-1").await;
    let request = world.ask(&driver).await;
    let alloc = request.id().clone();
    world.grant(driver.id(), &alloc, Millis::from_secs(120)).await;
    soon(request.withdraw()).await.expect("withdrawn");
    world.until(|event| matches!(event, Event::AllocFreed(e) if e.alloc == alloc)).await;
}

#[tokio::test]
async fn a_request_that_nobody_waits_for_is_withdrawn() {
    let mut world = World::new().await;
    let driver = world.join("d-1").await;
    let request = world.ask(&driver).await;
    let alloc = request.id().clone();
    drop(request.granted());
    world.until(|event| matches!(event, Event::AllocWithdrawn(e) if e.alloc == alloc)).await;
}

#[tokio::test]
async fn leaving_withdraws_what_waits_and_asks_for_nothing_more() {
    let world = World::new().await;
    let driver = world.join("d-1").await;
    let request = world.ask(&driver).await;
    soon(driver.clone().leave()).await.expect("left");
    let error = soon(request.granted()).await.map(|_| ()).expect_err("over");
    assert!(matches!(error, DriverError::Over(OverWhy::Freed)), "{error}");
    let need = schema::resources::Resources { cpu: 1, memory: 1, ..Default::default() };
    let options = driver::AllocOptions::new(schema::requirements::Requirements::exactly(need));
    let error = driver.alloc(options).await.map(|_| ()).expect_err("it has left");
    assert!(error.to_string().contains("join again"), "{error}");
}

#[tokio::test]
async fn an_alloc_that_is_taken_back_says_why() {
    let mut world = World::new().await;
    let driver = world.join("d-1").await;
    let alloc = world.alloc(&driver).await;
    world.revoke(&driver, &alloc, RevokedWhy::Interrupted, Millis(0)).await;
    let why = soon(alloc.over()).await.expect("known");
    assert_eq!(describe::over(&why), "the alloc was taken back: its instance is being taken away");
    let error = alloc.exec(crate::support::sleep_100()).await.map(|_| ()).expect_err("it is over");
    assert!(matches!(error, DriverError::Over(_)), "{error}");
    soon(alloc.free()).await.expect("nothing is left to do");
    assert_eq!(world.count(|event| matches!(event, Event::AllocFreed(_))).await, 0);
}

#[tokio::test]
async fn requirements_out_of_bounds_are_not_asked_for() {
    let world = World::new().await;
    let driver = world.join("d-1").await;
    let none = schema::requirements::Requirements::exactly(schema::resources::Resources::default());
    let error =
        driver.alloc(driver::AllocOptions::new(none)).await.map(|_| ()).expect_err("nothing");
    assert_eq!(error.to_string(), "requirements need some cpu and some memory");
}
