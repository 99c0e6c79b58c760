//! The background of a driver: following the log, and keeping its allocs alive.

use crate::driver::DriverError;
use crate::shared::Shared;
use replay::log::Reader;
use std::sync::Arc;
use std::time::Duration;

/// How long one read waits; what is due by the clock is looked at as often.
pub(crate) const TICK: Duration = Duration::from_millis(100);

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

/// Keeps all allocs alive.
async fn keep(shared: &Shared) -> DriverError {
    let mut due = shared.due.subscribe();
    loop {
        let at = *due.borrow_and_update();
        tokio::select! {
            () = shared.clock.reaches(at) => {
                if let Err(why) = keep_once(shared).await {
                    return why;
                }
            }
            // A grant may be for less than was asked for.
            _ = due.changed() => {}
        }
    }
}

async fn keep_once(shared: &Shared) -> Result<(), DriverError> {
    let records = shared.keepalive();
    if records.is_empty() {
        return Ok(());
    }
    for kept in records {
        shared.write(kept).await?;
    }
    shared.kept();
    Ok(())
}
