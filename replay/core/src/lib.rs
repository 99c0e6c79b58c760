//! What follows from the log. Pure: no I/O, no clock, no randomness, and no order that depends on a
//! hash.
//!
//! [`State::apply`](state::State::apply) folds one message of the log. It is total: whatever the
//! bytes, the answer is applied, void with a reason, or ignored. Controllers, CLI, audit and
//! simulation all use this one fold.

// No wildcard arms: a new event or status must be thought about wherever one is told from another.
#![warn(clippy::wildcard_enum_match_arm)]

pub mod author;
pub mod digest;
pub mod fold;
pub mod invariant;
pub mod snapshot;
pub mod state;
pub mod table;
pub mod void;

pub use digest::Digest;
pub use fold::{Message, Outcome};
pub use state::State;
pub use void::Void;
