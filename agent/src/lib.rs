//! The agent: the loop on an instance. It opens the allocs that the log grants, runs execs in them as
//! processes or containers, and writes what became of them, each thing once, whatever happens to the
//! agent in between.

pub mod agent;
mod cgroup;
mod exec;
pub mod imds;
mod journal;
pub mod keeper;
pub mod kernel;
mod logs;
pub mod memory;
pub mod metrics;
pub mod runtime;
mod serve;
mod turn;

pub use agent::{Agent, AgentError, Notice, Options};
