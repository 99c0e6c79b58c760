//! Requests each of which needs an instance of its own: one by one, and all at once.

use crate::account::Account;
use crate::fleet::Fleet;
use crate::host::{Begun, hosting};
use crate::journey::{Journey, between, journeys};
use crate::measure::{Figure, milliseconds, quantile};
use crate::peers::{Limits, Peers};
use anyhow::ensure;
use driver::{Alloc, AllocOptions, Driver, ExecEnd};
use futures::future::try_join_all;
use schema::event::{Event, ExecConfig};
use schema::record::Record;
use schema::requirements::Requirements;
use schema::resources::Resources;
use sim_ec2::Answered;
use std::time::{Duration, Instant};

/// One by one means no faster than this: EC2 takes two launches a second.
const EACH: Duration = Duration::from_secs(1);
/// What Reflow measured until an instance was of use, median of 478 types in us-west-2.
const REFLOW: Duration = Duration::from_secs(54);
/// Launches that EC2 takes at once, and how many a second from then on (its published limits).
const BURST: u32 = 5;
const REFILL: u32 = 2;
/// What EC2 calls it.
const THROTTLED: &str = "RequestLimitExceeded";

/// All of an `m5.large`.
fn whole() -> AllocOptions {
    let amount = Resources { cpu: 2000, memory: 1 << 30, ..Resources::default() };
    AllocOptions::new(Requirements::exactly(amount))
}

/// Asks for an alloc and runs something in it; the alloc is still held then.
async fn served(driver: &Driver) -> anyhow::Result<Alloc> {
    let alloc = driver.alloc(whole()).await?.granted().await?;
    let config = ExecConfig { command: vec!["true".into()], ..ExecConfig::default() };
    let (end, _) = alloc.exec(config).await?.wait().await?;
    ensure!(matches!(end, ExecEnd::Exited { code: 0, .. }), "{end:?}");
    Ok(alloc)
}

/// Both, one after the other.
pub(crate) fn figures(account: &Account, count: u32) -> anyhow::Result<Vec<Figure>> {
    let (mut calm, limits) = one_by_one(account, count)?;
    let Crowd { journeys: mut crowd, last, refused } = at_once(account, count)?;
    let call = (limits.call, limits.call, "the same call by hand, median");
    let mut figures = parts("ec2", &mut calm, &limits, call);
    let mut own: Vec<Duration> = calm.iter().map(Journey::own).collect();
    for (name, share) in [("ec2_own_p50", 0.5), ("ec2_own_p99", 0.99)] {
        figures.push(Figure {
            name: name.into(),
            value: milliseconds(quantile(&mut own, share)),
            unit: "ms",
            limit: milliseconds(REFLOW),
            against: "until an instance is of use, as Reflow measured on EC2, median",
            target: "<= 0.02",
        });
    }
    let taken = "until EC2's own limits let as many launches through";
    let admitted = |share: f64| taken_after(share * f64::from(count - 1));
    let call = (admitted(0.5), admitted(0.99), taken);
    figures.extend(parts("ec2_crowd", &mut crowd, &limits, call));
    figures.push(Figure {
        name: "ec2_crowd_last".into(),
        value: milliseconds(last),
        unit: "ms",
        limit: milliseconds(taken_after(f64::from(count - 1))),
        against: taken,
        target: "<= 1.1",
    });
    figures.push(Figure {
        name: "ec2_crowd_refused".into(),
        value: f64::from(refused),
        unit: "calls",
        limit: f64::from(count),
        against: "launches",
        target: "0",
    });
    Ok(figures)
}

/// When EC2 takes the launch before which it has taken so many, all of them asked for at once.
fn taken_after(before: f64) -> Duration {
    Duration::from_secs_f64((before + 1.0 - f64::from(BURST)).max(0.0) / f64::from(REFILL))
}

/// Each waits for the end of the instance of the one before.
fn one_by_one(account: &Account, count: u32) -> anyhow::Result<(Vec<Journey>, Limits)> {
    let fleet = Fleet::start(account, "one-by-one", 1, &["idle_timeout=100ms"])?;
    let mut peers = Peers::open(account)?;
    let ((), begun) = hosting(account, || {
        let driver = account.runtime.block_on(fleet.driver())?;
        for turn in 0..count as usize {
            let since = Instant::now();
            let freed = async { anyhow::Ok(served(&driver).await?.free().await?) };
            account.runtime.block_on(freed)?;
            fleet.until("its instance goes", |fleet| Ok(ended(fleet)? > turn))?;
            peers.measure(turn)?;
            std::thread::sleep(EACH.saturating_sub(since.elapsed()));
        }
        Ok(account.runtime.block_on(driver.leave())?)
    })?;
    Ok((complete(&fleet, &begun, count)?, peers.limits()))
}

fn ended(fleet: &Fleet<'_>) -> anyhow::Result<usize> {
    let ended = |record: &Record| matches!(record.event, Event::InstanceTerminated(_));
    Ok(fleet.records()?.iter().filter(|(_, record)| ended(record)).count())
}

/// What came of many requests at once.
struct Crowd {
    journeys: Vec<Journey>,
    /// From the first request to the last exec's start.
    last: Duration,
    /// Calls that EC2 has throttled.
    refused: u32,
}

/// Nobody gives anything back before all are served, and EC2 throttles from here on.
fn at_once(account: &Account, count: u32) -> anyhow::Result<Crowd> {
    account.proxy.throttle(true);
    let seen = account.proxy.ledger().calls.len();
    let fleet = Fleet::start(account, "at-once", 1, &[])?;
    let ((), begun) = hosting(account, || {
        account.runtime.block_on(async {
            let driver = fleet.driver().await?;
            let allocs = try_join_all((0..count).map(|_| served(&driver))).await?;
            try_join_all(allocs.into_iter().map(Alloc::free)).await?;
            Ok(driver.leave().await?)
        })
    })?;
    let records = fleet.records()?;
    let time = |of: fn(&Event) -> bool| {
        let times = records.iter().filter(move |(_, record)| of(&record.event));
        times.map(|(time, _)| *time)
    };
    let first = time(|event| matches!(event, Event::AllocRequested(_))).min();
    let last = time(|event| matches!(event, Event::ExecStarted(_))).max();
    let last = first.zip(last).map_or(Duration::ZERO, |(first, last)| between(first, last));
    let calls = account.proxy.ledger().calls.into_iter().skip(seen);
    let refused = calls.filter(|call| call.answered == Answered::Error(THROTTLED.into())).count();
    let (journeys, refused) = (complete(&fleet, &begun, count)?, u32::try_from(refused)?);
    Ok(Crowd { journeys, last, refused })
}

/// The journeys, of which there must be so many.
fn complete(fleet: &Fleet<'_>, begun: &Begun, count: u32) -> anyhow::Result<Vec<Journey>> {
    let journeys = journeys(&fleet.records()?, begun);
    ensure!(journeys.len() == count as usize, "{} of {count} were launched for", journeys.len());
    Ok(journeys)
}

/// Each part beside its limit; for calls there is one for the median and one for the slowest.
fn parts(
    prefix: &str,
    journeys: &mut [Journey],
    limits: &Limits,
    (median, slowest, against): (Duration, Duration, &'static str),
) -> Vec<Figure> {
    let publish = (limits.publish, limits.publish);
    let twice = limits.publish * 2 + limits.spawn;
    let durable = "one publish and its acknowledgement, median";
    type Part = fn(&Journey) -> Duration;
    let all: [(&str, Part, (Duration, Duration), &'static str); 5] = [
        ("decision", |journey| journey.decision, publish, durable),
        ("call", |journey| journey.call, (median, slowest), against),
        ("boot", |j| j.boot, (limits.process, limits.process), "`fleetlog --version`, median"),
        ("grant", |journey| journey.grant, publish, durable),
        ("exec", |journey| journey.exec, (twice, twice), "two publishes and `true`, medians"),
    ];
    let figure = |(part, of, (median, slowest), against): (&str, Part, _, _)| {
        let mut took: Vec<Duration> = journeys.iter().map(of).collect();
        [("p50", 0.5, median), ("p99", 0.99, slowest)].map(|(name, share, limit)| Figure {
            name: format!("{prefix}_{part}_{name}"),
            value: milliseconds(quantile(&mut took, share)),
            unit: "ms",
            limit: milliseconds(limit),
            against,
            target: "-",
        })
    };
    all.into_iter().flat_map(figure).collect()
}
