//! Allocs that are to give way to others of higher priority.

use super::super::State;
use super::{Alloc, AllocStatus, EndWhy};
use crate::void::Void;
use schema::event::{AllocPreempted, AllocRevoked, AllocSpared};
use schema::id::{AllocId, InstanceId};
use schema::unit::LogTime;
use schema::why::RevokedWhy;
use serde::{Deserialize, Serialize};

/// Notice that was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Who is to have it.
    pub by: AllocId,
    /// When it may be taken back.
    pub until: LogTime,
}

impl State {
    /// Whether the other one still waits does not matter: the driver, who cannot know, is told so, and it is
    /// for the leader to spare the alloc then.
    pub(crate) fn preempted(&mut self, e: &AllocPreempted) -> Result<(), Void> {
        if e.priority >= e.over {
            return Err(Void::Invalid);
        }
        let end = self.head.time + e.notice;
        let alloc = self.owned(&e.alloc, &e.driver)?;
        let notice = notice(alloc, &e.instance)?;
        let before = notice.as_ref().map(|before| before.until);
        let until = before.map_or(end, |before| before.min(end));
        *notice = Some(Notice { by: e.by.clone(), until });
        if let Some(before) = before {
            self.index.notices.remove(&(before, e.alloc.clone()));
        }
        self.index.notices.insert((until, e.alloc.clone()));
        Ok(())
    }

    pub(crate) fn spared(&mut self, e: &AllocSpared) -> Result<(), Void> {
        let alloc = self.owned(&e.alloc, &e.driver)?;
        let before = notice(alloc, &e.instance)?.take().ok_or(Void::WrongState)?;
        self.index.notices.remove(&(before.until, e.alloc.clone()));
        Ok(())
    }

    /// Nobody loses an alloc to another one before his notice is over.
    pub(crate) fn revoked(&mut self, e: &AllocRevoked) -> Result<(), Void> {
        if matches!(e.why, RevokedWhy::Preempted { .. }) {
            let time = self.head.time;
            let alloc = self.owned(&e.alloc, &e.driver)?;
            let over = notice(alloc, &e.instance)?.as_ref().is_some_and(|n| n.until <= time);
            if !over {
                return Err(Void::NoticeRuns);
            }
        }
        let why = EndWhy::Revoked(e.why.clone());
        self.take_back(&e.alloc, &e.driver, &e.instance, why)
    }
}

/// The notice of an alloc that is held on this instance.
fn notice<'a>(alloc: &'a mut Alloc, instance: &InstanceId) -> Result<&'a mut Option<Notice>, Void> {
    match &mut alloc.status {
        AllocStatus::Granted { grant, .. } if grant.instance == *instance => Ok(&mut grant.notice),
        AllocStatus::Granted { .. } => Err(Void::NotOwner),
        AllocStatus::Waiting { .. } => Err(Void::WrongState),
        AllocStatus::Ending { .. } | AllocStatus::Ended { .. } => Err(Void::Ended),
    }
}
