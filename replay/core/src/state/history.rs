//! How long spot ran here and how often it was taken away, by offering. What was seen counts for less as time
//! passes: half as much after each [`HALF_LIFE`] of log time.
//!
//! Kept from the first price on that the cloud itself told: what older logs fold to is as it was.

use super::State;
use super::launch::{OfferingKey, key};
use schema::policy::Offering;
use schema::requirements::Market;
use schema::unit::{LogTime, Millis};
use serde::{Deserialize, Serialize};

/// After so long what was seen counts half as much. A pool that is short of machines mostly is so for hours.
pub const HALF_LIFE: Millis = Millis::from_secs(24 * 3600);
/// One interruption that was seen just now.
const ONCE: u64 = 1 << 16;
/// So much running without interruption is taken for granted: one interruption alone means one in so long.
const GRANTED: Millis = Millis::from_secs(10 * 3600);
const HOUR: u128 = 3_600_000;

/// What was seen of an offering on spot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct History {
    /// How long instances ran that have ended, in milliseconds that counted at the time below.
    ran: u64,
    /// How often one was taken away, in parts of [`ONCE`] that counted then.
    taken: u64,
    /// Of when these figures are.
    at: LogTime,
}

impl History {
    /// What counts of it at this log time.
    #[must_use]
    pub fn faded(&self, time: LogTime) -> History {
        let passed = time.since(self.at);
        let (ran, taken) = (fade(self.ran, passed), fade(self.taken, passed));
        History { ran, taken, at: self.at.max(time) }
    }

    /// How often an instance is likely to be taken away, in thousandths of a time per hour.
    #[must_use]
    pub fn per_hour(&self, time: LogTime) -> u64 {
        let History { ran, taken, .. } = self.faded(time);
        let often = u128::from(taken) * 1000 * HOUR / u128::from(ONCE);
        let long = u128::from(ran) + u128::from(GRANTED.0);
        u64::try_from(often / long).unwrap_or(u64::MAX)
    }
}

/// Halves an amount for each half-life that has passed, and in between falls in a straight line.
fn fade(amount: u64, passed: Millis) -> u64 {
    let halves = u32::try_from(passed.0 / HALF_LIFE.0).unwrap_or(u32::MAX);
    let whole = amount.checked_shr(halves).unwrap_or(0);
    let part = u128::from(whole) * u128::from(passed.0 % HALF_LIFE.0) / u128::from(2 * HALF_LIFE.0);
    whole - u64::try_from(part).unwrap_or(whole)
}

impl State {
    /// How often an instance of this offering is likely to be taken away, in thousandths of a time per hour,
    /// by what was seen here.
    #[must_use]
    pub fn taken_per_hour(&self, offering: &Offering) -> u64 {
        if self.history.is_empty() || offering.market != Market::Spot {
            return 0;
        }
        self.history.get(&key(offering)).map_or(0, |seen| seen.per_hour(self.head.time))
    }

    /// The cloud takes one away.
    pub(crate) fn note_taken(&mut self, offering: &Offering) {
        self.note(offering, |seen| seen.taken = seen.taken.saturating_add(ONCE));
    }

    /// One has ended, after so long.
    pub(crate) fn note_ran(&mut self, offering: &Offering, length: Millis) {
        self.note(offering, |seen| seen.ran = seen.ran.saturating_add(length.0));
    }

    fn note(&mut self, offering: &Offering, add: impl FnOnce(&mut History)) {
        if !self.head.told || offering.market != Market::Spot {
            return;
        }
        let (key, time): (OfferingKey, LogTime) = (key(offering), self.head.time);
        let mut seen = self.history.get(&key).copied().unwrap_or_default().faded(time);
        add(&mut seen);
        self.history.insert(key, seen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(seen: &History, hours: u64) -> u64 {
        seen.per_hour(seen.at + Millis::from_secs(hours * 3600))
    }

    #[test]
    fn what_was_seen_counts_for_less_as_time_passes() {
        for (what, ran_hours, times, hours, per_mille) in [
            ("nothing", 0, 0, 0, 0),
            ("one that ran well", 100, 0, 0, 0),
            ("one that was taken at once", 0, 1, 0, 100),
            ("one that ran for long first", 90, 1, 0, 10),
            ("several", 0, 5, 0, 500),
            ("half as much after a half-life", 0, 1, 24, 50),
            ("three quarters after half of one", 0, 1, 12, 75),
            ("of both", 20, 2, 24, 50),
            ("a quarter after two", 0, 1, 48, 25),
            ("nothing in the end", 0, 1, 24 * 64, 0),
        ] {
            let (ran, at) = (ran_hours * 3_600_000, LogTime(7));
            let seen = History { ran, taken: times * ONCE, at };
            assert_eq!(after(&seen, hours), per_mille, "{what}");
        }
    }

    #[test]
    fn fading_in_steps_is_fading_at_once_and_never_grows() {
        let seen = History { ran: 1 << 40, taken: 3 * ONCE, at: LogTime(0) };
        let day = |n: u64| LogTime(0) + Millis(HALF_LIFE.0 * n);
        assert_eq!(seen.faded(day(1)).faded(day(3)), seen.faded(day(3)));
        let (mut last, mut time) = (seen, LogTime(0));
        for _ in 0..200 {
            time = time + Millis::from_secs(3000);
            let next = seen.faded(time);
            assert!(next.taken <= last.taken && next.ran <= last.ran);
            last = next;
        }
        assert_eq!(seen.faded(LogTime(u64::MAX)).taken, 0);
        // Log time never goes back; were it to, nothing would be gained.
        assert_eq!(last.faded(LogTime(0)).taken, last.taken);
        let most = History { ran: 0, taken: u64::MAX, at: LogTime(0) };
        assert!(most.per_hour(LogTime(0)) > 0);
    }
}
