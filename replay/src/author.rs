//! Writing to the log as one author: numbers 1, 2, 3, ... within an incarnation, nothing lost,
//! nothing doubled, nothing out of order, whatever happens to acknowledgements.
//!
//! One round is in flight at a time ([`Writer`]). What is asked for meanwhile is gathered into the
//! next one, so that many writers cost one wait. A round whose fate is unknown is sent again byte for
//! byte: the fold takes each number once.

use crate::log::{AppendError, Entry, Log, MAX_ROUND};
use bytes::Bytes;
use replay_core::author::{Line, Writer};
use schema::codec::EncodeError;
use schema::event::Event;
use schema::id::{AuthorId, ClusterId};
use schema::unit::Seq;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

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
        let line = |(number, entry): (u64, Entry)| {
            (number, Line { subject: entry.subject, payload: entry.payload.to_vec() })
        };
        let unsent = unsent.into_iter().map(line).collect();
        let core = Writer::new(cluster, author, incarnation, last_number, unsent);
        tokio::spawn(Writing { log, outbox, core, answers: BTreeMap::new() }.run(inbox));
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

    /// Waits until the author has stopped. Whoever may have nothing to write for long learns of it here.
    pub async fn stopped(&self) {
        self.asks.closed().await;
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

type Answer = oneshot::Sender<Result<Seq, AuthorError>>;

struct Writing {
    log: Arc<dyn Log>,
    outbox: Box<dyn Outbox>,
    core: Writer,
    /// Who waits for which number.
    answers: BTreeMap<u64, Vec<Answer>>,
}

fn entry(line: Line) -> Entry {
    Entry { subject: line.subject, payload: Bytes::from(line.payload) }
}

impl Writing {
    async fn run(mut self, mut inbox: mpsc::Receiver<Ask>) {
        loop {
            if self.core.is_empty() {
                let Some(ask) = inbox.recv().await else { return };
                if let Err(error) = self.accept(ask) {
                    return self.fail(&error, inbox);
                }
            }
            while self.core.len() < MAX_ROUND
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
            if self.core.is_empty() {
                let _ = ask.answer.send(Ok(Seq(0)));
            } else {
                self.answers.entry(self.core.last_number()).or_default().push(ask.answer);
            }
            return Ok(());
        };
        match self.core.write(event, ask.cause) {
            Ok((number, line)) => {
                self.answers.entry(number).or_default().push(ask.answer);
                self.outbox.push(number, &entry(line.clone())).map_err(AuthorError::Outbox)
            }
            Err(error) => {
                let _ = ask.answer.send(Err(error.into()));
                Ok(())
            }
        }
    }

    /// Sends what waits, up to one round, until it has landed.
    async fn send_round(&mut self) -> Result<(), AuthorError> {
        if self.core.is_empty() {
            return Ok(());
        }
        self.outbox.sync().map_err(AuthorError::Outbox)?;
        let round: Vec<Entry> = self.core.round().into_iter().map(entry).collect();
        let last = land(&*self.log, &round).await?;
        let Some(numbers) = self.core.landed() else { return Ok(()) };
        let end = *numbers.end();
        for number in numbers {
            for answer in self.answers.remove(&number).into_iter().flatten() {
                let _ = answer.send(Ok(Seq(last.0 - (end - number))));
            }
        }
        self.outbox.landed(end).map_err(AuthorError::Outbox)
    }

    fn fail(self, error: &AuthorError, mut inbox: mpsc::Receiver<Ask>) {
        tracing::error!(%error, "an author stopped");
        for answer in self.answers.into_values().flatten() {
            let _ = answer.send(Err(error.clone()));
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
    let mut told = false;
    loop {
        match log.append(round, None).await {
            Ok(last) => return Ok(last),
            Err(error @ (AppendError::Busy(_) | AppendError::Unresolved(_))) => {
                if std::mem::replace(&mut told, true) {
                    tracing::debug!(%error, "an append is sent again");
                } else {
                    tracing::warn!(%error, "an append is sent again, until it lands");
                }
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
