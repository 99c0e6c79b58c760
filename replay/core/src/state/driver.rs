//! Drivers.

use super::State;
use super::index::Retired;
use crate::void::Void;
use schema::event::{Body, DriverJoined, DriverWeighted, WEIGHT};
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
}

impl State {
    pub(crate) fn driver_joined(&mut self, e: &DriverJoined) -> Result<(), Void> {
        let joined = self.head.time;
        match self.drivers.get_mut(&e.driver) {
            Some(driver) => {
                driver.joined = joined;
                if let Some(left) = driver.left.take() {
                    self.index.retired.remove(&(left, Retired::Driver(e.driver.clone())));
                }
            }
            None => {
                self.drivers.insert(e.driver.clone(), Driver { joined, left: None, allocs: 0 });
            }
        }
        Ok(())
    }

    pub(crate) fn driver_left(&mut self, id: &DriverId) -> Result<(), Void> {
        let left = self.head.time;
        let driver = self.drivers.get_mut(id).ok_or(Void::Unknown)?;
        if driver.left.is_some() {
            return Err(Void::Ended);
        }
        driver.left = Some(left);
        if driver.allocs == 0 {
            self.index.retire(left, Retired::Driver(id.clone()));
        }
        self.withdraw_all(id);
        Ok(())
    }

    pub(crate) fn weighted(&mut self, e: &DriverWeighted) -> Result<(), Void> {
        e.check().map_err(|_| Void::Invalid)?;
        if e.weight == WEIGHT {
            self.head.weights.remove(&e.driver);
        } else {
            self.head.weights.insert(e.driver.clone(), e.weight);
        }
        Ok(())
    }

    /// How large its part is of what several want, beside [`WEIGHT`] for whoever nobody has weighted.
    #[must_use]
    pub fn weight_of(&self, driver: &DriverId) -> u32 {
        self.head.weights.get(driver).copied().unwrap_or(WEIGHT)
    }

    pub(crate) fn count_alloc(&mut self, driver: &DriverId, change: i32) {
        let Some(known) = self.drivers.get_mut(driver) else { return };
        known.allocs = known.allocs.saturating_add_signed(change);
        if let (0, Some(left)) = (known.allocs, known.left) {
            // It had left while it still held something.
            self.index.retire(left, Retired::Driver(driver.clone()));
        }
    }
}
