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

#[cfg(test)]
mod tests {
    use super::*;
    use schema::unit::Millis;
    use std::sync::{Arc, Mutex};
    use tracing::span::{Attributes, Id, Record};
    use tracing::subscriber::with_default;
    use tracing::{Event, Level, Metadata, Subscriber};

    /// Writes down how loud what is said is.
    #[derive(Clone, Default)]
    struct Heard(Arc<Mutex<Vec<Level>>>);

    impl Subscriber for Heard {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, event: &Event<'_>) {
            self.0.lock().unwrap().push(*event.metadata().level());
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn what_is_not_told_is_said_once_and_that_it_is_told_again() {
        let (heard, told) = (Heard::default(), Told::default());
        with_default(heard.clone(), || {
            let not = || Err::<(), _>(ApiError::NotYet(Millis(1)));
            for asked in [Ok(()), not(), not(), not(), Ok(()), Ok(()), not()] {
                told.heard("prices", "the catalogue goes on", &asked);
            }
        });
        let loud: Vec<Level> = heard.0.lock().unwrap().clone();
        assert_eq!(loud, [Level::WARN, Level::DEBUG, Level::DEBUG, Level::INFO, Level::WARN]);
    }
}
