//! Somebody who may write in the name of instances, and has no credential: what he says of himself is made
//! up, or taken from what an agent has proved. Nothing of it may ever count.

use crate::log::Log;
use crate::rng::Rng;
use controlplane_core::credential::{ClusterKey, Credential};
use replay_core::State;
use replay_core::author::Line;
use schema::SCHEMA_VERSION;
use schema::codec;
use schema::event::{AllocClosed, Event, InstanceBooted, InstanceStopping};
use schema::id::{AuthorId, ClusterId, InstanceId, LaunchId};
use schema::proof::Bearer;
use schema::record::Record;
use schema::unit::{Epoch, Millis, Seq};
use uuid::Uuid;

/// By what his words are known again.
pub(crate) const ADDRESS: &str = "forged";
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

/// What the forger writes this time; `life` is one that he never had before.
pub(crate) fn says(
    rng: &mut Rng,
    cluster: &ClusterId,
    life: u64,
    state: &State,
    log: &Log,
) -> Result<Vec<Line>, String> {
    let made_up = Uuid::from_u128(MADE_UP + u128::from(life));
    let Some((instance, launch)) = whom(rng, state) else { return Ok(Vec::new()) };
    let heard = heard(log);
    let nth = usize::try_from(rng.below(heard.len().max(1) as u64)).unwrap_or(0);
    let found = heard.into_iter().nth(nth);
    let said = found.as_ref().map(|(_, said)| said.clone());
    let said = said.unwrap_or_else(|| nothing(&instance, &launch));
    let here =
        InstanceBooted { instance: instance.clone(), launch: launch.clone(), ..said.clone() };
    let altered =
        |said: &InstanceBooted| InstanceBooted { address: ADDRESS.into(), ..said.clone() };
    // A life that has proved itself is its agent's, with its numbers: records are not signed each.
    let borrowed = found.filter(|(life, said)| {
        let trust = state.instances.get(&said.instance).map(|instance| &instance.trust);
        !matches!(trust, Some(replay_core::state::trust::Trust::Proven { life: own }) if own == life)
    });
    let (life, number, event): (Uuid, u64, Event) = match (rng.below(5), borrowed) {
        (0, _) => {
            let instance = instance.clone();
            (made_up, 1, InstanceStopping { instance, reason: ADDRESS.into() }.into())
        }
        (1, _) => {
            let Some((alloc, held)) = state.allocs.iter().find(|(_, a)| a.grant().is_some()) else {
                return Ok(Vec::new());
            };
            let (alloc, driver) = (alloc.clone(), held.driver.clone());
            let at = held.grant().map_or(instance, |grant| grant.instance.clone());
            (made_up, 1, AllocClosed { alloc, driver, instance: at }.into())
        }
        (2, Some((life, said))) => (life, rng.between(1, 3), altered(&said).into()),
        (3, _) => (made_up, 1, InstanceBooted { proof: None, ..altered(&here) }.into()),
        _ => (made_up, 1, altered(&here).into()),
    };
    let author = event.route().instance.map(AuthorId::from);
    let record = Record {
        version: SCHEMA_VERSION,
        author: author.ok_or("a forged record names no instance")?,
        incarnation: life,
        number,
        cause: Seq(0),
        epoch: Epoch(0),
        must_understand: false,
        event,
    };
    Line::of(cluster, &record).map(|line| vec![line]).map_err(|error| error.to_string())
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

/// What agents have said last, and in which lives.
fn heard(log: &Log) -> Vec<(Uuid, InstanceBooted)> {
    const LATELY: usize = 200;
    let lately = log.records.iter().rev().take(LATELY);
    let decoded = lately.filter_map(|one| codec::decode(&one.line.payload).ok());
    let said = decoded.filter_map(|record| match record.event {
        Event::InstanceBooted(said) => Some((record.incarnation, said)),
        _ => None,
    });
    said.collect()
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
