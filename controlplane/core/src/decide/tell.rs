//! What those are told who wait.

use super::draft::Draft;
use replay_core::state::alloc::AllocStatus;
use schema::event::AllocPending;
use schema::id::AllocId;
use schema::why::PendingWhy;

/// Tells each driver what it waits for, if that has changed. After whatever is done about it: a round cut
/// short tells nobody of a launch that it does not hold.
pub(super) fn decide(draft: &mut Draft<'_>) {
    let waits = std::mem::take(&mut draft.waits);
    for (id, why) in &waits {
        if draft.full() {
            break;
        }
        pending(draft, id, why);
    }
    draft.waits = waits;
}

fn pending(draft: &mut Draft<'_>, id: &AllocId, why: &PendingWhy) {
    let Some(alloc) = draft.state.allocs.get(id) else { return };
    let AllocStatus::Waiting { why: before, .. } = &alloc.status else { return };
    if before.as_ref().is_none_or(|before| changed(before, why)) {
        let (alloc, driver, why) = (id.clone(), alloc.driver.clone(), why.clone());
        draft.push(AllocPending { alloc, driver, why });
    }
}

/// Figures alone are no news: a budget that is full is the same reason at every level.
fn changed(before: &PendingWhy, after: &PendingWhy) -> bool {
    use PendingWhy::{BackedOff, Launching, NothingToBuy, Preempting, Unanswered};
    match (before, after) {
        (Launching { launch: a, .. }, Launching { launch: b, .. }) => a != b,
        (Unanswered { launch: a, class: of_a, .. }, Unanswered { launch: b, class: of_b, .. }) => {
            (a, of_a) != (b, of_b)
        }
        (BackedOff { kind: a, class: of_a, .. }, BackedOff { kind: b, class: of_b, .. }) => {
            (a, of_a) != (b, of_b)
        }
        (Preempting { instance: a, .. }, Preempting { instance: b, .. }) => a != b,
        (NothingToBuy { reason: a, .. }, NothingToBuy { reason: b, .. }) => {
            std::mem::discriminant(&**a) != std::mem::discriminant(&**b)
        }
        _ => std::mem::discriminant(before) != std::mem::discriminant(after),
    }
}
