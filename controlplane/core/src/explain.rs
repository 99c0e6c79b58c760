//! Why things are as they are, with the figures of one state: what the leader would do for some requests
//! ([`rehearse`]), and why an offering is not bought ([`offers`]) or an instance not given
//! ([`instances`]) to somebody who waits. Nothing here decides anything.

pub mod instances;
pub mod offers;
pub mod rehearse;

use schema::requirements::Market;
use schema::resources::Resources;

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// What one instance must have for each, its width multiplied in.
    pub floor: Resources,
    /// The only market that will do, if it is not all the same.
    pub market: Option<Market>,
    /// How many of them.
    pub count: u32,
}
