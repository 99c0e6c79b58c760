//! Points at which a process can die: between any two effects that somebody else can see.

use std::fmt;

/// Whose process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// A controller replica.
    Replica,
    /// An agent.
    Agent,
    /// A driver.
    Driver,
}

/// When it dies. Kinds are kinds of events; calls are `launch` and `terminate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// A round with such an event is about to leave.
    Sending(&'static str),
    /// The log has stored such an event, and its author does not know.
    Stored(&'static str),
    /// A call to the cloud is about to leave.
    Calling(&'static str),
    /// The cloud has done what it was asked, and the caller does not know.
    Called(&'static str),
    /// The caller has been told what came of it, and has written nothing.
    Heard(&'static str),
    /// The process of an exec has been started, and the agent has not heard so.
    Spawned,
    /// An agent has such an event to write, and it is not durable yet.
    Writing(&'static str),
}

/// Somebody who dies once, the first time that it comes to this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crash {
    /// Whose process.
    pub who: Who,
    /// When.
    pub at: Point,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Point::Sending(kind) => write!(f, "before {kind} is sent"),
            Point::Stored(kind) => write!(f, "once {kind} is stored"),
            Point::Calling(call) => write!(f, "before the call to {call}"),
            Point::Called(call) => write!(f, "once the cloud has done {call}"),
            Point::Heard(call) => write!(f, "once it knows what came of {call}"),
            Point::Spawned => write!(f, "once the process is started"),
            Point::Writing(kind) => write!(f, "before {kind} is durable"),
        }
    }
}
