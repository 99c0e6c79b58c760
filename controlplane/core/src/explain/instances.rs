//! Each instance that there is, and what stands against giving it to somebody who waits.

use super::Wanted;
use crate::Sight;
use crate::decide::claims;
use replay_core::State;
use replay_core::state::alloc::AllocStatus;
use replay_core::state::instance::{Instance, Phase, Reach, Service};
use schema::id::{AllocId, InstanceId};
use schema::requirements::Market;
use schema::resources::{Resources, Shortage};
use schema::unit::LogTime;
use schema::why::{DrainWhy, TerminateWhy};
use serde::Serialize;

/// Why an instance is not given. The first that is true, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum Passed {
    /// Another instance is asked for by name.
    NotNamed,
    /// It does not hold it even when it is empty.
    TooSmall(Shortage),
    /// Another market is asked for.
    OtherMarket {
        /// That market.
        asked: Market,
    },
    /// The leader wants it gone.
    Terminating {
        /// Why.
        reason: TerminateWhy,
    },
    /// Its agent has not spoken yet.
    Booting {
        /// The log time at which it was first known.
        since: LogTime,
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
    /// What is free is kept for those for whom it was launched.
    KeptForOthers {
        /// How many of them wait.
        others: u32,
    },
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
    /// What stands against it; none if nothing does: the next round gives it.
    pub passed: Option<Passed>,
}

/// All instances that there are, by id, as somebody who waits finds them.
#[must_use]
pub fn places<'a>(
    state: &'a State,
    sight: &Sight,
    id: &AllocId,
    wanted: &Wanted,
    named: Option<&InstanceId>,
) -> Vec<Place<'a>> {
    let claims = claims(state, sight);
    let live = state.index.live_instances.iter();
    let live = live.filter_map(|id| state.instances.get(id).map(|instance| (id, instance)));
    let judged = live.map(|(at, instance)| {
        let not_named = named.is_some_and(|named| named != at).then_some(Passed::NotNamed);
        let claim = || {
            let by = claims.get(at).filter(|by| *by != id)?;
            Some(Passed::Claimed { by: by.clone() })
        };
        let passed = not_named
            .or_else(|| never(instance, wanted))
            .or_else(|| closed(instance))
            .or_else(|| Some(Passed::Full(instance.free().shortage(&wanted.floor)?)))
            .or_else(|| kept(state, instance, id, wanted))
            .or_else(claim);
        Place { id: at, instance, passed }
    });
    judged.collect()
}

/// Why it will never do.
fn never(instance: &Instance, wanted: &Wanted) -> Option<Passed> {
    if let Some(shortage) = instance.resources.shortage(&wanted.floor) {
        return Some(Passed::TooSmall(shortage));
    }
    let asked = wanted.market.filter(|market| *market != instance.offering.market)?;
    Some(Passed::OtherMarket { asked })
}

/// Why nobody is let in.
fn closed(instance: &Instance) -> Option<Passed> {
    match &instance.phase {
        Phase::Terminating { why, .. } => {
            return Some(Passed::Terminating { reason: why.clone() });
        }
        Phase::Booting => return Some(Passed::Booting { since: instance.created }),
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

/// Whether those leave too little for whom it was launched.
fn kept(state: &State, instance: &Instance, id: &AllocId, wanted: &Wanted) -> Option<Passed> {
    let launch = state.launches.get(&instance.launch)?;
    let others = launch.reserved_for.iter().filter(|other| *other != id);
    let others = others.filter_map(|other| state.allocs.get(other)).filter(|alloc| {
        let AllocStatus::Waiting { reserved, .. } = &alloc.status else { return false };
        reserved.as_ref() == Some(&instance.launch)
    });
    let (mut count, mut theirs) = (0, Resources::default());
    for alloc in others {
        (count, theirs) = (count + 1, theirs.plus(&alloc.requirements.floor()));
    }
    let left = instance.free().minus(&theirs);
    (!left.holds(&wanted.floor)).then_some(Passed::KeptForOthers { others: count })
}
