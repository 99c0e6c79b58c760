//! The agent with real processes, on a real log.

#[path = "agent/cut.rs"]
mod cut;
#[path = "agent/world.rs"]
mod world;

#[path = "agent/crash.rs"]
mod crash;
#[path = "agent/going.rs"]
mod going;
#[path = "agent/imds.rs"]
mod imds;
#[path = "agent/metrics.rs"]
mod metrics;
#[path = "agent/oom.rs"]
mod oom;
#[path = "agent/orders.rs"]
mod orders;
