//! Clocks that run a little faster or slower than the log's.

/// One that is fast by so many thousandths, or slow.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Clock {
    fast: i64,
}

impl Clock {
    /// Fast by so many thousandths; slow, if that is less than nothing.
    pub(crate) fn fast(fast: i64) -> Clock {
        Clock { fast }
    }

    /// What it shows, in milliseconds.
    pub(crate) fn at(self, now: u64) -> u64 {
        now.saturating_add_signed(i64::try_from(now).unwrap_or(0) * self.fast / 1000)
    }

    /// How much longer such a time takes by the log's clock than by this one.
    pub(crate) fn slow_by(self, length: u64) -> u64 {
        let slow = self.fast.min(0).unsigned_abs();
        length * slow / (1000 - slow)
    }

    /// How much sooner such a time is over by this clock than by the log's.
    pub(crate) fn early_by(self, length: u64) -> u64 {
        let fast = self.fast.max(0).unsigned_abs();
        length * fast / (1000 + fast)
    }
}
