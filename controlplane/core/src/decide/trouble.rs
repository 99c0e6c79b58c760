//! Instances that are gone, silent, interrupted, killed, or never booted.

use super::draft::Draft;
use crate::cloud::Seen;
use crate::deadline::revoke_at;
use crate::plan::rest;
use replay_core::state::alloc::{Alloc, AllocStatus};
use replay_core::state::breaker::Breaker;
use replay_core::state::instance::{Instance, Phase, Reach, Service};
use replay_core::state::launch::{self, OfferingKey, key};
use schema::event::{
    AllocRefused, BootTimedOut, BreakerTripped, DrainStarted, InstanceLost, InstanceReachable,
    InstanceUnreachable, OrphanFound, TerminateRequested,
};
use schema::id::{AllocId, InstanceId};
use schema::policy::{Drift, Rebalance};
use schema::unit::Millis;
use schema::why::{DistrustWhy, DrainWhy, RefusedWhy, RevokedWhy, TerminateWhy};

/// How long an offering rests whose instance did not boot, the first time.
const FIRST_REST: Millis = Millis::from_secs(10);

/// How long nothing is launched when too many in a row did not boot, the first time.
const FIRST_BREAK: Millis = Millis::from_secs(60);

pub(super) fn decide(draft: &mut Draft<'_>) {
    for (id, instance) in draft.live() {
        look_at(draft, id, instance);
    }
    for seen in draft.sight.strays.values() {
        stray(draft, seen);
    }
    for (id, _) in draft.state.orphans.iter().filter(|(id, _)| draft.sight.gone.contains_key(*id)) {
        draft.push(InstanceLost { instance: id.clone(), message: said(draft, id) });
    }
    for id in &draft.state.index.to_kill {
        kill(draft, id);
    }
    trip(draft);
}

/// Holds launches back when too many in a row did not boot, each time for longer.
fn trip(draft: &mut Draft<'_>) {
    let head = &draft.state.head;
    let (limit, failures) = (head.policy.breaker, head.unborn);
    let known = head.breaker.map_or(0, |breaker| breaker.failures);
    if limit == 0 || failures < limit || failures <= known {
        return;
    }
    // One that has come in this round ends the row.
    if !draft.verified.is_empty() {
        return;
    }
    let until = head.time + rest(FIRST_BREAK, failures - limit);
    draft.breaker = Some(Breaker { failures, until });
    draft.push(BreakerTripped { failures, until });
}

/// Takes an alloc back that an operator wants gone, or tells its driver that it will not come.
fn kill(draft: &mut Draft<'_>, id: &AllocId) {
    let waiting = |alloc: &&Alloc| matches!(alloc.status, AllocStatus::Waiting { .. });
    match draft.state.allocs.get(id).filter(waiting) {
        Some(alloc) => {
            let (alloc, driver) = (id.clone(), alloc.driver.clone());
            draft.push(AllocRefused { alloc, driver, why: RefusedWhy::Killed });
        }
        None => draft.revoke(id, RevokedWhy::AllocKilled),
    }
}

fn look_at(draft: &mut Draft<'_>, id: &InstanceId, instance: &Instance) {
    if draft.sight.gone.contains_key(id) {
        return lost(draft, id, instance);
    }
    match &instance.phase {
        // It has come in time, however late it was looked at.
        Phase::Booting if draft.verified.contains(id) => {}
        Phase::Booting => booting(draft, id, instance),
        Phase::Up => up(draft, id, instance),
        Phase::Terminating { .. } | Phase::Gone { .. } => {}
    }
}

fn lost(draft: &mut Draft<'_>, id: &InstanceId, instance: &Instance) {
    // A terminated instance is reported as such by the effect that ended it.
    if matches!(instance.phase, Phase::Terminating { .. }) {
        return;
    }
    draft.ended.insert(id.clone());
    draft.revoke_all(id, &RevokedWhy::InstanceLost);
    draft.push(InstanceLost { instance: id.clone(), message: said(draft, id) });
}

/// What the cloud says of an instance that it no longer has.
fn said(draft: &Draft<'_>, id: &InstanceId) -> String {
    let why = draft.sight.gone.get(id).filter(|why| !why.is_empty());
    why.cloned().unwrap_or_else(|| "the cloud no longer has it".to_owned())
}

/// Says of an instance that nothing accounts for that it is there, and what it costs.
fn stray(draft: &mut Draft<'_>, seen: &Seen) {
    let state = draft.state;
    if seen.is_known(state) {
        return;
    }
    let sold = |key: &OfferingKey| {
        let own = state.head.policy.offerings.iter().find(|o| launch::key(o) == *key);
        own.or_else(|| state.market.get(key).map(|seen| &seen.offering)).map(|o| o.price)
    };
    draft.push(OrphanFound {
        instance: seen.instance.clone(),
        launch: seen.launch.clone(),
        kind: seen.offering.as_ref().map(|(kind, ..)| kind.clone()).unwrap_or_default(),
        price: seen.offering.as_ref().and_then(sold).unwrap_or_default(),
        age: seen.age,
    });
}

fn booting(draft: &mut Draft<'_>, id: &InstanceId, instance: &Instance) {
    let waited = draft.state.head.time.since(instance.created);
    if instance.killed {
        return end(draft, id, &RevokedWhy::InstanceKilled, TerminateWhy::Killed);
    }
    let distrusted = instance.trust.distrusted();
    if let Some(reason @ DistrustWhy::Expired { .. }) = distrusted {
        // Who says so has its credential: nobody will come who could join by it.
        let why = TerminateWhy::Distrusted { reason: reason.clone() };
        return end(draft, id, &RevokedWhy::Terminating, why);
    }
    if waited >= draft.state.head.policy.boot_timeout {
        let before = draft.state.backoffs.get(&key(&instance.offering));
        let rest = rest(FIRST_REST, before.map_or(0, |backoff| backoff.refusals));
        let until = draft.state.head.time + rest;
        draft.push(BootTimedOut { instance: id.clone(), waited, until });
        let distrusted =
            distrusted.map(|reason| TerminateWhy::Distrusted { reason: reason.clone() });
        let why = distrusted.unwrap_or(TerminateWhy::BootTimeout);
        end(draft, id, &RevokedWhy::Terminating, why);
    }
}

fn up(draft: &mut Draft<'_>, id: &InstanceId, instance: &Instance) {
    let (time, policy) = (draft.state.head.time, &draft.state.head.policy);
    if instance.killed {
        return end(draft, id, &RevokedWhy::InstanceKilled, TerminateWhy::Killed);
    }
    let silent = draft.sight.silent_for(id);
    let heard = silent < policy.unreachable_after;
    match &instance.reach {
        Reach::Heard if !heard => {
            draft.free.remove(id);
            draft.push(InstanceUnreachable { instance: id.clone(), silent });
        }
        Reach::Silent { .. } if heard => draft.push(InstanceReachable { instance: id.clone() }),
        Reach::Silent { since } if time.since(*since) >= policy.unreachable_grace => {
            let why = RevokedWhy::Unreachable { silent };
            return end(draft, id, &why, TerminateWhy::Unreachable { silent });
        }
        Reach::Heard | Reach::Silent { .. } => {}
    }
    let at_risk = instance.at_risk && policy.rebalance == Rebalance::Drain;
    let drifted = instance.settings != draft.state.head.settings && policy.drift == Drift::Drain;
    if instance.service == Service::Open && (at_risk || drifted) {
        let why = if at_risk { DrainWhy::Rebalance } else { DrainWhy::Drift };
        draft.free.remove(id);
        draft.push(DrainStarted { instance: id.clone(), why });
    }
    if let Service::Draining { why, until } = &instance.service {
        let due = until.is_some_and(|until| time >= revoke_at(until));
        if due {
            draft.revoke_all(id, &RevokedWhy::Interrupted);
        }
        // The cloud takes an interrupted instance itself: ending it earlier would cost the refund.
        if instance.allocs == 0 && *why != DrainWhy::Interruption {
            let stopping = *why == DrainWhy::Stopping;
            let why = if stopping { TerminateWhy::Stopping } else { TerminateWhy::Drained };
            end(draft, id, &RevokedWhy::Terminating, why);
        }
    }
}

fn end(draft: &mut Draft<'_>, id: &InstanceId, revoke: &RevokedWhy, why: TerminateWhy) {
    draft.ended.insert(id.clone());
    draft.revoke_all(id, revoke);
    draft.push(TerminateRequested { instance: id.clone(), why });
}
