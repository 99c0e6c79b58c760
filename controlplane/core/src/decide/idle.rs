//! Instances that nobody has needed for long enough: emptiest and dearest go first, down to the
//! number that the policy keeps.

use super::draft::Draft;
use crate::deadline::spare_instances;
use replay_core::state::instance::Instance;
use schema::event::{Event, TerminateRequested};
use schema::id::InstanceId;
use schema::why::TerminateWhy;
use std::cmp::Reverse;

pub(super) fn decide(draft: &mut Draft<'_>) {
    let time = draft.state.head.time;
    let timeout = draft.state.head.policy.idle_timeout;
    let mut idle: Vec<(&InstanceId, &Instance)> = draft
        .live()
        .filter(|(id, instance)| {
            instance.accepts()
                && instance.allocs == 0
                && time.since(instance.idle_since) >= timeout
                && draft.free.get(id) == Some(&instance.free())
                && !doomed(draft, id)
        })
        .collect();
    idle.sort_by_key(|(id, instance)| (Reverse(instance.offering.price), (*id).clone()));
    let spare = spare_instances(draft.state);
    for (id, instance) in idle.into_iter().take(spare) {
        let idle = time.since(instance.idle_since);
        draft.push(TerminateRequested { instance: id.clone(), why: TerminateWhy::Idle { idle } });
    }
}

fn doomed(draft: &Draft<'_>, id: &InstanceId) -> bool {
    draft
        .events
        .iter()
        .any(|event| matches!(event, Event::TerminateRequested(e) if e.instance == *id))
}
