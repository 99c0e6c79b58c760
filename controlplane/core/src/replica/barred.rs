//! Who may not lead, though he follows: whoever cannot tell an instance from a forger.

use super::Replica;
use smol_str::SmolStr;

/// Why a replica does not lead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Barred {
    /// It has no secret.
    #[error(
        "this controller does not lead: instances of this cluster prove themselves by a secret, and it has none; start it with --ec2 and --key"
    )]
    NoKey,
    /// It has another one.
    #[error(
        "this controller does not lead: its secret is known by {own}, and instances of this cluster prove themselves by the one known by {log}; start it with that in --key"
    )]
    OtherKey {
        /// What the log says.
        log: SmolStr,
        /// What is so of its own.
        own: SmolStr,
    },
}

impl Replica {
    /// Why it neither stands for election nor challenges who leads, if it does not.
    #[must_use]
    pub fn barred(&self) -> Option<Barred> {
        let log = self.state.head.fingerprint.clone()?;
        match self.fingerprint() {
            None => Some(Barred::NoKey),
            Some(own) => (own != log).then_some(Barred::OtherKey { log, own }),
        }
    }

    /// What its secret is known by.
    pub(super) fn fingerprint(&self) -> Option<SmolStr> {
        self.key.as_ref().map(|key| key.fingerprint(&self.me.cluster))
    }
}
