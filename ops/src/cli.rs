//! The command line: one file a verb.

use crate::output::Output;
use clap::{Parser, Subcommand};
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
    pub(crate) output: Output,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Show everything once, on an embedded log, with faults: needs nothing but this binary
    Demo,
    /// Keep the processes of one instance (started by its agent)
    #[command(hide = true)]
    Keeper {
        /// The instance's directory
        dir: PathBuf,
    },
}

/// Runs a verb.
pub(crate) async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.verb {
        Verb::Demo => crate::demo::run().await,
        Verb::Keeper { dir } => Ok(agent::keeper::main(&dir).map(|()| ExitCode::SUCCESS)?),
    }
}
