//! Leases that lapse, instances that go.

use super::world::{World, crash, end_of, eventually, id, sh};
use agent::Agent;
use schema::event::{Event, Interruption};
use schema::subject::{self, Role};
use schema::telemetry::{self, AgentHeartbeat, HEARTBEAT};
use schema::unit::Millis;

#[tokio::test]
async fn a_lease_that_runs_out_of_reach_ends_the_alloc() {
    let mut world = World::new();
    world.lease = Millis(700);
    let _agent = world.agent();
    world.grant("a-1").await;
    let pid = world.file("pid");
    world.submit("x-1", sh(&format!("echo $$ > {}; exec sleep 600", pid.display()))).await;
    world.started("x-1").await;
    let read = || std::fs::read_to_string(&pid).unwrap_or_default();
    eventually("it runs", || read().ends_with('\n')).await;
    world.log.cut(true);
    let stat = format!("/proc/{}/stat", read().trim());
    let gone = || std::fs::read_to_string(&stat).is_err();
    eventually("it is ended without the log", gone).await;
    assert!(world.ends("x-1").await.is_empty());
    world.log.cut(false);
    assert_eq!(world.end("x-1").await, "exited 137");
    world.until(|e| matches!(e, Event::AllocClosed(_))).await;
}

#[tokio::test]
async fn a_short_cut_harms_nobody() {
    let (world, _agent) = World::open().await;
    let gate = world.file("gate");
    let script = format!("until [ -e {} ]; do sleep 0.01; done; exit 6", gate.display());
    world.submit("x-1", sh(&script)).await;
    world.started("x-1").await;
    world.log.cut(true);
    world.submit("x-2", sh("exit 2")).await;
    std::fs::write(&gate, "").expect("the gate opens");
    let ended = world.file("keeper.notes");
    let noted = || std::fs::read_to_string(&ended).is_ok_and(|text| text.contains("\"code\":6"));
    eventually("it has ended", noted).await;
    world.log.cut(false);
    assert_eq!(world.end("x-1").await, "exited 6");
    assert_eq!(world.end("x-2").await, "exited 2");
    assert!(!world.events().await.iter().any(|e| matches!(e, Event::AllocClosed(_))));
}

#[tokio::test]
async fn whoever_waits_for_it_is_told_once_the_log_knows_that_it_is_up() {
    let world = World::new();
    world.log.cut(true);
    let agent = world.agent();
    let (joined, journal) = (world.file("run/joined"), world.file("journal"));
    eventually("it comes up", || journal.exists()).await;
    assert!(!joined.exists(), "nobody knows of it");
    world.log.cut(false);
    eventually("it has joined", || joined.exists()).await;
    assert!(world.events().await.iter().any(|e| matches!(e, Event::InstanceBooted(_))));
    // One that comes back says so again: the machine may have been started anew.
    crash(agent).await;
    std::fs::remove_file(&joined).expect("it was there");
    let _agent = world.agent();
    eventually("it has joined", || joined.exists()).await;
}

#[tokio::test]
async fn an_instance_that_must_go_ends_everything_first() {
    let (world, agent) = World::open().await;
    for exec in ["x-1", "x-2"] {
        world.submit(exec, sh("exec sleep 600")).await;
        world.started(exec).await;
    }
    world.terminate().await;
    agent.await.expect("no panic").expect("it goes");
    for exec in ["x-1", "x-2"] {
        assert_eq!(world.ends(exec).await, ["exited 137"]);
    }
    let events = world.events().await;
    assert!(matches!(events.last(), Some(Event::AllocClosed(_))), "{events:#?}");
    // One that comes back all the same finds that it must go.
    world.agent().await.expect("no panic").expect("it goes");
    assert_eq!(world.events().await.len(), events.len());
}

#[tokio::test]
async fn an_agent_that_goes_by_itself_says_so() {
    let world = World::new();
    let (tell, told) = tokio::sync::oneshot::channel();
    let options = world.place.clone().options().await;
    let stop = async { told.await.unwrap_or_default() };
    let agent = tokio::spawn(Agent::run_until(options, stop));
    world.grant("a-1").await;
    world.submit("x-1", sh("exec sleep 600")).await;
    world.started("x-1").await;
    tell.send("the operator pressed Ctrl-C".to_owned()).expect("it listens");
    agent.await.expect("no panic").expect("it goes");
    let said = |e: &Event| matches!(e, Event::InstanceStopping(s) if s.reason.contains("Ctrl-C"));
    let events = world.events().await;
    assert!(events.iter().any(said), "{events:#?}");
    assert_eq!(world.ends("x-1").await, ["exited 137"]);
    assert!(matches!(events.last(), Some(Event::AllocClosed(_))), "{events:#?}");
}

#[tokio::test]
async fn an_interruption_is_noticed() {
    let (world, _agent) = World::open().await;
    world.notice.send_replace(Some((Interruption::Spot, Millis::from_secs(120))));
    let event = world.until(|e| matches!(e, Event::InterruptionNoticed(_))).await;
    let Event::InterruptionNoticed(noticed) = event else { panic!("{event:?}") };
    assert_eq!(noticed.interruption, Interruption::Spot);
    assert_eq!(noticed.left, Millis::from_secs(120));
}

#[tokio::test]
async fn heartbeats_count_the_execs() {
    let (world, _agent) = World::open().await;
    let filter = subject::all_telemetry(&id("test"), Role::Agent, HEARTBEAT);
    let mut heard = world.place.telemetry.subscribe(&filter).await.expect("telemetry");
    world.submit("x-1", sh("exec sleep 600")).await;
    world.started("x-1").await;
    let deadline = std::time::Instant::now() + super::world::PATIENCE;
    loop {
        let (_, bytes) = heard.next(super::world::PATIENCE).await.expect("it beats");
        let beat: AgentHeartbeat = telemetry::decode(&bytes).expect("a heartbeat");
        assert_eq!(beat.instance, world.place.instance);
        if beat.execs == 1 {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{beat:?}");
    }
    world.free("a-1").await;
    world.until(|e| end_of(e).is_some()).await;
}
