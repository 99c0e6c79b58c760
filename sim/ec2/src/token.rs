//! Client tokens of launches: what a token was first used for, and what came of it.

use crate::request::Parameters;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A token counts within a zone if a zone or a subnet is asked for, else within the region.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) token: String,
    pub(crate) region: String,
    pub(crate) zone: Option<String>,
}

/// What a token stands for.
#[derive(Default)]
pub(crate) struct Bound {
    /// As they were when it was first used for a launch, even if nothing came of that.
    pub(crate) parameters: Option<Parameters>,
    /// The instances, once there are any.
    pub(crate) launched: Option<Vec<String>>,
}

/// Each with a lock of its own: who uses one that is in use waits.
#[derive(Default)]
pub(crate) struct Tokens(Mutex<BTreeMap<Key, Arc<tokio::sync::Mutex<Bound>>>>);

impl Tokens {
    pub(crate) fn of(&self, key: Key) -> Arc<tokio::sync::Mutex<Bound>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(key).or_default().clone()
    }
}
