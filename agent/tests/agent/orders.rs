//! What is ordered is done.

use super::world::{World, end_of, sh};
use schema::event::{Event, ExecConfig};
use schema::resources::Resources;
use schema::unit::Millis;
use schema::why::FailureClass;

#[tokio::test]
async fn an_exec_runs_and_says_how_it_ended() {
    let (world, _agent) = World::open().await;
    world.submit("x-1", sh("echo out; echo err >&2; exit 3")).await;
    assert_eq!(world.end("x-1").await, "exited 3");
    let exited = world.until(|e| end_of(e).is_some()).await;
    let Event::ExecExited(exited) = exited else { panic!("{exited:?}") };
    assert_eq!((exited.logs.stdout_bytes, exited.logs.stderr_bytes), (4, 4));
    assert_eq!(exited.logs.stdout_blake3, blake3::hash(b"out\n").to_hex().to_string());
    assert_eq!(world.get("/v1/execs/x-1/stdout").await, (200, b"out\n".to_vec()));
    assert_eq!(world.get("/v1/execs/x-1/stderr?offset=1").await, (200, b"rr\n".to_vec()));
    assert_eq!(world.get("/v1/execs/x-2/stdout?follow=true").await.0, 404);
    assert_eq!(world.get("/v1/execs/X./stdout").await.0, 400);
    let (code, status) = world.get("/v1/execs/x-1").await;
    let status = String::from_utf8(status).expect("text");
    assert_eq!(code, 200, "{status}");
    assert!(status.contains("\"running\":false,\"stdout_bytes\":4"), "{status}");
    assert_eq!(world.get("/v1/health").await, (200, b"ok".to_vec()));
}

#[tokio::test]
async fn output_is_followed_to_the_end() {
    let (world, _agent) = World::open().await;
    let gate = world.file("gate");
    let script = format!("echo a; until [ -e {} ]; do sleep 0.01; done; echo b", gate.display());
    world.submit("x-1", sh(&script)).await;
    world.started("x-1").await;
    let following = world.get("/v1/execs/x-1/stdout?follow=true");
    let opening = async { std::fs::write(&gate, "").expect("the gate opens") };
    assert_eq!(tokio::join!(following, opening).0, (200, b"a\nb\n".to_vec()));
}

#[tokio::test]
async fn usage_is_told() {
    let (world, _agent) = World::open().await;
    // The work is a child's: it counts as well.
    let busy = "(i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done)";
    world.submit("x-1", sh(busy)).await;
    let event = world.until(|e| end_of(e).is_some()).await;
    let Event::ExecExited(exited) = event else { panic!("{event:?}") };
    assert!(exited.usage.cpu >= Millis(10), "{:?}", exited.usage);
    assert!(exited.usage.wall >= Millis(10), "{:?}", exited.usage);
}

#[tokio::test]
async fn signals_reach_the_exec_and_what_it_started() {
    let (world, _agent) = World::open().await;
    world.submit("x-1", sh("trap 'echo caught; exit 7' TERM; echo up; sleep 600 & wait")).await;
    world.started("x-1").await;
    let up = || std::fs::read(world.file("logs/x-1.stdout")).is_ok_and(|text| text == b"up\n");
    super::world::eventually("the trap is set", up).await;
    world.asks(world.kill_request("x-1", 15)).await;
    assert_eq!(world.end("x-1").await, "exited 7");
    world.submit("x-2", sh("sleep 600 & echo $!; wait")).await;
    world.started("x-2").await;
    let child = || std::fs::read_to_string(world.file("logs/x-2.stdout")).unwrap_or_default();
    super::world::eventually("it has a child", || child().ends_with('\n')).await;
    world.asks(world.kill_request("x-2", 9)).await;
    assert_eq!(world.end("x-2").await, "exited 137");
    let stat = format!("/proc/{}/stat", child().trim());
    let gone = || std::fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "));
    super::world::eventually("the child is gone too", gone).await;
}

#[tokio::test]
async fn a_kill_that_comes_with_the_order_is_not_lost() {
    let (world, _agent) = World::open().await;
    for number in 0..20 {
        let exec = format!("x-{number}");
        world.submit(&exec, sh("exec sleep 600")).await;
        world.asks(world.kill_request(&exec, 9)).await;
    }
    for number in 0..20 {
        assert_eq!(world.end(&format!("x-{number}")).await, "exited 137");
    }
}

#[tokio::test]
async fn what_is_freed_is_ended_and_closed() {
    let (world, _agent) = World::open().await;
    for exec in ["x-1", "x-2"] {
        world.submit(exec, sh("exec sleep 600")).await;
        world.started(exec).await;
    }
    world.free("a-1").await;
    world.until(|e| matches!(e, Event::AllocClosed(_))).await;
    let events = world.events().await;
    let closed = events.iter().position(|e| matches!(e, Event::AllocClosed(_)));
    for exec in ["x-1", "x-2"] {
        assert_eq!(world.ends(exec).await, ["exited 137"]);
        let end = events.iter().position(|e| end_of(e).is_some_and(|(of, _)| of == exec));
        assert!(end < closed, "{events:#?}");
    }
    world.submit("x-3", sh("true")).await;
    let end = world.end("x-3").await;
    assert_eq!(end, "failed: x-3 was not run in a-1: the alloc is not open here");
}

#[tokio::test]
async fn a_time_limit_ends_what_takes_longer() {
    let (world, _agent) = World::open().await;
    let timeout = Some(Millis(50));
    world.submit("x-1", ExecConfig { timeout, ..sh("exec sleep 600") }).await;
    assert_eq!(world.end("x-1").await, "failed: x-1 ran for longer than its limit of 50 ms");
    let event = world.until(|e| end_of(e).is_some()).await;
    assert!(matches!(event, Event::ExecFailed(e) if e.class == FailureClass::TimedOut));
    let timeout = Some(Millis::from_secs(60));
    world.submit("x-2", ExecConfig { timeout, ..sh("exit 4") }).await;
    assert_eq!(world.end("x-2").await, "exited 4");
}

#[tokio::test]
async fn the_same_exec_twice_is_one() {
    let (world, _agent) = World::open().await;
    let config = sh(&format!("echo ran >> {}", world.file("count").display()));
    world.submit("x-1", config.clone()).await;
    world.submit("x-1", config.clone()).await;
    world.end("x-1").await;
    world.submit("x-1", config).await;
    world.submit("x-2", sh("true")).await;
    world.end("x-2").await;
    assert_eq!(std::fs::read_to_string(world.file("count")).expect("it ran"), "ran\n");
    assert_eq!(world.ends("x-1").await, ["exited 0"]);
}

#[tokio::test]
async fn what_cannot_run_says_why() {
    let (world, _agent) = World::open().await;
    let command = |command: &[&str]| ExecConfig {
        command: command.iter().map(|&word| word.to_owned()).collect(),
        ..ExecConfig::default()
    };
    let limits = Some(Resources { memory: 2 << 30, ..Resources::default() });
    let env = |name: &str| [(name.to_owned(), "1".to_owned())].into();
    for (number, (config, message)) in [
        (command(&[]), "the command is empty"),
        (command(&[""]), "the program has no name"),
        (command(&["echo", "a\0b"]), "hold a NUL byte"),
        (command(&["/no/such/program"]), "cannot start \"/no/such/program\": No such file"),
        (command(&["/etc"]), "cannot start \"/etc\": Permission denied"),
        (command(&[&"long".repeat(100_000)]), "cannot start \"longlong"),
        (ExecConfig { env: env("a=b"), ..sh("true") }, "in the environment is empty or holds '='"),
        (ExecConfig { env: env("a\0"), ..sh("true") }, "hold a NUL byte"),
        (
            ExecConfig { workdir: Some("/no/such/dir".into()), ..sh("true") },
            "its working directory \"/no/such/dir\" is not there",
        ),
        (ExecConfig { limits, ..sh("true") }, "it asks for memory 2GiB, and the alloc has 1GiB"),
        (ExecConfig { image: Some("local/x".into()), ..sh("true") }, "no runtime for it"),
    ]
    .into_iter()
    .enumerate()
    {
        let exec = format!("x-{number}");
        world.submit(&exec, config).await;
        let end = world.end(&exec).await;
        assert!(end.starts_with("failed: ") && end.contains(message), "{exec}: {end}");
    }
    world.asks(world.submission("x-lost", "a-2", sh("true"))).await;
    assert!(world.end("x-lost").await.contains("the alloc is not open here"));
}

#[tokio::test]
async fn garbage_is_skipped() {
    let (world, _agent) = World::open().await;
    let instance = &world.place.instance;
    let subject = format!("fl.test.log.driver.d-1.{instance}.d-1.exec.x-1");
    for payload in [&b""[..], b"garbage", &[0xc1; 100], &[0x91; 1000]] {
        world.append(subject.clone(), payload.to_vec()).await;
    }
    world.submit("x-2", sh("exit 5")).await;
    assert_eq!(world.end("x-2").await, "exited 5");
}

#[tokio::test]
async fn many_at_once_each_end_once() {
    let (world, _agent) = World::open().await;
    let submit = |n: i32| {
        let world = &world;
        async move { world.submit(&format!("x-{n}"), sh(&format!("exit {}", n % 100))).await }
    };
    futures::future::join_all((0..300).map(submit)).await;
    for n in 0..300 {
        assert_eq!(world.end(&format!("x-{n}")).await, format!("exited {}", n % 100));
    }
    let events = world.events().await;
    assert_eq!(events.iter().filter(|e| end_of(e).is_some()).count(), 300);
    assert_eq!(events.iter().filter(|e| matches!(e, Event::ExecStarted(_))).count(), 300);
}
