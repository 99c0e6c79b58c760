//! Why an instance is not trusted.

use crate::unit::LogTime;
use serde::{Deserialize, Serialize};

/// Why it is not taken as proved that somebody is the agent of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum DistrustWhy {
    /// He shows no proof.
    Unproven,
    /// His proof is not by the credential of that launch, or is of another instance or another life, or
    /// something that he says was changed since. Nobody can tell which without the key that made it.
    Forged,
    /// His credential is genuine, and of another attempt.
    OtherAttempt {
        /// That attempt.
        shown: u32,
        /// The one that the instance would be of.
        made: u32,
    },
    /// His credential is genuine, and he came too late: by it nobody joins any more.
    Expired {
        /// Until when one could.
        joins_until: LogTime,
        /// When he came.
        came: LogTime,
    },
    /// His credential is genuine, and the cloud's answer for that launch has no such instance.
    Stranger,
    /// Written by a newer version.
    #[serde(other)]
    Unknown,
}
