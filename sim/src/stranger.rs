//! Somebody who writes to the log what has no business there: nonsense, records of the past, things
//! that are another's to say. Nothing of it may have an effect on anybody else.

use crate::log::Log;
use crate::rng::Rng;
use replay_core::State;
use replay_core::author::Line;
use replay_core::snapshot::FOLD_VERSION;
use schema::SCHEMA_VERSION;
use schema::event::{
    AllocFreed, AllocRequested, DriverJoined, DriverLeft, Event, ExecSubmitted, Genesis,
    InstanceStopping, LeaderChallenged, LeaderElected, LeaderRenewed, ReplicaStarted,
};
use schema::id::{AuthorId, ClusterId, DriverId};
use schema::record::Record;
use schema::requirements::{Constraint, Requirements};
use schema::resources::Resources;
use schema::unit::{Epoch, Seq};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Who this is, as whatever author.
pub(crate) const NAME: &str = "stranger";

/// What the stranger writes this time; `life` is one that it never had before.
pub(crate) fn says(
    rng: &mut Rng,
    cluster: &ClusterId,
    life: u64,
    state: &State,
    log: &Log,
) -> Result<Vec<Line>, String> {
    let write = |record: Record| write(cluster, &record);
    let me = DriverId::new(NAME).map_err(|error| error.to_string())?;
    let joined = DriverJoined { driver: me.clone(), version: "0".into() };
    let (epoch, next) = (state.head.leader.epoch, state.head.leader.epoch.next());
    let replica = AuthorId::new(NAME).map_err(|error| error.to_string())?;
    let first = |event: Event| record(life, 1, epoch, event);
    Ok(match rng.below(12) {
        0 => vec![broken(write(first(joined.into()))?, rng)],
        1 => {
            let newer = Record { version: SCHEMA_VERSION + 1, ..first(joined.into()) };
            vec![write(newer)?]
        }
        2 => {
            let nth = usize::try_from(rng.below(log.end().0)).unwrap_or(0);
            let Some(old) = log.records.get(nth) else { return Ok(Vec::new()) };
            let old = old.line.clone();
            let subject = write(first(joined.into()))?.subject;
            vec![if rng.chance(500) { old } else { Line { subject, ..old } }]
        }
        3 => vec![write(record(life, 7, epoch, joined.into()))?],
        4 => {
            let Some(instance) = state.index.live_instances.first() else { return Ok(Vec::new()) };
            let instance = instance.clone();
            vec![write(first(InstanceStopping { instance, reason: String::new() }.into()))?]
        }
        5 => {
            let term = if rng.chance(500) { epoch } else { Epoch(epoch.0.saturating_sub(1)) };
            vec![write(record(life, 1, term, LeaderRenewed {}.into()))?]
        }
        6 => {
            let term = if rng.chance(800) { next } else { epoch };
            vec![write(record(
                life,
                1,
                term,
                LeaderElected { replica, epoch: term, fold: FOLD_VERSION }.into(),
            ))?]
        }
        7 => {
            let epoch = Epoch(epoch.0.saturating_sub(1));
            vec![write(first(LeaderChallenged { replica, epoch }.into()))?]
        }
        8 => {
            let policy = state.head.policy.clone();
            let again = Genesis { cluster: cluster.clone(), generation: 1, policy, previous: None };
            vec![write(first(again.into()))?]
        }
        9 => {
            let (version, schema) = ("0".into(), 1);
            let replica = AuthorId::new("another").map_err(|error| error.to_string())?;
            vec![write(first(ReplicaStarted { replica, version, schema }.into()))?]
        }
        _ => {
            let epoch = Epoch(0);
            let (numbers, events) = (1_u64.., trouble(rng, state, me).unwrap_or_default());
            let records = numbers.zip(events).map(|(n, event)| record(life, n, epoch, event));
            return records.map(write).collect();
        }
    })
}

fn write(cluster: &ClusterId, record: &Record) -> Result<Line, String> {
    let kind = record.event.kind();
    Line::of(cluster, record).map_err(|error| format!("{kind}: {error}"))
}

/// A driver like any other, but for what it wants; nothing, where there is nothing to want.
fn trouble(rng: &mut Rng, state: &State, driver: DriverId) -> Option<Vec<Event>> {
    let joined = DriverJoined { driver: driver.clone(), version: "0".into() };
    let left = DriverLeft { driver: driver.clone() };
    let nth = usize::try_from(rng.below(state.allocs.len() as u64)).unwrap_or(0);
    let (alloc, theirs) = state.allocs.iter().nth(nth)?;
    let (alloc, instance) = (alloc.clone(), theirs.grant().map(|grant| grant.instance.clone()));
    let nothing = Resources::default();
    let requested = AllocRequested {
        alloc: alloc.clone(),
        driver: driver.clone(),
        requirements: Requirements { min: nothing.clone(), max: nothing, width: 1 },
        constraint: Constraint::default(),
        priority: 0,
        labels: BTreeMap::new(),
        lease: None,
    };
    let event: Event = match (rng.below(4), instance) {
        (0, _) => requested.into(),
        (1, _) => {
            let alloc = schema::id::AllocId::made(rng.draw() >> 20, rng.draw());
            AllocRequested { alloc, ..requested }.into()
        }
        (2, Some(instance)) => AllocFreed { alloc, driver, instance }.into(),
        (_, Some(instance)) => {
            let exec = schema::id::ExecId::made(rng.draw() >> 20, rng.draw());
            ExecSubmitted { exec, alloc, driver, instance, config: Default::default() }.into()
        }
        (_, None) => return None,
    };
    Some(vec![joined.into(), event, left.into()])
}

fn record(life: u64, number: u64, epoch: Epoch, event: Event) -> Record {
    // Agents and drivers are known by their ids, and only the stranger's own id says so here.
    let author = AuthorId::new(NAME).unwrap_or_else(|_| AuthorId::made(0, 0));
    let incarnation = Uuid::from_u128(u128::from(life));
    let (version, must_understand) = (SCHEMA_VERSION, false);
    Record { version, author, incarnation, number, cause: Seq(0), epoch, must_understand, event }
}

/// The record with some of its bytes changed: cut short, of a kind that nobody knows, or with a body
/// that cannot be read.
fn broken(line: Line, rng: &mut Rng) -> Line {
    let mut payload = line.payload;
    let replace = |payload: &mut Vec<u8>, old: &[u8], new: &[u8]| {
        if let Some(at) = payload.windows(old.len()).rposition(|window| window == old) {
            payload[at..at + old.len()].copy_from_slice(new);
        }
    };
    match rng.below(3) {
        0 => payload.truncate(payload.len() / 2),
        1 => replace(&mut payload, b"driver-joined", b"driver-danced"),
        _ => replace(&mut payload, b"version", b"VERSION"),
    }
    Line { payload, ..line }
}
