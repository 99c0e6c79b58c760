//! Drivers.

use super::State;
use super::index::Retired;
use crate::void::Void;
use schema::event::DriverJoined;
use schema::id::DriverId;
use schema::unit::LogTime;
use serde::{Deserialize, Serialize};

/// A driver that has spoken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Driver {
    /// When it last joined.
    pub joined: LogTime,
    /// When it left; none while it is there.
    pub left: Option<LogTime>,
    /// How many allocs it holds or waits for.
    pub allocs: u32,
    /// Since when it has left and holds nothing; none while it may still be heard of.
    pub over: Option<LogTime>,
}

impl State {
    pub(crate) fn driver_joined(&mut self, e: &DriverJoined) -> Result<(), Void> {
        let joined = self.head.time;
        match self.drivers.get_mut(&e.driver) {
            Some(driver) => {
                driver.joined = joined;
                driver.left = None;
            }
            None => {
                let driver = Driver { joined, left: None, allocs: 0, over: None };
                self.drivers.insert(e.driver.clone(), driver);
            }
        }
        self.settle_driver(&e.driver);
        Ok(())
    }

    pub(crate) fn driver_left(&mut self, id: &DriverId) -> Result<(), Void> {
        let left = self.head.time;
        let driver = self.drivers.get_mut(id).ok_or(Void::Unknown)?;
        if driver.left.is_some() {
            return Err(Void::Ended);
        }
        driver.left = Some(left);
        self.withdraw_all(id);
        self.settle_driver(id);
        Ok(())
    }

    pub(crate) fn count_alloc(&mut self, driver: &DriverId, change: i32) {
        let Some(known) = self.drivers.get_mut(driver) else { return };
        known.allocs = known.allocs.saturating_add_signed(change);
        self.settle_driver(driver);
    }

    /// A driver is over once it has left and holds nothing; one that joins again is not.
    fn settle_driver(&mut self, id: &DriverId) {
        let time = self.head.time;
        let Some(driver) = self.drivers.get_mut(id) else { return };
        let (was, over) = (driver.over, driver.left.is_some() && driver.allocs == 0);
        driver.over = over.then(|| was.unwrap_or(time));
        match (was, driver.over) {
            (None, Some(at)) => self.index.retire(at, Retired::Driver(id.clone())),
            (Some(at), None) => self.index.unretire(at, Retired::Driver(id.clone())),
            (None, None) | (Some(_), Some(_)) => {}
        }
    }
}
