//! The whole system in one thread under virtual time, from one seed: the real cores of replicas,
//! agents, drivers and authors, with a log, a network and a cloud that live in memory and fail as the
//! seed says. All invariants are checked after every record.

mod agent;
mod cloud;
mod driver;
mod faults;
mod log;
mod oracle;
mod replica;
mod rng;
mod world;

pub use faults::Faults;
pub use rng::Rng;
pub use world::{Report, run};
