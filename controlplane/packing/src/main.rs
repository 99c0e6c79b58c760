//! `packing`: what the packing of waiting requests costs per hour and how long it takes, on recorded
//! traces at recorded prices, beside a lower bound and the restated rules of two others.

mod bound;
mod data;
mod rules;
mod sets;

use anyhow::ensure;
use bound::{Proof, bound};
use clap::Parser;
use controlplane_core::pack::{Demand, Limits, Plan, Terms, pack};
use rules::Bought;
use rustix::time::{ClockId, clock_gettime};
use schema::policy::Offering;
use schema::requirements::Market;
use schema::resources::Resources;
use schema::unit::Micros;
use sets::Group;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Measure the packing of waiting requests onto instances
#[derive(Debug, Parser)]
struct Args {
    /// The folder with the files of prices and traces
    #[arg(long, env = "FLEETLOG_DATA", value_name = "DIR", default_value_os_t = beside())]
    data: PathBuf,
    /// Only groups whose name contains this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Only types whose names begin with one of these letters and a number, such as `c,m,r`
    #[arg(long, value_name = "LETTERS", value_delimiter = ',')]
    families: Vec<String>,
    /// Leave the lower bound out, which takes longest
    #[arg(long)]
    no_bound: bool,
}

/// Where the data is if it lies beside the project.
fn beside() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data")
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> anyhow::Result<()> {
    ensure!(
        args.data.join("ec2-instances.csv").exists(),
        "there are no prices and traces in {}: point --data or FLEETLOG_DATA to the folder that \
         has ec2-instances.csv",
        args.data.display()
    );
    let offerings = data::offerings(&args.data, &args.families)?;
    let kinds: BTreeSet<_> = offerings.iter().map(|o| &o.kind).collect();
    let mut out = std::io::stdout().lock();
    writeln!(out, "{} offerings of {} types in us-east-1", offerings.len(), kinds.len())?;
    writeln!(out, "{}", heads())?;
    for group in sets::groups(&args.data)? {
        if args.only.as_ref().is_some_and(|only| !group.name.contains(only)) {
            continue;
        }
        for market in [Market::OnDemand, Market::Spot] {
            let row = measure(&group, market, &offerings, !args.no_bound)?;
            writeln!(out, "{}", row.line(&group.name, market))?;
        }
    }
    Ok(())
}

/// How often ours is timed.
const RUNS: usize = 5;
/// The others' rules look at each node for each request: beyond so many requests they are left out.
const MOST_FOR_RULES: usize = 20_000;

/// What came of one group on one market.
#[derive(Default)]
struct Row {
    sets: usize,
    requests: usize,
    shapes: usize,
    instances: usize,
    ours: u64,
    reflow: Bought,
    karpenter: Bought,
    /// In micro-dollars per hour; 0 if it was left out.
    bound: f64,
    proofs: BTreeSet<Proof>,
    slowest: Duration,
}

fn measure(
    group: &Group,
    market: Market,
    offerings: &[Offering],
    bounded: bool,
) -> anyhow::Result<Row> {
    let any = market == Market::Spot;
    let allowed: Vec<&Offering> = offerings.iter().filter(|o| any || o.market == market).collect();
    let mut row = Row::default();
    for set in &group.sets {
        let held = |r: &&Resources| allowed.iter().any(|o| o.resources.holds(r));
        let set: Vec<Resources> = set.iter().filter(held).cloned().collect();
        if set.is_empty() {
            continue;
        }
        let (plan, took) = ours(&set, market, offerings);
        ensure!(plan.unseated.is_empty(), "{}: somebody got no seat", group.name);
        row.sets += 1;
        row.requests += set.len();
        row.shapes += set.iter().collect::<BTreeSet<_>>().len();
        row.instances += plan.launches.len();
        row.ours += plan.price(offerings).0;
        row.slowest = row.slowest.max(took);
        if set.len() <= MOST_FOR_RULES {
            row.reflow.add(rules::reflow(&set, &allowed));
            row.karpenter.add(rules::karpenter(&set, &allowed));
        }
        if bounded {
            let bound = bound(&set, &allowed)?;
            row.bound += bound.price;
            row.proofs.insert(bound.proof);
        }
    }
    Ok(row)
}

/// Time that this thread has had a core for: what else the machine does counts as little as may be.
fn spent() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or(0))
}

fn demand(need: &Resources, market: Option<Market>) -> Demand {
    Demand { need: need.clone(), terms: Terms { market, ..Terms::default() }, firm: false }
}

/// Our plan without caps, and the shortest time of five.
fn ours(set: &[Resources], market: Market, offerings: &[Offering]) -> (Plan, Duration) {
    // Whoever takes any market takes the spot market here, which is cheaper.
    let market = (market == Market::OnDemand).then_some(market);
    let demands: Vec<Demand> = set.iter().map(|need| demand(need, market)).collect();
    let limits = Limits { budget: Micros(u64::MAX), instances: u32::MAX, pending: u32::MAX };
    let mut plan = Plan::default();
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let begun = spent();
            plan = pack(&demands, offerings, &[], |_| false, |offering| offering.price, &limits);
            spent().saturating_sub(begun)
        })
        .collect();
    times.sort();
    (plan, times[0])
}

fn heads() -> String {
    format!(
        "{:<36} {:<9} {:>4} {:>8} {:>7} {:>9} {:>10} {:>10} {:>10} {:>10} {:>6} {:>6} {:>6} {:>9}  {}",
        "requests",
        "market",
        "sets",
        "requests",
        "shapes",
        "instances",
        "bound $/h",
        "ours",
        "Reflow",
        "Karpenter",
        "ours",
        "Reflow",
        "Karp.",
        "slowest",
        "bound is"
    )
}

impl Row {
    fn line(&self, name: &str, market: Market) -> String {
        let dollars = |micros: u64| format!("{:.3}", money(micros) / 1e6);
        let ratio = |micros: u64| match self.bound > 0.0 && micros > 0 {
            true => format!("{:.3}", money(micros) / self.bound),
            false => "-".to_owned(),
        };
        let market = if market == Market::Spot { "any" } else { "on-demand" };
        let proofs: Vec<String> =
            self.proofs.iter().map(|proof| format!("{proof:?}").to_lowercase()).collect();
        format!(
            "{name:<36} {market:<9} {:>4} {:>8} {:>7} {:>9} {:>10.3} {:>10} {:>10} {:>10} {:>6} {:>6} {:>6} {:>6.1} ms  {}",
            self.sets,
            self.requests,
            self.shapes,
            self.instances,
            self.bound / 1e6,
            dollars(self.ours),
            dollars(self.reflow.price),
            dollars(self.karpenter.price),
            ratio(self.ours),
            ratio(self.reflow.price),
            ratio(self.karpenter.price),
            self.slowest.as_secs_f64() * 1000.0,
            proofs.join(", ")
        )
    }
}

/// Exact below nine thousand million dollars.
fn money(micros: u64) -> f64 {
    let high = u32::try_from(micros >> 32).unwrap_or(u32::MAX);
    let low = u32::try_from(micros & u64::from(u32::MAX)).unwrap_or(0);
    f64::from(high) * 4_294_967_296.0 + f64::from(low)
}
