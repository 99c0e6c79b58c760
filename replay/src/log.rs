//! The log as everyone sees it: append one record, append a round behind a fence, read from a
//! sequence with a filter and go on following, and know which log it is.
//!
//! Three implementations pass one conformance suite: [`jetstream`] (production), [`embedded`] (in
//! this process, durable in sled) and [`remote`] (the embedded log over loopback HTTP). Nothing
//! here knows what a record says; subjects and payloads are opaque.

use async_trait::async_trait;
use bytes::Bytes;
use schema::id::ClusterId;
use schema::unit::{LogTime, Seq};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub mod embedded;
mod error;
mod filter;
pub mod jetstream;
pub mod remote;

pub use error::{AppendError, OpenError, ReadError};
pub use filter::{literal, matches, proper_filter};

/// Most records in one round (JetStream's limit for an atomic batch).
pub const MAX_ROUND: usize = 1000;
/// Largest payload of one record in bytes (below NATS' default of 1 MiB, headers included).
pub const MAX_PAYLOAD: usize = 1_000_000;
/// Largest sum of payloads of one round in bytes: what every log takes and acknowledges in time.
pub const MAX_ROUND_BYTES: usize = 32 << 20;

/// A record on its way to the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Full literal subject.
    pub subject: String,
    /// Encoded record.
    pub payload: Bytes,
}

/// A record that the log holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Position; contiguous from 1.
    pub seq: Seq,
    /// The log's clock when it was stored; not monotone (the fold makes it so).
    pub time: LogTime,
    /// Full literal subject.
    pub subject: String,
    /// Encoded record, byte for byte as it was appended.
    pub payload: Bytes,
}

/// A condition on an append: the last record on the literal `subject` must have sequence `seq`
/// (0: none yet). The same subject must be used by all who fence on it; never a wildcard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fence {
    /// Literal subject whose last sequence is checked.
    pub subject: String,
    /// The sequence it must have.
    pub seq: Seq,
}

/// Which log this is. Two logs with the same name but another creation time are different logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Stream name, generation included: `FLEETLOG_<cluster>_G<n>`.
    pub stream: String,
    /// Generation, from 1.
    pub generation: u32,
    /// When the stream was created, nanoseconds since the Unix epoch.
    pub created: LogTime,
}

/// A run of records, in order.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Batch {
    /// The records; empty if none came within the wait.
    pub records: Vec<Stored>,
    /// How many matching records the log is known to hold behind these; 0: caught up with all that
    /// was there when the reader connected.
    pub pending: u64,
}

/// Reads forward and never ends. Reconnects by itself; delivers each record once, in order.
#[async_trait]
pub trait Reader: Send {
    /// The next records, waiting at most `wait` for the first. Returns an empty batch when none
    /// came. Cancel-safe: a dropped call loses nothing.
    async fn next_batch(&mut self, wait: Duration) -> Result<Batch, ReadError>;
}

/// The log.
#[async_trait]
pub trait Log: Send + Sync + 'static {
    /// Appends one or more records, all or nothing, contiguous and in order; at most
    /// [`MAX_ROUND`]. With a fence, only if it holds. Returns the sequence of the last record once
    /// all are durable.
    async fn append(&self, round: &[Entry], fence: Option<&Fence>) -> Result<Seq, AppendError>;

    /// Reads records from `from` on (inclusive) whose subject matches `filter` (NATS wildcards;
    /// the whole log if `None`), then follows. To ask for `from` is to have all before it: a log
    /// that ends earlier was cut short, and the reader says [`ReadError::WrongLog`].
    async fn read(&self, from: Seq, filter: Option<&str>) -> Result<Box<dyn Reader>, ReadError>;

    /// The last sequence stored; 0 if the log is empty. Not older than the last append that was
    /// acknowledged to this process.
    async fn last_seq(&self) -> Result<Seq, ReadError>;

    /// Which log this is, as found when it was opened.
    fn identity(&self) -> &Identity;

    /// Ends this generation after its last record and opens the next, whose first record is
    /// `genesis`. Each step may be repeated by whoever comes next after a crash: rolling over a log
    /// that has been rolled over already opens the next generation as it is.
    async fn roll_over(&self, genesis: &Entry) -> Result<Box<dyn Log>, OpenError>;

    /// The next generation, if this one has been rolled over: where its readers go on.
    async fn successor(&self) -> Result<Option<Box<dyn Log>>, OpenError>;
}

/// What is said but not kept: heartbeats, gauges, usage samples. May be lost; nothing in the state
/// depends on it except through an event that the leader writes.
#[async_trait]
pub trait Telemetry: Send + Sync + 'static {
    /// Says it. Never blocks for long, never fails: what cannot be said now is dropped.
    async fn publish(&self, subject: &str, payload: Bytes);

    /// Hears what matches `filter` from now on.
    async fn subscribe(&self, filter: &str) -> Result<Box<dyn Listener>, ReadError>;
}

/// One subscription to telemetry.
#[async_trait]
pub trait Listener: Send {
    /// The next message: subject and payload; `None` if none came within `wait`.
    async fn next(&mut self, wait: Duration) -> Option<(String, Bytes)>;
}

fn check_filter(filter: Option<&str>) -> Result<(), ReadError> {
    match filter {
        Some(filter) if !proper_filter(filter) => {
            Err(ReadError::Refused(format!("{filter:?} is no filter of subjects")))
        }
        _ => Ok(()),
    }
}

/// Refuses a round that no log would take, before anything of it is sent.
fn check_round(round: &[Entry], fence: Option<&Fence>) -> Result<(), AppendError> {
    let refused = |reason: String| Err(AppendError::Refused(reason));
    if round.is_empty() || round.len() > MAX_ROUND {
        return refused(format!("a round has 1 to {MAX_ROUND} records, not {}", round.len()));
    }
    if let Some(big) = round.iter().find(|entry| entry.payload.len() > MAX_PAYLOAD) {
        let bytes = big.payload.len();
        return refused(format!("a record has {bytes} bytes; at most {MAX_PAYLOAD} are allowed"));
    }
    let bytes: usize = round.iter().map(|entry| entry.payload.len()).sum();
    if bytes > MAX_ROUND_BYTES {
        return refused(format!(
            "a round has {bytes} bytes; at most {MAX_ROUND_BYTES} are allowed"
        ));
    }
    if let Some(wild) = round.iter().find(|entry| !literal(&entry.subject)) {
        return refused(format!("{:?} is no literal subject", wild.subject));
    }
    match fence {
        Some(fence) if !literal(&fence.subject) => {
            refused(format!("a fence must name a literal subject, not {:?}", fence.subject))
        }
        _ => Ok(()),
    }
}

/// Opens the log of a cluster: `file://DIR` (embedded), `http://HOST:PORT` (an embedded one in
/// another process), `nats://HOST:PORT[,nats://...]` (JetStream). With `create`, makes it if it is
/// not there.
///
/// # Errors
/// [`OpenError`] says what is in the way.
pub async fn open(
    url: &str,
    cluster: &ClusterId,
    create: bool,
) -> Result<(Arc<dyn Log>, Arc<dyn Telemetry>), OpenError> {
    if let Some(dir) = url.strip_prefix("file://") {
        let (log, telemetry) = embedded::open(Path::new(dir), cluster, create)?;
        return Ok((log, telemetry));
    }
    if url.starts_with("http://") {
        return remote::open(url, cluster).await;
    }
    if url.starts_with("nats://") || url.starts_with("tls://") {
        return jetstream::open(url, cluster, create).await;
    }
    Err(OpenError::Unnamed { url: url.to_owned() })
}

/// Reads from `from` to what was the end when this was called.
///
/// # Errors
/// [`ReadError`], as from the log.
pub async fn read_to_end(
    log: &dyn Log,
    from: Seq,
    filter: Option<&str>,
) -> Result<Vec<Stored>, ReadError> {
    const LONGEST: Duration = Duration::from_millis(500);
    let mut wait = Duration::from_millis(20);
    let end = log.last_seq().await?;
    let mut reader = log.read(from, filter).await?;
    let mut records: Vec<Stored> = Vec::new();
    if end < from {
        return Ok(records);
    }
    loop {
        let batch = reader.next_batch(wait).await?;
        wait = LONGEST.min(wait * 2);
        records.extend(batch.records.into_iter().filter(|record| record.seq <= end));
        let reached = records.last().is_some_and(|last| last.seq == end);
        if reached || batch.pending == 0 {
            return Ok(records);
        }
    }
}
