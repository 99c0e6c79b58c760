//! What an hour of an offering comes to once it is counted that it may be taken away. With nothing known of
//! that it is the price.

use replay_core::State;
use schema::policy::Offering;
use schema::unit::{Micros, Millis};

const HOUR: u128 = 3_600_000;

/// What an hour comes to, in micro-dollars: the price, and for each time that it is likely to be taken away
/// in that hour (in thousandths of a time) what so much of its time costs. Rounded down.
#[must_use]
pub fn expected(price: Micros, per_hour: u64, cost: Millis) -> Micros {
    let more =
        u128::from(price.0).saturating_mul(u128::from(per_hour)).saturating_mul(u128::from(cost.0));
    price.plus(Micros(u64::try_from(more / (1000 * HOUR)).unwrap_or(u64::MAX)))
}

/// What an hour of this offering comes to if its price is this, by all that is known of it.
#[must_use]
pub fn worth(state: &State, offering: &Offering, price: Micros) -> Micros {
    expected(price, state.taken_per_hour(offering), state.head.policy.spot.interruption_cost)
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
}
