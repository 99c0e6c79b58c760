//! The pace of calls, kept by this process's clock.

use crate::lock;
use controlplane_core::Moment;
use ec2_core::bucket::Call;
use ec2_core::pace::Pace as Core;
use schema::unit::Millis;
use std::sync::Mutex;
use std::time::Instant;

/// Longest wait of a call for its turn. It leaves time enough of what shows the leader that it leads.
pub const PATIENCE: Millis = Millis(1000);

/// By how much longer than it must a call waits: those before it may have been longer on their way, and
/// EC2 counts when they come.
const MARGIN: Millis = Millis(100);

/// When calls may be made.
pub(crate) struct Pace {
    began: Instant,
    core: Mutex<Core>,
}

impl Pace {
    pub(crate) fn new() -> Pace {
        Pace { began: Instant::now(), core: Mutex::new(Core::new(Moment(0))) }
    }

    /// The moment that it is, by this clock.
    pub(crate) fn now(&self) -> Moment {
        Moment(Millis::of(self.began.elapsed()).0)
    }

    /// Waits for this call's turn.
    ///
    /// # Errors
    /// How long it would have to wait beyond what it has waited; then the call is not to be made.
    pub(crate) async fn turn(&self, call: Call) -> Result<(), Millis> {
        let until = self.now() + PATIENCE;
        loop {
            let now = self.now();
            let taken = lock(&self.core).take(now, call);
            let wait = match taken {
                Ok(()) => return Ok(()),
                Err(wait) if now + wait > until => return Err(wait),
                Err(wait) => wait,
            };
            tokio::time::sleep(wait.duration() + MARGIN.duration()).await;
        }
    }

    /// EC2 throttled this call.
    pub(crate) fn throttled(&self, call: Call) {
        lock(&self.core).throttled(self.now(), call);
    }

    /// EC2 answered this call otherwise.
    pub(crate) fn answered(&self, call: Call) {
        lock(&self.core).answered(self.now(), call);
    }
}
