//! One message of the log: who wrote what, as which of its own records, because of what.

use crate::event::Event;
use crate::id::AuthorId;
use crate::subject::Role;
use crate::unit::{Epoch, Seq};
use uuid::Uuid;

/// An event in its envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Schema version that it was written under.
    pub version: u32,
    /// Who wrote it, within the role of its event.
    pub author: AuthorId,
    /// Which life of that author: a UUIDv7 that lives with its journal. A newer one retires older.
    pub incarnation: Uuid,
    /// 1, 2, 3, ... within the incarnation.
    pub number: u64,
    /// The log sequence that made the author act; 0 if none did.
    pub cause: Seq,
    /// The term under which a controller wrote it; 0 for everyone else.
    pub epoch: Epoch,
    /// A reader that does not know the kind must stop instead of skipping it.
    pub must_understand: bool,
    /// What happened.
    pub event: Event,
}

impl Record {
    /// Drivers and agents state facts about themselves alone.
    #[must_use]
    pub fn speaks_for_itself(&self) -> bool {
        let (route, author) = (self.event.route(), self.author.as_str());
        match self.event.role() {
            Role::Driver => route.driver.is_some_and(|driver| driver.as_str() == author),
            Role::Agent => route.instance.is_some_and(|instance| instance.as_str() == author),
            Role::Ctl | Role::Ops => true,
        }
    }
}
