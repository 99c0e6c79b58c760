//! What a driver knows of its own allocs and execs: a fold of the records that name it, its own
//! among them. Pure.

mod fold;
mod rules;

#[cfg(test)]
mod tests;

pub use fold::{Changed, View};
use schema::event::{LogDigest, Usage};
use schema::id::{AllocId, InstanceId};
use schema::resources::Resources;
use schema::unit::{LogTime, Millis};
use schema::why::{FailureClass, OomConstraint, PendingWhy, RefusedWhy, RevokedWhy};

/// What a driver knows of one of its allocs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllocView {
    /// Asked for; what it waits for, once that is known.
    Waiting(Option<PendingWhy>),
    /// Given.
    Granted(Given),
    /// Will not be given.
    Refused(RefusedWhy),
    /// Was given, and is over.
    Over(OverWhy),
}

/// What was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// Where.
    pub instance: InstanceId,
    /// How much.
    pub resources: Resources,
    /// Where the instance's data plane answered when it was given.
    pub address: String,
    /// Length of the lease that was given; the policy may have cut what was asked for.
    pub lease: Millis,
    /// How long its execs may run on beyond the lease if their agent is cut off.
    pub grace: Millis,
    /// When it will be taken back for another of higher priority, in log time; none: that is not the plan.
    pub notice: Option<LogTime>,
}

/// Why an alloc is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OverWhy {
    /// This driver gave it back, or no longer wanted it.
    Freed,
    /// Its lease ran out.
    Expired,
    /// It was taken back.
    Revoked(RevokedWhy),
    /// Its agent closed it.
    Closed,
}

/// What a driver knows of one of its execs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecView {
    /// Its alloc.
    pub alloc: AllocId,
    /// Whether it has started.
    pub started: bool,
    /// Something of it was killed for memory.
    pub oom: Option<Oom>,
    /// How it ended.
    pub end: Option<ExecEnd>,
}

/// A kill for memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Oom {
    /// The limit in bytes.
    pub limit: u64,
    /// The most that was used, in bytes; 0 if not known.
    pub peak: u64,
    /// Whose memory had run out: more of it helps only where it was the exec's own.
    pub constraint: OomConstraint,
    /// How sure this is, in percent.
    pub confidence: u8,
}

/// How an exec ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecEnd {
    /// By itself, or by a signal (128 + signal).
    Exited {
        /// Exit code.
        code: i32,
        /// What it used.
        usage: Usage,
        /// What it wrote.
        logs: LogDigest,
    },
    /// It did not run, or its end cannot be known.
    Failed {
        /// What kind of failure.
        class: FailureClass,
        /// What was tried, on what, and what came of it.
        message: String,
    },
    /// Its alloc was over before an end was reported.
    Lost(OverWhy),
}
