//! The log, and what reads it: the trait [`log::Log`], its three implementations, and authors that
//! write to it without losing or doubling a record.

pub mod author;
pub mod fold;
pub mod log;
#[cfg(feature = "testing")]
pub mod testing;
