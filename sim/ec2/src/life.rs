//! What becomes of an instance that was launched through the proxy, and what EC2 shows of it: pure.
//!
//! hidden -> pending -> alive (as moto says) -> shutting-down -> terminated -> forgotten

use serde::{Deserialize, Serialize};

/// Longer than any test.
pub const FOREVER: u64 = u64::MAX;
/// How long EC2 shows what has terminated: about an hour.
const LINGER_MS: u64 = 3_600_000;

/// What is to become of the instances of a launch. Times are in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fate {
    /// For how long after the launch other calls do not know it, though it runs.
    pub hidden_ms: u64,
    /// For how long after the launch it is pending; [`FOREVER`] for one that never runs.
    pub pending_ms: u64,
    /// For how long it is shutting down; [`FOREVER`] for one that never gets there.
    pub closing_ms: u64,
    /// For how long it is shown once it has terminated.
    pub linger_ms: u64,
    /// How it ends by itself.
    pub death: Option<Death>,
}

impl Default for Fate {
    fn default() -> Fate {
        Fate { hidden_ms: 0, pending_ms: 0, closing_ms: 0, linger_ms: LINGER_MS, death: None }
    }
}

/// An end that nobody asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Death {
    /// Milliseconds after the launch, or after the order to die.
    #[serde(default)]
    pub after_ms: u64,
    /// The code of its state reason, such as `Server.SpotInstanceTermination`.
    pub code: String,
    /// The message beside it; one made from the code if there is none.
    #[serde(default)]
    pub message: Option<String>,
    /// Nobody knows it from then on: no state, no reason.
    #[serde(default)]
    pub vanishes: bool,
}

impl Death {
    /// One with this state reason, after so many milliseconds.
    #[must_use]
    pub fn new(code: &str, after_ms: u64) -> Death {
        Death { after_ms, code: code.to_owned(), message: None, vanishes: false }
    }

    /// EC2 takes a spot instance back.
    #[must_use]
    pub fn interruption(after_ms: u64) -> Death {
        Death::new("Server.SpotInstanceTermination", after_ms)
    }
}

#[derive(Clone, Debug)]
struct End {
    at_ms: u64,
    reason: Reason,
    vanishes: bool,
}

/// A state reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reason {
    pub(crate) code: String,
    pub(crate) message: String,
}

impl Reason {
    pub(crate) fn new(code: &str, message: Option<&str>) -> Reason {
        let told = || match code {
            "Client.UserInitiatedShutdown" => "User initiated shutdown".to_owned(),
            "Client.InstanceInitiatedShutdown" => "Instance initiated shutdown".to_owned(),
            "Server.SpotInstanceTermination" => "Spot instance termination".to_owned(),
            "Server.InsufficientInstanceCapacity" => {
                "Insufficient capacity to launch instance".to_owned()
            }
            other => other.to_owned(),
        };
        let message = message.map_or_else(told, str::to_owned);
        Reason { code: code.to_owned(), message: format!("{code}: {message}") }
    }
}

/// One instance from its launch on.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    pub(crate) region: String,
    launched_ms: u64,
    fate: Fate,
    end: Option<End>,
    /// Moto has been told of its end.
    pub(crate) settled: bool,
}

/// What EC2 shows of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Unknown,
    Pending,
    /// Whatever moto says, but that it has ended.
    Alive,
    ShuttingDown(Reason),
    Terminated(Reason),
}

impl Life {
    pub(crate) fn new(region: &str, fate: Fate, now_ms: u64) -> Life {
        let region = region.to_owned();
        let death = fate.death.clone();
        let mut life = Life { region, launched_ms: now_ms, fate, end: None, settled: false };
        if let Some(death) = death {
            life.die(&death, now_ms);
        }
        life
    }

    /// Lets it end; the earlier of two ends counts.
    pub(crate) fn die(&mut self, death: &Death, now_ms: u64) {
        let at_ms = now_ms.saturating_add(death.after_ms);
        if self.end.as_ref().is_none_or(|end| at_ms < end.at_ms) {
            let reason = Reason::new(&death.code, death.message.as_deref());
            self.end = Some(End { at_ms, reason, vanishes: death.vanishes });
        }
    }

    /// Whether it has ended by itself, and moto has not been told.
    pub(crate) fn is_due(&self, now_ms: u64) -> bool {
        !self.settled && self.end.as_ref().is_some_and(|end| end.at_ms <= now_ms)
    }

    /// As it was at a time, which may have passed.
    pub(crate) fn seen(&self, at_ms: u64) -> Seen {
        let since_launch = at_ms.checked_sub(self.launched_ms);
        if since_launch.is_none_or(|since| since < self.fate.hidden_ms) {
            return Seen::Unknown;
        }
        self.known(at_ms)
    }

    /// The same for one who has just launched it, from whom nothing is hidden or forgotten.
    pub(crate) fn known(&self, at_ms: u64) -> Seen {
        let ended = self.end.as_ref().filter(|end| end.at_ms <= at_ms);
        let Some(end) = ended else {
            let pending = at_ms.saturating_sub(self.launched_ms) < self.fate.pending_ms;
            return if pending { Seen::Pending } else { Seen::Alive };
        };
        let closed = end.at_ms.saturating_add(self.fate.closing_ms);
        let forgotten = closed.saturating_add(self.fate.linger_ms);
        if end.vanishes || at_ms >= forgotten {
            Seen::Unknown
        } else if at_ms < closed {
            Seen::ShuttingDown(end.reason.clone())
        } else {
            Seen::Terminated(end.reason.clone())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Death, FOREVER, Fate, Life, Reason, Seen};

    #[test]
    fn it_goes_from_hidden_to_forgotten() {
        let death = Some(Death::new("Server.InternalError", 50));
        let fate = Fate { hidden_ms: 10, pending_ms: 20, closing_ms: 5, linger_ms: 5, death };
        let life = Life::new("r", fate, 100);
        let reason = Reason::new("Server.InternalError", None);
        let expected = [
            (99, Seen::Unknown),
            (109, Seen::Unknown),
            (110, Seen::Pending),
            (119, Seen::Pending),
            (120, Seen::Alive),
            (149, Seen::Alive),
            (150, Seen::ShuttingDown(reason.clone())),
            (155, Seen::Terminated(reason)),
            (160, Seen::Unknown),
        ];
        for (at_ms, seen) in expected {
            assert_eq!(life.seen(at_ms), seen, "at {at_ms}");
        }
        assert!(!life.is_due(149) && life.is_due(150));
    }

    #[test]
    fn the_earlier_end_counts() {
        let mut life = Life::new("r", Fate { pending_ms: FOREVER, ..Fate::default() }, 0);
        life.die(&Death::interruption(50), 0);
        life.die(&Death::new("Client.UserInitiatedShutdown", 0), 20);
        life.die(&Death::interruption(0), 30);
        let reason = Reason::new("Client.UserInitiatedShutdown", None);
        assert_eq!(life.seen(60), Seen::Terminated(reason));
        assert_eq!(life.seen(19), Seen::Pending);
    }
}
