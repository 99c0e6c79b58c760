//! What an hour of an offering comes to once it is counted that it may be taken away, and what its network
//! and its EBS throughput are worth. With nothing known of either it is the price.

use replay_core::State;
use replay_core::state::market::BEST_SCORE;
use schema::policy::Offering;
use schema::unit::{Micros, Millis};

const HOUR: u128 = 3_600_000;
/// What a point of a placement score stands for, in thousandths of an interruption per hour. The worst score
/// is nearly as bad as to be interrupted just now: it says that there is little, not that all of it goes.
const POINT: u64 = 10;

/// What an hour comes to, in micro-dollars: the price, and for each time that it is likely to be taken away
/// in that hour (in thousandths of a time) what so much of its time costs. Rounded down.
#[must_use]
pub fn expected(price: Micros, per_hour: u64, cost: Millis) -> Micros {
    let more =
        u128::from(price.0).saturating_mul(u128::from(per_hour)).saturating_mul(u128::from(cost.0));
    price.plus(Micros(u64::try_from(more / (1000 * HOUR)).unwrap_or(u64::MAX)))
}

/// How often spot is likely to be taken away, in thousandths of a time per hour: as often as was seen here,
/// and some more for each point that its placement score falls short of the best. No score says nothing.
#[must_use]
pub fn risk(seen: u64, score: Option<u8>) -> u64 {
    let short = score.map_or(0, |score| u64::from(BEST_SCORE.saturating_sub(score)));
    seen.saturating_add(short * POINT)
}

/// What an hour of this offering comes to if its price is this, by all that is known of it: less what its
/// links are worth.
#[must_use]
pub fn worth(state: &State, offering: &Offering, price: Micros) -> Micros {
    likely(state, offering, price).minus(links(state, offering, price))
}

/// What the network and the EBS throughput of this offering are worth an hour if its price is this.
#[must_use]
pub fn links(state: &State, offering: &Offering, price: Micros) -> Micros {
    state.head.policy.worth.of(offering, price)
}

/// What an hour of this offering comes to if its price is this, with what interruptions cost.
#[must_use]
pub fn likely(state: &State, offering: &Offering, price: Micros) -> Micros {
    let risk = risk(state.taken_per_hour(offering), state.placement_score(offering));
    expected(price, risk, state.head.policy.spot.interruption_cost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_taken_away_is_worth_less_than_it_costs() {
        let hour = Millis::from_secs(3600);
        for (what, price, per_hour, cost, comes_to) in [
            ("nothing is known", 100_000, 0, hour, 100_000),
            ("interruptions cost nothing", 100_000, 500, Millis(0), 100_000),
            ("once in ten hours, an hour each", 100_000, 100, hour, 110_000),
            ("the same, half an hour each", 100_000, 100, Millis(hour.0 / 2), 105_000),
            ("once an hour", 100_000, 1000, hour, 200_000),
            ("what is free of charge", 0, 1000, hour, 0),
            ("beyond all measure", u64::MAX, u64::MAX, hour, u64::MAX),
        ] {
            assert_eq!(expected(Micros(price), per_hour, cost), Micros(comes_to), "{what}");
        }
    }
    #[test]
    fn what_was_seen_and_what_the_cloud_thinks_add_up() {
        for (what, seen, score, risk_is) in [
            ("nothing is known", 0, None, 0),
            ("the best score", 0, Some(10), 0),
            ("the worst", 0, Some(1), 90),
            ("history alone", 100, None, 100),
            ("both", 100, Some(7), 130),
            ("a score beyond the best", 5, Some(11), 5),
            ("beyond all measure", u64::MAX, Some(1), u64::MAX),
        ] {
            assert_eq!(risk(seen, score), risk_is, "{what}");
        }
    }
}
