//! Reading a stream: a plain ephemeral pull consumer without acknowledgements, made anew from the
//! position whenever it fails. The client's own ordered consumer is not used: made anew before its
//! first message it starts from 1, and it does not see holes in the stream.

use super::super::{Batch, Identity, ReadError, Reader, Stored};
use super::stream;
use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::pull::{Config, Stream};
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy};
use async_nats::jetstream::message::Message;
use async_trait::async_trait;
use futures::{FutureExt, StreamExt};
use schema::unit::Seq;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Messages that the server may send ahead.
const AHEAD: usize = 10_000;
/// Most messages of one batch.
const BATCH: usize = 5_000;
const HEARTBEAT: Duration = Duration::from_secs(2);
const EXPIRES: Duration = Duration::from_secs(30);
const INACTIVE: Duration = Duration::from_secs(30);
const RECONNECT: Duration = Duration::from_millis(100);
/// A stream that is not found may be one that its server is still recovering.
const RECOVERY: Duration = Duration::from_secs(5);

pub(super) struct JetStreamReader {
    context: Context,
    identity: Identity,
    next: Seq,
    filter: Option<String>,
    messages: Option<Stream>,
    pending: u64,
    /// The last record delivered, by which the log is known again.
    last: Option<(Seq, blake3::Hash)>,
    missing: Option<Instant>,
}

fn print(subject: &str, payload: &[u8]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(subject.as_bytes()).update(&[0]).update(payload);
    hasher.finalize()
}

impl JetStreamReader {
    pub(super) fn new(
        context: Context,
        identity: Identity,
        from: Seq,
        filter: Option<String>,
    ) -> JetStreamReader {
        JetStreamReader {
            context,
            identity,
            next: Seq(from.0.max(1)),
            filter,
            messages: None,
            pending: 1,
            last: None,
            missing: None,
        }
    }

    /// Makes a consumer from the position on, after making sure that it is still the same log.
    async fn connect(&mut self) -> Result<(), ReadError> {
        let info = stream::info(&self.context, &self.identity).await?;
        let unavailable = |e: &dyn ToString| ReadError::Unavailable(e.to_string());
        let stream = self.context.get_stream_no_info(&self.identity.stream).await;
        let stream = stream.map_err(|e| unavailable(&e))?;
        if let Some((seq, print_then)) = self.last {
            if info.state.last_sequence < seq.0 {
                let reason = format!("{} was cut short", self.identity.stream);
                return Err(ReadError::WrongLog(reason));
            }
            let found = stream.get_raw_message(seq.0).await.map_err(|e| unavailable(&e))?;
            if print(&found.subject, &found.payload) != print_then {
                let reason = format!("record {seq} of {} is another one", self.identity.stream);
                return Err(ReadError::WrongLog(reason));
            }
        }
        let config = Config {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: self.next.0 },
            ack_policy: AckPolicy::None,
            filter_subject: self.filter.clone().unwrap_or_default(),
            memory_storage: true,
            num_replicas: 1,
            inactive_threshold: INACTIVE,
            ..Config::default()
        };
        let consumer = stream.create_consumer(config).await.map_err(|e| unavailable(&e))?;
        self.pending = consumer.cached_info().num_pending;
        let messages = consumer
            .stream()
            .max_messages_per_batch(AHEAD)
            .heartbeat(HEARTBEAT)
            .expires(EXPIRES)
            .messages()
            .await;
        self.messages = Some(messages.map_err(|e| unavailable(&e))?);
        self.missing = None;
        Ok(())
    }

    fn take(&mut self, message: &Message, records: &mut Vec<Stored>) -> Result<(), ReadError> {
        let info = message.info().map_err(|e| ReadError::Refused(e.to_string()))?;
        let seq = Seq(info.stream_sequence);
        self.pending = info.pending;
        if seq < self.next {
            return Ok(());
        }
        if self.filter.is_none() && seq != self.next {
            return Err(ReadError::Hole { expected: self.next, found: seq });
        }
        self.next = seq.next();
        records.push(Stored {
            seq,
            time: stream::time(info.published),
            subject: message.subject.to_string(),
            payload: message.payload.clone(),
        });
        Ok(())
    }

    /// Waits for one message, then takes all that are there.
    async fn step(&mut self) -> Result<Batch, ReadError> {
        let mut records = Vec::new();
        while records.len() < BATCH {
            let Some(messages) = &mut self.messages else { break };
            let next = if records.is_empty() {
                messages.next().await
            } else {
                match messages.next().now_or_never() {
                    Some(next) => next,
                    None => break,
                }
            };
            match next {
                Some(Ok(message)) => self.take(&message, &mut records)?,
                Some(Err(error)) if records.is_empty() => {
                    return Err(ReadError::Unavailable(error.to_string()));
                }
                // What has come is delivered first; the consumer is made anew afterwards.
                Some(Err(_)) | None => {
                    self.messages = None;
                    break;
                }
            }
        }
        if let Some(last) = records.last() {
            self.last = Some((last.seq, print(&last.subject, &last.payload)));
        }
        Ok(Batch { records, pending: self.pending })
    }

    fn nothing(&self) -> Batch {
        Batch { records: Vec::new(), pending: self.pending }
    }

    /// Whether to try again after this error.
    fn passing(&mut self, error: &ReadError) -> bool {
        match error {
            ReadError::Unavailable(_) => true,
            // It may come back, unless it was made anew.
            ReadError::WrongLog(reason) if reason.ends_with("is gone") => {
                self.missing.get_or_insert_with(Instant::now).elapsed() < RECOVERY
            }
            ReadError::WrongLog(_) | ReadError::Hole { .. } | ReadError::Refused(_) => false,
        }
    }
}

#[async_trait]
impl Reader for JetStreamReader {
    async fn next_batch(&mut self, wait: Duration) -> Result<Batch, ReadError> {
        let deadline = Instant::now() + wait;
        loop {
            // Connecting has its own time limits: cut off by a short wait it would never be done.
            let connected = match self.messages {
                None => self.connect().await,
                Some(_) => Ok(()),
            };
            let error = match connected {
                Err(error) => error,
                Ok(()) => match timeout_at(deadline, self.step()).await {
                    Err(_) => return Ok(self.nothing()),
                    Ok(Ok(batch)) => return Ok(batch),
                    Ok(Err(error)) => error,
                },
            };
            if !self.passing(&error) {
                return Err(error);
            }
            tracing::debug!(%error, "making a consumer anew");
            (self.messages, self.pending) = (None, 1);
            if timeout_at(deadline, tokio::time::sleep(RECONNECT)).await.is_err() {
                return Ok(self.nothing());
            }
        }
    }
}
