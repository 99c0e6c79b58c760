//! The whole system in one thread under virtual time, from one seed: the real fold and the real
//! decisions, with a log, a cloud, agents and drivers that live in memory. All invariants are checked
//! after every record.

pub mod world;

pub use world::World;
