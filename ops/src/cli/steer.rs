//! What people who run the cluster say: `hold`, `drain`, `resume`, `kill`, `freeze`, `thaw`.

use super::context::{Context, fold, id};
use crate::output::{Usage, say};
use anyhow::bail;
use clap::Args;
use replay::author::{Author, Forgetful, Identity};
use replay_core::{Outcome, Void};
use schema::event::{
    AllocKilled, Event, InstanceDrained, InstanceHeld, InstanceKilled, InstanceResumed,
    LaunchesFrozen, LaunchesThawed,
};
use schema::id::{AuthorId, InstanceId};
use schema::unit::Seq;
use std::process::ExitCode;

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

/// Why nothing is to be launched
#[derive(Debug, Args)]
pub(crate) struct FreezeArgs {
    /// Why, for those who read it later
    reason: String,
}

/// Who says it: the person at the terminal.
fn author() -> AuthorId {
    let user = std::env::var("USER").unwrap_or_default().to_lowercase();
    AuthorId::new(user).unwrap_or_else(|_| AuthorId::made(0, 0))
}

/// Writes what is to become of something, and tells whether it had an effect. What no state would take is not
/// written.
pub(super) async fn say_it(
    context: &Context,
    of: &str,
    event: impl Into<Event>,
) -> anyhow::Result<ExitCode> {
    let event = event.into();
    event.check().map_err(Usage)?;
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

pub(crate) async fn freeze(args: FreezeArgs, context: Context) -> anyhow::Result<ExitCode> {
    say_it(&context, "launches", LaunchesFrozen { reason: args.reason }).await
}

pub(crate) async fn thaw(context: Context) -> anyhow::Result<ExitCode> {
    say_it(&context, "launches", LaunchesThawed {}).await
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
