//! Idle instances that keep from being launched what somebody waits for: each that waits at a cap or at
//! a quota has as many of them ended as it takes, the dearest first, and none where that is not enough.

use super::draft::Draft;
use super::offer::rests;
use replay_core::state::instance::{Instance, Phase};
use schema::event::TerminateRequested;
use schema::id::{AllocId, InstanceId};
use schema::why::{PendingWhy, RefusalClass, TerminateWhy};
use std::cmp::Reverse;
use std::collections::BTreeMap;

pub(super) fn decide(draft: &mut Draft<'_>) {
    let mut room = Room::of(draft);
    let mut ending: Vec<(&InstanceId, &AllocId)> = Vec::new();
    for (alloc, why) in &draft.waits {
        ending.extend(room.make(draft, why).into_iter().map(|id| (id, *alloc)));
    }
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
            let idle = is_idle(draft, id, instance);
            (going || idle).then_some(Leaving { id, instance, idle })
        };
        let mut left: Vec<Leaving<'a>> = match draft.waits.is_empty() {
            true => Vec::new(),
            false => draft.live().filter_map(leaving).collect(),
        };
        left.sort_by_key(|l| (l.idle, Reverse(l.instance.offering.at_most()), l.id));
        Room { left, asked: 0, freed: 0, money_asked: 0, money_freed: 0 }
    }

    /// The idle instances to be ended for who waits for this reason.
    fn make(&mut self, draft: &Draft<'_>, why: &PendingWhy) -> Vec<&'a InstanceId> {
        if self.left.is_empty() {
            return Vec::new();
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
            PendingWhy::MaxPerZone { .. } => {
                self.take(1, |instance| u64::from(draft.zone_full(&instance.offering.zone)))
            }
            PendingWhy::BackedOff { class: Some(RefusalClass::Quota), .. } => {
                self.take(1, |instance| u64::from(is_at_quota(draft, instance)))
            }
            PendingWhy::BackedOff { .. }
            | PendingWhy::Launching { .. }
            | PendingWhy::MaxPending { .. }
            | PendingWhy::NamedInstanceBusy { .. }
            | PendingWhy::Frozen
            | PendingWhy::Breaker { .. }
            | PendingWhy::DriverBudget { .. }
            | PendingWhy::LabelBudget { .. }
            | PendingWhy::Unknown => Vec::new(),
        }
    }

    /// Takes those that free so much in all, each as much as it is weighed at; none if all of them do not.
    fn take(&mut self, over: u64, weigh: impl Fn(&Instance) -> u64) -> Vec<&'a InstanceId> {
        let mut freed: u64 = 0;
        let mut taken: BTreeMap<usize, Leaving<'a>> = BTreeMap::new();
        for (at, leaving) in self.left.iter().enumerate() {
            if freed >= over {
                break;
            }
            let weight = weigh(leaving.instance);
            if weight > 0 {
                freed = freed.saturating_add(weight);
                taken.insert(at, *leaving);
            }
        }
        if freed < over {
            return Vec::new();
        }
        let mut at = 0;
        self.left.retain(|_| {
            at += 1;
            !taken.contains_key(&(at - 1))
        });
        for leaving in taken.values() {
            self.freed += 1;
            let price = leaving.instance.offering.at_most().0;
            self.money_freed = self.money_freed.saturating_add(price);
        }
        taken.into_values().filter(|leaving| leaving.idle).map(|leaving| leaving.id).collect()
    }
}

/// Whether it is up with nothing on it, and with nothing that will be: nobody who waits has a use for it
/// now.
fn is_idle(draft: &Draft<'_>, id: &InstanceId, instance: &Instance) -> bool {
    instance.accepts()
        && instance.allocs == 0
        && draft.free.get(id) == Some(&instance.free())
        && !draft.ended.contains(id)
}

/// Whether one instance less of this lets its quota have room for another.
fn is_at_quota(draft: &Draft<'_>, instance: &Instance) -> bool {
    let rest = rests(draft.state, &instance.offering).and_then(|rests| rests.refusal);
    rest.is_some_and(|rest| rest.class == RefusalClass::Quota)
}
