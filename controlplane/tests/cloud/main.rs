//! What every cloud must keep to, run on each way to host an agent, and what only processes can show.

mod contract;
mod process;
mod task;
mod world;
