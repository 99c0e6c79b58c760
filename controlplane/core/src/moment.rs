//! One process's monotonic clock, as data.

use schema::unit::Millis;
use std::ops::Add;

/// A moment on one process's monotonic clock, in milliseconds since that clock began. Moments of two
/// processes cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Moment(pub u64);

impl Moment {
    /// How much time has passed since an earlier moment; zero if it is later.
    #[must_use]
    pub fn since(self, earlier: Moment) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Millis> for Moment {
    type Output = Moment;

    fn add(self, length: Millis) -> Moment {
        Moment(self.0.saturating_add(length.0))
    }
}
