//! One round on its way to the log: sent until it has landed and been folded, or until the fence says
//! that it never will. Nothing else is written meanwhile.
//!
//! ```text
//! due ──▶ sent ──stored──▶ folded up to there? ──▶ landed, or void
//!  ▲        ├──busy──▶ wait ──┐
//!  │        ├──unknown──▶ read back ──there──▶ landed
//!  ├────────┴─────────────────┴───not there──┐
//!  └── still leads? ◀── fold to the end ◀── fenced       else: lost
//! ```

use crate::moment::Moment;
use replay_core::State;
use replay_core::author::Line;
use schema::SCHEMA_VERSION;
use schema::codec::EncodeError;
use schema::event::Event;
use schema::id::{AuthorId, ClusterId};
use schema::record::Record;
use schema::subject::Role;
use schema::unit::{Epoch, Millis, Seq};
use std::sync::Arc;
use uuid::Uuid;

/// Wait before a round that the log had no time for is sent again.
const RETRY: Millis = Millis(5);
/// How long a round of unknown fate is looked for before it is sent again.
const READ_BACK: Millis = Millis(200);

/// Who writes.
#[derive(Debug, Clone)]
pub struct Me {
    /// The cluster.
    pub cluster: ClusterId,
    /// This replica.
    pub replica: AuthorId,
    /// This life of it.
    pub incarnation: Uuid,
}

/// What a log said to an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// All of it is durable; this is the sequence of its last record.
    Stored(Seq),
    /// The fence's subject has moved on: nothing was stored.
    Fenced,
    /// Nothing was stored; the same may be tried again.
    Busy,
    /// It may have been stored, now or later.
    Unknown,
}

/// An append to be made: the same bytes each time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// The records, all or nothing.
    pub lines: Arc<Vec<Line>>,
    /// The sequence that the last election must have, if this is fenced.
    pub fence: Option<Seq>,
}

/// What came of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Landing {
    /// It is on the log, and folded.
    Landed,
    /// Nothing of it has an effect, nor will have.
    Lost,
}

/// What a round needs next.
#[derive(Debug, PartialEq, Eq)]
pub enum Need {
    /// To wait.
    Nothing,
    /// This append.
    Append(Append),
    /// To know where the log ends.
    End,
    /// Nothing any more.
    Settled(Landing),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Due(Moment),
    Sent,
    Stored(Seq),
    Fenced,
    AskedForEnd,
    FoldingTo(Seq),
    ReadBack(Moment),
}

/// A round on its way.
#[derive(Debug)]
pub struct Round {
    lines: Arc<Vec<Line>>,
    last: u64,
    epoch: Epoch,
    fence: Option<Seq>,
    phase: Phase,
    /// When it was begun.
    pub since: Moment,
}

impl Round {
    /// Numbers and encodes events as the next records of this replica.
    ///
    /// # Errors
    /// A record is too long.
    pub fn new(
        now: Moment,
        me: &Me,
        state: &State,
        events: Vec<Event>,
        epoch: Epoch,
        fenced: bool,
    ) -> Result<Round, EncodeError> {
        let first = state.next_number(Role::Ctl, &me.replica, me.incarnation);
        let last = first + events.len() as u64 - 1;
        let mut lines = Vec::with_capacity(events.len());
        for (number, event) in (first..).zip(events) {
            let record = Record {
                version: SCHEMA_VERSION,
                author: me.replica.clone(),
                incarnation: me.incarnation,
                number,
                cause: state.head.applied,
                epoch,
                must_understand: false,
                event,
            };
            lines.push(Line::of(&me.cluster, &record)?);
        }
        let fence = fenced.then_some(state.head.leader.election);
        let (lines, phase) = (Arc::new(lines), Phase::Due(now));
        Ok(Round { lines, last, epoch, fence, phase, since: now })
    }

    /// Takes in what the log said.
    pub fn answer(&mut self, now: Moment, answer: Answer) {
        if self.phase != Phase::Sent {
            return;
        }
        self.phase = match answer {
            Answer::Stored(seq) => Phase::Stored(seq),
            Answer::Fenced => Phase::Fenced,
            Answer::Busy => Phase::Due(now + RETRY),
            Answer::Unknown => Phase::ReadBack(now + READ_BACK),
        };
    }

    /// Takes in where the log ends, if that was asked for.
    pub fn end(&mut self, seq: Option<Seq>) {
        if self.phase == Phase::AskedForEnd {
            self.phase = seq.map_or(Phase::Fenced, Phase::FoldingTo);
        }
    }

    /// What it needs now.
    pub fn step(&mut self, now: Moment, me: &Me, state: &State) -> Need {
        let folded = state.head.applied;
        match self.phase {
            Phase::Due(at) if at <= now => {
                self.phase = Phase::Sent;
                Need::Append(Append { lines: self.lines.clone(), fence: self.fence })
            }
            Phase::Stored(seq) if folded >= seq => Need::Settled(self.landing(me, state)),
            Phase::Fenced => {
                self.phase = Phase::AskedForEnd;
                Need::End
            }
            Phase::FoldingTo(seq) if folded >= seq => self.judge(now, me, state),
            Phase::ReadBack(_) if self.landed(me, state) => Need::Settled(Landing::Landed),
            Phase::ReadBack(at) if at <= now => {
                self.phase = Phase::Due(now);
                self.step(now, me, state)
            }
            Phase::Due(_)
            | Phase::Sent
            | Phase::Stored(_)
            | Phase::AskedForEnd
            | Phase::FoldingTo(_)
            | Phase::ReadBack(_) => Need::Nothing,
        }
    }

    /// The fence refused it. An election that had no effect moves the fence too: who still leads goes
    /// on behind the new one.
    fn judge(&mut self, now: Moment, me: &Me, state: &State) -> Need {
        if self.landed(me, state) {
            return Need::Settled(Landing::Landed);
        }
        let leader = &state.head.leader;
        let leads = state.leads(&me.replica) && leader.epoch == self.epoch;
        if !leads || self.fence == Some(leader.election) {
            return Need::Settled(Landing::Lost);
        }
        self.fence = Some(leader.election);
        self.phase = Phase::Due(now);
        self.step(now, me, state)
    }

    fn landing(&self, me: &Me, state: &State) -> Landing {
        if self.landed(me, state) { Landing::Landed } else { Landing::Lost }
    }

    fn landed(&self, me: &Me, state: &State) -> bool {
        state.next_number(Role::Ctl, &me.replica, me.incarnation) > self.last
    }
}
