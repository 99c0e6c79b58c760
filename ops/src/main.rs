//! `fleetlog`, the one binary: a cluster on this machine, controllers and agents, and the verbs by
//! which people use and watch a cluster.

mod bench;
mod cli;
mod demo;
mod output;
mod tasks;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    // The keeper is a small process of its own: no threads of a runtime, nothing but its children.
    if let cli::Verb::Keeper { dir, end } = &cli.verb {
        if *end {
            agent::keeper::end(dir);
            return ExitCode::SUCCESS;
        }
        return match agent::keeper::main(dir) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => output::fail(&error.into()),
        };
    }
    output::start_logging(cli.verbose);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output::fail(&error.into()),
    };
    let code = runtime.block_on(cli::run(cli));
    // Followers of logs and heartbeats have nothing to finish.
    runtime.shutdown_background();
    code.unwrap_or_else(|error| output::fail(&error))
}
