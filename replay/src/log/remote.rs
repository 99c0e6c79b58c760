//! The embedded log of another process, over HTTP on loopback: how CLI, drivers, agents and
//! controllers in other processes join an embedded cluster.
//!
//! ```text
//! GET  /v1/identity      which log is the newest generation
//! POST /v1/append        one round in, its sequence or a refusal out
//! GET  /v1/read          frames of records from a sequence on, for ever
//! GET  /v1/last          the last sequence
//! POST /v1/roll_over, GET /v1/successor
//! POST /v1/telemetry     one message in;   GET: frames of messages, for ever
//! ```
//!
//! Bodies are MessagePack, answers a `Result` with the error that the log gave; a frame is a length
//! (32 bits, big-endian) and that many bytes of it. Each request names the log it means, so that one
//! that was made anew under the same address is never taken for it.

mod client;
mod frame;
mod reader;
mod server;
mod telemetry;

use super::{Entry, Fence, Identity, Log, OpenError, Telemetry};
use schema::id::ClusterId;
use schema::unit::LogTime;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

pub use server::serve;

/// What bodies are. A web page cannot send it elsewhere without asking first.
const MESSAGE_PACK: &str = "application/msgpack";

/// Which log a request means.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Which {
    stream: String,
    created: LogTime,
}

impl From<&Identity> for Which {
    fn from(identity: &Identity) -> Which {
        Which { stream: identity.stream.clone(), created: identity.created }
    }
}

#[derive(Serialize, Deserialize)]
struct Append {
    which: Which,
    round: Vec<Entry>,
    fence: Option<Fence>,
}

#[derive(Serialize, Deserialize)]
struct RollOver {
    which: Which,
    genesis: Entry,
}

#[derive(Serialize, Deserialize)]
struct ReadQuery {
    stream: String,
    created: LogTime,
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
    let http = client::Http::new(url)?;
    let log = client::RemoteLog::open(http.clone(), cluster).await?;
    Ok((Arc::new(log), Arc::new(telemetry::RemoteTelemetry::new(http))))
}
