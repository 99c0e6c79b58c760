//! Launches that are kept for allocs which wait.

use super::super::State;
use super::AllocStatus;
use schema::id::{AllocId, LaunchId};

impl State {
    pub(crate) fn reserve(&mut self, id: &AllocId, launch: &LaunchId) {
        self.repriced(std::slice::from_ref(id), |state| {
            if let Some(AllocStatus::Waiting { reserved, .. }) =
                state.allocs.get_mut(id).map(|alloc| &mut alloc.status)
            {
                *reserved = Some(launch.clone());
            }
        });
    }

    pub(crate) fn unreserve(&mut self, id: &AllocId, launch: &LaunchId) {
        self.repriced(std::slice::from_ref(id), |state| {
            if let Some(AllocStatus::Waiting { reserved, .. }) =
                state.allocs.get_mut(id).map(|alloc| &mut alloc.status)
                && reserved.as_ref() == Some(launch)
            {
                *reserved = None;
            }
        });
    }

    pub(crate) fn unreserve_all(&mut self, launch: &LaunchId) {
        let reserved = self.launches.get(launch).map(|l| l.reserved_for.clone());
        for alloc in reserved.unwrap_or_default() {
            self.unreserve(&alloc, launch);
        }
    }
}
