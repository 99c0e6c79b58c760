//! A leader that is killed while it launches, to the first call of its successor at EC2.

use crate::account::Account;
use crate::fleet::{Fleet, now};
use crate::journey::between;
use crate::measure::{Figure, milliseconds, quantile};
use anyhow::Context;
use driver::AllocOptions;
use futures::future::try_join_all;
use schema::event::Event;
use schema::requirements::Requirements;
use schema::resources::Resources;
use schema::unit::LogTime;
use sim_ec2::Call;
use std::time::Duration;

/// Launches that are asked for at once, and how many of them are made before the leader dies.
const ASKED: usize = 20;
const MADE: usize = 7;
/// The silence after which a leader is challenged, and the patience of the policy.
const LEAST: Duration = Duration::from_secs(2);

/// How long it took once.
struct Turn {
    /// From the death to the call.
    called: Duration,
    /// From the election to the call.
    taken_over: Duration,
}

/// A few leaders, each of a cluster of its own.
pub(crate) fn failover(account: &Account, kills: u32) -> anyhow::Result<Vec<Figure>> {
    let turns = (1..=kills).map(|turn| die(account, turn)).collect::<Result<Vec<_>, _>>()?;
    let figure = |name: &str, share: f64, of: fn(&Turn) -> Duration, limit, against, target| {
        let mut took: Vec<Duration> = turns.iter().map(of).collect();
        let (name, value) = (name.to_owned(), milliseconds(quantile(&mut took, share)));
        Figure { name, value, unit: "ms", limit: milliseconds(limit), against, target }
    };
    let (least, look) = ("a second of silence and one of patience", "what a look at clocks waits");
    Ok(vec![
        figure("ec2_failover_p50", 0.5, |turn| turn.called, LEAST, least, "<= 1.2"),
        figure("ec2_failover_most", 1.0, |turn| turn.called, LEAST, least, "-"),
        figure("ec2_takeover_p50", 0.5, |turn| turn.taken_over, LOOK, look, "-"),
    ])
}

/// How long a replica may sleep when nothing wakes it.
const LOOK: Duration = Duration::from_millis(50);

fn die(account: &Account, turn: u32) -> anyhow::Result<Turn> {
    let mut fleet = Fleet::start(account, &format!("failover-{turn}"), 2, &[])?;
    let apart = clocks_apart(account)?;
    let seen = account.proxy.ledger().calls.len();
    let calls = || account.proxy.ledger().calls.into_iter().skip(seen).collect::<Vec<Call>>();
    let driver = account.runtime.block_on(async {
        let driver = fleet.driver().await?;
        let amount = Resources { cpu: 2000, memory: 1 << 30, ..Resources::default() };
        let ask = || driver.alloc(AllocOptions::new(Requirements::exactly(amount.clone())));
        let asked = try_join_all((0..ASKED).map(|_| ask())).await?;
        anyhow::Ok((driver, asked))
    })?;
    fleet.until("it launches", |_| {
        Ok(calls().iter().filter(|call| !call.launched.is_empty()).count() >= MADE)
    })?;
    let dead = fleet.kill_leader()?;
    let mut first = None;
    fleet.until("its successor calls EC2", |_| {
        let arrived = calls().into_iter().map(|call| LogTime(apart.0 + call.at_ms * 1_000_000));
        first = arrived.filter(|at| *at > dead).min();
        Ok(first.is_some())
    })?;
    let first = first.context("it called")?;
    let elections = fleet.records()?.into_iter().filter_map(|(time, record)| {
        matches!(record.event, Event::LeaderElected(_)).then_some(time)
    });
    let elected = elections.last().context("somebody leads")?;
    drop(driver);
    Ok(Turn { called: between(dead, first), taken_over: between(elected, first) })
}

/// When the proxy's clock began, by the machine's.
fn clocks_apart(account: &Account) -> anyhow::Result<LogTime> {
    let asked = now();
    account.ask("DescribeRegions", &[]);
    let ledger = account.proxy.ledger();
    let calls = ledger.of("DescribeRegions");
    let at = calls.map(|call| call.at_ms).max().context("it was asked")?;
    Ok(LogTime(asked.0.saturating_sub(at * 1_000_000)))
}
