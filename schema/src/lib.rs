//! What is written down: everything that crosses a wire or reaches a disk. Data only: no I/O, no
//! clock, no randomness.
//!
//! A [`Record`](record::Record) is one message of the log. It travels under a
//! [`Subject`](subject::Subject), carries an [`Event`](event::Event), and is turned into bytes and
//! back by [`codec`], which never panics, whatever the bytes are.

pub mod codec;
pub mod event;
pub mod id;
pub mod policy;
pub mod proof;
pub mod record;
pub mod requirements;
pub mod resources;
pub mod subject;
pub mod telemetry;
pub mod unit;
pub mod why;

/// The schema version that this build writes. Readers accept every version up to it.
pub const SCHEMA_VERSION: u32 = 1;
