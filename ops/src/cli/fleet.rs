//! What there is to buy, and what would be: `fleet types`, `fleet plan`.

#[cfg(feature = "ec2")]
use super::account::{VerifyArgs, verify};
use super::context::{ClusterArgs, Context, state};
use super::plan::{PlanArgs, plan};
use super::probe::{ProbeArgs, probe};
#[cfg(feature = "ec2")]
use super::setup::{SetupArgs, setup};
use super::sync::{SyncArgs, sync};
use super::types::types;
use crate::output::{Output, say};
use clap::{Args, Subcommand};
use replay_core::State;
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
        /// The region; that of the cluster if none is given, else us-east-1
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
            types(region, allow, known(cluster, output).await?, output)
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
