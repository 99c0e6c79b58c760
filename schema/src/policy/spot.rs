//! What is done to know the spot market, and what is made of that.

use crate::unit::Millis;
use serde::{Deserialize, Serialize};

/// How often the cloud is asked for prices when the policy does not say. EC2 has a new one for an offering
/// every few hours; a storm is seen in minutes.
const PRICE_EVERY: Millis = Millis::from_secs(300);
/// As if half of two hours of work were lost.
const INTERRUPTION_COST: Millis = Millis::from_secs(3600);
/// Shorter than this nobody asks again: a look at all prices is some pages.
const SHORTEST: Millis = Millis::from_secs(10);
/// The longest: a day.
const LONGEST: Millis = Millis::from_secs(24 * 3600);

/// What is done to know the spot market, and what is made of that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpotRule {
    /// How often the leader asks the cloud what spot costs. Zero: never, and what the catalogue says counts.
    pub price_every: Millis,
    /// By how many per cent of what the log says a price must differ to be written down.
    pub price_change: u32,
    /// How often the leader asks the cloud how likely spot is to be had, while anybody may be given some.
    /// Zero: never. EC2 answers but so many new questions a day.
    pub score_every: Millis,
    /// What it costs to have an instance taken away: as much as so much of its time. What was not finished
    /// has been done in vain, and another one boots. Zero: how spot has fared does not enter the choice.
    pub interruption_cost: Millis,
    /// So many instances are on demand before any is bought as spot for who does not ask for a market.
    pub on_demand_base: u32,
    /// Of those beyond that at most so many per cent are spot, by the same. Both hold as far as on-demand is
    /// to be had within the caps: nobody waits for them.
    pub most_percent: u32,
}

impl Default for SpotRule {
    fn default() -> SpotRule {
        SpotRule {
            price_every: PRICE_EVERY,
            price_change: 5,
            score_every: Millis::from_secs(3600),
            interruption_cost: INTERRUPTION_COST,
            on_demand_base: 0,
            most_percent: 100,
        }
    }
}

impl SpotRule {
    /// Whether any number may be spot.
    #[must_use]
    pub fn admits_all(&self) -> bool {
        self.on_demand_base == 0 && self.most_percent >= 100
    }

    /// Whether one more may be spot, beside so many instances of which so many are.
    #[must_use]
    pub fn admits(&self, spot: u64, all: u64) -> bool {
        let beyond = all.saturating_add(1).saturating_sub(u64::from(self.on_demand_base));
        let most = u128::from(beyond) * u128::from(self.most_percent);
        (u128::from(spot) + 1) * 100 <= most
    }

    /// Whether the rule can be followed.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn check(&self) -> Result<(), String> {
        for (name, every) in [("price_every", self.price_every), ("score_every", self.score_every)]
        {
            if every != Millis(0) && !(SHORTEST..=LONGEST).contains(&every) {
                return Err(format!("spot.{name} must be 0 or {SHORTEST} ms to {LONGEST} ms"));
            }
        }
        if self.price_change > 100 {
            return Err("spot.price_change is more than 100 per cent".into());
        }
        if self.most_percent > 100 {
            return Err("spot.most_percent is more than 100".into());
        }
        if self.interruption_cost > LONGEST {
            return Err(format!("spot.interruption_cost is more than {LONGEST} ms"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_cannot_be_followed_are_told() {
        let wrong = |change: fn(&mut SpotRule)| {
            let mut rule = SpotRule::default();
            change(&mut rule);
            rule.check().err()
        };
        assert_eq!(wrong(|_| {}), None);
        assert_eq!(wrong(|r| r.price_every = Millis(0)), None);
        for (change, named) in [
            (wrong(|r| r.price_every = Millis(9999)), "price_every"),
            (wrong(|r| r.price_every = Millis(LONGEST.0 + 1)), "price_every"),
            (wrong(|r| r.score_every = Millis(1)), "score_every"),
            (wrong(|r| r.price_change = 101), "price_change"),
            (wrong(|r| r.most_percent = 101), "most_percent"),
            (wrong(|r| r.interruption_cost = Millis(LONGEST.0 + 1)), "interruption_cost"),
        ] {
            assert!(change.is_some_and(|said| said.contains(named)), "{named}");
        }
    }
}
