//! `fleetlog-chaos`: a cluster of real processes on real nats-servers, to which everything happens that
//! can happen to one: kills, pauses, cut links, full disks. Then everything must come to rest; nothing may
//! be lost, doubled or left behind. What happens follows from one seed.

mod disk;
mod driver;
mod failover;
mod judge;
mod mishap;
mod net;
mod part;
mod plan;
mod process;
mod report;
mod rest;
mod servers;
mod tally;
mod verdict;
mod watch;
mod world;

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};
use mishap::{Turns, befall};
use plan::Plan;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use world::World;

const POLL: Duration = Duration::from_millis(50);
/// As in a shell: interrupted.
const INTERRUPTED: u8 = 130;

static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Do to a cluster of real processes what one seed says, and count what was lost
#[derive(Debug, Parser)]
#[command(name = "fleetlog-chaos", version, args_conflicts_with_subcommands = true)]
struct Args {
    /// For how long things go wrong
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// What goes wrong, and in which order; drawn if not given
    #[arg(long)]
    seed: Option<u64>,
    /// How many nats-servers keep the log
    #[arg(long, default_value_t = 1, value_parser = servers)]
    servers: usize,
    /// The binary to run; the one beside this one if not given
    #[arg(long, value_name = "PATH")]
    fleetlog: Option<PathBuf>,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Clone, Subcommand)]
enum Verb {
    /// Be a driver of a run (started by it)
    #[command(hide = true)]
    Driver(driver::DriverArgs),
}

fn servers(text: &str) -> Result<usize, String> {
    match text {
        "1" => Ok(1),
        "3" => Ok(3),
        _ => Err("it is 1 or 3".to_owned()),
    }
}

/// Prints a line. Nobody has to read it.
fn print(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Prints what happens, and when it does.
fn say(line: &str) {
    print(&format!("{:>7.1} s  {line}", BEGUN.elapsed().as_secs_f64()));
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let done = match args.verb.clone() {
        Some(Verb::Driver(driver)) => driver::run(driver).await.map(|()| ExitCode::SUCCESS),
        None => chaos(args).await,
    };
    done.unwrap_or_else(|error| {
        let _ = writeln!(std::io::stderr(), "fleetlog-chaos: {error:#}");
        ExitCode::FAILURE
    })
}

fn program(given: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let beside = || Ok(std::env::current_exe()?.with_file_name("fleetlog"));
    let program = given.map_or_else(beside, anyhow::Ok)?;
    program.canonicalize().with_context(|| {
        format!("{} is not there: `cargo build -p fleetlog-ops` makes it", program.display())
    })
}

async fn chaos(args: Args) -> anyhow::Result<ExitCode> {
    let program = program(args.fleetlog)?;
    let lasts = Duration::try_from_secs_f64(args.minutes * 60.0).context("--minutes")?;
    let seed = args.seed.unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0 % 1_000_000);
    let (servers, minutes) = (args.servers, args.minutes);
    let again = format!("./dev chaos --seed {seed} --minutes {minutes} --servers {servers}");
    say(&format!("seed {seed}, {servers} nats-server(s); again: {again}"));
    let mut stopped = Stops::listen()?;
    let world = tokio::select! {
        world = World::start(program, servers) => Arc::new(world?),
        () = stopped.next() => return Ok(ExitCode::from(INTERRUPTED)),
    };
    // A task of its own: whatever becomes of it, what it started is ended.
    let mut running = tokio::spawn(run(world.clone(), Plan::new(seed, servers), lasts));
    let good = tokio::select! {
        good = &mut running => Some(good.unwrap_or_else(|panic| Err(panic.into()))),
        () = stopped.next() => {
            say("stopping");
            running.abort();
            let _ = running.await;
            None
        }
    };
    let keep = matches!(good, Some(Ok(false) | Err(_)));
    let left = ended(world, keep).await?;
    if !left.is_empty() {
        bail!("these could not be ended: {}", left.join(", "));
    }
    match good {
        Some(good) => {
            let good = good?;
            print(if good { "nothing lost, doubled or leaked" } else { &again });
            Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        None => Ok(ExitCode::from(INTERRUPTED)),
    }
}

/// Ends a world that nothing else uses any more.
async fn ended(mut world: Arc<World>, keep: bool) -> anyhow::Result<Vec<String>> {
    let whole = loop {
        match Arc::try_unwrap(world) {
            Ok(whole) => break whole,
            Err(shared) => world = shared,
        }
        tokio::time::sleep(POLL).await;
    };
    Ok(tokio::task::spawn_blocking(move || whole.end(keep)).await?)
}

/// Lets things go wrong for so long, and everything come to rest then.
async fn run(world: Arc<World>, plan: Plan, lasts: Duration) -> anyhow::Result<bool> {
    world.come_up().await?;
    say("the cluster is up");
    let (until, turns) = (Instant::now() + lasts, Arc::new(Turns::default()));
    let mut under_way = JoinSet::new();
    for step in plan {
        let at = (Instant::now() + step.after).min(until);
        while Instant::now() < at {
            tend(&world, &mut under_way)?;
            tokio::time::sleep(POLL).await;
        }
        if at == until {
            break;
        }
        under_way.spawn(befall(world.clone(), turns.clone(), step));
    }
    while !under_way.is_empty() {
        tend(&world, &mut under_way)?;
        tokio::time::sleep(POLL).await;
    }
    rest::come_to_rest(&world).await
}

/// Keeps all parts going; fails if a mishap broke what was not to break.
fn tend(world: &World, under_way: &mut JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
    world.tend(&world.controllers)?;
    world.tend(&world.drivers)?;
    while let Some(over) = under_way.try_join_next() {
        over??;
    }
    Ok(())
}

/// What the person at the terminal, or their supervisor, says.
struct Stops {
    signals: [tokio::signal::unix::Signal; 3],
}

impl Stops {
    fn listen() -> anyhow::Result<Stops> {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [interrupt, terminate, hang_up] = kinds.map(signal);
        Ok(Stops { signals: [interrupt?, terminate?, hang_up?] })
    }

    async fn next(&mut self) {
        let [interrupt, terminate, hang_up] = &mut self.signals;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
    }
}
