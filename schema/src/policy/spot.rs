//! What is done to know the spot market.

use crate::unit::Millis;
use serde::{Deserialize, Serialize};

/// How often the cloud is asked for prices when the policy does not say. EC2 has a new one for an offering
/// every few hours; a storm is seen in minutes.
const PRICE_EVERY: Millis = Millis::from_secs(300);
/// Shorter than this nobody asks again: a look at all prices is some pages.
const SHORTEST: Millis = Millis::from_secs(10);
/// The longest: a day.
const LONGEST: Millis = Millis::from_secs(24 * 3600);

/// What is done to know the spot market.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpotRule {
    /// How often the leader asks the cloud what spot costs. Zero: never, and what the catalogue says counts.
    pub price_every: Millis,
    /// By how many per cent of what the log says a price must differ to be written down.
    pub price_change: u32,
}

impl Default for SpotRule {
    fn default() -> SpotRule {
        SpotRule { price_every: PRICE_EVERY, price_change: 5 }
    }
}

impl SpotRule {
    /// Whether the rule can be followed.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn check(&self) -> Result<(), String> {
        let every = self.price_every;
        if every != Millis(0) && !(SHORTEST..=LONGEST).contains(&every) {
            return Err(format!("spot.price_every must be 0 or {SHORTEST} ms to {LONGEST} ms"));
        }
        if self.price_change > 100 {
            return Err("spot.price_change is more than 100 per cent".into());
        }
        Ok(())
    }
}
