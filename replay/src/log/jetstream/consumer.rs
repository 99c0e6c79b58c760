//! Making the consumer of a reader: is it still the same log, and where does it end now?

use super::super::Identity;
use super::stream::{self, Lost};
use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::pull::{Config, Stream as Messages};
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy};
use async_nats::jetstream::stream::{RawMessageErrorKind, Stream};
use schema::unit::Seq;
use std::time::Duration;
use tokio::sync::watch;

/// Messages that the server may send ahead, and bytes of them: it cuts off who leaves 64 MB unread.
const AHEAD: usize = 10_000;
const AHEAD_BYTES: usize = 24 << 20;
/// A consumer whose server died is noticed within two of these.
const HEARTBEAT: Duration = Duration::from_secs(1);
const EXPIRES: Duration = Duration::from_secs(30);
/// How long the server keeps a consumer that nobody pulls from.
const INACTIVE: Duration = Duration::from_secs(30);

/// What a reader reads.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) context: Context,
    /// Counts how often the connection was made: what is asked of the server is lost with it.
    pub(super) made: watch::Receiver<u64>,
    pub(super) identity: Identity,
    pub(super) filter: Option<String>,
}

/// A consumer, and what was known of the log when it was made.
pub(super) struct Opened {
    pub(super) messages: Messages,
    /// Matching records that it has not sent yet.
    pub(super) pending: u64,
    /// The last matching record, as the stream's leader knows it. A consumer may live on a server
    /// that lags behind, and believe that it has sent all.
    pub(super) end: Seq,
}

/// The last record that a reader delivered, by which the log is known again.
pub(super) type Mark = Option<(Seq, blake3::Hash)>;

pub(super) fn print(subject: &str, payload: &[u8]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(subject.as_bytes()).update(&[0]).update(payload);
    hasher.finalize()
}

fn unavailable(error: impl ToString) -> Lost {
    Lost::Unavailable(error.to_string())
}

/// Makes a consumer that begins at `next`, after making sure that it is still the same log.
pub(super) async fn open(source: Source, next: Seq, mark: Mark) -> Result<Opened, Lost> {
    let stream = stream::known(&source.context, &source.identity).await?;
    let last = Seq(stream.cached_info().state.last_sequence);
    if last.next() < next {
        let stream = &source.identity.stream;
        return Err(Lost::Missing(format!("{stream} was cut short: it ends at {last}")));
    }
    if let Some((seq, print)) = mark {
        recognise(&source.identity, &stream, seq, print).await?;
    }
    let end = match &source.filter {
        None => last,
        Some(filter) => last_match(&stream, filter).await?,
    };
    let consumer = stream.create_consumer(config(&source, next)).await.map_err(unavailable)?;
    let pending = consumer.cached_info().num_pending;
    let messages = consumer
        .stream()
        .max_messages_per_batch(AHEAD)
        .max_bytes_per_batch(AHEAD_BYTES)
        .heartbeat(HEARTBEAT)
        .expires(EXPIRES)
        .messages();
    Ok(Opened { messages: messages.await.map_err(unavailable)?, pending, end })
}

fn config(source: &Source, next: Seq) -> Config {
    Config {
        deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: next.0 },
        ack_policy: AckPolicy::None,
        filter_subject: source.filter.clone().unwrap_or_default(),
        memory_storage: true,
        num_replicas: 1,
        inactive_threshold: INACTIVE,
        ..Config::default()
    }
}

/// Whether the record that was delivered last is still what it was. Asks the stream's leader.
async fn recognise(
    identity: &Identity,
    stream: &Stream,
    seq: Seq,
    print_then: blake3::Hash,
) -> Result<(), Lost> {
    let found = stream.get_raw_message(seq.0).await.map_err(unavailable)?;
    if print(&found.subject, &found.payload) == print_then {
        return Ok(());
    }
    Err(Lost::Another(format!("record {seq} of {} is another one", identity.stream)))
}

/// The last record that matches, 0 if none does. Asks the stream's leader.
async fn last_match(stream: &Stream, filter: &str) -> Result<Seq, Lost> {
    let last = stream.raw_message_builder().last_by_subject(filter).send().await;
    match last {
        Ok(message) => Ok(Seq(message.sequence)),
        Err(error) if matches!(error.kind(), RawMessageErrorKind::NoMessageFound) => Ok(Seq(0)),
        Err(error) => Err(unavailable(error)),
    }
}
