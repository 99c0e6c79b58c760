//! Why things are as they are, with the figures of one state: what the leader would do for some requests
//! ([`rehearse`]), and why an offering is not bought ([`offers`]) or an instance not given
//! ([`instances`]) to somebody who waits. Nothing here decides anything: what the leader would do comes
//! from `decide` alone, and the reasons are true of a state on which it has nothing more to say.

pub mod instances;
mod lost;
pub mod offers;
pub mod reality;
pub mod rehearse;

use schema::requirements::Constraint;
use schema::resources::Resources;

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// What one instance must have for each, its width multiplied in.
    pub floor: Resources,
    /// What narrows the choice: the only market, instance, zones or types that will do.
    pub constraint: Constraint,
    /// How many of them.
    pub count: u32,
}
