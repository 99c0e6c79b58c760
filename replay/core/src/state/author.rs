//! Authors: which number of whom comes next.

use super::State;
use crate::void::Void;
use schema::id::AuthorId;
use schema::record::Record;
use schema::subject::Role;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How far the fold has followed one author.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorState {
    /// The life of the author that counts now.
    pub incarnation: Uuid,
    /// The last number accepted of it.
    pub number: u64,
}

impl State {
    /// Takes an author's number if it is the one that comes next: the last accepted plus one, or 1
    /// of a newer incarnation. Once taken it is used up, whatever the event then does.
    pub(crate) fn take_number(&mut self, record: &Record) -> Result<(), Void> {
        let role = record.event.role();
        let key = (role, record.author.clone());
        let next = AuthorState { incarnation: record.incarnation, number: record.number };
        match self.authors.get_mut(&key) {
            None if record.number == 1 => self.authors.insert(key, next),
            None => return Err(Void::NumberGap),
            Some(last) => {
                check(last, &next)?;
                *last = next;
            }
        }
        Ok(())
    }

    /// The number that comes next from this author in this incarnation.
    #[must_use]
    pub fn next_number(&self, role: Role, author: &AuthorId, incarnation: Uuid) -> u64 {
        match self.authors.get(&(role, author.clone())) {
            Some(last) if last.incarnation == incarnation => last.number.saturating_add(1),
            _ => 1,
        }
    }
}

fn check(last: &AuthorState, next: &AuthorState) -> Result<(), Void> {
    if next.incarnation < last.incarnation {
        return Err(Void::RetiredIncarnation);
    }
    let before = if next.incarnation == last.incarnation { last.number } else { 0 };
    if next.number <= before {
        return Err(Void::Duplicate);
    }
    if next.number != before.saturating_add(1) { Err(Void::NumberGap) } else { Ok(()) }
}
