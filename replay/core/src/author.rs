//! Writing as one author, without a log: numbers 1, 2, 3, ... within an incarnation, and rounds that
//! are sent byte for byte the same until they have landed. One round is in flight at a time, so that
//! numbers never skip; what is written meanwhile waits for the next one.

use schema::SCHEMA_VERSION;
use schema::codec::{self, EncodeError};
use schema::event::Event;
use schema::id::{AuthorId, ClusterId};
use schema::record::Record;
use schema::subject::Subject;
use schema::unit::{Epoch, Seq};
use std::collections::VecDeque;
use std::ops::RangeInclusive;
use uuid::Uuid;

/// Most records of a round (JetStream's limit for an atomic batch), and largest sum of their payloads
/// in bytes.
const ROUND: (usize, usize) = (1000, 4 << 20);

/// A record on its way: full subject, and encoded record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Full literal subject.
    pub subject: String,
    /// Encoded record.
    pub payload: Vec<u8>,
}

impl Line {
    /// A record as it goes to a cluster's log.
    ///
    /// # Errors
    /// The record is too long.
    pub fn of(cluster: &ClusterId, record: &Record) -> Result<Line, EncodeError> {
        let subject = Subject::of(cluster, &record.author, &record.event).to_string();
        Ok(Line { subject, payload: codec::encode(record)? })
    }
}

/// One author's way to the log.
#[derive(Debug)]
pub struct Writer {
    cluster: ClusterId,
    author: AuthorId,
    incarnation: Uuid,
    last_number: u64,
    waiting: VecDeque<(u64, Line)>,
    in_flight: usize,
}

impl Writer {
    /// Goes on after `last_number` of this incarnation (0 if there is none), first with what was left
    /// unsent, in order of number.
    #[must_use]
    pub fn new(
        cluster: ClusterId,
        author: AuthorId,
        incarnation: Uuid,
        last_number: u64,
        unsent: Vec<(u64, Line)>,
    ) -> Writer {
        let waiting = unsent.into();
        Writer { cluster, author, incarnation, last_number, waiting, in_flight: 0 }
    }

    /// Numbers and encodes an event; returns its number and what will be sent. One that cannot be
    /// encoded uses up no number.
    ///
    /// # Errors
    /// The record is too long.
    pub fn write(&mut self, event: Event, cause: Seq) -> Result<(u64, &Line), EncodeError> {
        let number = self.last_number + 1;
        let record = Record {
            version: SCHEMA_VERSION,
            author: self.author.clone(),
            incarnation: self.incarnation,
            number,
            cause,
            epoch: Epoch(0),
            must_understand: false,
            event,
        };
        let line = Line::of(&self.cluster, &record)?;
        self.last_number = number;
        let (_, line) = self.waiting.push_back_mut((number, line));
        Ok((number, line))
    }

    /// What waits, by number.
    pub fn unsent(&self) -> impl Iterator<Item = (u64, &Line)> {
        self.waiting.iter().map(|(number, line)| (*number, line))
    }

    /// How many records wait, those in flight among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The last number that was used.
    #[must_use]
    pub fn last_number(&self) -> u64 {
        self.last_number
    }

    /// The round to send: the one in flight again if there is one, else the next.
    pub fn round(&mut self) -> Vec<Line> {
        if self.in_flight == 0 {
            let mut bytes = 0;
            let fits = self.waiting.iter().take(ROUND.0).take_while(|(_, line)| {
                bytes += line.payload.len();
                bytes <= ROUND.1
            });
            self.in_flight = fits.count().max(usize::from(!self.waiting.is_empty()));
        }
        self.waiting.iter().take(self.in_flight).map(|(_, line)| line.clone()).collect()
    }

    /// The round in flight has landed; returns its numbers, if it had any.
    pub fn landed(&mut self) -> Option<RangeInclusive<u64>> {
        let sent = std::mem::take(&mut self.in_flight);
        let numbers: Vec<u64> = self.waiting.drain(..sent).map(|(number, _)| number).collect();
        Some(*numbers.first()?..=*numbers.last()?)
    }
}
