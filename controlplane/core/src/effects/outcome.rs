//! Definite answers of the cloud, and the records that say them.

use crate::plan::{EffectKey, rest};
use replay_core::State;
use replay_core::state::instance::Instance;
use replay_core::state::launch::LaunchStatus;
use replay_core::state::rest::Extent;
use schema::event::{Event, InstanceTerminated, LaunchAccepted, LaunchRefused};
use schema::id::{InstanceId, LaunchId};
use schema::policy::Offering;
use schema::unit::{Micros, Millis};
use schema::why::{RefusalClass, RefusalScope};

/// Most characters of a cloud's message that are written down: some enclose pages of encoded detail.
const MAX_MESSAGE: usize = 400;

/// So much of a message as is written down.
pub(super) fn brief(message: &str) -> String {
    message.chars().take(MAX_MESSAGE).collect()
}

/// A refusal that waits to be written.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) class: RefusalClass,
    pub(super) message: String,
    pub(super) scope: RefusalScope,
    pub(super) back_off: Millis,
}

/// An answer that waits to be written.
#[derive(Debug)]
pub(super) enum Outcome {
    Accepted(Vec<InstanceId>),
    Refused(Refusal),
    Gone,
}

/// What is written of it; nothing if that has been settled meanwhile.
pub(super) fn event(state: &State, key: &EffectKey, outcome: &Outcome) -> Option<Event> {
    match (key, outcome) {
        (EffectKey::Launch(id, attempt), Outcome::Accepted(instances)) => {
            let (launch, attempt, instances) = (id.clone(), *attempt, instances.clone());
            Some(LaunchAccepted { launch, attempt, instances }.into())
        }
        (EffectKey::Launch(id, attempt), Outcome::Refused(refusal)) => {
            let intent = state.launches.get(id)?;
            let open = intent.status == LaunchStatus::Requested;
            open.then(|| refused(state, id, *attempt, &intent.offering, refusal).into())
        }
        (EffectKey::Terminate(id), Outcome::Gone) => {
            let cost = cost(state, id);
            Some(InstanceTerminated { instance: id.clone(), cost }.into())
        }
        (EffectKey::Launch(..), Outcome::Gone)
        | (EffectKey::Terminate(_), Outcome::Accepted(_) | Outcome::Refused(_)) => None,
    }
}

/// What is refused again and again rests longer each time.
fn refused(
    state: &State,
    launch: &LaunchId,
    attempt: u32,
    offering: &Offering,
    refusal: &Refusal,
) -> LaunchRefused {
    let Refusal { class, message, scope, back_off } = refusal;
    let time = state.head.time;
    let before = state.rests.get(&Extent::of(*scope, offering));
    let rest = rest(*back_off, before.map_or(0, |rest| rest.refusals_at(time)));
    LaunchRefused {
        launch: launch.clone(),
        attempt,
        class: class.clone(),
        message: brief(message),
        until: time + rest,
        scope: Some(*scope),
    }
}

fn cost(state: &State, id: &InstanceId) -> Micros {
    let time = state.head.time;
    if let Some(orphan) = state.orphans.get(id) {
        let there = time.since(orphan.found).0.saturating_add(orphan.age.0);
        return orphan.price.over(Millis(there));
    }
    let of = |i: &Instance| i.offering.price.over(time.since(i.created));
    state.instances.get(id).map(of).unwrap_or_default()
}
