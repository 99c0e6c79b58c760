//! A history whose numbers are given and not drawn: work that has to be done, a fleet to do it with, and
//! what goes wrong. Where it goes wrong is still up to the seed.

use crate::faults::Fault;
use schema::policy::Policy;
use schema::resources::Resources;

/// Something that has to be run once to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// What it needs.
    pub needs: Resources,
    /// Higher goes first.
    pub priority: i32,
    /// How long it runs, in milliseconds.
    pub length: u64,
}

/// What an instance may suffer from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ailment {
    /// Nothing.
    None,
    /// It never boots.
    Stillborn,
    /// Its agent is cut off from all, for good, at most so many milliseconds after it has booted.
    FallsSilent(u64),
    /// Its agent says that it stops, at most so many milliseconds after it has booted.
    Stops(u64),
}

/// A history with given numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// What has to be done, shared out to the drivers in turn.
    pub jobs: Vec<Job>,
    /// How many drivers there are.
    pub drivers: u64,
    /// What is allowed.
    pub policy: Policy,
    /// What goes wrong, in thousandths of the opportunities, and nothing else.
    pub faults: Vec<(Fault, u64)>,
    /// For how long, in milliseconds.
    pub until: u64,
    /// How many of a thousand runs of a job end with a failure.
    pub crashes: u64,
    /// The cloud has room for no more instances than this.
    pub quota: Option<usize>,
    /// What each instance suffers from, in the order in which they are made, again and again.
    pub ailments: Vec<Ailment>,
    /// A type of which there is never any.
    pub never: Option<String>,
    /// A type of which nothing boots before this time, in milliseconds.
    pub late: Option<(String, u64)>,
    /// When each instance that is there vanishes, or not, at even odds; in milliseconds.
    pub halved: Option<u64>,
}

/// What came of the work.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Work {
    /// How often each job came to its end, as the log says.
    pub ends: Vec<u32>,
    /// How many instances there were when each of them vanished or not, and how many did.
    pub halved: (usize, usize),
    /// Execs that were running on those that vanished.
    pub struck: usize,
    /// Execs that were lost with their instance.
    pub lost: usize,
    /// Launches that were refused, by the cloud's class.
    pub refused: usize,
}

impl Scenario {
    /// A fleet on which nothing goes wrong.
    #[must_use]
    pub fn of(jobs: Vec<Job>, policy: Policy) -> Scenario {
        Scenario {
            jobs,
            drivers: 1,
            policy,
            faults: Vec::new(),
            until: 40_000,
            crashes: 0,
            quota: None,
            ailments: Vec::new(),
            never: None,
            late: None,
            halved: None,
        }
    }
}
