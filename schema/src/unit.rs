//! Units as types: log sequence, log time, durations, epochs, money.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Add;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(
    /// Position of a record in one generation of the log. The first record has 1; 0 is "before all".
    Seq
);
number!(
    /// Log time: nanoseconds since the Unix epoch, by the log server's clock. The fold makes it
    /// monotone. No participant's own clock is ever compared with it.
    LogTime
);
number!(
    /// A leader's term. 0 is "no leader yet"; the first election has 1.
    Epoch
);
number!(
    /// A length of time in milliseconds.
    Millis
);
number!(
    /// Micro-dollars (one millionth of a US dollar). Prices are micro-dollars per hour.
    Micros
);

impl Seq {
    /// The position after this one.
    #[must_use]
    pub fn next(self) -> Seq {
        Seq(self.0.saturating_add(1))
    }
}

impl Epoch {
    /// The term after this one.
    #[must_use]
    pub fn next(self) -> Epoch {
        Epoch(self.0.saturating_add(1))
    }
}

impl LogTime {
    /// How long ago `earlier` was; zero if it was not earlier.
    #[must_use]
    pub fn since(self, earlier: LogTime) -> Millis {
        Millis(self.0.saturating_sub(earlier.0) / 1_000_000)
    }
}

impl Add<Millis> for LogTime {
    type Output = LogTime;
    fn add(self, length: Millis) -> LogTime {
        LogTime(self.0.saturating_add(length.0.saturating_mul(1_000_000)))
    }
}

impl Millis {
    /// `seconds` as milliseconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Millis {
        Millis(seconds.saturating_mul(1000))
    }

    /// A length that a clock of this machine has measured, rounded down; the longest there is, if it is
    /// longer than that.
    #[must_use]
    pub fn of(length: std::time::Duration) -> Millis {
        Millis(u64::try_from(length.as_millis()).unwrap_or(u64::MAX))
    }

    /// Reads a length as people write it: `500ms`, `30s`, `5m`, `1h`.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Millis, String> {
        let wrong = || format!("{text:?} is no length of time; write 500ms, 30s, 5m or 1h");
        let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (count, unit) = text.split_at(split);
        let millis: u64 = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(wrong()),
        };
        let count: u64 = count.parse().map_err(|_| wrong())?;
        count.checked_mul(millis).map(Millis).ok_or_else(wrong)
    }

    /// As a standard duration, for the shells.
    #[must_use]
    pub const fn duration(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0)
    }
}

impl Micros {
    /// Adds without wrapping.
    #[must_use]
    pub fn plus(self, other: Micros) -> Micros {
        Micros(self.0.saturating_add(other.0))
    }

    /// Subtracts without going below zero.
    #[must_use]
    pub fn minus(self, other: Micros) -> Micros {
        Micros(self.0.saturating_sub(other.0))
    }

    /// What `length` costs at this price per hour, rounded up.
    #[must_use]
    pub fn over(self, length: Millis) -> Micros {
        let cost = (u128::from(self.0) * u128::from(length.0)).div_ceil(3_600_000);
        Micros(u64::try_from(cost).unwrap_or(u64::MAX))
    }

    /// Reads dollars with at most six decimals, as they are shown: `$0.096`, `$12`.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Micros, String> {
        let wrong = || format!("{text:?} is no amount of money; write $12 or $0.096");
        let dollars = text.strip_prefix('$').ok_or_else(wrong)?;
        let (whole, part) = dollars.split_once('.').unwrap_or((dollars, ""));
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || part.len() > 6 || !digits(whole) || !digits(part) {
            return Err(wrong());
        }
        format!("{whole}{part:0<6}").parse().map(Micros).map_err(|_| wrong())
    }

    /// Dollars with the decimals that matter: `$0.096`, `$12.50`.
    #[must_use]
    pub fn dollars(self) -> String {
        let text = format!("{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000);
        let shown = text.trim_end_matches('0');
        let decimals = shown.len() - shown.find('.').unwrap_or(0) - 1;
        if decimals < 2 { format!("${shown}{}", &"00"[decimals..]) } else { format!("${shown}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_money_are_read_as_people_write_them() {
        for (text, millis) in [("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("1h", 3_600_000)]
        {
            assert_eq!(Millis::parse(text), Ok(Millis(millis)));
        }
        for (text, micros) in [("$1.50", 1_500_000), ("$0.000001", 1), ("$7", 7_000_000)] {
            assert_eq!(Micros::parse(text), Ok(Micros(micros)));
        }
        for text in ["", "5", "s", "+5s", "-5s", "1.5h", "5 s", "99999999999999999h"] {
            assert!(Millis::parse(text).unwrap_err().contains(&format!("{text:?}")), "{text:?}");
        }
        for text in ["", "1.50", "$", "$.5", "$-1", "$1.0000001", "$99999999999999999999"] {
            assert!(Micros::parse(text).unwrap_err().contains(&format!("{text:?}")), "{text:?}");
        }
    }

    #[test]
    fn dollars_keep_two_decimals_at_least() {
        for (micros, text) in [
            (0, "$0.00"),
            (96_000, "$0.096"),
            (1_500_000, "$1.50"),
            (1, "$0.000001"),
            (7_000_000, "$7.00"),
        ] {
            assert_eq!(Micros(micros).dollars(), text);
        }
    }

    #[test]
    fn cost_over_time_rounds_up() {
        assert_eq!(Micros(3_600_000).over(Millis(1)), Micros(1));
        assert_eq!(Micros(1).over(Millis(1)), Micros(1));
        assert_eq!(Micros(u64::MAX).over(Millis(u64::MAX)), Micros(u64::MAX));
    }
}
