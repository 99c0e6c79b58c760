//! Each instance that there is, and what stands against giving it to somebody who waits.

use super::Wanted;
use crate::decide::{Standing, on_market};
use replay_core::State;
use replay_core::state::alloc::{Alloc, AllocStatus};
use replay_core::state::instance::{Instance, Phase, Reach, Service};
use schema::id::{AllocId, InstanceId};
use schema::requirements::Market;
use schema::resources::Shortage;
use schema::unit::LogTime;
use schema::why::{DistrustWhy, DrainWhy, TerminateWhy};
use serde::Serialize;
use smol_str::SmolStr;
use std::collections::BTreeSet;

/// Why an instance is not given. The first that is true, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum Passed {
    /// Another instance is asked for by name.
    NotNamed,
    /// It does not hold it even when it is empty.
    TooSmall(Shortage),
    /// Only one that is launched for it alone will do.
    NotItsOwn,
    /// Another market is asked for.
    OtherMarket {
        /// That market.
        asked: Market,
    },
    /// It is in none of the zones that are asked for.
    OutOfZones {
        /// Its zone.
        zone: SmolStr,
        /// Those that are asked for.
        zones: BTreeSet<SmolStr>,
    },
    /// Its type matches none of the names and patterns that are asked for.
    OutOfTypes {
        /// Those names and patterns.
        types: BTreeSet<SmolStr>,
    },
    /// The leader wants it gone.
    Terminating {
        /// Why.
        reason: TerminateWhy,
    },
    /// Nobody has proved to be its agent, and who said so could not.
    Distrusted {
        /// What was wrong with who said so last.
        reason: DistrustWhy,
    },
    /// Its agent has not spoken yet.
    Booting {
        /// The log time at which it was first known.
        since: LogTime,
        /// How many others wait for whom it was launched.
        others: u32,
    },
    /// An operator keeps it, and lets nobody in.
    Held,
    /// It goes when it is empty.
    Draining {
        /// Why.
        reason: DrainWhy,
        /// When it will be taken away, if that is known.
        until: Option<LogTime>,
    },
    /// Its agent is not heard.
    Silent {
        /// The log time at which the leader said so.
        since: LogTime,
    },
    /// Too much of it is in use.
    Full(Shortage),
    /// Nobody else is given what becomes free there until somebody has room who has waited for longer.
    Claimed {
        /// Who.
        by: AllocId,
    },
}

/// An instance, held against what is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place<'a> {
    /// Which.
    pub id: &'a InstanceId,
    /// The instance.
    pub instance: &'a Instance,
    /// What stands against it; none if nothing does: the next round gives it, or one that fits better.
    pub passed: Option<Passed>,
}

/// All instances that there are, by id, as somebody finds them who waits.
#[must_use]
pub fn places<'a>(
    state: &'a State,
    standing: &Standing,
    waiter: &AllocId,
    wanted: &Wanted,
) -> Vec<Place<'a>> {
    let live = state.index.live_instances.iter();
    let live = live.filter_map(|id| state.instances.get(id).map(|instance| (id, instance)));
    let judged = live.map(|(id, instance)| {
        let claim = || {
            let by = standing.claims.get(id).filter(|by| *by != waiter)?;
            Some(Passed::Claimed { by: by.clone() })
        };
        let passed = never(id, instance, wanted)
            .or_else(|| closed(state, instance, waiter))
            .or_else(|| Some(Passed::Full(instance.free().shortage(&wanted.floor)?)))
            .or_else(claim);
        Place { id, instance, passed }
    });
    judged.collect()
}

/// Why it will never do. Who names an instance takes it on whichever market it is.
fn never(id: &InstanceId, instance: &Instance, wanted: &Wanted) -> Option<Passed> {
    let named = wanted.constraint.instance.as_ref();
    if named.is_some_and(|named| named != id) {
        return Some(Passed::NotNamed);
    }
    if wanted.constraint.alone.is_some() {
        return Some(Passed::NotItsOwn);
    }
    if let Some(shortage) = instance.resources.shortage(&wanted.floor) {
        return Some(Passed::TooSmall(shortage));
    }
    let asked = wanted.constraint.market.filter(|_| named.is_none());
    if let Some(asked) = asked.filter(|_| !on_market(asked, &instance.offering)) {
        return Some(Passed::OtherMarket { asked });
    }
    let (only, offering) = (&wanted.constraint.only, &instance.offering);
    if !only.takes_zone(&offering.zone) {
        let zone = offering.zone.clone();
        return Some(Passed::OutOfZones { zone, zones: only.zones.clone() });
    }
    let typed = only.takes_type(&offering.kind);
    (!typed).then(|| Passed::OutOfTypes { types: only.types.clone() })
}

/// Why nobody is let in.
fn closed(state: &State, instance: &Instance, waiter: &AllocId) -> Option<Passed> {
    match &instance.phase {
        Phase::Terminating { why, .. } => {
            return Some(Passed::Terminating { reason: why.clone() });
        }
        Phase::Booting => {
            if let Some(reason) = instance.trust.distrusted() {
                return Some(Passed::Distrusted { reason: reason.clone() });
            }
            let (since, others) = (instance.created, others(state, instance, waiter));
            return Some(Passed::Booting { since, others });
        }
        Phase::Up | Phase::Gone { .. } => {}
    }
    match &instance.service {
        Service::Held => return Some(Passed::Held),
        Service::Draining { why, until } => {
            return Some(Passed::Draining { reason: why.clone(), until: *until });
        }
        Service::Open => {}
    }
    match instance.reach {
        Reach::Silent { since } => Some(Passed::Silent { since }),
        Reach::Heard => None,
    }
}

/// How many others wait for whom it was launched.
fn others(state: &State, instance: &Instance, waiter: &AllocId) -> u32 {
    let waits = |alloc: &Alloc| match &alloc.status {
        AllocStatus::Waiting { reserved, .. } => reserved.as_ref() == Some(&instance.launch),
        AllocStatus::Granted { .. } | AllocStatus::Ending { .. } | AllocStatus::Ended { .. } => {
            false
        }
    };
    let launch = state.launches.get(&instance.launch);
    let carried = launch.into_iter().flat_map(|launch| &launch.reserved_for);
    let others = carried.filter(|id| *id != waiter);
    let others = others.filter_map(|id| state.allocs.get(id)).filter(|alloc| waits(alloc));
    u32::try_from(others.count()).unwrap_or(u32::MAX)
}
