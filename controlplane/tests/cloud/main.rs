//! What every cloud must keep to, run on each way to host an agent, and what only processes can show.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod contract;
mod offerings;
mod process;
mod task;
mod world;
