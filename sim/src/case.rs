//! A case: a seed, and what of it; and what came of it.

use crate::coverage::Coverage;
use crate::crash::{After, Crash};
use crate::faults::Hit;
use crate::scenario::{Scenario, Work};
use crate::world::World;
use std::collections::BTreeSet;

/// One history to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Case {
    /// Everything follows from it.
    pub seed: u64,
    /// A thousand requests at once, of twenty drivers, instead of what the seed draws.
    pub crowd: bool,
    /// Given numbers instead of what the seed draws.
    pub scenario: Option<Scenario>,
    /// What goes wrong, if not what the seed draws.
    pub only: Option<BTreeSet<Hit>>,
    /// Somebody who dies at this point, once.
    pub crash: Option<Crash>,
}

/// What came of a case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Everything that must not be; empty if the system is sound.
    pub found: Vec<String>,
    /// Records on the log.
    pub records: u64,
    /// Turns that were taken.
    pub steps: u64,
    /// Most agents that were up at once.
    pub agents: usize,
    /// Virtual time until all was quiet, in milliseconds.
    pub took: u64,
    /// What was exercised.
    pub coverage: Coverage,
    /// What went wrong, in order, each with its virtual time in milliseconds.
    pub hits: Vec<(Hit, u64)>,
    /// The digest of the final state.
    pub digest: String,
    /// BLAKE3 of the whole log: subjects, payloads and times.
    pub bytes: String,
    /// The last records, as lines, if something was found.
    pub story: Vec<String>,
    /// What came of the work of a scenario.
    pub work: Work,
    /// What the crash that was asked for has interrupted, and what followed, if it came to that.
    pub after: Option<After>,
}

impl Case {
    /// All that a seed draws.
    #[must_use]
    pub fn of(seed: u64) -> Case {
        Case { seed, ..Case::default() }
    }

    /// Lets it happen. The same case gives the same report. A panic is something that must not be.
    #[must_use]
    pub fn run(&self) -> Report {
        let ran = std::panic::catch_unwind(|| World::new(self).run(self));
        ran.unwrap_or_else(|_| {
            let found = vec!["something panicked, as stderr says".to_owned()];
            Report { seed: self.seed, found, ..Report::default() }
        })
    }
}
