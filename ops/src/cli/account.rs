//! The account on EC2 that a cluster runs in: `fleet verify`, and what `fleet sync` asks of it.

use super::cloud::{price_list, read_settings};
use super::context::{ClusterArgs, named, when};
use super::fleet::known;
use super::show::word;
use super::sync::Shown;
use crate::output::{Output, Row, rows, say};
use catalogue::Catalogue;
use clap::Args;
use controlplane_core::explain::reality::Real;
use ec2::account::{Account, Rules};
use ec2_core::account::{Check, Status};
use replay_core::State;
use replay_core::state::rest::Extent;
use schema::event::TypeSeen;
use schema::id::ClusterId;
use schema::policy::Policy;
use smol_str::SmolStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Check that the account has what the settings name; exits 1 if anything is missing, or could not be looked at
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The settings that controllers are given
    #[arg(long, value_name = "FILE")]
    ec2: PathBuf,
}

pub(super) async fn verify(
    args: VerifyArgs,
    cluster: &ClusterArgs,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let config = read_settings(&args.ec2)?;
    // An account is looked at before there is a cluster in it.
    let state = known(cluster, output).await.unwrap_or_else(|error| {
        say(&format!("{error:#}: with the default rules"));
        None
    });
    let policy = state.as_ref().map_or_else(Policy::default, |s| s.head.policy.clone());
    let refused = state.as_ref().map(refused).unwrap_or_default();
    let catalogue = Catalogue::shipped()?;
    let types = state.iter().flat_map(|state| state.types.iter());
    let told: Vec<(SmolStr, TypeSeen)> =
        types.map(|((_, zone), told)| (zone.clone(), told.seen.clone())).collect();
    let (told, refused) = (told.as_slice(), refused.as_slice());
    let rules = Rules { catalogue: &catalogue, told, policy: &policy, refused };
    let account = Account::open(&config.region, name(cluster, state.as_ref())?).await;
    let account = account.with_price_list(price_list(&config).await);
    let checks = account.verify(&config, &rules).await;
    Ok(show(&checks, output))
}

/// What EC2 shows of this cluster, and of others.
pub(super) async fn listed(settings: &Path, cluster: &ClusterId) -> anyhow::Result<Shown> {
    let config = read_settings(settings)?;
    let account = Account::open(&config.region, cluster.clone()).await;
    let seen = account.seen().await;
    let seen = seen.map_err(|said| anyhow::anyhow!("cannot list instances: {}", said.failure()))?;
    let strangers = seen.strangers.into_iter();
    let strangers = strangers.map(|(id, cluster, kind)| (id, Real::stranger(cluster, kind)));
    Ok(Shown { ours: seen.ours, strangers: strangers.collect() })
}

/// The cluster's name, as the log has it or as it was given.
fn name(args: &ClusterArgs, state: Option<&State>) -> anyhow::Result<ClusterId> {
    match state.and_then(|state| state.head.cluster.clone()) {
        Some(cluster) => Ok(cluster),
        None => named(args.cluster.as_deref()),
    }
}

/// Quota groups that rest, and what was said of them.
fn refused(state: &State) -> Vec<(String, String)> {
    let quotas = state.rests.iter().filter_map(|(extent, rest)| match extent {
        Extent::QuotaGroup(group) => {
            let of = format!("{} {}", group.family, word(&group.market));
            Some((of, format!("{} (not before {})", rest.message, when(rest.until))))
        }
        Extent::Offering(_) | Extent::TypeInZone(..) | Extent::Zone(_) | Extent::Account => None,
    });
    quotas.collect()
}

/// All checks as a table; what they come to as an exit code.
pub(super) fn show(checks: &[Check], output: Output) -> ExitCode {
    let row = |check: &Check| {
        let of = if check.of.is_empty() { "-".to_owned() } else { check.of.clone() };
        let Check { check: what, status, found, todo, .. } = check;
        let cells = vec![what.to_string(), of, said(*status), found.clone(), todo.clone()];
        Row::of(check, cells)
    };
    let all: Vec<Row> = checks.iter().map(row).collect();
    rows(output, &["check", "of", "status", "found", "what to do"], &all);
    let of = |status| checks.iter().filter(move |check| check.status == status);
    let (missing, unseen) = (of(Status::Missing).count(), of(Status::CannotSay).count());
    for check in of(Status::CannotSay) {
        say(&sentence(check));
    }
    if missing > 0 {
        say(&format!("{missing} missing: nothing can be launched as it is"));
    } else if unseen > 0 {
        say(&format!("nothing is missing of what was looked at; {unseen} could not be looked at"));
    }
    if missing + unseen == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What could not be looked at, why, and what to do about it.
fn sentence(Check { check, of, found, todo, .. }: &Check) -> String {
    let of = if of.is_empty() { String::new() } else { format!(" {of}") };
    format!("{check}{of}: could not be looked at: {found}; {todo}")
}

fn said(status: Status) -> String {
    match status {
        Status::Ok => "ok",
        Status::Missing => "missing",
        Status::CannotSay => "cannot say",
        Status::NotTold => "not told",
    }
    .to_owned()
}
