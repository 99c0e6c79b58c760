//! The embedded log of another process, over HTTP on loopback: how CLI, drivers, agents and
//! controllers in other processes join an embedded cluster.
//!
//! ```text
//! POST /v1/append      one round in, its sequence or a typed refusal out
//! GET  /v1/read        frames of records from a sequence on, for ever
//! GET  /v1/last, /v1/identity
//! POST /v1/telemetry   one message in;   GET: frames of messages, for ever
//! ```
//!
//! A frame is a length (32 bits, big-endian) and that many bytes of MessagePack.

mod client;
mod frame;
mod server;

use super::{AppendError, Entry, Fence, Log, OpenError, Telemetry};
use schema::id::ClusterId;
use schema::unit::Seq;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

pub use server::serve;

#[derive(Serialize, Deserialize)]
struct Append {
    round: Vec<Entry>,
    fence: Option<Fence>,
}

type Appended = Result<Seq, AppendError>;

#[derive(Serialize, Deserialize)]
struct ReadQuery {
    from: u64,
    filter: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct TelemetryQuery {
    subject: String,
}

/// Opens the log that a process serves at `url`.
///
/// # Errors
/// [`OpenError`]: nobody there, or the log of another cluster.
pub async fn open(
    url: &str,
    cluster: &ClusterId,
) -> Result<(Arc<dyn Log>, Arc<dyn Telemetry>), OpenError> {
    let client = client::RemoteLog::open(url, cluster).await?;
    let telemetry = client.telemetry();
    Ok((Arc::new(client), Arc::new(telemetry)))
}
