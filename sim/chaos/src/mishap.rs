//! Doing what goes wrong, each with one line that says what, and making it good again.

use crate::plan::{Far, Mishap, Step};
use crate::process;
use crate::say;
use crate::tally::now;
use crate::world::World;
use rustix::process::Signal;
use schema::unit::Epoch;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// How long somebody to hit may take to be there.
const THERE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(20);

/// What only one mishap at a time is done to.
#[derive(Default)]
pub(crate) struct Turns {
    leader: Mutex<()>,
    servers: Mutex<()>,
    links: [Mutex<()>; 2],
    disk: Mutex<()>,
}

fn pick<T>(mut all: Vec<T>, pick: u64) -> Option<T> {
    let count = u64::try_from(all.len()).ok().filter(|count| *count > 0)?;
    Some(all.swap_remove(usize::try_from(pick % count).ok()?))
}

fn seconds(length: Duration) -> String {
    format!("{:.1} s", length.as_secs_f64())
}

/// Does it, and returns once it is over.
///
/// # Errors
/// Something is broken that was not to break.
pub(crate) async fn befall(world: Arc<World>, turns: Arc<Turns>, step: Step) -> anyhow::Result<()> {
    let Step { mishap, lasts, pick, .. } = step;
    match mishap {
        Mishap::KillLeader => {
            let _turn = turns.leader.lock().await;
            kill_leader(&world, lasts).await;
        }
        Mishap::KillStandby => kill_standby(&world, lasts, pick),
        Mishap::PauseLeader => {
            let _turn = turns.leader.lock().await;
            pause_leader(&world, lasts).await;
        }
        Mishap::KillAgent => kill_agent(&world, pick),
        Mishap::PauseAgent => pause_agent(&world, lasts, pick).await,
        Mishap::KillDriver => kill_driver(&world, lasts, pick),
        Mishap::KillServer | Mishap::KillLeadingServer => {
            let _turn = turns.servers.lock().await;
            kill_server(&world, step).await?;
        }
        Mishap::StepDown => {
            let _turn = turns.servers.lock().await;
            step_down(&world).await;
        }
        Mishap::Partition(far) => {
            let _turn = turns.links[usize::from(far == Far::Driver)].lock().await;
            partition(&world, far, lasts).await?;
        }
        Mishap::FillDisk => {
            let _turn = turns.disk.lock().await;
            fill_disk(&world, lasts).await?;
        }
    }
    Ok(())
}

/// Which controller leads, by its place in the list, and in which term, once one does.
async fn leading(world: &World) -> Option<(usize, String, Epoch)> {
    let since = Instant::now();
    while since.elapsed() < THERE {
        let leader = world.watch.leader();
        let named = |name: &String| world.controllers.iter().position(|part| part.name() == *name);
        if let Some((name, term)) = leader
            && let Some(index) = named(&name).filter(|i| world.controllers[*i].pid().is_some())
        {
            return Some((index, name, term));
        }
        tokio::time::sleep(POLL).await;
    }
    say("no controller to hit leads now");
    None
}

async fn kill_leader(world: &World, again: Duration) {
    let Some((index, name, term)) = leading(world).await else { return };
    world.tally.hit(term);
    if world.controllers[index].kill(again).is_some() {
        world.tally.did(Mishap::KillLeader);
        say(&format!("killed {name}, which leads in term {term}; again in {}", seconds(again)));
    }
}

fn kill_standby(world: &World, again: Duration, which: u64) {
    let leader = world.watch.leader().map(|(name, _)| name);
    let standby = world.controllers.iter().filter(|part| Some(part.name()) != leader);
    let standby = standby.filter(|part| part.pid().is_some()).collect();
    match pick(standby, which).and_then(|part| part.kill(again)) {
        Some(name) => {
            world.tally.did(Mishap::KillStandby);
            say(&format!("killed {name}, a standby; again in {}", seconds(again)));
        }
        None => say("no standby to kill now"),
    }
}

async fn pause_leader(world: &World, lasts: Duration) {
    let Some((index, name, term)) = leading(world).await else { return };
    let part = &world.controllers[index];
    let Some(pid) = part.pid() else { return };
    world.tally.hit(term);
    if part.signal(pid, Signal::STOP) {
        world.tally.did(Mishap::PauseLeader);
        say(&format!("paused {name}, which leads in term {term}, for {}", seconds(lasts)));
        tokio::time::sleep(lasts).await;
        let woke = part.signal(pid, Signal::CONT);
        let leader = world.watch.leader().map_or("nobody".to_owned(), |(name, _)| name);
        let how = if woke { "wakes" } else { "was killed in its sleep" };
        say(&format!("{name} {how}; {leader} leads"));
    }
}

/// An agent that runs: its instance, and its process.
fn agent(world: &World, which: u64) -> Option<(String, i32)> {
    let running = world.watch.instances().into_iter().filter_map(|instance| {
        let pid = process::agent(&world.instances_dir().join(instance.as_str()), &world.mark)?;
        Some((instance.to_string(), pid))
    });
    let found = pick(running.collect(), which);
    if found.is_none() {
        say("no agent to hit now");
    }
    found
}

fn kill_agent(world: &World, which: u64) {
    if let Some((instance, pid)) = agent(world, which)
        && process::signal(pid, &world.mark, Signal::KILL)
    {
        world.tally.did(Mishap::KillAgent);
        say(&format!("killed the agent of {instance}"));
    }
}

async fn pause_agent(world: &World, lasts: Duration, which: u64) {
    if let Some((instance, pid)) = agent(world, which)
        && process::signal(pid, &world.mark, Signal::STOP)
    {
        world.tally.did(Mishap::PauseAgent);
        say(&format!("paused the agent of {instance} for {}", seconds(lasts)));
        tokio::time::sleep(lasts).await;
        process::signal(pid, &world.mark, Signal::CONT);
    }
}

fn kill_driver(world: &World, again: Duration, which: u64) {
    let running = world.drivers.iter().filter(|part| part.pid().is_some()).collect();
    match pick(running, which).and_then(|part| part.kill(again)) {
        Some(name) => {
            world.tally.did(Mishap::KillDriver);
            say(&format!("killed driver {name}; again in {}", seconds(again)));
        }
        None => say("no driver to kill now"),
    }
}

async fn kill_server(world: &World, step: Step) -> anyhow::Result<()> {
    let count = world.servers.count();
    let index = if step.mishap == Mishap::KillLeadingServer {
        world.servers.leading().await
    } else {
        Ok(usize::try_from(step.pick % count as u64).unwrap_or(0))
    };
    let index = match index {
        Ok(index) => index,
        Err(error) => {
            say(&format!("no leading server to kill: {error:#}"));
            return Ok(());
        }
    };
    let leads =
        if step.mishap == Mishap::KillLeadingServer { ", which leads the stream" } else { "" };
    say(&format!("killed nats-server {index}{leads}; again in {}", seconds(step.lasts)));
    let from = now();
    world.servers.kill(index, step.lasts).await?;
    world.tally.was_away(from);
    world.tally.did(step.mishap);
    Ok(())
}

async fn step_down(world: &World) {
    let from = now();
    match world.servers.step_down().await {
        Ok(()) => {
            world.tally.did(Mishap::StepDown);
            say("the stream's leading server stepped down");
        }
        Err(error) => say(&format!("no server stepped down: {error:#}")),
    }
    world.tally.was_away(from);
}

async fn partition(world: &World, far: Far, lasts: Duration) -> anyhow::Result<()> {
    let Some(place) = world.place(far) else {
        say("nothing was cut off: there are no network namespaces here");
        return Ok(());
    };
    let part = match far {
        Far::Controller => &world.controllers[0],
        Far::Driver => &world.drivers[0],
    };
    let name = part.name();
    let term = world.watch.leader().filter(|(leader, _)| *leader == name).map(|(_, term)| term);
    term.into_iter().for_each(|term| world.tally.hit(term));
    place.set(false)?;
    world.tally.did(Mishap::Partition(far));
    let agents = if far == Far::Controller { " and the agents that it started" } else { "" };
    let leads = term.map(|term| format!(", which leads in term {term},")).unwrap_or_default();
    say(&format!("cut off {name}{leads}{agents} for {}", seconds(lasts)));
    tokio::time::sleep(lasts).await;
    place.set(true)
}

async fn fill_disk(world: &World, lasts: Duration) -> anyhow::Result<()> {
    let Some(disk) = &world.disk else {
        say("no disk was full: there is none that could be");
        return Ok(());
    };
    disk.fill()?;
    world.tally.did(Mishap::FillDisk);
    say(&format!("filled the disk under all instances for {}", seconds(lasts)));
    tokio::time::sleep(lasts).await;
    disk.free();
    Ok(())
}
