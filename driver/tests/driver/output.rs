//! Output of execs: all of it, once, whatever becomes of connections and agents meanwhile.

use crate::support::plane::{Ending, Plane};
use crate::support::{World, id, sleep_100, soon};
use driver::logs::{LogsError, Which};
use driver::{Alloc, Driver, Exec};
use futures::StreamExt;
use replay::author::{Author, Forgetful, Identity};
use schema::event::LogDigest;

async fn running(text: &str, ending: Ending) -> (World, Plane, Driver, Alloc, Exec) {
    let mut world = World::new().await;
    let plane = Plane::new(text, ending).await;
    world.address.clone_from(&plane.address);
    let driver = world.join("d-1").await;
    let alloc = world.alloc(&driver).await;
    let exec = alloc.exec(sleep_100()).await.expect("submitted");
    (world, plane, driver, alloc, exec)
}

fn wrote(text: &str) -> LogDigest {
    let stdout_bytes = text.len() as u64;
    LogDigest { stdout_bytes, stdout_blake3: "known".into(), ..LogDigest::default() }
}

async fn read(exec: &Exec, offset: u64) -> Result<String, LogsError> {
    let mut stream = exec.logs(Which::Stdout, offset, true).expect("known");
    let mut all = Vec::new();
    while let Some(chunk) = stream.next().await {
        all.extend_from_slice(&chunk?);
    }
    Ok(String::from_utf8(all).expect("text"))
}

#[tokio::test]
async fn output_is_followed_from_the_start_to_the_end() {
    let (world, plane, driver, alloc, exec) = running("one ", Ending::Whole).await;
    let script = async {
        world.started(&driver, alloc.id(), exec.id()).await;
        let mut stream = exec.logs(Which::Stdout, 0, true).expect("known");
        assert_eq!(stream.next().await.expect("more").expect("bytes"), "one ");
        plane.set("one two", Ending::Whole);
        assert_eq!(stream.next().await.expect("more").expect("bytes"), "two");
        world.exited_after(&driver, alloc.id(), exec.id(), 0, wrote("one two")).await;
        assert!(stream.next().await.is_none());
    };
    soon(script).await;
    assert_eq!(soon(read(&exec, 4)).await.expect("read"), "two");
}

#[tokio::test]
async fn a_broken_connection_is_taken_up_where_it_broke() {
    let (world, plane, driver, alloc, exec) = running("half", Ending::Broken).await;
    world.started(&driver, alloc.id(), exec.id()).await;
    let reading = tokio::spawn({
        let exec = exec.clone();
        async move { read(&exec, 0).await }
    });
    plane.set("half and all", Ending::Broken);
    world.exited_after(&driver, alloc.id(), exec.id(), 0, wrote("half and all")).await;
    assert_eq!(soon(reading).await.expect("runs").expect("read"), "half and all");
}

#[tokio::test]
async fn an_agent_that_came_back_is_found_at_its_new_address() {
    let (world, plane, driver, alloc, exec) = running("before ", Ending::Broken).await;
    world.booted(&world.agent, &plane.address).await;
    world.started(&driver, alloc.id(), exec.id()).await;
    let mut stream = exec.logs(Which::Stdout, 0, true).expect("known");
    assert_eq!(soon(stream.next()).await.expect("more").expect("bytes"), "before ");
    drop(plane);
    let moved = Plane::new("before and after", Ending::Whole).await;
    let identity = Identity::fresh(world.cluster.clone(), id("i-1"));
    let agent = Author::start(world.log.clone(), identity, Box::new(Forgetful));
    // Somebody else's word for where it is does not count.
    let identity = Identity::fresh(world.cluster.clone(), id("i-2"));
    let other = Author::start(world.log.clone(), identity, Box::new(Forgetful));
    world.booted(&agent, &moved.address).await;
    world.booted(&other, "http://127.0.0.1:9").await;
    assert_eq!(soon(stream.next()).await.expect("more").expect("bytes"), "and after");
}

#[tokio::test]
async fn an_exec_that_never_ran_wrote_nothing() {
    let (world, _plane, driver, alloc, exec) = running("", Ending::Whole).await;
    let (closed, me) = (alloc.id().clone(), driver.id().clone());
    let instance = id("i-1");
    world.report(schema::event::AllocClosed { alloc: closed, driver: me, instance }).await;
    assert_eq!(soon(read(&exec, 0)).await.expect("nothing"), "");
}

#[tokio::test]
async fn output_that_is_not_all_there_is_said_to_be_cut() {
    let (world, _plane, driver, alloc, exec) = running("some", Ending::Whole).await;
    world.started(&driver, alloc.id(), exec.id()).await;
    world.exited_after(&driver, alloc.id(), exec.id(), 0, wrote("some more")).await;
    let error = soon(read(&exec, 0)).await.expect_err("it is cut");
    assert!(matches!(error, LogsError::Cut { have: 4, all: 9, .. }), "{error}");
}

#[tokio::test]
async fn output_is_there_after_the_alloc_was_freed() {
    let (world, _plane, driver, alloc, exec) = running("done", Ending::Whole).await;
    world.started(&driver, alloc.id(), exec.id()).await;
    world.exited_after(&driver, alloc.id(), exec.id(), 0, wrote("done")).await;
    soon(exec.wait()).await.expect("ended");
    let watch = alloc.clone();
    alloc.free().await.expect("freed");
    soon(watch.over()).await.expect("known");
    assert_eq!(soon(read(&exec, 0)).await.expect("read"), "done");
}
