//! Reading a stream: a plain ephemeral pull consumer without acknowledgements, made anew from the
//! position whenever it fails. The client's own ordered consumer is not used: made anew before its
//! first message it starts from 1, and it does not see holes in the stream.
//!
//! ```text
//! Closed ──▶ Opening ──▶ Open ──▶ records
//!    ▲          │         │
//!    └──────────┴─────────┘  any failure; a log that is another one ends it
//! ```

use super::super::{Batch, ReadError, Reader, Stored};
use super::consumer::{self, Mark, Opened, Source};
use super::stream::{self, Lost};
use async_nats::jetstream::consumer::pull::Stream as Messages;
use async_nats::jetstream::message::Message;
use async_trait::async_trait;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use schema::unit::Seq;
use std::time::Duration;
use tokio::task::unconstrained;
use tokio::time::{Instant, timeout_at};

/// Most messages of one batch, and bytes after which it is large enough.
const BATCH: usize = 5_000;
const BATCH_BYTES: usize = 8 << 20;
/// Messages that are worth a batch while there are more, and turns that they get to arrive.
const ENOUGH: usize = 500;
const TURNS: usize = 16;
const RECONNECT: Duration = Duration::from_millis(100);
/// A stream that is missing, or its end, may be one that its server is still recovering.
const RECOVERY: Duration = Duration::from_secs(5);

enum Link {
    Closed,
    Opening(BoxFuture<'static, Result<Opened, Lost>>),
    Open(Box<Messages>),
}

pub(super) struct JetStreamReader {
    source: Source,
    next: Seq,
    link: Link,
    /// What the consumer said last of what it has not sent yet.
    pending: u64,
    /// The last matching record there was when the reader connected.
    end: Seq,
    mark: Mark,
    /// Records that are on their way to the caller.
    taken: Vec<Stored>,
    /// Since when the stream or its end has been missing.
    missing: Option<Instant>,
    /// A hole that was met: what the client itself dropped is there when asked for again.
    hole: Option<Seq>,
}

impl JetStreamReader {
    pub(super) fn new(mut source: Source, from: Seq) -> JetStreamReader {
        source.made.mark_unchanged();
        let (pending, end) = (1, Seq(0));
        JetStreamReader {
            source,
            next: Seq(from.0.max(1)),
            link: Link::Closed,
            pending,
            end,
            mark: None,
            taken: Vec::new(),
            missing: None,
            hole: None,
        }
    }

    fn close(&mut self) {
        self.source.made.mark_unchanged();
        (self.link, self.pending) = (Link::Closed, 1);
    }

    fn batch(&self, records: Vec<Stored>) -> Batch {
        let behind = u64::from(self.next <= self.end);
        Batch { records, pending: self.pending.max(behind) }
    }

    /// Opens a consumer if there is none. Cancel-safe: what was begun goes on with the next call.
    async fn connect(&mut self) -> Result<&mut Messages, Lost> {
        if let Link::Closed = self.link {
            let open = consumer::open(self.source.clone(), self.next, self.mark);
            self.link = Link::Opening(open.boxed());
        }
        if let Link::Opening(opening) = &mut self.link {
            let opened = opening.await;
            self.link = Link::Closed;
            let Opened { messages, pending, end } = opened?;
            (self.pending, self.end, self.missing) = (pending, end, None);
            self.link = Link::Open(Box::new(messages));
        }
        match &mut self.link {
            Link::Open(messages) => Ok(messages),
            Link::Closed | Link::Opening(_) => Err(Lost::Unavailable("not connected".into())),
        }
    }

    /// Waits for one message, then takes all that are there; while the server has more, it gives
    /// them some turns to arrive. Cancel-safe: what was taken stays for the next call.
    async fn step(&mut self) -> Result<Batch, Failure> {
        if self.taken.is_empty() {
            let message = match self.connect().await?.next().await {
                Some(Ok(message)) => message,
                Some(Err(error)) => return Err(Lost::Unavailable(error.to_string()).into()),
                None => return Err(Lost::Unavailable("the consumer ended".into()).into()),
            };
            let record = self.take(&message).map_err(Failure::Final)?;
            self.taken.extend(record);
        }
        for _ in 0..TURNS {
            self.take_ready();
            let full = self.taken.len() >= ENOUGH || self.pending == 0;
            if full || !matches!(self.link, Link::Open(_)) {
                break;
            }
            tokio::task::yield_now().await;
        }
        let records = std::mem::take(&mut self.taken);
        if let Some(last) = records.last() {
            self.mark = Some((last.seq, consumer::print(&last.subject, &last.payload)));
        }
        Ok(self.batch(records))
    }

    /// Takes what is there. A failure is met again afterwards: what came before it goes first.
    fn take_ready(&mut self) {
        let mut bytes = 0;
        while self.taken.len() < BATCH && bytes < BATCH_BYTES {
            let Some(message) = self.ready() else { return };
            bytes += message.payload.len();
            match self.take(&message) {
                Ok(record) => self.taken.extend(record),
                Err(_) => return self.close(),
            }
        }
    }

    /// A message that is there already. A failure closes the link; it is opened anew afterwards.
    fn ready(&mut self) -> Option<Message> {
        let Link::Open(messages) = &mut self.link else { return None };
        // Unconstrained: the runtime's budget would make it look as if nothing were there.
        match unconstrained(messages.next()).now_or_never()? {
            Some(Ok(message)) => Some(message),
            Some(Err(_)) | None => {
                self.close();
                None
            }
        }
    }

    /// The record in a message; none if it was delivered before.
    fn take(&mut self, message: &Message) -> Result<Option<Stored>, ReadError> {
        let info = message.info().map_err(|e| ReadError::Refused(e.to_string()))?;
        let seq = Seq(info.stream_sequence);
        if seq < self.next {
            return Ok(None);
        }
        if self.source.filter.is_none() && seq != self.next {
            return Err(ReadError::Hole { expected: self.next, found: seq });
        }
        self.pending = info.pending;
        self.next = seq.next();
        Ok(Some(Stored {
            seq,
            time: stream::time(info.published),
            subject: message.subject.to_string(),
            payload: message.payload.clone(),
        }))
    }

    /// What to tell the caller of a failure; nothing if it is to be tried again.
    fn verdict(&mut self, failure: Failure) -> Option<ReadError> {
        match failure {
            Failure::Passing(Lost::Unavailable(reason)) => {
                tracing::debug!(reason, stream = self.source.identity.stream, "reconnecting");
                None
            }
            Failure::Passing(Lost::Missing(reason)) => {
                let since = *self.missing.get_or_insert_with(Instant::now);
                (since.elapsed() >= RECOVERY).then_some(ReadError::WrongLog(reason))
            }
            Failure::Passing(Lost::Another(reason)) => Some(ReadError::WrongLog(reason)),
            Failure::Final(ReadError::Hole { .. }) if self.hole != Some(self.next) => {
                self.hole = Some(self.next);
                None
            }
            Failure::Final(error) => Some(error),
        }
    }
}

enum Failure {
    /// It may be over when the consumer is made anew.
    Passing(Lost),
    Final(ReadError),
}

impl From<Lost> for Failure {
    fn from(lost: Lost) -> Failure {
        Failure::Passing(lost)
    }
}

#[async_trait]
impl Reader for JetStreamReader {
    async fn next_batch(&mut self, wait: Duration) -> Result<Batch, ReadError> {
        let deadline = Instant::now() + wait;
        loop {
            let made_again = super::connection::changed(self.source.made.clone());
            let step = async {
                tokio::select! {
                    biased;
                    () = made_again => Err(Lost::Unavailable("connected again".into()).into()),
                    stepped = self.step() => stepped,
                }
            };
            let failure = match timeout_at(deadline, step).await {
                Err(_) => return Ok(self.batch(Vec::new())),
                // All of it had been delivered before.
                Ok(Ok(batch)) if batch.records.is_empty() => continue,
                Ok(Ok(batch)) => return Ok(batch),
                Ok(Err(failure)) => failure,
            };
            self.close();
            if let Some(error) = self.verdict(failure) {
                return Err(error);
            }
            if timeout_at(deadline, tokio::time::sleep(RECONNECT)).await.is_err() {
                return Ok(self.batch(Vec::new()));
            }
        }
    }
}
