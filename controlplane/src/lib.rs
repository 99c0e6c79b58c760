//! A controller: one replica of the state, the leadership that one replica holds at a time, and the
//! effects that the leader has on a cloud.

pub mod cloud;
mod heartbeat;
pub mod replica;

pub use replica::{Options, Replica, ReplicaError};
