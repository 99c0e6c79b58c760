//! `bench`: how fast the main parts are, each beside a limit, measured in the same run, on the same
//! machine, wherever there is something to measure it by. Nothing here is a test: figures are printed,
//! and whoever reads them judges.

mod crowd;
mod fleet;
mod folding;
mod grants;
mod history;
mod reading;
mod size;
mod spawning;

use crate::output::{self, Output, Usage, print, say};
use clap::Args;
use schema::id::ClusterId;
use serde_json::json;
use std::process::ExitCode;
use std::time::Duration;

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

/// One figure.
struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    /// What the value is held against, in the same unit: from the same run, or a fixed one.
    limit: f64,
    /// What the limit is.
    against: &'static str,
    target: &'static str,
}

impl Figure {
    fn ratio(&self) -> f64 {
        self.value / self.limit
    }

    /// As programs read it, in the order in which people would.
    fn line(&self) -> String {
        let Figure { name, value, unit, limit, .. } = self;
        let fields = [
            ("name", json!(name)),
            ("value", json!(value)),
            ("unit", json!(unit)),
            ("limit", json!(limit)),
            ("ratio", json!(self.ratio())),
        ];
        let fields = fields.map(|(key, value)| format!("{}:{value}", json!(key)));
        format!("{{{}}}", fields.join(","))
    }

    fn row(&self) -> [String; 6] {
        [
            self.name.clone(),
            format!("{} {}", amount(self.value), self.unit),
            format!("{} {}", amount(self.limit), self.unit),
            format!("{:.2}", self.ratio()),
            self.target.to_owned(),
            self.against.to_owned(),
        ]
    }
}

/// Three significant digits are all that a second run would confirm.
fn amount(value: f64) -> String {
    match value {
        small if small < 10.0 => format!("{small:.2}"),
        middle if middle < 1000.0 => format!("{middle:.1}"),
        large => format!("{large:.0}"),
    }
}

fn per_second(count: usize, took: Duration) -> f64 {
    u32::try_from(count).map_or(f64::NAN, f64::from) / took.as_secs_f64()
}

fn milliseconds(length: Duration) -> f64 {
    length.as_secs_f64() * 1000.0
}

/// The value that this share (of 1) of all does not exceed.
fn quantile(all: &mut [Duration], share: f64) -> Duration {
    all.sort_unstable();
    let last = u32::try_from(all.len().saturating_sub(1)).map_or(0.0, f64::from);
    // Not negative, and no more than the index of the last.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in bounds")]
    let index = (last * share).round() as usize;
    all.get(index).copied().unwrap_or_default()
}

/// A cluster that nobody else has on the server.
fn fresh_cluster() -> anyhow::Result<ClusterId> {
    Ok(format!("bench-{}", uuid::Uuid::now_v7().simple()).parse()?)
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

fn show(output: Output, figures: &[Figure]) {
    if output == Output::Json {
        for figure in figures {
            print(&figure.line());
        }
        return;
    }
    let rows: Vec<[String; 6]> = figures.iter().map(Figure::row).collect();
    let heads = ["name", "value", "limit", "ratio", "target", "the limit is"];
    output::table(&heads, rows.iter().map(|row| &row[..]));
}
