//! `fleet probe`: one instance of a type, to see how long it takes until it is of use, and what it has.

use super::ask::MarketArg;
use super::context::{ClusterArgs, Context, fold};
use super::run::{INTERRUPTED, Stops, granted, join};
use super::start::{give_back, whole};
use super::steer::say_it;
use crate::output::{Output, Row, rows, say};
use anyhow::{Context as _, bail};
use clap::Args;
use driver::{Alloc, ExecEnd, describe};
use replay::log::Log;
use replay_core::{Outcome, State};
use schema::event::{Event, ExecConfig, InstanceKilled, ProbeDone};
use schema::id::{AllocId, ExecId, InstanceId, LaunchId};
use schema::requirements::{Alone, Only};
use schema::resources::{show_bytes, show_cpu};
use schema::unit::{LogTime, Millis};
use std::process::ExitCode;

/// Launch one instance of a type, run something on it, measure, and end it
///
/// It is launched as any other: within the budget and all caps, and only a type that the policy allows. What
/// is measured is put on the log. Where it has less than was promised, that is what counts from then on, as
/// after any other that boots.
#[derive(Debug, Args)]
pub(crate) struct ProbeArgs {
    /// The type
    #[arg(value_name = "TYPE")]
    kind: String,
    /// Only in this zone
    #[arg(long)]
    zone: Option<String>,
    /// Only on this market
    #[arg(long, value_enum)]
    market: Option<MarketArg>,
}

pub(super) async fn probe(
    args: ProbeArgs,
    names: &ClusterArgs,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let context = Context::find(names, output)?;
    let (kind, zone) = (Some(args.kind.into()), args.zone.map(Into::into));
    let options = whole(Alone { kind, zone }, Only::default(), args.market)?;
    let mut stops = Stops::listen()?;
    let driver = join(&context, None, "probe", Millis::from_secs(120)).await?;
    let request = driver.alloc(options).await?;
    let alloc = match granted(request, &mut stops).await {
        Ok(Some(alloc)) => alloc,
        Ok(None) => {
            give_back(driver).await;
            return Ok(ExitCode::from(INTERRUPTED));
        }
        Err(error) => {
            give_back(driver).await;
            return Err(error);
        }
    };
    let measured = measure(&context, &alloc, &mut stops).await;
    let instance = alloc.instance().clone();
    give_back(driver).await;
    // Nobody else was to have it.
    let killed = say_it(&context, instance.as_str(), InstanceKilled { instance: instance.clone() });
    killed.await.with_context(|| format!("{instance} is still there"))?;
    let Some(done) = measured? else { return Ok(ExitCode::from(INTERRUPTED)) };
    show(output, &done);
    say_it(&context, "probe", done).await
}

/// Runs something there, and reads off the log how long everything took; nothing if it was interrupted.
async fn measure(
    context: &Context,
    alloc: &Alloc,
    stops: &mut Stops,
) -> anyhow::Result<Option<ProbeDone>> {
    let config = ExecConfig { command: vec!["true".to_owned()], ..ExecConfig::default() };
    let exec = alloc.exec(config).await?;
    let (end, _) = tokio::select! {
        end = exec.wait() => end?,
        _ = stops.next() => return Ok(None),
    };
    match end {
        ExecEnd::Exited { code: 0, .. } => {}
        ExecEnd::Exited { code, .. } => bail!("`true` exited with {code} on {}", alloc.instance()),
        ExecEnd::Failed { class, message } => bail!(describe::failure(&class, &message)),
        ExecEnd::Lost(why) => bail!(describe::over(&why)),
    }
    let log = context.open().await?;
    read(&*log, alloc.id(), exec.id(), alloc.instance()).await.map(Some)
}

/// When what happened, as far as it has.
#[derive(Default)]
struct Times {
    launch: Option<LaunchId>,
    intended: Option<LogTime>,
    accepted: Option<LogTime>,
    booted: Option<LogTime>,
    ended: Option<LogTime>,
}

impl Times {
    fn note(&mut self, at: LogTime, event: &Event, (alloc, exec): (&AllocId, &ExecId)) {
        match event {
            Event::LaunchRequested(e) if e.reserved_for.contains(alloc) => {
                let (launch, intended) = (Some(e.launch.clone()), Some(at));
                *self = Times { launch, intended, ..Times::default() };
            }
            Event::LaunchAccepted(e) if self.launch.as_ref() == Some(&e.launch) => {
                self.accepted = Some(at);
            }
            Event::InstanceBooted(e) if self.launch.as_ref() == Some(&e.launch) => {
                self.booted = self.booted.or(Some(at));
            }
            Event::ExecExited(e) if e.exec == *exec => self.ended = Some(at),
            _ => {}
        }
    }
}

async fn read(
    log: &dyn Log,
    alloc: &AllocId,
    exec: &ExecId,
    instance: &InstanceId,
) -> anyhow::Result<ProbeDone> {
    let mut times = Times::default();
    let note = |_: &State, folded: super::context::Folded| {
        if let (Outcome::Applied, Some(record)) = (folded.outcome, &folded.record) {
            times.note(folded.time, &record.event, (alloc, exec));
        }
    };
    let state = fold(log, |_, _| true, note).await?;
    let found = state.instances.get(instance).context("its instance is not on the log")?;
    let Times { launch: Some(launch), intended: Some(from), .. } = times else {
        bail!("{instance} was not launched for this");
    };
    let after = |at: Option<LogTime>| at.map(|at| at.since(from)).unwrap_or_default();
    Ok(ProbeDone {
        instance: instance.clone(),
        launch,
        kind: found.offering.kind.clone(),
        zone: found.offering.zone.clone(),
        market: found.offering.market,
        promised: found.offering.resources.clone(),
        resources: found.resources.clone(),
        accepted: after(times.accepted),
        booted: after(times.booted),
        usable: after(times.ended),
    })
}

fn show(output: Output, done: &ProbeDone) {
    let seconds = |length: Millis| format!("{}.{:03} s", length.0 / 1000, length.0 % 1000);
    let of = |have: u64, promised: u64, show: fn(u64) -> String| {
        let (have, promised) = (show(have), show(promised));
        if have == promised { have } else { format!("{have} of {promised}") }
    };
    let (have, promised) = (&done.resources, &done.promised);
    let cells = vec![
        done.zone.to_string(),
        super::show::word(&done.market),
        seconds(done.accepted),
        seconds(done.booted),
        seconds(done.usable),
        of(have.cpu, promised.cpu, show_cpu),
        of(have.memory, promised.memory, show_bytes),
        done.instance.to_string(),
    ];
    let heads =
        ["type", "zone", "market", "accepted", "booted", "usable", "cpu", "memory", "instance"];
    rows(output, &heads, &[Row::new(&done.kind, done, cells)]);
    if let Some(shortage) = have.shortage(promised) {
        let less = describe::shortage(&shortage);
        say(&format!("fleetlog: it has less than was promised ({less}): that is what counts now"));
    }
}
