//! What EC2 tells, as a rule: that it does not is said once, and once that it does again.

use crate::error::ApiError;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether something could not be had the last time.
#[derive(Default)]
pub(crate) struct Told {
    not: AtomicBool,
}

impl Told {
    /// Takes in what came of asking for `what`, a plural; `without` is how it goes on without.
    pub(crate) fn heard<T>(&self, what: &str, without: &str, asked: &Result<T, ApiError>) {
        let before = self.not.swap(asked.is_err(), Ordering::Relaxed);
        match asked {
            Ok(_) if before => tracing::info!("{what} are told again"),
            Ok(_) => {}
            Err(error) if before => tracing::debug!(%error, "{what} are still not told"),
            Err(error) => tracing::warn!(%error, "{what} are not told: {without}"),
        }
    }
}
