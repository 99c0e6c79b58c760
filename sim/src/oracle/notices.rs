//! Nobody gives way without notice, to who asked with no more, or where the policy does not allow it.

use replay_core::State;
use schema::event::{AllocPreempted, AllocRevoked};
use schema::id::AllocId;
use schema::policy::{Fairness, Preemption};
use schema::unit::LogTime;
use schema::why::RevokedWhy;
use std::collections::BTreeMap;

/// Until when those are left in peace who have had notice.
#[derive(Debug, Default)]
pub(super) struct Notices(BTreeMap<AllocId, LogTime>);

impl Notices {
    /// Notice has been given by who went by this.
    pub(super) fn give(
        &mut self,
        state: &State,
        e: &AllocPreempted,
        fairness: Option<Fairness>,
    ) -> Option<String> {
        let end = state.head.time + e.notice;
        self.0.entry(e.alloc.clone()).or_insert(end);
        if fairness.is_none_or(|f| f.preemption == Preemption::Never || f.notice != e.notice) {
            return Some(format!("{} is to give way, which the policy does not say", e.alloc));
        }
        // Who is to have it may have withdrawn meanwhile, and be forgotten.
        let asked = |id: &AllocId, with| state.allocs.get(id).is_none_or(|a| a.priority == with);
        let so = asked(&e.alloc, e.priority) && asked(&e.by, e.over) && e.priority < e.over;
        (!so).then(|| format!("{} is to give way to {}, which asked with no more", e.alloc, e.by))
    }

    /// It stays.
    pub(super) fn spare(&mut self, alloc: &AllocId) -> Option<String> {
        let none = self.0.remove(alloc).is_none();
        none.then(|| format!("{alloc} is spared, and had no notice"))
    }

    /// It is taken back.
    pub(super) fn revoke(&mut self, state: &State, e: &AllocRevoked) -> Option<String> {
        let until = self.0.remove(&e.alloc);
        let RevokedWhy::Preempted { by } = &e.why else { return None };
        match until {
            None => Some(format!("{} gave way without notice", e.alloc)),
            Some(until) if state.head.time < until => {
                let left = until.since(state.head.time);
                Some(format!("{} gave way {left} before its time", e.alloc))
            }
            Some(_) if e.alloc == *by => Some(format!("{by} gave way to itself")),
            Some(_) => None,
        }
    }
}
