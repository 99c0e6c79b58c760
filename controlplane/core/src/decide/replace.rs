//! Replacements for instances that will be taken away: begun at once, so that there is room by the time
//! that drivers ask again for what they lose.

use super::draft::Draft;
use super::scale::{begin, cheapest};
use replay_core::state::instance::{Instance, Phase, Service};
use replay_core::state::launch::key;
use schema::id::InstanceId;
use schema::policy::Offering;
use schema::requirements::Only;
use schema::why::{DrainWhy, LaunchWhy};
use std::collections::BTreeSet;

pub(super) fn decide(draft: &mut Draft<'_>) {
    if !draft.state.head.policy.replace {
        return;
    }
    for (id, instance) in draft.live() {
        if draft.full() || draft.shut().is_some() {
            return;
        }
        if is_lost(draft, id, instance)
            && let Some(offering) = sibling(draft, id, instance).cloned()
        {
            let why = LaunchWhy::Replacement { instance: id.clone() };
            begin(draft, offering, Vec::new(), why);
        }
    }
}

/// Whether what is on this instance will have to go elsewhere soon, and nobody has seen to that.
fn is_lost(draft: &Draft<'_>, id: &InstanceId, instance: &Instance) -> bool {
    let noticed = match &instance.service {
        Service::Draining { why: DrainWhy::Interruption, until: Some(until) } => {
            draft.state.head.time < *until
        }
        Service::Draining { .. } | Service::Open | Service::Held => false,
    };
    noticed
        && instance.phase == Phase::Up
        && instance.allocs > 0
        && instance.replaced_by.is_none()
        && !draft.ended.contains(id)
        && !draft.free.values().any(|space| space.free().holds(&instance.used))
}

/// The cheapest that holds what is on the instance, that is not what is being taken away, and that is where and
/// of what type those will ask for again who are there.
fn sibling<'a>(draft: &Draft<'a>, id: &InstanceId, instance: &Instance) -> Option<&'a Offering> {
    let taken = key(&instance.offering);
    let there = draft.state.index.on_instance(id);
    let there = there.iter().filter_map(|id| draft.state.allocs.get(id));
    let only: BTreeSet<&Only> = there.map(|alloc| &alloc.constraint.only).collect();
    let within = |o: &&Offering| only.iter().all(|only| only.takes(&o.kind, &o.zone));
    let others = draft.candidates().iter().copied().filter(|o| key(o) != taken).filter(within);
    cheapest(draft, others, &instance.used)
}
