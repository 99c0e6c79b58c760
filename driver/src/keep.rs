//! The background of a driver: following the log, and keeping its allocs alive.

use crate::driver::DriverError;
use crate::shared::Shared;
use replay::log::Reader;
use schema::event::AllocsKept;
use schema::unit::Millis;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long one read waits; what is due by the clock is looked at as often.
pub(crate) const TICK: Duration = Duration::from_millis(100);
/// Least pause between two keepalives.
const LEAST_PAUSE: Duration = Duration::from_millis(10);
/// Most allocs that one record keeps: what fits into one record of the log.
const MOST: usize = 30_000;

/// Follows the log and keeps allocs alive until it cannot go on.
pub(crate) async fn follow(shared: Arc<Shared>, mut reader: Box<dyn Reader>) {
    let why = tokio::select! {
        why = read_on(&shared, &mut *reader) => why,
        why = keep(&shared) => why,
    };
    tracing::warn!(driver = %shared.driver, error = %why, "a driver cannot go on");
    shared.fail(why);
}

async fn read_on(shared: &Shared, reader: &mut dyn Reader) -> DriverError {
    loop {
        if let Err(why) = shared.read(reader, TICK).await {
            return why;
        }
    }
}

/// Keeps all allocs alive with one record at a time, at once for those of an earlier life. The author
/// sends a record again for as long as it takes, so there is never more than one under way.
async fn keep(shared: &Shared) -> DriverError {
    let mut shortest = shared.shortest.subscribe();
    let mut last = Instant::now();
    let mut due = last;
    loop {
        tokio::select! {
            () = tokio::time::sleep_until(due) => {
                if let Err(why) = keep_once(shared).await {
                    return why;
                }
                last = Instant::now();
            }
            // A grant may be for less than was asked for.
            _ = shortest.changed() => {}
        }
        due = last + pause(shared.lease, *shortest.borrow_and_update());
    }
}

/// A third of the shortest lease: two keepalives may go astray.
fn pause(asked: Millis, shortest: Option<Millis>) -> Duration {
    let lease = shortest.unwrap_or(asked).min(asked);
    (lease.duration() / 3).max(LEAST_PAUSE)
}

async fn keep_once(shared: &Shared) -> Result<(), DriverError> {
    let held = shared.look(|view| view.held().0);
    for allocs in held.chunks(MOST) {
        let (driver, interval) = (shared.driver.clone(), shared.lease);
        shared.write(AllocsKept { driver, allocs: allocs.to_vec(), interval }).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keepalive_is_due_after_a_third_of_the_shortest_lease() {
        let minutes = |count: u64| Millis::from_secs(60 * count);
        assert_eq!(pause(minutes(2), None), Duration::from_secs(40));
        assert_eq!(pause(minutes(30), Some(minutes(5))), Duration::from_secs(100));
        assert_eq!(pause(minutes(2), Some(minutes(5))), Duration::from_secs(40));
        assert_eq!(pause(Millis(0), None), LEAST_PAUSE);
    }
}
