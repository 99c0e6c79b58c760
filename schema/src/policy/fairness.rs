//! How what several want is shared between them.

use crate::unit::Millis;
use serde::{Deserialize, Serialize};

/// How what several want is shared between them: higher priority first, then whoever holds least for its
/// weight (dominant resource fairness, Ghodsi et al., NSDI 2011), then whoever asked first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fairness {
    /// Who has waited this long counts as one step of priority higher, twice as long two, up to the
    /// highest that anybody waits with; and room is kept free for it where nothing can be launched for
    /// it. Zero: never.
    pub aging: Millis,
}

impl Default for Fairness {
    fn default() -> Fairness {
        Fairness { aging: Millis::from_secs(600) }
    }
}
