//! `fleet sync`: what the cloud has now, beside what the log has. Reads both, and writes nothing.

use super::context::{ClusterArgs, Context, state, when};
use super::reasons::terminating;
use super::serve::{default_dir, here};
use crate::output::{Output, Row, Usage, or_dash, rows, say};
use anyhow::{Context as _, bail};
use clap::Args;
use controlplane::cloud::local::Host as _;
use controlplane::cloud::{Seen, SeenState};
use controlplane_core::explain::reality::{Fate, Real, reality};
use replay_core::State;
use schema::id::{ClusterId, InstanceId};
use schema::unit::{LogTime, Micros};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

/// Hold what the cloud has against what the log has; exits 1 if they differ
///
/// The leader does the same twice a second by itself, and acts on it: what is gone it writes down, and what
/// nothing accounts for it ends after a grace. This asks the cloud anew and shows what comes of the
/// comparison; it changes nothing. On EC2, instances of other clusters are shown as strangers, and what no
/// cluster made is not looked at. Where it cannot look it says so, and exits 2.
#[derive(Debug, Args)]
pub(crate) struct SyncArgs {
    /// Where instances on this machine keep their files [default: as `fleetlog up` has it]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Ask EC2, with the settings that controllers are given
    #[cfg(feature = "ec2")]
    #[arg(long, value_name = "FILE", conflicts_with = "dir")]
    ec2: Option<PathBuf>,
}

#[cfg(feature = "ec2")]
const WANTED: &str = "give --ec2 with the settings that its controllers are given";
#[cfg(not(feature = "ec2"))]
const WANTED: &str = "this build cannot; one with the feature `ec2` can, by --ec2";

impl SyncArgs {
    #[cfg(feature = "ec2")]
    fn asks_ec2(&self) -> bool {
        self.ec2.is_some()
    }

    #[cfg(not(feature = "ec2"))]
    fn asks_ec2(&self) -> bool {
        let _ = self;
        false
    }
}

/// What a cloud shows: the cluster's, and others' with the cluster that they say they are of.
pub(super) struct Shown {
    pub(super) ours: Vec<Seen>,
    pub(super) strangers: BTreeMap<InstanceId, Real>,
}

pub(super) async fn sync(
    args: SyncArgs,
    names: &ClusterArgs,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let context = Context::find(names, output)?;
    let log = context.open().await?;
    looks_where_they_are(&state(&*log).await?, &args)?;
    // First the cloud: what it has by then is on the log by the time that this is read.
    let shown = shown(&args, &context.cluster).await?;
    let state = state(&*log).await?;
    let mut all = reality(&state, &shown.ours, now(&state));
    all.extend(shown.strangers);
    let row = |(id, real): (&InstanceId, &Real)| {
        let money = |amount: Option<Micros>| or_dash(amount.map(Micros::dollars));
        let kind = if real.kind.is_empty() { "-".to_owned() } else { real.kind.to_string() };
        let cells = vec![kind, money(real.price), money(real.cost), words(&real.fate)];
        Row::new(id, real, cells)
    };
    let table: Vec<Row> = all.iter().map(row).collect();
    rows(output, &["instance", "type", "price/h", "cost", "found"], &table);
    let differing = all.values().filter(|real| real.differs()).count();
    if differing == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    say(&format!("{differing} of {} differ; look again in a while", all.len()));
    Ok(ExitCode::FAILURE)
}

/// What is looked at is where the instances are: elsewhere each of them would be missing.
fn looks_where_they_are(state: &State, args: &SyncArgs) -> anyhow::Result<()> {
    // Only EC2 has settings, and a leader writes them down before it launches anything by them.
    let on_ec2 = state.head.settings.is_some();
    match (on_ec2, args.asks_ec2()) {
        (true, false) => bail!(Usage(format!(
            "this cluster's instances are on EC2, and were not looked at: {WANTED}"
        ))),
        (false, true) if state.instances.iter().any(|(_, instance)| instance.lives()) => {
            bail!(Usage(
                "this cluster's instances are not on EC2, and were not looked at: leave out --ec2, on the \
                 machine of its controllers"
                    .to_owned()
            ))
        }
        _ => Ok(()),
    }
}

/// Log time now: a quiet log says what it was at its last record.
fn now(state: &State) -> LogTime {
    let now = u64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(0);
    state.head.time.max(LogTime(now))
}

async fn shown(args: &SyncArgs, cluster: &ClusterId) -> anyhow::Result<Shown> {
    #[cfg(feature = "ec2")]
    if let Some(settings) = &args.ec2 {
        return super::account::listed(settings, cluster).await;
    }
    let dir = match &args.dir {
        Some(dir) => dir.clone(),
        None => default_dir()?.join(cluster.as_str()),
    };
    // One that cannot start agents: it brings up none that has died.
    let listed = here(&dir, Vec::new()).list().await.map_err(anyhow::Error::msg);
    let listed = listed.context("cannot list the instances of this machine")?;
    let seen = |(instance, there)| {
        Seen::plain(instance, if there { SeenState::There } else { SeenState::Gone })
    };
    Ok(Shown { ours: listed.into_iter().map(seen).collect(), strangers: BTreeMap::new() })
}

fn words(fate: &Fate) -> String {
    match fate {
        Fate::Running => "it runs".to_owned(),
        Fate::Booting => "it boots".to_owned(),
        Fate::Appeared { launch } => format!("it appeared for {launch}, which has no answer yet"),
        Fate::Terminating { since, reason } => {
            format!("it is being terminated since {} ({})", when(*since), terminating(reason))
        }
        Fate::Gone { said } if said.is_empty() => "it is gone; the log has it still".to_owned(),
        Fate::Gone { said } => format!("it is gone: {said}; the log has it still"),
        Fate::NotShown => "the cloud does not show it, or not yet".to_owned(),
        Fate::Lingering { since } => {
            format!("it is there still, and gone by the log since {}", when(*since))
        }
        Fate::Orphan { found, ends } => {
            format!("an orphan, found at {}; it is ended at {}", when(*found), when(*ends))
        }
        Fate::Unaccounted => {
            "nothing accounts for it; an orphan, if that is so for half a minute".to_owned()
        }
        Fate::Stranger { cluster } => format!("a stranger, of cluster {cluster}: left alone"),
    }
}
