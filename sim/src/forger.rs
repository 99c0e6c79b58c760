//! Somebody who may write in the name of instances, and has no credential: what he says of himself is made
//! up, or taken from what an agent has proved. Nothing of it may ever count.

use crate::log::Log;
use crate::rng::Rng;
use controlplane_core::credential::{ClusterKey, Credential};
use replay_core::State;
use replay_core::author::Line;
use replay_core::state::trust::Trust;
use schema::SCHEMA_VERSION;
use schema::codec;
use schema::event::{AllocClosed, Event, InstanceBooted, InstanceStopping};
use schema::id::{AuthorId, ClusterId, InstanceId, LaunchId};
use schema::proof::Bearer;
use schema::record::Record;
use schema::unit::{Epoch, Millis, Seq};
use uuid::Uuid;

/// What he says of himself, where he says something of his own.
pub(crate) const ADDRESS: &str = "forged";
/// By what his records are known again: nobody else acts because of the last one that there can be.
pub(crate) const CAUSE: Seq = Seq(u64::MAX);
/// How long after the log has it an instance may join: longer than most take to boot.
const JOINS: Millis = Millis::from_secs(4);
/// Newer than any life that an agent comes to by itself.
const MADE_UP: u128 = 1 << 100;

/// The cluster's secret, where it has one.
pub(crate) fn key() -> ClusterKey {
    ClusterKey::new([42; 32])
}

/// What an instance proves itself with.
pub(crate) fn bearer(
    cluster: &ClusterId,
    launch: &LaunchId,
    attempt: u32,
    instance: &InstanceId,
) -> Bearer {
    Credential::of(&key(), cluster, launch, attempt, JOINS).bearer(instance)
}

/// In which life of whom something is said, under which number.
struct Said {
    author: AuthorId,
    life: Uuid,
    number: u64,
    event: Event,
}

impl Said {
    /// As the first that is said in this life of the instance that it names.
    fn new(instance: &InstanceId, life: Uuid, event: impl Into<Event>) -> Said {
        Said { author: AuthorId::from(instance), life, number: 1, event: event.into() }
    }
}

/// What the forger writes this time; `life` is one that he never had before.
pub(crate) fn says(
    rng: &mut Rng,
    cluster: &ClusterId,
    life: u64,
    state: &State,
    log: &Log,
) -> Result<Vec<Line>, String> {
    let life = Uuid::from_u128(MADE_UP + u128::from(life));
    let said = match rng.below(7) {
        0 => stops(rng, state, life),
        1 => closes(rng, state, life),
        2 => alters(rng, state, log),
        3 => repeats(rng, state, log),
        4 => speaks_of_another(rng, state),
        5 => claims(rng, state, log, life, false),
        _ => claims(rng, state, log, life, true),
    };
    let Some(Said { author, life, number, event }) = said else { return Ok(Vec::new()) };
    let record = Record {
        version: SCHEMA_VERSION,
        author,
        incarnation: life,
        number,
        cause: CAUSE,
        epoch: Epoch(0),
        must_understand: false,
        event,
    };
    Line::of(cluster, &record).map(|line| vec![line]).map_err(|error| error.to_string())
}

fn stops(rng: &mut Rng, state: &State, life: Uuid) -> Option<Said> {
    let (instance, _) = whom(rng, state)?;
    let stopping = InstanceStopping { instance: instance.clone(), reason: ADDRESS.into() };
    Some(Said::new(&instance, life, stopping))
}

fn closes(rng: &mut Rng, state: &State, life: Uuid) -> Option<Said> {
    let (somewhere, _) = whom(rng, state)?;
    let (alloc, held) = state.allocs.iter().find(|(_, alloc)| alloc.grant().is_some())?;
    let (alloc, driver) = (alloc.clone(), held.driver.clone());
    let instance = held.grant().map_or(somewhere, |grant| grant.instance.clone());
    Some(Said::new(&instance.clone(), life, AllocClosed { alloc, driver, instance }))
}

/// What an agent has proved, in other words.
fn alters(rng: &mut Rng, state: &State, log: &Log) -> Option<Said> {
    let borrowed = borrowed(rng, state, log)?;
    let (instance, life) = (borrowed.said.instance.clone(), borrowed.life);
    let said = InstanceBooted { address: ADDRESS.into(), ..borrowed.said };
    Some(Said { number: rng.between(1, 3), ..Said::new(&instance, life, said) })
}

/// What an agent has proved, word for word, as another of its records.
fn repeats(rng: &mut Rng, state: &State, log: &Log) -> Option<Said> {
    let borrowed = borrowed(rng, state, log)?;
    let number = borrowed.number + rng.between(1, 3);
    Some(Said {
        number,
        ..Said::new(&borrowed.said.instance.clone(), borrowed.life, borrowed.said)
    })
}

/// In the name of one instance of another, in that one's life: of the newest, so that it would retire others.
fn speaks_of_another(rng: &mut Rng, state: &State) -> Option<Said> {
    let (author, _) = whom(rng, state)?;
    let proven = |id: &InstanceId| match state.instances.get(id)?.trust {
        Trust::Proven { life } => Some((life, id.clone())),
        Trust::NotAsked | Trust::Unproven { .. } => None,
    };
    let (life, instance) = state.index.live_instances.iter().filter_map(proven).max()?;
    let stopping = InstanceStopping { instance: instance.clone(), reason: ADDRESS.into() };
    (author != instance).then(|| Said::new(&author, life, stopping))
}

/// That an instance is up, with somebody's proof of that or with none.
fn claims(rng: &mut Rng, state: &State, log: &Log, life: Uuid, proof: bool) -> Option<Said> {
    let (instance, launch) = whom(rng, state)?;
    let shown = pick(rng, heard(log)).and_then(|heard| heard.said.proof).filter(|_| proof);
    let said = InstanceBooted { proof: shown, ..nothing(&instance, &launch) };
    Some(Said::new(&instance, life, said))
}

/// In whose name: an instance that there is, or one that might still come of a launch.
fn whom(rng: &mut Rng, state: &State) -> Option<(InstanceId, LaunchId)> {
    let open = state.index.open_launches.iter().next();
    if let Some(launch) = open.filter(|_| rng.chance(500)) {
        let id = InstanceId::new(format!("i-{:08x}", rng.below(64))).ok()?;
        return Some((id, launch.clone()));
    }
    let live = &state.index.live_instances;
    let nth = usize::try_from(rng.below(live.len().max(1) as u64)).unwrap_or(0);
    let id = live.iter().nth(nth)?;
    Some((id.clone(), state.instances.get(id)?.launch.clone()))
}

/// What an agent has said of itself.
struct Heard {
    life: Uuid,
    number: u64,
    said: InstanceBooted,
}

/// What agents have said last.
fn heard(log: &Log) -> Vec<Heard> {
    const LATELY: usize = 200;
    let lately = log.records.iter().rev().take(LATELY);
    let decoded = lately.filter_map(|one| codec::decode(&one.line.payload).ok());
    let said = decoded.filter_map(|record| match record.event {
        Event::InstanceBooted(said) => {
            Some(Heard { life: record.incarnation, number: record.number, said })
        }
        _ => None,
    });
    said.collect()
}

/// What an agent has said and not proved yet: a life that has proved itself is its agent's, with its numbers,
/// for records are not signed each.
fn borrowed(rng: &mut Rng, state: &State, log: &Log) -> Option<Heard> {
    let trust = |id: &InstanceId| state.instances.get(id).map(|instance| &instance.trust);
    let heard = pick(rng, heard(log))?;
    let own =
        matches!(trust(&heard.said.instance), Some(Trust::Proven { life }) if *life == heard.life);
    (!own).then_some(heard)
}

fn pick<T>(rng: &mut Rng, from: Vec<T>) -> Option<T> {
    let nth = usize::try_from(rng.below(from.len().max(1) as u64)).unwrap_or(0);
    from.into_iter().nth(nth)
}

fn nothing(instance: &InstanceId, launch: &LaunchId) -> InstanceBooted {
    InstanceBooted {
        instance: instance.clone(),
        launch: launch.clone(),
        resources: Default::default(),
        address: ADDRESS.into(),
        version: "0".into(),
        boot: Millis(0),
        runtimes: Vec::new(),
        proof: None,
    }
}
