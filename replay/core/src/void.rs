//! Why a record had no effect.

use schema::codec::DecodeError;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a record had no effect. Counted in the state, by reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Void {
    /// The bytes are no record.
    Garbage,
    /// Written under a newer schema.
    NewerSchema,
    /// A kind that this build does not know.
    UnknownKind,
    /// A known kind with a body that cannot be read.
    BadBody,
    /// The subject is not the one that this record belongs under.
    WrongSubject,
    /// The author speaks of an instance or driver that it is not.
    NotItself,
    /// This number of this author was accepted before.
    Duplicate,
    /// A number of this author is missing before this one.
    NumberGap,
    /// A newer incarnation of this author has spoken.
    RetiredIncarnation,
    /// Nobody has proved that its author is the agent of that instance, in that life.
    Unproven,
    /// Written under the term of an earlier leader.
    OldEpoch,
    /// Written by a controller that does not lead.
    NotLeader,
    /// An election that was not due.
    ElectionNotDue,
    /// A challenge to a term that is not the current one, or that is challenged already.
    ChallengeIdle,
    /// This generation has ended.
    GenerationEnded,
    /// The log begins with something else, or begins twice.
    Genesis,
    /// The thing that it creates is there already.
    Exists,
    /// The thing that it is about is not there.
    Unknown,
    /// The thing that it is about is in a state where this cannot happen.
    WrongState,
    /// The thing belongs to another driver, alloc or instance.
    NotOwner,
    /// The content is out of bounds.
    Invalid,
    /// It would exceed the hourly budget.
    OverBudget,
    /// It would exceed the number of launches under way, or of instances.
    OverCount,
    /// It would take more than the instance has free.
    NoRoom,
    /// The instance takes no allocs now.
    NotAccepting,
    /// The lease still runs.
    LeaseRuns,
    /// It has had no notice, or its notice still runs.
    NoticeRuns,
    /// It has ended before.
    Ended,
}

impl From<&DecodeError> for Void {
    fn from(error: &DecodeError) -> Void {
        match error {
            DecodeError::Garbage(_) => Void::Garbage,
            DecodeError::Version(_) => Void::NewerSchema,
            DecodeError::UnknownKind(_) | DecodeError::MustUnderstand(_) => Void::UnknownKind,
            DecodeError::Body { .. } => Void::BadBody,
        }
    }
}

impl fmt::Display for Void {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Void::Garbage => "the bytes are no record",
            Void::NewerSchema => "written under a newer schema",
            Void::UnknownKind => "of a kind that is not known here",
            Void::BadBody => "its body cannot be read",
            Void::WrongSubject => "under a subject where it does not belong",
            Void::NotItself => "its author speaks for another",
            Void::Duplicate => "its number was accepted before",
            Void::NumberGap => "a number of its author is missing before it",
            Void::RetiredIncarnation => "a newer incarnation of its author has spoken",
            Void::Unproven => "its author has not proved to be the agent of that instance",
            Void::OldEpoch => "of an earlier term",
            Void::NotLeader => "its author does not lead",
            Void::ElectionNotDue => "no election was due",
            Void::ChallengeIdle => "a challenge without effect",
            Void::GenerationEnded => "this generation of the log has ended",
            Void::Genesis => "not where a log begins",
            Void::Exists => "what it creates is there already",
            Void::Unknown => "what it is about is not there",
            Void::WrongState => "not possible in the state that its subject is in",
            Void::NotOwner => "what it is about belongs to another",
            Void::Invalid => "its content is out of bounds",
            Void::OverBudget => "it would exceed the hourly budget",
            Void::OverCount => "it would exceed a count that the policy caps",
            Void::NoRoom => "the instance has not that much free",
            Void::NotAccepting => "the instance takes no allocs now",
            Void::LeaseRuns => "the lease still runs",
            Void::NoticeRuns => "it has had no notice, or its notice still runs",
            Void::Ended => "it has ended before",
        })
    }
}
