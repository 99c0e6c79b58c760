//! What can go wrong with a log. Each error says what is known of what was stored.

use schema::unit::Seq;
use serde::{Deserialize, Serialize};

/// What came of an append that gave no sequence.
#[derive(Debug, Clone, thiserror::Error, Serialize, Deserialize)]
pub enum AppendError {
    /// The fence's subject has moved on: nothing was stored.
    #[error("the fence on {subject} at sequence {seq} is no longer the last there")]
    Fenced {
        /// The fence's subject.
        subject: String,
        /// The sequence that was expected.
        seq: Seq,
    },
    /// Nothing was stored, and the same append may be tried again as it is.
    #[error("the log asks to try again: {0}")]
    Busy(String),
    /// It may have been stored, now or later. Resolve it by reading back, or re-send it byte for
    /// byte: author numbers make a duplicate void.
    #[error("unknown whether the log stored it: {0}")]
    Unresolved(String),
    /// Nothing was stored and never will be, as it stands.
    #[error("the log refused it: {0}")]
    Refused(String),
    /// This generation has ended, or the stream is another one than the one that was opened.
    #[error("this is no longer the log that was opened: {0}")]
    WrongLog(String),
}

/// Why a read or a look-up failed.
#[derive(Debug, Clone, thiserror::Error, Serialize, Deserialize)]
pub enum ReadError {
    /// The log cannot be reached now. Readers reconnect by themselves; look-ups return this.
    #[error("the log cannot be read now: {0}")]
    Unavailable(String),
    /// The log was recreated, truncated, or is not the one this reader began with. A controller
    /// must refuse to act.
    #[error("this is no longer the log that was opened: {0}")]
    WrongLog(String),
    /// A sequence is missing or out of order in an unfiltered read.
    #[error("the log has a hole: expected sequence {expected}, found {found}")]
    Hole {
        /// What should have come.
        expected: Seq,
        /// What came.
        found: Seq,
    },
    /// Asked for something that cannot be (bad filter, bad answer).
    #[error("the log cannot answer that: {0}")]
    Refused(String),
}

/// Why a log could not be opened or created.
#[derive(Debug, Clone, thiserror::Error, Serialize, Deserialize)]
pub enum OpenError {
    /// Cannot be reached.
    #[error("cannot reach the log at {url}: {reason}")]
    Unreachable {
        /// Where.
        url: String,
        /// Why.
        reason: String,
    },
    /// The server is too old.
    #[error(
        "nats-server at {url} is {found}; fleetlog needs {needed} or newer (older ones lose the fence or atomic rounds)"
    )]
    TooOld {
        /// Where.
        url: String,
        /// Its version.
        found: String,
        /// The oldest that will do.
        needed: String,
    },
    /// The stream exists with other settings than the log needs.
    #[error("stream {stream} exists with other settings than fleetlog needs: {differences}")]
    Settings {
        /// Stream name.
        stream: String,
        /// Every setting that differs, with both values.
        differences: String,
    },
    /// No such log, and it was not to be created.
    #[error("there is no log for cluster {cluster} at {url}; `fleetlog up` makes one")]
    Missing {
        /// Cluster name.
        cluster: String,
        /// Where.
        url: String,
    },
    /// The address names no log.
    #[error("{url:?} names no log; write file://DIR, http://HOST:PORT or nats://HOST:PORT")]
    Unnamed {
        /// What was given.
        url: String,
    },
    /// The log's files or the answer are not usable.
    #[error("cannot open the log at {url}: {reason}")]
    Broken {
        /// Where.
        url: String,
        /// Why.
        reason: String,
    },
}
