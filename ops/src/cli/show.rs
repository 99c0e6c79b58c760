//! What the log says: `instances`, `allocs`, `execs`, `events`, `state`, `logs`.

use super::context::{Context, Folded, fold, id, state, when};
use super::reasons::distrusted;
use crate::output::{Output, Row, Usage, in_full, or_dash, print, rows};
use anyhow::{Context as _, bail};
use clap::Args;
use controlplane_core::decide::standing;
use controlplane_core::explain::rehearse::seen;
use driver::describe;
use driver::logs::{self, Which};
use futures::StreamExt;
use replay_core::state::alloc::{Alloc, AllocStatus, EndWhy};
use replay_core::state::exec::{Exec, ExecEnd, ExecStatus};
use replay_core::state::instance::Instance;
use replay_core::{Outcome, State, invariant};
use schema::event::Event;
use schema::id::{AllocId, ExecId, InstanceId};
use schema::resources::{show_bytes, show_cpu};
use schema::unit::{LogTime, Seq};
use schema::why::PendingWhy;
use serde_json::{Value, json};
use std::io::Write;
use std::mem::discriminant;
use std::process::ExitCode;
use std::time::Duration;

/// Show what happened, record by record
#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// Go on as more happens
    #[arg(short, long)]
    follow: bool,
    /// Only what concerns this id
    #[arg(long, value_name = "ID")]
    id: Option<String>,
}

/// Show the state, now or as it was
#[derive(Debug, Args)]
pub(crate) struct StateArgs {
    /// At this sequence, or at this time (2026-11-21T10:00:00Z)
    #[arg(long, value_name = "SEQ|TIME")]
    at: Option<String>,
}

/// Show what an exec wrote
#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// The exec
    exec: String,
    /// Go on until it has ended
    #[arg(short, long)]
    follow: bool,
    /// Its stderr instead of its stdout
    #[arg(long)]
    stderr: bool,
}

pub(crate) async fn instances(context: Context) -> anyhow::Result<ExitCode> {
    let state = state(&*context.open().await?).await?;
    let heads =
        ["id", "type", "market", "phase", "service", "reach", "allocs", "cpu", "memory", "price/h"];
    let row = |(id, i): (&InstanceId, &Instance)| {
        let cells = vec![
            i.offering.kind.to_string(),
            word(&i.offering.market),
            phase(i),
            word(&i.service),
            word(&i.reach),
            i.allocs.to_string(),
            format!("{}/{}", show_cpu(i.used.cpu), show_cpu(i.resources.cpu)),
            format!("{}/{}", show_bytes(i.used.memory), show_bytes(i.resources.memory)),
            i.offering.price.dollars(),
        ];
        Row::new(id, i, cells)
    };
    let all: Vec<Row> = state.instances.iter().map(row).collect();
    rows(context.output, &heads, &all);
    Ok(ExitCode::SUCCESS)
}

/// Where an instance is in its life, and what is wrong with who says to be its agent.
fn phase(i: &Instance) -> String {
    let phase = word(&i.phase);
    let distrust = i.trust.distrusted();
    distrust.map_or_else(|| phase.clone(), |why| format!("{phase} ({})", distrusted(why)))
}

pub(crate) async fn allocs(context: Context) -> anyhow::Result<ExitCode> {
    let state = state(&*context.open().await?).await?;
    let now = standing(&state, &seen(&state)).waits;
    let heads = ["id", "driver", "status", "instance", "cpu", "memory", "why"];
    let row = |(id, a): (&AllocId, &Alloc)| {
        let floor = a.requirements.floor();
        let held = a.grant().map_or(&floor, |grant| &grant.resources);
        let mut a = a.clone();
        if let AllocStatus::Waiting { why: Some(why), .. } = &mut a.status {
            // What was told, with the figures of now.
            let same = |now: &&PendingWhy| discriminant(*now) == discriminant(why);
            *why = now.get(id).filter(same).unwrap_or(why).clone();
        }
        let why = match &a.status {
            AllocStatus::Waiting { why: Some(why), .. } => describe::pending(why),
            AllocStatus::Waiting { why: None, .. } | AllocStatus::Granted { .. } => String::new(),
            AllocStatus::Ending { why, .. } | AllocStatus::Ended { why, .. } => ended(why),
        };
        let cells = vec![
            a.driver.to_string(),
            word(&a.status),
            or_dash(a.grant().map(|grant| &grant.instance)),
            show_cpu(held.cpu),
            show_bytes(held.memory),
            why,
        ];
        Row::new(id, &a, cells)
    };
    let all: Vec<Row> = state.allocs.iter().map(row).collect();
    rows(context.output, &heads, &all);
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn execs(context: Context) -> anyhow::Result<ExitCode> {
    let state = state(&*context.open().await?).await?;
    let heads = ["id", "driver", "alloc", "instance", "status", "end", "oom"];
    let row = |(id, e): (&ExecId, &Exec)| {
        let end = match &e.status {
            ExecStatus::Ended { end: ExecEnd::Exited { code, .. }, .. } => code.to_string(),
            ExecStatus::Ended { end, .. } => word(end),
            ExecStatus::Submitted | ExecStatus::Started => "-".to_owned(),
        };
        let oom = e.oom.map(|(limit, _)| format!("limit {}", show_bytes(limit)));
        let ids = [e.driver.to_string(), e.alloc.to_string(), e.instance.to_string()];
        let cells = ids.into_iter().chain([word(&e.status), end, or_dash(oom)]);
        Row::new(id, e, cells.collect())
    };
    let all: Vec<Row> = state.execs.iter().map(row).collect();
    rows(context.output, &heads, &all);
    Ok(ExitCode::SUCCESS)
}

/// The name of a status, without its data.
pub(super) fn word(status: &impl serde::Serialize) -> String {
    match serde_json::to_value(status) {
        Ok(Value::Object(map)) => or_dash(map.keys().next()),
        Ok(value) => text(&value),
        Err(_) => "-".to_owned(),
    }
}

pub(super) fn ended(why: &EndWhy) -> String {
    match why {
        EndWhy::Freed => "freed".to_owned(),
        EndWhy::Expired => "its lease ran out".to_owned(),
        EndWhy::Withdrawn => "withdrawn".to_owned(),
        EndWhy::ClosedByAgent => "closed by its agent".to_owned(),
        EndWhy::InstanceGone => "its instance is gone".to_owned(),
        EndWhy::Refused(why) => describe::refused(why),
        EndWhy::Revoked(why) => describe::revoked(why),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn concerns(event: &Event, id: &str) -> bool {
    serde_json::to_string(event).is_ok_and(|text| text.contains(&format!("\"{id}\"")))
}

fn show(output: Output, folded: &Folded) {
    let Folded { seq, time, outcome, record } = folded;
    let void = match outcome {
        Outcome::Void(void) => Some(void.to_string()),
        Outcome::Applied | Outcome::Ignored => None,
    };
    let body = record.as_ref().and_then(|record| serde_json::to_value(&record.event).ok());
    let kind = record.as_ref().map_or("-", |record| record.event.kind());
    let author = record.as_ref().map(|r| format!("{}/{}", r.event.role(), r.author));
    if output == Output::Quiet {
        return print(&seq.to_string());
    }
    if output == Output::Json {
        let value = json!({
            "seq": seq, "time": when(*time), "author": author, "kind": kind,
            "cause": record.as_ref().map(|r| r.cause), "void": void, "body": body,
        });
        return print(&value.to_string());
    }
    let author = author.unwrap_or_else(|| "-".to_owned());
    let void = void.map(|void| format!(" [void: {void}]")).unwrap_or_default();
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    print(&format!("{seq:>6} {} {author:<30} {kind}{void} {body}", when(*time)));
}

pub(crate) async fn events(args: EventsArgs, context: Context) -> anyhow::Result<ExitCode> {
    const WAIT: Duration = Duration::from_secs(1);
    let log = context.open().await?;
    let wanted = |folded: &Folded| match (&args.id, &folded.record) {
        (None, _) => true,
        (Some(id), Some(record)) => concerns(&record.event, id),
        (Some(_), None) => false,
    };
    let mut state = fold(
        &*log,
        |_, _| true,
        |_, folded| {
            if wanted(&folded) {
                show(context.output, &folded);
            }
        },
    )
    .await?;
    if !args.follow {
        return Ok(ExitCode::SUCCESS);
    }
    let mut reader = log.read(state.head.applied.next(), None).await?;
    loop {
        let records = reader.next_batch(WAIT).await?.records;
        replay::fold::fold(&mut state, &records, |_, stored, outcome, record| {
            let folded = Folded { seq: stored.seq, time: stored.time, outcome, record };
            if wanted(&folded) {
                show(context.output, &folded);
            }
        });
    }
}

pub(crate) async fn show_state(args: StateArgs, context: Context) -> anyhow::Result<ExitCode> {
    let until = match args.at.as_deref() {
        None => (Seq(u64::MAX), LogTime(u64::MAX)),
        Some(at) => parse_at(at)?,
    };
    let log = context.open().await?;
    let within = |seq: Seq, time: LogTime| seq <= until.0 && time <= until.1;
    let mut state = fold(&*log, within, |_, _| {}).await?;
    let breaches = invariant::check(&state);
    print(&in_full(context.output, &summary(&mut state, breaches.len()))?);
    Ok(if breaches.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn parse_at(at: &str) -> anyhow::Result<(Seq, LogTime)> {
    if let Ok(seq) = at.parse() {
        return Ok((Seq(seq), LogTime(u64::MAX)));
    }
    let time: jiff::Timestamp =
        at.parse().map_err(|_| Usage(format!("{at:?} is neither a sequence nor a time")))?;
    let nanos = u64::try_from(time.as_nanosecond()).unwrap_or(0);
    Ok((Seq(u64::MAX), LogTime(nanos)))
}

/// What holds launches back, if anything does.
fn launches(state: &State) -> Value {
    let head = &state.head;
    match head.breaker {
        _ if head.frozen => json!("frozen"),
        Some(breaker) => json!({
            "did_not_boot": breaker.failures,
            "one_at_a_time_from": when(breaker.until),
        }),
        None => json!("free"),
    }
}

fn summary(state: &mut State, breaches: usize) -> Value {
    let digest = state.digest().to_string();
    let state = &*state;
    let head = &state.head;
    json!({
        "cluster": head.cluster,
        "generation": head.generation,
        "seq": head.applied,
        "time": when(head.time),
        "digest": digest,
        "epoch": head.leader.epoch,
        "leader": head.leader.holder,
        "committed_per_hour": head.committed.dollars(),
        "instances": state.index.live_instances.len(),
        "pending_instances": head.pending,
        "launches": launches(state),
        "drivers": state.drivers.len(),
        "allocs": state.allocs.len(),
        "waiting": state.index.waiting.len(),
        "execs": state.execs.len(),
        "open_execs": state.execs.iter().filter(|(_, exec)| !exec.ended()).count(),
        "broken_invariants": breaches,
        "voids": head.voids.iter().map(|(void, count)| (text(&json!(void)), json!(count)))
            .collect::<serde_json::Map<_, _>>(),
    })
}

pub(crate) async fn exec_logs(args: LogsArgs, context: Context) -> anyhow::Result<ExitCode> {
    let exec: ExecId = id(&args.exec)?;
    let state = state(&*context.open().await?).await?;
    let Some(known) = state.execs.get(&exec) else {
        bail!(Usage(format!("no exec {exec} on this cluster")));
    };
    let instance = state.instances.get(&known.instance).filter(|instance| instance.lives());
    let Some(instance) = instance else {
        bail!("{} is gone, and the output of {exec} with it", known.instance);
    };
    let which = if args.stderr { Which::Stderr } else { Which::Stdout };
    let mut stream = logs::stream(instance.address.clone(), exec, which, 0, args.follow);
    while let Some(chunk) = stream.next().await {
        match std::io::stdout().write_all(&chunk?) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => break,
            Err(error) => return Err(error).context("cannot write it"),
        }
    }
    Ok(ExitCode::SUCCESS)
}
