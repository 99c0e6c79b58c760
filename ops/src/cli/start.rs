//! `start`: whole instances, kept for whoever runs this, until it ends.

use super::ask::{MarketArg, OnlyArgs, checked};
use super::context::Context;
use super::run::{INTERRUPTED, Stops, join};
use crate::output::{Output, Usage, print, say};
use anyhow::bail;
use clap::Args;
use driver::{Alloc, AllocOptions, AllocRequest, AllocView, Driver, DriverError, describe};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use schema::requirements::{Alone, Constraint, Only, Requirements};
use schema::unit::Millis;
use serde_json::json;
use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long the last records may take: the leases run out by themselves.
const PARTING: Duration = Duration::from_secs(5);

/// Start whole instances and keep them: each line is an address and an id, as they come up
///
/// Each is launched for this alone, kept alive, and given back when this ends or is interrupted. Exits 1 if one
/// of them went before that.
#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    /// How many
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    count: u32,
    #[command(flatten)]
    only: OnlyArgs,
    /// Only on this market
    #[arg(long, value_enum)]
    market: Option<MarketArg>,
    /// Keep them for so long (10m) once all are there; else until interrupted
    #[arg(long = "for", value_name = "LENGTH")]
    length: Option<String>,
    /// Under which driver id; one of its own if none
    #[arg(long)]
    driver: Option<String>,
}

/// All of an instance that nobody else has anything of.
pub(super) fn whole(
    alone: Alone,
    only: Only,
    market: Option<MarketArg>,
) -> anyhow::Result<AllocOptions> {
    let (alone, market) = (Some(alone), market.map(Into::into));
    let constraint = checked(Constraint { alone, market, only, instance: None })?;
    Ok(AllocOptions { constraint, ..AllocOptions::new(Requirements::all()) })
}

pub(crate) async fn start(args: StartArgs, context: Context) -> anyhow::Result<ExitCode> {
    let length = args.length.as_deref().map(Millis::parse).transpose().map_err(Usage)?;
    let options = whole(Alone::default(), args.only.only(), args.market)?;
    let mut stops = Stops::listen()?;
    let lease = Millis::from_secs(120);
    let driver = join(&context, args.driver.as_deref(), "start", lease).await?;
    let mut requests = Vec::new();
    for _ in 0..args.count {
        requests.push(driver.alloc(options.clone()).await?);
    }
    let held = hold(&context, requests, length, &mut stops).await;
    give_back(driver).await;
    held
}

/// Keeps what comes until it is time to go.
async fn hold(
    context: &Context,
    requests: Vec<AllocRequest>,
    length: Option<Millis>,
    stops: &mut Stops,
) -> anyhow::Result<ExitCode> {
    let told = Mutex::default();
    let mut waiting: FuturesUnordered<_> =
        requests.into_iter().map(|request| granted(request, &told)).collect();
    let mut held = Vec::new();
    while !waiting.is_empty() {
        tokio::select! {
            Some(alloc) = waiting.next() => match alloc {
                Ok(alloc) => {
                    show(context.output, &alloc);
                    held.push(alloc);
                }
                Err(DriverError::Refused(why)) => bail!(Usage(describe::refused(&why))),
                Err(error) => return Err(error.into()),
            },
            _ = stops.next() => return Ok(ExitCode::from(INTERRUPTED)),
        }
    }
    let mut ends: FuturesUnordered<_> = held.iter().map(ended).collect();
    let until = async {
        match length {
            Some(length) => tokio::time::sleep(length.duration()).await,
            None => std::future::pending().await,
        }
    };
    let mut until = Box::pin(until);
    let mut lost = false;
    while !ends.is_empty() {
        tokio::select! {
            Some(end) = ends.next() => {
                say(&format!("fleetlog: {}", end?));
                lost = true;
            }
            () = &mut until => break,
            _ = stops.next() => break,
        }
    }
    Ok(if lost { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Waits until it is given, and says what for, once for all that wait for the same.
async fn granted(
    request: AllocRequest,
    told: &Mutex<BTreeSet<String>>,
) -> Result<Alloc, DriverError> {
    let mut progress = request.progress();
    let tell = async {
        loop {
            if let AllocView::Waiting(Some(why)) = &*progress.borrow_and_update() {
                let text = describe::pending(why);
                if told.lock().unwrap_or_else(PoisonError::into_inner).insert(text.clone()) {
                    say(&format!("fleetlog: {text}"));
                }
            }
            if progress.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        granted = request.granted() => granted,
        () = tell => std::future::pending().await,
    }
}

async fn ended(alloc: &Alloc) -> Result<String, DriverError> {
    let why = alloc.over().await?;
    Ok(format!("{} is no more: {}", alloc.instance(), describe::over(&why)))
}

fn show(output: Output, alloc: &Alloc) {
    let given = alloc.given();
    let (address, instance) = (&given.address, &given.instance);
    match output {
        Output::Table => print(&format!("{address} {instance}")),
        Output::Json => print(
            &json!({
                "id": instance, "address": address, "alloc": alloc.id(),
                "resources": given.resources,
            })
            .to_string(),
        ),
        Output::Quiet => print(instance.as_str()),
    }
}

/// Leaves, and gives back all that is held. A log that is out of reach keeps nobody here.
pub(super) async fn give_back(driver: Driver) {
    let part = async {
        driver.clone().leave().await?;
        for (id, view) in driver.allocs() {
            if let AllocView::Granted(_) = view {
                driver.attach(&id).await?.free().await?;
            }
        }
        Ok::<(), DriverError>(())
    };
    match tokio::time::timeout(PARTING, part).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => say(&format!("fleetlog: what is held ends with its lease: {error}")),
        Err(_) => say("fleetlog: what is held ends with its lease: the log is out of reach"),
    }
}
