//! Leases that have run out.

use super::draft::Draft;
use replay_core::state::alloc::AllocStatus;
use schema::event::AllocExpired;
use schema::id::AllocId;

/// Ends each lease that has run out by log time, and whose length has also passed on the leader's
/// own clock since it folded the last keepalive: a log clock that jumps forwards hurts nobody.
pub(super) fn decide(draft: &mut Draft<'_>) {
    let time = draft.state.head.time;
    let due = draft.state.index.leases.iter().take_while(|(until, _)| *until <= time);
    let due: Vec<&AllocId> = due.map(|(_, id)| id).collect();
    for id in due {
        expire(draft, id);
    }
}

fn expire(draft: &mut Draft<'_>, id: &AllocId) {
    let Some(alloc) = draft.state.allocs.get(id) else { return };
    let AllocStatus::Granted { grant, .. } = &alloc.status else { return };
    let lived = draft.sight.kept.get(id).is_some_and(|age| *age >= alloc.lease);
    if lived && draft.taken_back.insert(id.clone()) {
        draft.push(AllocExpired {
            alloc: id.clone(),
            driver: alloc.driver.clone(),
            instance: grant.instance.clone(),
            execs_until: draft.execs_until(alloc, grant),
        });
    }
}
