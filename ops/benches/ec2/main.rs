//! `./dev bench ec2`: how long it takes from a request to its first exec where every request needs an
//! instance of its own, one by one and all at once, and how long until a killed leader's successor calls
//! EC2. Controllers and agents are processes and the nats-server is real; EC2 is moto behind the proxy, which
//! launches in no time and boots nothing, so these are our own shares of what users would wait for.

#[expect(dead_code, reason = "tests ask more of it")]
#[path = "../../tests/ec2/account.rs"]
mod account;
#[expect(dead_code, reason = "tests ask more of it")]
#[path = "../../tests/ec2/cluster.rs"]
mod cluster;
mod failover;
mod fleet;
mod host;
#[expect(dead_code, reason = "tests ask more of it")]
#[path = "../../tests/ec2/instance.rs"]
mod instance;
mod journey;
#[expect(dead_code, reason = "the binary measures more")]
#[path = "../../src/bench/measure.rs"]
mod measure;
#[expect(dead_code, reason = "the binary prints more")]
#[path = "../../src/output.rs"]
mod output;
mod peers;
mod requests;

use account::Account;
use clap::Parser;
use output::{Output, fail, say};
use std::process::ExitCode;

/// Measure the EC2 cloud against a moto server
#[derive(Debug, Parser)]
struct Args {
    /// How many requests, each of which needs an instance of its own
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(10..=500))]
    requests: u32,
    /// How many leaders are killed
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
    kills: u32,
    /// How results are printed
    #[arg(long, value_enum, default_value_t)]
    output: Output,
    /// What cargo says to all that it measures with
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if cfg!(debug_assertions) {
        say(
            "fleetlog: these are figures of a debug build: `./dev bench ec2` makes a release build",
        );
    }
    measured(&args).map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS)
}

fn measured(args: &Args) -> anyhow::Result<()> {
    let account = Account::start();
    let mut figures = requests::figures(&account, args.requests)?;
    figures.extend(failover::failover(&account, args.kills)?);
    measure::show(args.output, &figures);
    Ok(())
}
