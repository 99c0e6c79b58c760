//! The whole system in one thread under virtual time, from one seed: the real cores of replicas,
//! agents, drivers and authors, with a log, a network and a cloud that live in memory and fail as the
//! seed says. All invariants, steps and claims are checked after every record.

mod agent;
mod case;
mod clock;
mod cloud;
mod coverage;
mod crash;
mod driver;
mod faults;
mod forger;
mod listed;
mod log;
mod operator;
mod oracle;
mod replica;
mod rng;
mod scenario;
mod setting;
mod shrink;
mod story;
mod stranger;
mod transitions;
mod world;

pub use case::{Case, Report};
pub use coverage::Coverage;
pub use crash::{After, Crash, Names, Point, Told, Who};
pub use faults::{Fault, Hit};
pub use listed::Listed;
pub use rng::Rng;
pub use scenario::{Ailment, Job, Scenario, Work};
pub use shrink::shrink;
