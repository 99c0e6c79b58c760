//! After the last mishap: everything must come to rest by itself, and nothing of it may be left.

use crate::driver::{heard, truths};
use crate::judge::judge;
use crate::part::Part;
use crate::process;
use crate::report;
use crate::say;
use crate::verdict::{Over, Reread};
use crate::world::World;
use anyhow::Context as _;
use replay_core::State;
use serde::Deserialize;
use std::time::{Duration, Instant};

/// How long that may take: a lease, an agent cut off for longer than its grace, and some air.
const REST: Duration = Duration::from_secs(150);
const POLL: Duration = Duration::from_millis(100);

/// Lets all of it end, and tells what was found; says whether all is as it must be.
///
/// # Errors
/// The log cannot be read, or a part cannot be started.
pub(crate) async fn come_to_rest(world: &World) -> anyhow::Result<bool> {
    say("no more mishaps: everything must come to rest");
    world.tally.calm();
    let since = Instant::now();
    world.tell_drivers()?;
    let drivers = until(world, since, || world.drivers.iter().all(Part::done)).await?;
    world.policy(&["min_instances=0", "idle_timeout=0s"]).await?;
    let fleet = until(world, since, || world.watch.look(unfinished).is_empty()).await?;
    let mut leaked = world.watch.look(unfinished);
    let awake = world.drivers.iter().filter(|part| !part.done());
    leaked.extend(awake.map(|part| format!("driver {} does not finish", part.name())));
    // Whoever leads resigns first.
    world.controllers.iter().for_each(Part::retire);
    let controllers = until_done(world, since).await?;
    if drivers && fleet && controllers {
        say(&format!("at rest after {:.1} s", since.elapsed().as_secs_f64()));
    }
    leaked.extend(process::all(&world.mark).into_iter().map(|(pid, line)| format!("{pid} {line}")));
    let log = reread(world).await?;
    let records = world.watch.records().await?;
    // Nobody may have written any.
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let findings = judge(&records, &read(truths(world.dir())), &read(heard(world.dir())));
    let (tally, impossible) = (&world.tally, &world.impossible[..]);
    let drivers = world.drivers.iter().map(Part::name).collect();
    Ok(report::tell(&Over { findings, tally, impossible, drivers, leaked, log }))
}

/// Has the log checked by `fleetlog verify`, and asks the servers how much there is of it.
async fn reread(world: &World) -> anyhow::Result<Reread> {
    let output = world.fleetlog(&["--output", "json", "verify"]).await?;
    let said = String::from_utf8_lossy(&output.stdout);
    let Verified { records, checkpoints } =
        serde_json::from_str(&said).with_context(|| format!("verify says {said:?}"))?;
    let held = world.servers.holds().await?;
    Ok(Reread { held, verified: records, checkpoints, sound: output.status.success() })
}

/// What `verify` says of a log, as far as it is of use here.
#[derive(Deserialize)]
struct Verified {
    records: u64,
    checkpoints: u64,
}

/// What of the log's state is not at rest.
fn unfinished(state: &State) -> Vec<String> {
    let mut left = Vec::new();
    let open = state.execs.iter().filter(|(_, exec)| !exec.ended());
    left.extend(open.map(|(id, _)| format!("{id} is open")));
    left.extend(state.index.live_instances.iter().map(|id| format!("{id} is there")));
    left.extend(state.index.waiting.iter().map(|(.., id)| format!("{id} waits")));
    if state.head.pending > 0 {
        left.push(format!("{} instances are to come", state.head.pending));
    }
    left
}

/// Waits, and keeps all parts going meanwhile; says whether it came about in time.
async fn until(world: &World, since: Instant, done: impl Fn() -> bool) -> anyhow::Result<bool> {
    while !done() {
        if since.elapsed() > REST {
            return Ok(false);
        }
        world.tend(&world.controllers)?;
        world.tend(&world.drivers)?;
        tokio::time::sleep(POLL).await;
    }
    Ok(true)
}

/// Waits for the controllers to end, and for what they started.
async fn until_done(world: &World, since: Instant) -> anyhow::Result<bool> {
    until(world, since, || {
        world.controllers.iter().all(Part::done) && process::all(&world.mark).is_empty()
    })
    .await
}
