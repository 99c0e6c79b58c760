//! What an error of EC2 means: its class, what rests because of it and for how long, and what the leader
//! does. Every code that is known stands in one table; others are judged by their HTTP status.
//!
//! ```text
//! code, message, status ──▶ Class + Rests + rest ──▶ another attempt | the same token again
//!                                                    | stop and say so | look whether it was made
//! ```

use controlplane_core::cloud::LaunchAnswer;
use schema::requirements::Market;
use schema::unit::Millis;
use schema::why::RefusalClass;
use smol_str::SmolStr;

mod ended;
mod group;
mod table;

pub use ended::{Ended, ended};
pub use group::{QuotaGroup, group};
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

/// How far an error reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// This type in this zone on this market.
    Offering,
    /// This type in this zone.
    TypeInZone,
    /// This subnet.
    Subnet,
    /// The quota group of the type, on this market.
    Group,
    /// Whatever is launched.
    Account,
}

/// Where an attempt was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Instance type.
    pub kind: SmolStr,
    /// Zone.
    pub zone: SmolStr,
    /// Market.
    pub market: Market,
    /// Subnet.
    pub subnet: SmolStr,
}

/// What is not tried for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rests {
    /// A type in a zone on a market.
    Offering(SmolStr, SmolStr, Market),
    /// A type in a zone.
    TypeInZone(SmolStr, SmolStr),
    /// A subnet.
    Subnet(SmolStr),
    /// A quota group.
    Group(QuotaGroup),
    /// All launches.
    Account,
}

impl Rests {
    /// Whether an attempt there has to wait as well.
    #[must_use]
    pub fn covers(&self, place: &Place) -> bool {
        match self {
            Rests::Offering(kind, zone, market) => {
                *kind == place.kind && *zone == place.zone && *market == place.market
            }
            Rests::TypeInZone(kind, zone) => *kind == place.kind && *zone == place.zone,
            Rests::Subnet(subnet) => *subnet == place.subnet,
            Rests::Group(resting) => *resting == group(&place.kind, place.market),
            Rests::Account => true,
        }
    }
}

/// What the leader does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Nothing was made: end the attempt, let this rest, try another one.
    NewAttempt {
        /// What rests.
        rests: Rests,
        /// For how long, the first time.
        rest: Millis,
    },
    /// Send the same request under the same token again, after a while that grows.
    SameToken,
    /// Nothing was made, and nothing will be until a person has changed something: say so.
    Stop {
        /// What rests.
        rests: Rests,
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

/// What an error means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Its class.
    pub class: Class,
    /// What to do.
    pub action: Action,
}

/// What this error of an attempt there means.
#[must_use]
pub fn judge(failure: &Failure<'_>, place: &Place) -> Verdict {
    let (class, scope, rest) = classify(failure);
    let rest = Millis::from_secs(rest);
    let rests = rests(scope, place);
    let action = match class {
        Class::Capacity | Class::Quota => Action::NewAttempt { rests, rest },
        Class::Throttle | Class::Transient => Action::SameToken,
        Class::Configuration | Class::Authorisation => Action::Stop { rests, rest },
        Class::Mismatch => Action::Reconcile,
    };
    Verdict { class, action }
}

fn rests(scope: Scope, place: &Place) -> Rests {
    let Place { kind, zone, market, subnet } = place.clone();
    match scope {
        Scope::Offering => Rests::Offering(kind, zone, market),
        Scope::TypeInZone => Rests::TypeInZone(kind, zone),
        Scope::Subnet => Rests::Subnet(subnet),
        Scope::Group => Rests::Group(group(&kind, market)),
        Scope::Account => Rests::Account,
    }
}

fn classify(failure: &Failure<'_>) -> (Class, Scope, u64) {
    let code = failure.code.map(bare).unwrap_or_default();
    if code.contains("InvalidParameter") {
        let message = failure.message.to_ascii_lowercase();
        // EC2 says of a full subnet, at times, that a parameter is not valid.
        if ["sufficient free ipv4", "sufficient free ipv6"]
            .iter()
            .any(|full| message.contains(full))
        {
            return (Class::Capacity, Scope::Subnet, 60);
        }
        if message.contains(" subnet ") {
            return (Class::Configuration, Scope::Subnet, 600);
        }
    }
    if let Some((_, class, scope, rest)) = CODES.iter().find(|(known, ..)| table::fits(known, code))
    {
        return (*class, *scope, *rest);
    }
    match failure.status {
        // A limit that nobody here has heard of is a limit all the same.
        _ if code.ends_with("LimitExceeded") => (Class::Quota, Scope::Account, 60),
        Some(429) => (Class::Throttle, Scope::Account, 0),
        Some(408) | None => (Class::Transient, Scope::Account, 0),
        Some(401 | 403) => (Class::Authorisation, Scope::Account, 600),
        Some(400..=499) => (Class::Configuration, Scope::Account, 600),
        Some(_) => (Class::Transient, Scope::Account, 0),
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
pub fn known(code: &str) -> Option<(Class, Scope)> {
    let found = CODES.iter().find(|(known, ..)| table::fits(known, bare(code)));
    found.map(|(_, class, scope, _)| (*class, *scope))
}

impl Verdict {
    /// Whether another subnet may do what this one does not.
    #[must_use]
    pub fn is_of_the_subnet(&self) -> bool {
        match &self.action {
            Action::NewAttempt { rests, .. } | Action::Stop { rests, .. } => match rests {
                Rests::Offering(..) | Rests::TypeInZone(..) | Rests::Subnet(_) => true,
                Rests::Group(_) | Rests::Account => false,
            },
            Action::SameToken | Action::Reconcile => false,
        }
    }

    /// As the controller takes it: a definite refusal, or an answer that is not known yet.
    #[must_use]
    pub fn answer(&self, failure: &Failure<'_>) -> LaunchAnswer {
        let message = match failure.code {
            Some(code) => format!("{code}: {}", failure.message),
            None => failure.message.to_owned(),
        };
        match &self.action {
            Action::NewAttempt { rest, .. } | Action::Stop { rest, .. } => {
                let class = match self.class {
                    Class::Capacity => RefusalClass::Capacity,
                    Class::Quota => RefusalClass::Quota,
                    Class::Throttle
                    | Class::Configuration
                    | Class::Authorisation
                    | Class::Transient
                    | Class::Mismatch => RefusalClass::Configuration,
                };
                LaunchAnswer::Refused { class, message, back_off: *rest }
            }
            Action::SameToken | Action::Reconcile => LaunchAnswer::Unknown(message),
        }
    }
}
