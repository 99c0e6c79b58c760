//! `fleetlog-sim-ec2`: the proxy as a process, before a moto server that it starts or is told of. Its
//! address is the one line on stdout; `/_faults` and its like steer it.

use anyhow::Context as _;
use clap::Parser;
use sim_ec2::{Moto, Options, Proxy};
use std::io::Write as _;
use std::path::PathBuf;

#[derive(Parser)]
#[command(about = "EC2's API for tests, with faults by script")]
struct Arguments {
    /// A moto server that runs already; else one is started
    #[arg(long, value_name = "URL")]
    moto: Option<String>,
    /// Where a moto server that is started writes its log
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// The port on loopback; 0 for one that is free
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Throttle as EC2 does
    #[arg(long)]
    throttle: bool,
    /// Time stands still, but for `POST /_time`
    #[arg(long)]
    held: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { moto, dir, port, throttle, held } = Arguments::parse();
    let started = if moto.is_none() { Some(Moto::start(&dir)?) } else { None };
    let running = started.as_ref().map(|moto| moto.url().to_owned());
    let url = moto.or(running).context("no moto server")?;
    let proxy = Proxy::start(&url, Options { port, throttle, held }).await?;
    writeln!(std::io::stdout(), "{}", proxy.url())?;
    tokio::signal::ctrl_c().await?;
    Ok(())
}
