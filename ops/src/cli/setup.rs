//! The network that a cluster is given in an account: `fleet setup`.

use super::account::show;
use super::context::{ClusterArgs, named};
use crate::output::{Output, Usage, in_full, print, say};
use anyhow::{Context as _, bail};
use clap::Args;
use ec2::account::Account;
use ec2_core::account::Asked;
use ec2_core::setup::{Block, Has, Want, next};
use schema::id::ClusterId;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What the settings name where they name no image: the newest stable Flatcar, by its makers.
const OWNER: &str = "075585003325";
const NAME: &str = "Flatcar-stable-*-hvm";

/// Say what a cluster's network lacks, and make it if asked to; exits 1 if something is missing
///
/// A VPC with an internet gateway, a subnet in each zone, and a security group whose members reach each other
/// and which lets nobody else in. All of it is tagged with the cluster's name; what is not is left alone. Run
/// again it makes nothing new, and completes what was left half done.
#[derive(Debug, Args)]
pub(crate) struct SetupArgs {
    /// Settings to complete: what they have beside the network is kept
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
    /// Write the settings that controllers are given to this file
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

pub(super) async fn setup(
    args: SetupArgs,
    names: &ClusterArgs,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let cluster = named(names.cluster.as_deref())?;
    let from = args.from.as_deref().map_or_else(|| Ok(Map::new()), settings)?;
    let region = args.region.as_deref().or_else(|| from.get("region")?.as_str());
    let region = region.ok_or_else(|| Usage("which region? give --region".to_owned()))?.to_owned();
    let key = args.public_key.as_deref().map(text).transpose()?;
    let account = Account::new(ec2::client::connect(&region).await, cluster.clone());
    let want = want(&args, &cluster, &account).await?;
    let mut has = answer(account.has().await, "look at the account")?;
    if args.make {
        make(&account, &want, &mut has, key.as_deref().unwrap_or_default()).await?;
    } else {
        next(&want, &has).map_err(Usage)?;
    }
    let code = show(&has.checks(&want), output);
    let whole = next(&want, &has).map_err(Usage)?.is_none();
    if whole {
        give(&completed(from, &region, &want, &has), args.write.as_deref(), output)?;
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
    Ok(Want { zones, block, key })
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

/// Settings that may lack what is to be completed.
fn settings(path: &Path) -> anyhow::Result<Map<String, Value>> {
    let wrong = |error: serde_json::Error| Usage(format!("{}: {error}", path.display()));
    Ok(serde_json::from_str(&text(path)?).map_err(wrong)?)
}

/// The settings with what there is now.
fn completed(mut from: Map<String, Value>, region: &str, want: &Want, has: &Has) -> Value {
    let subnet = |zone| has.subnets.get(zone).map(|id| json!({ "zone": zone, "subnet": id }));
    let subnets: Vec<Value> = want.zones.iter().filter_map(subnet).collect();
    let groups: Vec<&str> = has.groups.keys().map(AsRef::as_ref).collect();
    from.insert("region".to_owned(), json!(region));
    from.insert("subnets".to_owned(), json!(subnets));
    from.insert("security_groups".to_owned(), json!(groups));
    from.extend(want.key.iter().map(|key| ("key_name".to_owned(), json!(key))));
    // The way out is the internet gateway, and that takes a public address.
    from.entry("public_ip").or_insert(json!(true));
    if !from.contains_key("images") {
        let newest = json!({ "newest": { "owner": OWNER, "name": NAME } });
        from.insert("images".to_owned(), json!({ "x86_64": newest }));
        from.insert("flavour".to_owned(), json!("flatcar"));
    }
    Value::Object(from)
}

/// Prints the settings, writes them, and says what they still lack.
fn give(settings: &Value, file: Option<&Path>, output: Output) -> anyhow::Result<()> {
    match output {
        Output::Table => print(&format!("\n{}", in_full(output, settings)?)),
        Output::Json => print(&json!({ "settings": settings }).to_string()),
        Output::Quiet => {}
    }
    if let Some(file) = file {
        let text = format!("{}\n", serde_json::to_string_pretty(settings)?);
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    let config: Result<ec2_core::Config, _> = serde_json::from_value(settings.clone());
    let lacks = match config {
        Ok(config) => config.check().err(),
        Err(error) => Some(error.to_string()),
    };
    if let Some(lacks) = lacks {
        say(&format!("no controller takes these settings yet: {lacks}"));
    }
    Ok(())
}
