//! Time since the proxy began, in milliseconds. It runs with the machine's clock, or stands still and
//! goes on only when it is told to, so that tests need not wait and cannot be late.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

pub(crate) struct Clock {
    began: Instant,
    held: bool,
    ahead: AtomicU64,
}

impl Clock {
    pub(crate) fn new(held: bool) -> Clock {
        Clock { began: Instant::now(), held, ahead: AtomicU64::new(0) }
    }

    pub(crate) fn now_ms(&self) -> u64 {
        let passed = if self.held { 0 } else { self.began.elapsed().as_millis() };
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        passed.saturating_add(self.ahead.load(Ordering::SeqCst))
    }

    pub(crate) fn advance(&self, ms: u64) {
        self.ahead.fetch_add(ms, Ordering::SeqCst);
    }
}
