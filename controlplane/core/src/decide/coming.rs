//! What is on its way to those who wait.

use super::draft::Draft;
use crate::deadline::serves;
use replay_core::state::alloc::{Alloc, AllocStatus};
use replay_core::state::instance::{Instance, Phase};
use replay_core::state::launch::{Doubt, Launch};
use schema::id::LaunchId;
use schema::policy::Offering;
use schema::why::PendingWhy;

/// What this alloc waits for if an instance that is on its way is kept for it.
pub(super) fn covered(draft: &Draft<'_>, alloc: &Alloc) -> Option<PendingWhy> {
    let AllocStatus::Waiting { reserved: Some(launch), .. } = &alloc.status else { return None };
    let launch_state = draft.state.launches.get(launch)?;
    let booting = |i: &Instance| i.phase == Phase::Booting && serves(i);
    let booting = |id| draft.state.instances.get(id).is_some_and(booting);
    let open = draft.state.index.open_launches.contains(launch);
    let coming = open || launch_state.instances.iter().any(booting);
    coming.then(|| under_way(launch, launch_state))
}

/// What those wait for whom this launch is for.
fn under_way(id: &LaunchId, launch: &Launch) -> PendingWhy {
    let Offering { kind, price, .. } = &launch.offering;
    match &launch.doubt {
        // One that is up answers it.
        Some(Doubt { class, message, .. }) if launch.instances.is_empty() => {
            PendingWhy::Unanswered {
                launch: id.clone(),
                kind: kind.clone(),
                price: *price,
                class: *class,
                message: message.clone(),
            }
        }
        Some(_) | None => launching(id, &launch.offering),
    }
}

pub(super) fn launching(launch: &LaunchId, offering: &Offering) -> PendingWhy {
    PendingWhy::Launching {
        launch: launch.clone(),
        kind: offering.kind.clone(),
        price: offering.price,
    }
}
