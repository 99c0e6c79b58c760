//! Writing to the log as one author: numbers 1, 2, 3, ... within an incarnation, nothing lost,
//! nothing doubled, nothing out of order, whatever happens to acknowledgements.
//!
//! One round is in flight at a time. What is asked for meanwhile is gathered into the next one, so
//! that many writers cost one wait. A round whose fate is unknown is sent again byte for byte: the
//! fold takes each number once. Numbers never skip, because no round leaves before the one in front
//! of it has landed.

use crate::log::{AppendError, Entry, Log, MAX_ROUND};
use bytes::Bytes;
use schema::SCHEMA_VERSION;
use schema::codec::{self, EncodeError};
use schema::event::Event;
use schema::id::{AuthorId, ClusterId};
use schema::record::Record;
use schema::subject::Subject;
use schema::unit::{Epoch, Seq};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

/// Largest sum of payloads in one round, in bytes.
const ROUND_BYTES: usize = 4 << 20;
/// First and longest wait before a round is sent again.
const RETRY: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(500));

/// Where records wait until the log has them. A journal makes them survive the process.
pub trait Outbox: Send + 'static {
    /// Keeps a record.
    ///
    /// # Errors
    /// Says what failed; the author then stops.
    fn push(&mut self, number: u64, entry: &Entry) -> Result<(), String>;
    /// Makes all that was pushed durable. Called before any of it is sent.
    ///
    /// # Errors
    /// Says what failed; the author then stops.
    fn sync(&mut self) -> Result<(), String>;
    /// All numbers up to this one are on the log.
    ///
    /// # Errors
    /// Says what failed; the author then stops.
    fn landed(&mut self, up_to: u64) -> Result<(), String>;
}

/// An outbox that lives as long as the process: right for authors that take a new incarnation each
/// time they start.
pub struct Forgetful;

impl Outbox for Forgetful {
    fn push(&mut self, _: u64, _: &Entry) -> Result<(), String> {
        Ok(())
    }
    fn sync(&mut self) -> Result<(), String> {
        Ok(())
    }
    fn landed(&mut self, _: u64) -> Result<(), String> {
        Ok(())
    }
}

/// Why an event did not get onto the log.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AuthorError {
    /// The event cannot be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The log refused for good, or is another one now. The author has stopped.
    #[error("the log takes no more records of this author: {0}")]
    Log(String),
    /// The journal failed. The author has stopped.
    #[error("the journal failed: {0}")]
    Outbox(String),
    /// The author has stopped.
    #[error("the author has stopped")]
    Stopped,
}

/// Who writes, and where it left off.
pub struct Identity {
    /// The cluster.
    pub cluster: ClusterId,
    /// The author, within the role of its events.
    pub author: AuthorId,
    /// This life of it.
    pub incarnation: Uuid,
    /// The last number that was ever used in this incarnation; 0 if none.
    pub last_number: u64,
    /// Records of this incarnation that may not have landed, in order of number.
    pub unsent: Vec<(u64, Entry)>,
}

impl Identity {
    /// A new life of an author without a journal.
    #[must_use]
    pub fn fresh(cluster: ClusterId, author: AuthorId) -> Identity {
        Identity {
            cluster,
            author,
            incarnation: Uuid::now_v7(),
            last_number: 0,
            unsent: Vec::new(),
        }
    }
}

/// A handle to one author; cheap to clone.
#[derive(Clone)]
pub struct Author {
    asks: mpsc::Sender<Ask>,
}

struct Ask {
    /// What to write; nothing, to learn when all before it has landed.
    event: Option<Event>,
    cause: Seq,
    answer: oneshot::Sender<Result<Seq, AuthorError>>,
}

impl Author {
    /// Starts writing; first what was left unsent.
    #[must_use]
    pub fn start(log: Arc<dyn Log>, identity: Identity, outbox: Box<dyn Outbox>) -> Author {
        let (asks, inbox) = mpsc::channel(MAX_ROUND);
        let Identity { cluster, author, incarnation, last_number, unsent } = identity;
        let waiting = unsent.into_iter().map(|(number, entry)| Waiting {
            number,
            entry,
            answers: Vec::new(),
        });
        let writer = Writer {
            log,
            outbox,
            cluster,
            author,
            incarnation,
            last_number,
            waiting: waiting.collect(),
        };
        tokio::spawn(writer.run(inbox));
        Author { asks }
    }

    /// Writes an event; returns its sequence once it is durable on the log. `cause` is the sequence
    /// that made the author act ([`Seq`] 0 if none did).
    ///
    /// # Errors
    /// [`AuthorError`]; the log being out of reach is none, the event waits for it.
    pub async fn write(&self, event: impl Into<Event>, cause: Seq) -> Result<Seq, AuthorError> {
        self.post(event, cause).await?.await.unwrap_or(Err(AuthorError::Stopped))
    }

    /// Hands an event over, in order, and returns before it has landed; the receiver tells when.
    ///
    /// # Errors
    /// [`AuthorError::Stopped`] if the author has stopped.
    pub async fn post(
        &self,
        event: impl Into<Event>,
        cause: Seq,
    ) -> Result<oneshot::Receiver<Result<Seq, AuthorError>>, AuthorError> {
        self.ask(Some(event.into()), cause).await
    }

    /// Waits until everything handed over before has landed.
    ///
    /// # Errors
    /// [`AuthorError`], if the author stopped before.
    pub async fn landed(&self) -> Result<(), AuthorError> {
        let landed = self.ask(None, Seq(0)).await?;
        landed.await.unwrap_or(Err(AuthorError::Stopped)).map(drop)
    }

    async fn ask(
        &self,
        event: Option<Event>,
        cause: Seq,
    ) -> Result<oneshot::Receiver<Result<Seq, AuthorError>>, AuthorError> {
        let (answer, landed) = oneshot::channel();
        let ask = Ask { event, cause, answer };
        self.asks.send(ask).await.map_err(|_| AuthorError::Stopped)?;
        Ok(landed)
    }
}

struct Waiting {
    number: u64,
    entry: Entry,
    answers: Vec<oneshot::Sender<Result<Seq, AuthorError>>>,
}

struct Writer {
    log: Arc<dyn Log>,
    outbox: Box<dyn Outbox>,
    cluster: ClusterId,
    author: AuthorId,
    incarnation: Uuid,
    last_number: u64,
    waiting: VecDeque<Waiting>,
}

impl Writer {
    async fn run(mut self, mut inbox: mpsc::Receiver<Ask>) {
        loop {
            if self.waiting.is_empty() {
                let Some(ask) = inbox.recv().await else { return };
                if let Err(error) = self.accept(ask) {
                    return self.fail(&error, inbox);
                }
            }
            while self.waiting.len() < MAX_ROUND
                && let Ok(ask) = inbox.try_recv()
            {
                if let Err(error) = self.accept(ask) {
                    return self.fail(&error, inbox);
                }
            }
            if let Err(error) = self.send_round().await {
                return self.fail(&error, inbox);
            }
        }
    }

    /// Numbers, encodes and keeps one event. An event that cannot be encoded uses up no number.
    fn accept(&mut self, ask: Ask) -> Result<(), AuthorError> {
        let Some(event) = ask.event else {
            match self.waiting.back_mut() {
                Some(last) => last.answers.push(ask.answer),
                None => drop(ask.answer.send(Ok(Seq(0)))),
            }
            return Ok(());
        };
        let number = self.last_number + 1;
        let record = Record {
            version: SCHEMA_VERSION,
            author: self.author.clone(),
            incarnation: self.incarnation,
            number,
            cause: ask.cause,
            epoch: Epoch(0),
            must_understand: false,
            event,
        };
        let payload = match codec::encode(&record) {
            Ok(bytes) => Bytes::from(bytes),
            Err(error) => {
                let _ = ask.answer.send(Err(error.into()));
                return Ok(());
            }
        };
        let subject = Subject::of(&self.cluster, &self.author, &record.event).to_string();
        let entry = Entry { subject, payload };
        self.outbox.push(number, &entry).map_err(AuthorError::Outbox)?;
        self.last_number = number;
        self.waiting.push_back(Waiting { number, entry, answers: vec![ask.answer] });
        Ok(())
    }

    /// Sends what waits, up to one round, until it has landed.
    async fn send_round(&mut self) -> Result<(), AuthorError> {
        let size = self.round_size();
        if size == 0 {
            return Ok(());
        }
        self.outbox.sync().map_err(AuthorError::Outbox)?;
        let round: Vec<Entry> = self.waiting.iter().take(size).map(|w| w.entry.clone()).collect();
        let last = land(&*self.log, &round).await?;
        let mut number = 0;
        for (index, waiting) in self.waiting.drain(..size).enumerate() {
            number = waiting.number;
            for answer in waiting.answers {
                let _ = answer.send(Ok(Seq(last.0 - (size - 1 - index) as u64)));
            }
        }
        self.outbox.landed(number).map_err(AuthorError::Outbox)
    }

    fn round_size(&self) -> usize {
        let mut bytes = 0;
        let fits = self.waiting.iter().take(MAX_ROUND).take_while(|waiting| {
            bytes += waiting.entry.payload.len();
            bytes <= ROUND_BYTES
        });
        fits.count().max(usize::from(!self.waiting.is_empty()))
    }

    fn fail(mut self, error: &AuthorError, mut inbox: mpsc::Receiver<Ask>) {
        tracing::error!(author = %self.author, %error, "an author stopped");
        for waiting in self.waiting.drain(..) {
            for answer in waiting.answers {
                let _ = answer.send(Err(error.clone()));
            }
        }
        inbox.close();
        while let Ok(ask) = inbox.try_recv() {
            let _ = ask.answer.send(Err(error.clone()));
        }
    }
}

/// Appends a round without a fence until it has landed, byte for byte the same each time.
async fn land(log: &dyn Log, round: &[Entry]) -> Result<Seq, AuthorError> {
    let mut wait = RETRY.0;
    loop {
        match log.append(round, None).await {
            Ok(last) => return Ok(last),
            Err(error @ (AppendError::Busy(_) | AppendError::Unresolved(_))) => {
                tracing::warn!(%error, "an append is sent again");
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(RETRY.1);
            }
            Err(
                error @ (AppendError::Fenced { .. }
                | AppendError::Refused(_)
                | AppendError::WrongLog(_)),
            ) => return Err(AuthorError::Log(error.to_string())),
        }
    }
}
