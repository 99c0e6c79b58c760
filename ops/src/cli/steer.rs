//! What people who run the cluster say: `policy`, `hold`, `drain`, `resume`, `kill`.

use super::context::{Context, fold, id};
use crate::output::{Usage, in_full, print, say};
use anyhow::bail;
use clap::{Args, Subcommand};
use replay::author::{Author, Forgetful, Identity};
use replay_core::{Outcome, Void};
use schema::event::{
    AllocKilled, Event, InstanceDrained, InstanceHeld, InstanceKilled, InstanceResumed, PolicySet,
};
use schema::id::{AuthorId, InstanceId};
use schema::policy::Policy;
use schema::unit::{Micros, Millis, Seq};
use serde_json::{Map, Value, json};
use std::process::ExitCode;

/// Show or change what the cluster may do
#[derive(Debug, Args)]
pub(crate) struct PolicyArgs {
    #[command(subcommand)]
    verb: PolicyVerb,
}

#[derive(Debug, Subcommand)]
enum PolicyVerb {
    /// Print the policy as JSON
    Get,
    /// Change it: max_hourly_cost=$1.50 idle_timeout=30s types.allow='["m7*"]'
    Set {
        /// What to change, as KEY=VALUE
        #[arg(required = true)]
        changes: Vec<String>,
    },
}

/// An instance
#[derive(Debug, Args)]
pub(crate) struct InstanceArgs {
    /// The instance
    instance: String,
}

/// An instance or an alloc
#[derive(Debug, Args)]
pub(crate) struct KillArgs {
    /// The instance or alloc
    id: String,
    /// Do it: everything that runs there is killed
    #[arg(long)]
    yes: bool,
}

/// Who says it: the person at the terminal.
fn author() -> AuthorId {
    let user = std::env::var("USER").unwrap_or_default().to_lowercase();
    AuthorId::new(user).unwrap_or_else(|_| AuthorId::made(0, 0))
}

/// Writes what is to become of something, and tells whether it had an effect.
pub(super) async fn say_it(
    context: &Context,
    of: &str,
    event: impl Into<Event>,
) -> anyhow::Result<ExitCode> {
    let log = context.open().await?;
    let identity = Identity::fresh(context.cluster.clone(), author());
    let writer = Author::start(log.clone(), identity, Box::new(Forgetful));
    let seq = writer.write(event, Seq(0)).await?;
    let mut outcome = Outcome::Ignored;
    fold(&*log, |at, _| at <= seq, |_, folded| outcome = folded.outcome).await?;
    match outcome {
        Outcome::Applied => Ok(ExitCode::SUCCESS),
        Outcome::Void(Void::Unknown) => {
            bail!(Usage(format!("there is no {of} on this cluster")))
        }
        Outcome::Void(void @ (Void::Ended | Void::WrongState)) => {
            bail!(Usage(format!("nothing was done to {of}: {void}")))
        }
        Outcome::Void(void) => bail!("record {seq} had no effect: {void}"),
        Outcome::Ignored => bail!("record {seq} was not found again"),
    }
}

pub(crate) async fn policy(args: PolicyArgs, context: Context) -> anyhow::Result<ExitCode> {
    let state = super::context::state(&*context.open().await?).await?;
    match args.verb {
        PolicyVerb::Get => {
            print(&in_full(context.output, &whole(&state.head.policy)?)?);
            Ok(ExitCode::SUCCESS)
        }
        PolicyVerb::Set { changes } => {
            let policy = changed(&state.head.policy, &changes)?;
            say_it(&context, "policy", PolicySet { policy }).await
        }
    }
}

/// A policy with all that it has: on the log some of it is left out where it is as by default.
fn whole(policy: &Policy) -> anyhow::Result<Value> {
    let mut value = serde_json::to_value(policy)?;
    value["types"] = serde_json::to_value(&policy.types)?;
    value["volume"] = serde_json::to_value(&policy.volume)?;
    value["spot"] = serde_json::to_value(&policy.spot)?;
    value["fairness"] = serde_json::to_value(&policy.fairness)?;
    value["max_per_zone"] = serde_json::to_value(policy.max_per_zone)?;
    value["max_creating"] = serde_json::to_value(policy.max_creating)?;
    value["label_budgets"] = serde_json::to_value(&policy.label_budgets)?;
    Ok(value)
}

/// The policy with these changes, as KEY=VALUE.
pub(super) fn changed(policy: &Policy, changes: &[String]) -> anyhow::Result<Policy> {
    let mut value = whole(policy)?;
    for change in changes {
        let (key, text) =
            change.split_once('=').ok_or_else(|| Usage(format!("{change:?} is not KEY=VALUE")))?;
        let Some(slot) = value.pointer_mut(&format!("/{}", key.replace('.', "/"))) else {
            let keys: Vec<&String> = value.as_object().into_iter().flat_map(Map::keys).collect();
            bail!(Usage(format!("a policy has no {key:?}; it has {keys:?}")));
        };
        *slot = parse(text)?;
    }
    let policy: Policy = serde_json::from_value(value).map_err(|e| Usage(e.to_string()))?;
    policy.check().map_err(Usage)?;
    Ok(policy)
}

/// Dollars ($1.50), durations (500ms, 30s, 5m, 1h), or JSON.
fn parse(text: &str) -> anyhow::Result<Value> {
    if text.starts_with('$') {
        return Ok(json!(Micros::parse(text).map_err(Usage)?));
    }
    if let Ok(length) = Millis::parse(text) {
        return Ok(json!(length));
    }
    let wrong = || Usage(format!("{text:?} is no amount, duration ($1.50, 30s, 5m) or JSON"));
    Ok(serde_json::from_str(text).map_err(|_| wrong())?)
}

pub(crate) async fn hold(args: InstanceArgs, context: Context) -> anyhow::Result<ExitCode> {
    say_it(&context, &args.instance, InstanceHeld { instance: id(&args.instance)? }).await
}

pub(crate) async fn drain(args: InstanceArgs, context: Context) -> anyhow::Result<ExitCode> {
    say_it(&context, &args.instance, InstanceDrained { instance: id(&args.instance)? }).await
}

pub(crate) async fn resume(args: InstanceArgs, context: Context) -> anyhow::Result<ExitCode> {
    say_it(&context, &args.instance, InstanceResumed { instance: id(&args.instance)? }).await
}

pub(crate) async fn kill(args: KillArgs, context: Context) -> anyhow::Result<ExitCode> {
    let state = super::context::state(&*context.open().await?).await?;
    let instance: InstanceId = id(&args.id)?;
    let is_instance = state.instances.contains(&instance);
    if !is_instance && !state.allocs.contains(&id(&args.id)?) {
        bail!(Usage(format!("there is no instance or alloc {} on this cluster", args.id)));
    }
    if !args.yes {
        let what = if is_instance { "instance" } else { "alloc" };
        say(&format!("this kills {what} {} and everything that runs there; say --yes", args.id));
        return Ok(ExitCode::from(2));
    }
    if is_instance {
        return say_it(&context, &args.id, InstanceKilled { instance }).await;
    }
    say_it(&context, &args.id, AllocKilled { alloc: id(&args.id)? }).await
}
