//! Instances that nobody has needed for long enough: emptiest and dearest go first, down to the
//! number that the policy keeps.

use super::draft::Draft;
use crate::deadline::{may_go, serves, spare_instances};
use replay_core::state::instance::Instance;
use schema::event::TerminateRequested;
use schema::id::InstanceId;
use schema::why::TerminateWhy;
use std::cmp::Reverse;

pub(super) fn decide(draft: &mut Draft<'_>) {
    let time = draft.state.head.time;
    let policy = &draft.state.head.policy;
    let mut idle: Vec<(&InstanceId, &Instance)> = draft
        .live()
        .filter(|(id, instance)| draft.idle(id, instance) && may_go(policy, instance, time) == time)
        .collect();
    idle.sort_by_key(|(id, instance)| (Reverse(instance.offering.price), (*id).clone()));
    // What this round ends for another reason is no longer among those that are kept.
    let ending = draft.live().filter(|(id, i)| serves(i) && draft.ended.contains(*id)).count();
    let spare = spare_instances(draft.state).saturating_sub(ending);
    for (id, instance) in idle.into_iter().take(spare) {
        let idle = time.since(instance.idle_since);
        draft.push(TerminateRequested { instance: id.clone(), why: TerminateWhy::Idle { idle } });
    }
}
