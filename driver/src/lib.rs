//! The client library: join a cluster, get allocs that are kept alive in the background, run execs in
//! them, and follow what becomes of them. A driver that restarts under the same id finds everything
//! again on the log.

mod alloc;
pub mod describe;
mod driver;
mod exec;
mod keep;
pub mod logs;
mod shared;
mod view;

pub use alloc::{Alloc, AllocOptions, AllocRequest};
pub use driver::{Driver, DriverError, JoinOptions};
pub use exec::Exec;
pub use view::{AllocView, ExecEnd, ExecView, Given, Oom, OverWhy};
