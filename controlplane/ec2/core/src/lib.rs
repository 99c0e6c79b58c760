//! The EC2 cloud without its world: what is asked of EC2, and what its answers mean. Pure: settings and
//! a folded intent in, plain data out; no call, no clock, no chance.
//!
//! ```text
//! Config + Intent + Credential ──▶ user-data ──▶ RunRequest      (the shell sends it)
//! error code ──▶ Verdict      rows of DescribeInstances ──▶ Sighting      calls ──▶ Bucket: go or wait
//! ```
//!
//! Whoever leads later sends the same bytes under the same token: nothing here depends on who asks.

// No wildcard arms: a new class or state must be thought about wherever one is told from another.
#![warn(clippy::wildcard_enum_match_arm)]

pub mod absent;
pub mod account;
pub mod bucket;
pub mod cloudinit;
pub mod config;
pub mod credential;
pub mod frozen;
pub mod intent;
pub mod pace;
pub mod pricelist;
pub mod refusal;
pub mod request;
pub mod seen;
pub mod setup;
pub mod tags;
pub mod userdata;
pub mod volume;

pub use config::Config;
pub use frozen::Frozen;
pub use intent::Intent;
pub use request::RunRequest;
