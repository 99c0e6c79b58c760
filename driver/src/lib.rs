//! The client library: join a cluster, get allocs that are kept alive in the background, run execs in
//! them, and follow what becomes of them. A driver that restarts under the same id finds everything
//! again on the log.

mod alloc;
mod driver;
mod exec;
mod keep;
pub mod logs;
mod shared;

pub use alloc::{Alloc, AllocOptions, AllocRequest};
pub use driver::{Driver, DriverError, JoinOptions};
pub use driver_core::describe;
pub use driver_core::{AllocView, ExecEnd, ExecView, Given, Oom, OverWhy};
pub use exec::Exec;
