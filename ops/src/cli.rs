//! The command line: the tree of verbs, and one file for each kind of them.

#[cfg(feature = "ec2")]
mod account;
mod agent;
mod alloc;
mod ask;
mod cloud;
mod context;
mod drivers;
mod fleet;
mod plan;
mod policy;
mod probe;
mod reasons;
mod run;
mod serve;
#[cfg(feature = "ec2")]
mod setup;
mod show;
mod start;
mod steer;
mod sync;
mod types;
mod verify;
mod volumes;
mod why;
mod why_not;

use crate::output::Output;
use clap::{Parser, Subcommand};
use context::{ClusterArgs, Context};
use std::path::PathBuf;
use std::process::ExitCode;

/// An elastic fleet that many drivers share, and whose only state is a message log.
#[derive(Parser)]
#[command(name = "fleetlog", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// Say more of what happens, on stderr; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// How results are printed
    #[arg(long, global = true, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Show everything once, on an embedded log, with faults: needs nothing but this binary
    Demo,
    /// Start a cluster on this machine, and keep it up until interrupted
    Up(serve::UpArgs),
    /// Run one controller
    Controller(serve::ControllerArgs),
    /// Run the agent of one instance
    Agent(agent::AgentArgs),
    /// Run a command on the cluster, in an alloc of its own; exits as it does
    Run(run::RunArgs),
    /// Hold an alloc, and run in it what comes in on stdin, line by line
    Alloc(alloc::AllocArgs),
    /// Start whole instances, and keep them until interrupted
    Start(start::StartArgs),
    /// List instances
    Instances,
    /// List drivers
    Drivers,
    /// Change a driver's weight or budget
    Driver(drivers::DriverArgs),
    /// List allocs
    Allocs,
    /// List execs
    Execs,
    /// Show what an exec wrote
    Logs(show::LogsArgs),
    /// Show what happened, record by record
    Events(show::EventsArgs),
    /// Show the state, now or as it was
    State(show::StateArgs),
    /// Show what was decided about something, and why
    Why(why::WhyArgs),
    /// Show what an alloc waits for now, and what stands against each instance and each offering
    WhyNot(why_not::WhyNotArgs),
    /// Check a whole log: records, invariants, what its leaders wrote down; exits 1 if it is not sound
    Verify,
    /// Show or change what the cluster may do
    Policy(policy::PolicyArgs),
    /// Show what instances there are to buy, and which would be
    Fleet(fleet::FleetArgs),
    /// Keep an instance, and give it no more allocs
    Hold(steer::InstanceArgs),
    /// Give an instance no more allocs, and end it when it is empty
    Drain(steer::InstanceArgs),
    /// Give an instance allocs again
    Resume(steer::InstanceArgs),
    /// End an instance or an alloc now, with all that runs there
    Kill(steer::KillArgs),
    /// Launch nothing until `thaw`; what is there goes on
    Freeze(steer::FreezeArgs),
    /// Launch again, whatever held it back
    Thaw,
    /// Measure how fast the main parts are, each beside a limit measured in the same run
    Bench(crate::bench::BenchArgs),
    /// Keep the processes of one instance (started by its agent)
    #[command(hide = true)]
    Keeper {
        /// The instance's directory
        dir: PathBuf,
        /// End the keeper of that instance instead, and what it keeps
        #[arg(long)]
        end: bool,
    },
}

/// Runs a verb.
pub(crate) async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let context = || Context::find(&cli.cluster, cli.output);
    match cli.verb {
        Verb::Demo => crate::demo::run().await,
        Verb::Up(args) => serve::up(args, cli.cluster).await,
        Verb::Controller(args) => serve::controller(args, &cli.cluster).await,
        Verb::Agent(args) => agent::agent(args, &cli.cluster).await,
        Verb::Run(args) => run::run(args, context()?).await,
        Verb::Alloc(args) => alloc::alloc(args, context()?).await,
        Verb::Start(args) => start::start(args, context()?).await,
        Verb::Instances => show::instances(context()?).await,
        Verb::Drivers => drivers::drivers(context()?).await,
        Verb::Driver(args) => drivers::driver(args, context()?).await,
        Verb::Allocs => show::allocs(context()?).await,
        Verb::Execs => show::execs(context()?).await,
        Verb::Logs(args) => show::exec_logs(args, context()?).await,
        Verb::Events(args) => show::events(args, context()?).await,
        Verb::State(args) => show::show_state(args, context()?).await,
        Verb::Why(args) => why::why(args, context()?).await,
        Verb::WhyNot(args) => why_not::why_not(args, context()?).await,
        Verb::Verify => verify::verify(context()?).await,
        Verb::Policy(args) => policy::policy(args, context()?).await,
        Verb::Fleet(args) => fleet::fleet(args, &cli.cluster, cli.output).await,
        Verb::Hold(args) => steer::hold(args, context()?).await,
        Verb::Drain(args) => steer::drain(args, context()?).await,
        Verb::Resume(args) => steer::resume(args, context()?).await,
        Verb::Kill(args) => steer::kill(args, context()?).await,
        Verb::Freeze(args) => steer::freeze(args, context()?).await,
        Verb::Thaw => steer::thaw(context()?).await,
        Verb::Bench(args) => crate::bench::run(args, cli.output).await,
        Verb::Keeper { .. } => Ok(ExitCode::SUCCESS),
    }
}
