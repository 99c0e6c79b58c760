//! When nothing that is launched boots, whatever it is: the fault is none of one offering, and each more
//! costs money for nothing.
//!
//! ```text
//! working ──too many in a row──▶ tripped ──until──▶ on trial ──one does not boot──▶ tripped, for longer
//!    ▲                                                 │
//!    └──────────── one boots, or an operator thaws ────┘
//! ```

use super::State;
use crate::void::Void;
use schema::event::BreakerTripped;
use schema::unit::LogTime;
use serde::{Deserialize, Serialize};

/// Launches are held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaker {
    /// How many instances in a row did not boot.
    pub failures: u32,
    /// Nothing is launched before this log time, and one at a time from then on.
    pub until: LogTime,
}

impl State {
    /// Void where something has booted since it was decided.
    pub(crate) fn breaker_tripped(&mut self, e: &BreakerTripped) -> Result<(), Void> {
        if self.head.unborn == 0 {
            return Err(Void::WrongState);
        }
        self.head.breaker = Some(Breaker { failures: e.failures, until: e.until });
        Ok(())
    }

    /// One more did not boot. What does not while nothing is launched was under way before, and says
    /// nothing new.
    pub(crate) fn did_not_boot(&mut self) {
        let time = self.head.time;
        if self.head.breaker.is_none_or(|breaker| breaker.until <= time) {
            self.head.unborn = self.head.unborn.saturating_add(1);
        }
    }

    pub(crate) fn works_again(&mut self) {
        (self.head.unborn, self.head.breaker) = (0, None);
    }
}
