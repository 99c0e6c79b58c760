//! The network that a cluster is given in an account: `fleet setup`.

mod file;

use super::account::show;
use super::context::{ClusterArgs, named};
use crate::output::{Output, Usage, say};
use anyhow::{Context as _, bail};
use clap::Args;
use ec2::account::Account;
use ec2_core::account::Asked;
use ec2_core::setup::{Block, Has, Want, next};
use schema::id::ClusterId;
use smol_str::SmolStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Say what a cluster's network lacks, and make it if asked to; exits 1 if something is missing
///
/// A VPC with an internet gateway, a subnet in each zone, and a security group whose members reach each other
/// and which lets nobody else in; and the instance profile, if the settings name one that there is not, with a
/// role that allows nothing. All of it is tagged with the cluster's name; what is not is left alone. Run again it
/// makes nothing new, and completes what was left half done.
#[derive(Debug, Args)]
pub(crate) struct SetupArgs {
    /// Settings to complete: what they have stays, and what is empty is filled
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// The region [default: that of the settings]
    #[arg(long)]
    region: Option<String>,
    /// Zones to have a subnet in; all, if none is named
    #[arg(long = "zone", value_name = "ZONE")]
    zones: Vec<String>,
    /// Addresses of a VPC that has to be made
    #[arg(long, value_name = "CIDR", default_value = "10.83.0.0/16")]
    addresses: String,
    /// Have a key pair with this public key, too
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,
    /// Make what is missing
    #[arg(long)]
    make: bool,
    /// Write the settings that controllers are given to this file; what it has already stays as it is
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

pub(super) async fn setup(
    args: SetupArgs,
    names: &ClusterArgs,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let cluster = named(names.cluster.as_deref())?;
    // Before anything is made: what cannot be completed is not to be written over later.
    let (begun, _) = file::begun(&args)?;
    let region = file::region(&args, &begun)?;
    let key = args.public_key.as_deref().map(text).transpose()?;
    let account = Account::open(&region, cluster.clone()).await;
    let profile = begun.text("instance_profile").map(SmolStr::new);
    let want = Want { profile, ..want(&args, &cluster, &account).await? };
    let mut has = answer(account.has(&want).await, "look at the account")?;
    if args.make {
        make(&account, &want, &mut has, key.as_deref().unwrap_or_default()).await?;
    } else {
        next(&want, &has).map_err(Usage)?;
    }
    let code = show(&has.checks(&want), output);
    let whole = next(&want, &has).map_err(Usage)?.is_none();
    if whole {
        let (mut draft, of_from) = file::begun(&args)?;
        let of_found = draft.complete(&region, &want, &has);
        file::give(&args, &draft, (&of_from, &of_found), output)?;
    } else {
        say("no settings: they would name what there is not; --make makes it");
    }
    Ok(code)
}

async fn want(args: &SetupArgs, cluster: &ClusterId, account: &Account) -> anyhow::Result<Want> {
    let block: Block = args.addresses.parse().map_err(Usage)?;
    block.check().map_err(Usage)?;
    let there = answer(account.zone_names().await, "list zones")?;
    let unknown = args.zones.iter().find(|zone| !there.iter().any(|name| name == zone.as_str()));
    if let Some(zone) = unknown {
        let there: Vec<&str> = there.iter().map(AsRef::as_ref).collect();
        bail!(Usage(format!("there is no zone {zone:?} there; there are {}", there.join(", "))));
    }
    let named = args.zones.iter().map(Into::into).collect();
    let zones = if args.zones.is_empty() { there } else { named };
    let key = args.public_key.as_ref().map(|_| format!("fleetlog-{cluster}").into());
    Ok(Want { zones, block, key, profile: None })
}

/// Makes one thing after the other until all is there.
async fn make(account: &Account, want: &Want, has: &mut Has, key: &str) -> anyhow::Result<()> {
    while let Some(step) = next(want, has).map_err(Usage)? {
        let made = answer(account.make(&step, key).await, &step.to_string())?;
        say(&format!("{step}: {made}"));
        has.made(step, made);
    }
    Ok(())
}

fn answer<T>(asked: Asked<T>, what: &str) -> anyhow::Result<T> {
    asked.map_err(|said| anyhow::anyhow!("cannot {what}: {}", said.failure()))
}

fn text(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
