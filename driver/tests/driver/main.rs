//! The client library on a log in memory, with a leader and an agent that write what a test says.

mod allocs;
mod execs;
mod lives;
mod output;
mod support;
