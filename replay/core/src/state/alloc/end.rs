//! The end of an alloc, and of everything in it.

use super::super::State;
use super::super::index::Retired;
use super::{AllocStatus, EndWhy, Grant};
use crate::void::Void;
use schema::id::AllocId;

impl State {
    /// Ends an alloc for good: gives its resources back, and gives every exec that has no end one.
    pub(crate) fn end_alloc(&mut self, id: &AllocId, reason: EndWhy) {
        self.repriced(std::slice::from_ref(id), |state| state.end(id, reason));
    }

    fn end(&mut self, id: &AllocId, reason: EndWhy) {
        let at = self.head.time;
        let Some(alloc) = self.allocs.get_mut(id) else { return };
        let (driver, wait_key) = (alloc.driver.clone(), alloc.wait_key(id));
        let ended = |grant, why| AllocStatus::Ended { grant, why, at };
        let grant = match &alloc.status {
            AllocStatus::Ended { .. } => return,
            AllocStatus::Waiting { .. } => {
                alloc.status = ended(None, reason);
                self.index.waiting.remove(&wait_key);
                self.index.to_kill.remove(id);
                None
            }
            AllocStatus::Granted { grant, until } => {
                let (grant, until) = (grant.clone(), *until);
                alloc.status = ended(Some(grant.clone()), reason);
                self.index.unlease(id, until, grant.notice.as_ref());
                self.index.to_kill.remove(id);
                Some(grant)
            }
            AllocStatus::Ending { grant, why, .. } => {
                let (grant, why) = (grant.clone(), why.clone());
                alloc.status = ended(Some(grant.clone()), why);
                Some(grant)
            }
        };
        if let Some(grant) = grant {
            self.give_back(id, &grant);
        }
        self.count_alloc(&driver, -1);
        self.index.of_driver.remove(&(driver, id.clone()));
        self.index.retire(at, Retired::Alloc(id.clone()));
    }

    fn give_back(&mut self, id: &AllocId, grant: &Grant) {
        let time = self.head.time;
        if let Some(instance) = self.instances.get_mut(&grant.instance) {
            instance.used = instance.used.minus(&grant.resources);
            instance.allocs = instance.allocs.saturating_sub(1);
            if instance.allocs == 0 {
                instance.idle_since = time;
            }
        }
        self.index.on_instance.remove(&(grant.instance.clone(), id.clone()));
        for exec in self.index.execs_of_open(id) {
            self.lose_exec(&exec, &grant.instance);
        }
    }

    pub(crate) fn kill_alloc(&mut self, id: &AllocId) -> Result<(), Void> {
        let alloc = self.allocs.get_mut(id).ok_or(Void::Unknown)?;
        match alloc.status {
            AllocStatus::Ended { .. } | AllocStatus::Ending { .. } => Err(Void::Ended),
            // Its driver does not read this record: the leader tells it.
            AllocStatus::Waiting { .. } | AllocStatus::Granted { .. } => {
                alloc.killed = true;
                self.index.to_kill.insert(id.clone());
                Ok(())
            }
        }
    }
}
