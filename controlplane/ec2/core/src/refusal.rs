//! What an error of EC2 means: its class, what rests because of it and for how long, and what the leader
//! does. Every code that is known stands in one table; others are judged by their HTTP status.
//!
//! ```text
//! code, message, status ──▶ Class + scope + rest ──▶ another attempt | the same token again
//!                                                    | stop and say so | look whether it was made
//! ```

use controlplane_core::cloud::{Doubt, LaunchAnswer};
use schema::unit::Millis;
use schema::why::{DoubtClass, RefusalClass, RefusalScope};
use std::fmt;

mod ended;
mod table;

pub use ended::{Ended, ended};
pub use table::CODES;

/// What kind of error it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// There is no capacity for this; elsewhere there may be.
    Capacity,
    /// A quota of the account is used up.
    Quota,
    /// Too many calls. Nothing was done.
    Throttle,
    /// The request can never work as it is.
    Configuration,
    /// The leader may not do this.
    Authorisation,
    /// Nobody knows whether something was done.
    Transient,
    /// The token was used for a request that was not the same: by other settings or another build.
    Mismatch,
}

/// What the leader does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Nothing was made: end the attempt, let this rest, try another one.
    NewAttempt {
        /// What rests.
        scope: RefusalScope,
        /// For how long, the first time.
        rest: Millis,
    },
    /// Send the same request under the same token again, after a while that grows.
    SameToken,
    /// Nothing was made, and nothing will be until a person has changed something: say so.
    Stop {
        /// What rests.
        scope: RefusalScope,
        /// For how long, before it is tried again.
        rest: Millis,
    },
    /// Never send it again: look by token and by tag whether instances were made.
    Reconcile,
}

/// An error as EC2 gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure<'a> {
    /// Its code, if there was one.
    pub code: Option<&'a str>,
    /// Its message.
    pub message: &'a str,
    /// The HTTP status, if there was an answer.
    pub status: Option<u16>,
}

impl fmt::Display for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.code.map_or(Ok(()), |code| write!(f, "{code}: "))?;
        f.write_str(self.message)
    }
}

/// What an error means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Its class.
    pub class: Class,
    /// What to do.
    pub action: Action,
}

/// What this error of an attempt means.
#[must_use]
pub fn judge(failure: &Failure<'_>) -> Verdict {
    let (class, scope, rest) = classify(failure);
    let rest = Millis::from_secs(rest);
    let action = match class {
        Class::Capacity | Class::Quota => Action::NewAttempt { scope, rest },
        Class::Throttle | Class::Transient => Action::SameToken,
        Class::Configuration | Class::Authorisation => Action::Stop { scope, rest },
        Class::Mismatch => Action::Reconcile,
    };
    Verdict { class, action }
}

fn classify(failure: &Failure<'_>) -> (Class, RefusalScope, u64) {
    let code = failure.code.map(bare).unwrap_or_default();
    if code.contains("InvalidParameter") {
        let message = failure.message.to_ascii_lowercase();
        // EC2 says of a full subnet, at times, that a parameter is not valid.
        if ["sufficient free ipv4", "sufficient free ipv6"]
            .iter()
            .any(|full| message.contains(full))
        {
            return (Class::Capacity, RefusalScope::Zone, 60);
        }
        if message.contains(" subnet ") {
            return (Class::Configuration, RefusalScope::Zone, 600);
        }
    }
    if let Some((_, class, scope, rest)) = CODES.iter().find(|(known, ..)| table::fits(known, code))
    {
        return (*class, *scope, *rest);
    }
    match failure.status {
        // A limit that nobody here has heard of is a limit all the same.
        _ if code.ends_with("LimitExceeded") => (Class::Quota, RefusalScope::Account, 60),
        Some(429) => (Class::Throttle, RefusalScope::Account, 0),
        Some(408) | None => (Class::Transient, RefusalScope::Account, 0),
        Some(401 | 403) => (Class::Authorisation, RefusalScope::Account, 600),
        Some(400..=499) => (Class::Configuration, RefusalScope::Account, 600),
        Some(_) => (Class::Transient, RefusalScope::Account, 0),
    }
}

/// A code without who is to blame for it: some tools put that before it.
#[must_use]
pub fn bare(code: &str) -> &str {
    let stripped = code.strip_prefix("Client.").or_else(|| code.strip_prefix("Server."));
    stripped.unwrap_or(code)
}

/// What a code means of an attempt, whatever its message; none if it is not in the table.
#[must_use]
pub fn known(code: &str) -> Option<(Class, RefusalScope)> {
    let found = CODES.iter().find(|(known, ..)| table::fits(known, bare(code)));
    found.map(|(_, class, scope, _)| (*class, *scope))
}

/// What kind of doubt an error leaves that says nothing of what was made.
#[must_use]
pub fn doubt(failure: &Failure<'_>) -> DoubtClass {
    match judge(failure).class {
        Class::Authorisation => DoubtClass::Forbidden,
        Class::Capacity
        | Class::Quota
        | Class::Throttle
        | Class::Configuration
        | Class::Transient
        | Class::Mismatch => match failure.status {
            Some(_) => DoubtClass::Failed,
            None => DoubtClass::NoAnswer,
        },
    }
}

impl Verdict {
    /// Whether another zone may do what this one does not.
    #[must_use]
    pub fn is_of_the_zone(&self) -> bool {
        match &self.action {
            Action::NewAttempt { scope, .. } | Action::Stop { scope, .. } => match scope {
                RefusalScope::Offering | RefusalScope::TypeInZone | RefusalScope::Zone => true,
                RefusalScope::QuotaGroup | RefusalScope::Account | RefusalScope::Unknown => false,
            },
            Action::SameToken | Action::Reconcile => false,
        }
    }

    /// As the controller takes it: a definite refusal, or an answer that is not known yet.
    #[must_use]
    pub fn answer(&self, failure: &Failure<'_>) -> LaunchAnswer {
        let message = failure.to_string();
        match &self.action {
            Action::NewAttempt { scope, rest } | Action::Stop { scope, rest } => {
                let class = match self.class {
                    Class::Capacity => RefusalClass::Capacity,
                    Class::Quota => RefusalClass::Quota,
                    Class::Authorisation => RefusalClass::Authorisation,
                    Class::Throttle | Class::Configuration | Class::Transient | Class::Mismatch => {
                        RefusalClass::Configuration
                    }
                };
                LaunchAnswer::Refused { class, message, scope: *scope, back_off: *rest }
            }
            // Nothing was done.
            Action::SameToken if self.class == Class::Throttle => LaunchAnswer::NotYet(message),
            Action::SameToken | Action::Reconcile => {
                LaunchAnswer::Unknown(Doubt { class: doubt(failure), message })
            }
        }
    }
}
