//! What to do about a state. Pure: [`decide`](decide::decide) says which events the leader should
//! write next, [`plan`](plan::plan) which effects the world still needs, and
//! [`next_deadline`](deadline::next_deadline) when to look again if nothing happens.

// No wildcard arms: a new event or status must be thought about wherever one is told from another.
#![warn(clippy::wildcard_enum_match_arm)]

pub mod deadline;
pub mod decide;
pub mod plan;
pub mod sight;

pub use deadline::next_deadline;
pub use decide::decide;
pub use plan::{Effect, plan};
pub use sight::Sight;
