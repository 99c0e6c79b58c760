//! What to do about a state. Pure: [`decide`](decide::decide) says which events the leader should
//! write next, [`plan`](plan::plan) which effects the world still needs,
//! [`next_deadline`](deadline::next_deadline) when to look again if nothing happens, and
//! [`Replica`](replica::Replica) is a whole controller without its world.

// No wildcard arms: a new event or status must be thought about wherever one is told from another.
#![warn(clippy::wildcard_enum_match_arm)]

pub mod cloud;
pub mod credential;
pub mod deadline;
pub mod decide;
pub mod effects;
pub mod explain;
pub mod hearing;
pub mod moment;
pub mod pack;
pub mod plan;
pub mod prices;
pub mod replica;
pub mod round;
pub mod sight;
mod strays;

pub use deadline::next_deadline;
pub use decide::decide;
pub use moment::Moment;
pub use plan::{Effect, plan};
pub use replica::Replica;
pub use sight::Sight;
