//! Idle instances that keep from being launched what somebody waits for: each that waits at a cap or at
//! a quota has as many of them ended as it takes, the dearest first, and none where that is not enough.

use super::draft::Draft;
use super::offer::rests;
use replay_core::state::instance::{Instance, Phase};
use schema::event::TerminateRequested;
use schema::id::{AllocId, InstanceId};
use schema::requirements::Only;
use schema::why::{PendingWhy, RefusalClass, TerminateWhy};
use std::cmp::Reverse;
use std::collections::BTreeSet;

pub(super) fn decide(draft: &mut Draft<'_>) {
    let mut room = Room::of(draft);
    let mut ending: Vec<(&InstanceId, &AllocId)> = Vec::new();
    let mut served = BTreeSet::new();
    for (alloc, why) in &draft.waits {
        let only = draft.state.allocs.get(*alloc).map(|alloc| &alloc.constraint.only);
        let Some(made) = room.make(draft, why, only) else { continue };
        served.insert(*alloc);
        ending.extend(made.into_iter().map(|id| (id, *alloc)));
    }
    draft.roomy = served;
    for (id, alloc) in ending {
        draft.ended.insert(id.clone());
        draft.free.remove(id);
        let why = TerminateWhy::MakesRoom { alloc: alloc.clone() };
        draft.push(TerminateRequested { instance: id.clone(), why });
    }
}

/// An instance that is going, or that may.
#[derive(Clone, Copy)]
struct Leaving<'a> {
    id: &'a InstanceId,
    instance: &'a Instance,
    /// It is idle, and goes only if it is ended now.
    idle: bool,
}

/// What those before have been promised, and what has been freed for them.
struct Room<'a> {
    /// Those that are going anyway first, then the dearest.
    left: Vec<Leaving<'a>>,
    asked: u64,
    freed: u64,
    money_asked: u64,
    money_freed: u64,
}

impl<'a> Room<'a> {
    fn of(draft: &Draft<'a>) -> Room<'a> {
        let leaving = |(id, instance): (&'a InstanceId, &'a Instance)| {
            let ending = draft.ended.contains(id);
            let going = ending || matches!(instance.phase, Phase::Terminating { .. });
            let idle = draft.idle(id, instance);
            (going || idle).then_some(Leaving { id, instance, idle })
        };
        let mut left: Vec<Leaving<'a>> = match draft.waits.is_empty() {
            true => Vec::new(),
            false => draft.live().filter_map(leaving).collect(),
        };
        left.sort_by_key(|l| (l.idle, Reverse(l.instance.offering.at_most()), l.id));
        Room { left, asked: 0, freed: 0, money_asked: 0, money_freed: 0 }
    }

    /// The idle instances to be ended for who waits for this reason: none of them where what goes anyway is
    /// enough, and nothing where all of it is not.
    fn make(
        &mut self,
        draft: &Draft<'_>,
        why: &PendingWhy,
        only: Option<&Only>,
    ) -> Option<Vec<&'a InstanceId>> {
        if self.left.is_empty() {
            return None;
        }
        let (instances, committed) = (u64::from(draft.instances), draft.committed.0);
        match why {
            PendingWhy::MaxInstances { limit } => {
                self.asked += 1;
                let over = (instances + self.asked).saturating_sub(u64::from(*limit) + self.freed);
                self.take(over, |_| 1)
            }
            PendingWhy::Budget { asked, limit, .. } => {
                self.money_asked = self.money_asked.saturating_add(asked.0);
                let wanted = committed.saturating_add(self.money_asked);
                let over = wanted.saturating_sub(limit.0.saturating_add(self.money_freed));
                self.take(over, |instance| instance.offering.at_most().0)
            }
            PendingWhy::MaxPerZone { .. } => self.take(1, |instance| {
                let zone = &instance.offering.zone;
                u64::from(draft.zone_full(zone) && only.is_none_or(|only| only.takes_zone(zone)))
            }),
            PendingWhy::BackedOff { class: Some(RefusalClass::Quota), .. } => {
                self.take(1, |instance| u64::from(is_at_quota(draft, instance)))
            }
            PendingWhy::BackedOff { .. }
            | PendingWhy::Launching { .. }
            | PendingWhy::Unanswered { .. }
            | PendingWhy::MaxPending { .. }
            | PendingWhy::NamedInstanceBusy { .. }
            | PendingWhy::Frozen
            | PendingWhy::Breaker { .. }
            | PendingWhy::DriverBudget { .. }
            | PendingWhy::LabelBudget { .. }
            | PendingWhy::Preempting { .. }
            | PendingWhy::NothingToBuy { .. }
            | PendingWhy::Unknown => None,
        }
    }

    /// Takes those that free so much in all, each as much as it is weighed at; none if all of them do not.
    fn take(&mut self, over: u64, weigh: impl Fn(&Instance) -> u64) -> Option<Vec<&'a InstanceId>> {
        // Enough goes anyway: nothing needs to be looked through.
        if over == 0 {
            return Some(Vec::new());
        }
        let mut freed: u64 = 0;
        let (taken, left): (Vec<_>, Vec<_>) = self.left.iter().copied().partition(|leaving| {
            let weight = if freed < over { weigh(leaving.instance) } else { 0 };
            freed = freed.saturating_add(weight);
            weight > 0
        });
        if freed < over {
            return None;
        }
        self.left = left;
        self.freed += taken.len() as u64;
        let price = |leaving: &Leaving<'_>| leaving.instance.offering.at_most().0;
        let money = taken.iter().map(price).fold(0, u64::saturating_add);
        self.money_freed = self.money_freed.saturating_add(money);
        let idle = taken.into_iter().filter(|leaving| leaving.idle);
        Some(idle.map(|leaving| leaving.id).collect())
    }
}

/// Whether one instance less of this lets its quota have room for another.
fn is_at_quota(draft: &Draft<'_>, instance: &Instance) -> bool {
    let rest = rests(draft.state, &instance.offering).and_then(|rests| rests.refusal);
    rest.is_some_and(|rest| rest.class == RefusalClass::Quota)
}
