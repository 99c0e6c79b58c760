//! What there is to buy, and what would be: `fleet types`, `fleet plan`.

#[cfg(feature = "ec2")]
use super::account::{VerifyArgs, verify};
use super::context::{ClusterArgs, Context, state};
use super::plan::{PlanArgs, REGION, plan};
use super::probe::{ProbeArgs, probe};
#[cfg(feature = "ec2")]
use super::setup::{SetupArgs, setup};
use super::sync::{SyncArgs, sync};
use super::volumes::{by, settings};
use crate::output::{Output, Row, Usage, or_dash, rows, say};
use catalogue::{Barred, Catalogue, Listed, Quote};
use clap::{Args, Subcommand};
use replay_core::State;
use schema::policy::types::NotAllowed;
use schema::resources::show_bytes;
use schema::unit::Micros;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::process::ExitCode;

/// Show what instances there are to buy, and which would be
#[derive(Debug, Args)]
pub(crate) struct FleetArgs {
    #[command(subcommand)]
    verb: FleetVerb,
}

#[derive(Debug, Subcommand)]
enum FleetVerb {
    /// List the instance types of a region: what they have, what they cost with their volumes, and
    /// whether the policy allows them
    Types {
        /// The region [the settings', where the cluster has any; else us-east-1]
        #[arg(long)]
        region: Option<String>,
        /// Only types that this pattern matches (m7*), as if the policy allowed nothing else
        #[arg(long, value_name = "GLOB")]
        allow: Vec<String>,
    },
    /// Show what would be launched for something now, and why nothing else; nothing is asked for
    Plan(PlanArgs),
    /// Launch one instance of a type to see how long that takes and what it has; then end it
    Probe(ProbeArgs),
    /// Show what the cloud has, beside what the log has
    Sync(SyncArgs),
    /// Check that the account has what the settings name; nothing is changed
    #[cfg(feature = "ec2")]
    Verify(VerifyArgs),
    /// Say what a cluster's network in the account lacks, and make it if asked to
    #[cfg(feature = "ec2")]
    Setup(SetupArgs),
}

pub(crate) async fn fleet(
    args: FleetArgs,
    cluster: &ClusterArgs,
    output: Output,
) -> anyhow::Result<ExitCode> {
    match args.verb {
        FleetVerb::Types { region, allow } => {
            types(region.as_deref(), allow, known(cluster, output).await?, output)
        }
        FleetVerb::Plan(args) => plan(&args, known(cluster, output).await?, output),
        FleetVerb::Probe(args) => probe(args, cluster, output).await,
        FleetVerb::Sync(args) => sync(args, cluster, output).await,
        #[cfg(feature = "ec2")]
        FleetVerb::Verify(args) => verify(args, cluster, output).await,
        #[cfg(feature = "ec2")]
        FleetVerb::Setup(args) => setup(args, cluster, output).await,
    }
}

fn types(
    region: Option<&str>,
    allow: Vec<String>,
    found: Option<State>,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let state = found.unwrap_or_default();
    let config = settings(&state);
    let mut policy = state.head.policy.clone();
    let narrowed = !allow.is_empty();
    if narrowed {
        policy.types.allow = allow.into_iter().map(Into::into).collect();
        policy.check().map_err(Usage)?;
    }
    let catalogue = Catalogue::shipped()?;
    let region = region.or(config.as_ref().map(|config| config.region.as_str()));
    let volumes = by(config.as_ref(), &policy);
    let listed = catalogue.list(region.unwrap_or(REGION), &policy.types, volumes);
    let listed = listed.map_err(|error| Usage(error.to_string()))?;
    let left_out =
        |one: &Listed<'_>| narrowed && one.barred() == Some(&Barred::Rules(NotAllowed::NotListed));
    let all: Vec<Row> =
        listed.iter().filter(|one| !left_out(one)).map(|one| row(one, &state)).collect();
    let heads = [
        "type",
        "arch",
        "vcpu",
        "memory",
        "usable in",
        "on-demand/h",
        "spot/h",
        "core/h",
        "interrupted",
        "allowed",
    ];
    rows(output, &heads, &all);
    Ok(ExitCode::SUCCESS)
}

/// The state of the cluster; none where none runs: what a cluster has by default holds then.
pub(super) async fn known(cluster: &ClusterArgs, output: Output) -> anyhow::Result<Option<State>> {
    let named = cluster.log.is_some() || cluster.cluster.is_some();
    let context = match Context::find(cluster, output) {
        Ok(context) => context,
        Err(error) if named => return Err(error),
        Err(_) => {
            say("no cluster is known here: these are the default rules");
            return Ok(None);
        }
    };
    let found = match context.open().await {
        Ok(log) => state(&*log).await,
        Err(error) => Err(error),
    };
    match found {
        Ok(state) => Ok(Some(state)),
        Err(error) if named => Err(error),
        Err(_) => {
            say(&format!("no cluster answers at {}: these are the default rules", context.url));
            Ok(None)
        }
    }
}

fn row(one: &Listed<'_>, state: &State) -> Row {
    let (kind, on_demand, spot) = (one.kind, one.on_demand.0, one.spot.0);
    let (probe, found) = (state.probes.get(&kind.name), state.found.get(&kind.name));
    let usable = found.map_or(Cow::Borrowed(&one.usable), |found| found.of(&one.usable));
    // As it was probed here, else as somebody has measured it once.
    let ready = probe.map(|probe| probe.usable).or(kind.boot);
    let core = on_demand.into_iter().chain(spot).map(|quote| quote.price).min();
    let core = core.map(|price| Micros(price.0.div_ceil(u64::from(kind.vcpu.max(1)))));
    let allowed = one.barred().map_or_else(|| markets(one).to_owned(), ToString::to_string);
    let cells = vec![
        kind.arch.to_string(),
        kind.vcpu.to_string(),
        show_bytes(usable.memory),
        or_dash(ready.map(|length| format!("{} s", length.0.div_ceil(1000)))),
        or_dash(on_demand.map(price)),
        or_dash(spot.map(price)),
        or_dash(core.map(dollars)),
        or_dash(one.sold.interruption.map(band)),
        allowed,
    ];
    let json = json!({
        "arch": kind.arch,
        "vcpu": kind.vcpu,
        "usable": usable,
        "usable_in": ready,
        "probe": probe,
        "found": found,
        "on_demand": on_demand.map(|quote| quote.price),
        "spot": spot.map(|quote| quote.price),
        "spot_at_most": spot.map(|quote| quote.cap),
        "per_core": core,
        "interruption": one.sold.interruption,
        "not_on_demand": one.on_demand.1.as_ref().map(reason),
        "not_spot": one.spot.1.as_ref().map(reason),
    });
    Row::new(&kind.name, &json, cells)
}

/// Why not, for programs.
fn reason(barred: &Barred) -> Value {
    match barred {
        Barred::Rules(why) => json!(why),
        Barred::NoPrice => json!({ "why": "no-price" }),
        Barred::NoSpot => json!({ "why": "no-spot" }),
        Barred::NoVolume(said) => json!({ "why": "no-volume", "said": said }),
    }
}

/// On which markets it may be bought.
fn markets(one: &Listed<'_>) -> &'static str {
    match (&one.on_demand.1, &one.spot.1) {
        (None, None) => "yes",
        (None, Some(_)) => "on demand",
        (Some(_), _) => "as spot",
    }
}

fn price(quote: Quote) -> String {
    dollars(quote.price)
}

/// With four decimals, rounded up.
fn dollars(price: Micros) -> String {
    Micros(price.0.div_ceil(100).saturating_mul(100)).dollars()
}

/// Share of spot instances that were interrupted in a month.
fn band(band: u8) -> String {
    match band {
        0 => "<5%".to_owned(),
        4.. => ">20%".to_owned(),
        middle => format!("{}-{}%", middle * 5, middle * 5 + 5),
    }
}
