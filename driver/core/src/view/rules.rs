//! Which records count: each author speaks for itself alone, in the order of its own numbers, and
//! controllers in terms that only grow.

use schema::id::{AuthorId, DriverId};
use schema::record::Record;
use schema::subject::Role;
use schema::unit::Epoch;
use std::collections::BTreeMap;
use uuid::Uuid;

/// How far each author has been followed.
#[derive(Debug)]
pub(super) struct Rules {
    driver: DriverId,
    epoch: Epoch,
    authors: BTreeMap<(Role, AuthorId), (Uuid, u64)>,
}

impl Rules {
    pub(super) fn new(driver: DriverId) -> Rules {
        Rules { driver, epoch: Epoch(0), authors: BTreeMap::new() }
    }

    /// The newest life of the driver itself that has spoken.
    pub(super) fn newest(&self) -> Option<Uuid> {
        let own = (Role::Driver, AuthorId::from(&self.driver));
        self.authors.get(&own).map(|(incarnation, _)| *incarnation)
    }

    /// Whether a record counts. Its number is used up if it does.
    pub(super) fn accept(&mut self, record: &Record) -> bool {
        if !record.speaks_for_itself() || self.is_of_an_old_term(record) {
            return false;
        }
        let key = (record.event.role(), record.author.clone());
        let next = (record.incarnation, record.number);
        let last = self.authors.get(&key).copied();
        let due = if key.0 == Role::Driver { follows(last, next) } else { last < Some(next) };
        if due {
            self.authors.insert(key, next);
            self.epoch = self.epoch.max(record.epoch);
        }
        due
    }

    fn is_of_an_old_term(&self, record: &Record) -> bool {
        record.event.role() == Role::Ctl && record.epoch < self.epoch
    }
}

/// All that this driver writes names it, so not one of its numbers can be missing here.
fn follows(last: Option<(Uuid, u64)>, next: (Uuid, u64)) -> bool {
    match last {
        Some((incarnation, number)) if incarnation == next.0 => next.1 == number.saturating_add(1),
        Some((incarnation, _)) if incarnation > next.0 => false,
        Some(_) | None => next.1 == 1,
    }
}
