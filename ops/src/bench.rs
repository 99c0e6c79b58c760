//! `bench`: how fast the main parts are, each beside a limit, measured in the same run, on the same
//! machine, wherever there is something to measure it by. Nothing here is a test: figures are printed,
//! and whoever reads them judges.

mod crowd;
mod fleet;
mod folding;
mod grants;
mod history;
mod measure;
mod reading;
mod size;
mod spawning;

use crate::output::{Output, Usage, say};
use clap::Args;
use measure::{fresh_cluster, show};
use std::process::ExitCode;

/// Measure how fast the main parts are
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// A nats-server to measure on; the cluster that is made on it is its own
    #[arg(long, value_name = "URL")]
    nats: String,
    /// Only figures whose name begins with this
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// How many records to fold and to replay
    #[arg(long, default_value_t = 300_000)]
    records: usize,
}

pub(crate) async fn run(args: BenchArgs, output: Output) -> anyhow::Result<ExitCode> {
    if cfg!(debug_assertions) {
        say("fleetlog: these are figures of a debug build: `./dev bench` makes a release build");
    }
    if args.records < 10_000 {
        return Err(Usage("--records must be at least 10000".into()).into());
    }
    let cluster = fresh_cluster()?;
    let only = args.only.unwrap_or_default();
    let wanted = |group: &str| group.starts_with(&only) || only.starts_with(group);
    let mut figures = Vec::new();
    if wanted("fold") || wanted("replay_jetstream") {
        let records = history::history(&cluster, args.records)?;
        if wanted("fold") {
            figures.push(folding::fold(&records)?);
        }
        if wanted("replay_jetstream") {
            figures.push(reading::replay(&args.nats, &cluster, &records).await?);
        }
    }
    if wanted("grant") {
        figures.extend(grants::grants(&args.nats).await?);
    }
    if wanted("process_execs") {
        figures.push(spawning::execs(&args.nats).await?);
    }
    for size in &size::SIZES {
        if wanted(&format!("size_{}", size.name)) {
            figures.extend(size::figures(&cluster, size)?);
        }
    }
    figures.retain(|figure| figure.name.starts_with(&only));
    if figures.is_empty() {
        return Err(Usage(format!("--only: no figure has a name that begins with {only:?}")).into());
    }
    show(output, &figures);
    Ok(ExitCode::SUCCESS)
}
