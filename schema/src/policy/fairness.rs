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
    /// Whether who waits may have what others hold.
    #[serde(skip_serializing_if = "Preemption::is_never")]
    pub preemption: Preemption,
    /// How long before it is taken back that is told to who holds it.
    #[serde(skip_serializing_if = "is_usual")]
    pub notice: Millis,
}

/// As long as most programs are given to stop (Kubernetes gives 30 s, Slurm's default is its site's).
const NOTICE: Millis = Millis::from_secs(30);

fn is_usual(notice: &Millis) -> bool {
    *notice == NOTICE
}

/// Whether who waits may have what others hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preemption {
    /// What is held is held.
    #[default]
    Never,
    /// What was asked for with a lower priority is taken back where nothing can be launched, after notice.
    /// How long somebody has waited does not count: nobody loses to who would lose to him in turn.
    Lower,
}

impl Preemption {
    fn is_never(&self) -> bool {
        *self == Preemption::Never
    }
}

impl Default for Fairness {
    fn default() -> Fairness {
        Fairness { aging: Millis::from_secs(600), preemption: Preemption::Never, notice: NOTICE }
    }
}
