//! One replica's hold on the log: reads it, folds it, and appends rounds of its own behind the fence
//! until they have landed or the fence refuses them.

use crate::heartbeat::Heard;
use crate::replica::ReplicaError;
use bytes::Bytes;
use replay::log::{AppendError, Batch, Entry, Fence, Log, Reader};
use replay_core::{Outcome, State};
use schema::SCHEMA_VERSION;
use schema::codec;
use schema::event::Event;
use schema::id::{AllocId, AuthorId, ClusterId};
use schema::record::Record;
use schema::subject::{self, Role, Subject};
use schema::unit::{Epoch, LogTime, Millis, Seq};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

const RETRY: Duration = Duration::from_millis(5);
const READ_BACK: Duration = Duration::from_millis(200);
/// Allocs that are over are forgotten here when there are this many more of them than of others.
const SPARE: usize = 1024;

/// What came of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Landed {
    /// It is on the log, and folded.
    Yes,
    /// The fence refused it: nothing of it is on the log, nor will be.
    No,
}

pub(crate) struct Hold {
    pub(crate) cluster: ClusterId,
    pub(crate) replica: AuthorId,
    pub(crate) state: State,
    pub(crate) caught_up: bool,
    /// When each lease was last begun or renewed, by this process's monotonic clock.
    pub(crate) kept: BTreeMap<AllocId, Instant>,
    /// When the last record was folded.
    pub(crate) folded: Instant,
    /// When the last fenced append was acknowledged.
    pub(crate) acknowledged: Instant,
    /// When the challenge that stands now was folded.
    pub(crate) challenged: Option<Instant>,
    heard: Arc<Heard>,
    log: Arc<dyn Log>,
    reader: Box<dyn Reader>,
    incarnation: Uuid,
}

/// What only this process's own clock can tell.
struct Noting<'a> {
    kept: &'a mut BTreeMap<AllocId, Instant>,
    challenged: &'a mut Option<Instant>,
    heard: &'a Heard,
}

impl Noting<'_> {
    fn note(&mut self, state: &State, record: &Record) {
        let now = Instant::now();
        match &record.event {
            Event::AllocGranted(e) => {
                self.kept.insert(e.alloc.clone(), now);
            }
            Event::AllocsKept(e) => {
                self.kept.extend(e.allocs.iter().map(|id| (id.clone(), now)));
            }
            Event::LeaderChallenged(_) => *self.challenged = Some(now),
            event if event.role() == Role::Ctl && record.epoch == state.head.leader.epoch => {
                self.heard.leader(record.epoch);
            }
            event => {
                if let (Role::Agent, Some(id)) = (event.role(), event.route().instance) {
                    self.heard.agent(id);
                }
            }
        }
    }
}

impl Hold {
    pub(crate) async fn open(
        log: Arc<dyn Log>,
        cluster: ClusterId,
        replica: AuthorId,
        heard: Arc<Heard>,
    ) -> Result<Hold, ReplicaError> {
        let reader = log.read(Seq(1), None).await?;
        let now = Instant::now();
        Ok(Hold {
            cluster,
            replica,
            state: State::default(),
            caught_up: false,
            kept: BTreeMap::new(),
            folded: now,
            acknowledged: now,
            challenged: None,
            heard,
            log,
            reader,
            incarnation: Uuid::now_v7(),
        })
    }

    /// The next records, waiting at most `wait`. Cancel-safe; fold what it returns.
    pub(crate) async fn next(&mut self, wait: Duration) -> Result<Batch, ReplicaError> {
        Ok(self.reader.next_batch(wait).await?)
    }

    pub(crate) fn fold(&mut self, batch: &Batch) {
        let Hold { state, kept, challenged, heard, .. } = self;
        let mut noting = Noting { kept, challenged, heard };
        replay::fold::fold(state, &batch.records, |state, stored, outcome, record| {
            if let Outcome::Void(void) = outcome {
                tracing::debug!(seq = %stored.seq, subject = stored.subject, %void, "void");
            } else if let Some(record) = &record {
                noting.note(state, record);
            }
        });
        if !batch.records.is_empty() {
            self.folded = Instant::now();
        }
        self.caught_up = batch.pending == 0;
        let leases = &self.state.index.leases;
        if self.kept.len() > 2 * leases.len() + SPARE {
            let held: BTreeSet<&AllocId> = leases.iter().map(|(_, alloc)| alloc).collect();
            self.kept.retain(|alloc, _| held.contains(alloc));
        }
        self.heard.only(&self.state.index.live_instances);
    }

    /// Log time now, as far as this process can tell while the log is quiet.
    pub(crate) fn estimated_time(&self) -> LogTime {
        let passed = u64::try_from(self.folded.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.state.head.time + Millis(passed)
    }

    /// Appends events as the next records of this replica. With `fenced`, only as long as no
    /// election has moved the fence under another leader's feet; an election itself is fenced on the
    /// last one. Nothing else is written meanwhile.
    pub(crate) async fn append(
        &mut self,
        events: Vec<Event>,
        epoch: Epoch,
        fenced: bool,
    ) -> Result<Landed, ReplicaError> {
        let first = self.state.next_number(Role::Ctl, &self.replica, self.incarnation);
        let last = first + events.len() as u64 - 1;
        let entries = self.encode(events, epoch, first)?;
        let mut expected = self.state.head.leader.election;
        loop {
            let fence = Fence { subject: subject::election(&self.cluster), seq: expected };
            let error = match self.log.append(&entries, fenced.then_some(&fence)).await {
                Ok(seq) => {
                    self.fold_to(seq).await?;
                    self.acknowledged = Instant::now();
                    return Ok(if self.landed(last) { Landed::Yes } else { Landed::No });
                }
                Err(error) => error,
            };
            match error {
                AppendError::Fenced { .. } => {
                    let end = self.log.last_seq().await?;
                    self.fold_to(end).await?;
                    if self.landed(last) {
                        return Ok(Landed::Yes);
                    }
                    let leader = &self.state.head.leader;
                    let leads = self.state.leads(&self.replica) && leader.epoch == epoch;
                    if !leads || leader.election == expected {
                        return Ok(Landed::No);
                    }
                    expected = leader.election;
                }
                AppendError::Busy(reason) => {
                    tracing::debug!(reason, "the log asks to try again");
                    tokio::time::sleep(RETRY).await;
                }
                AppendError::Unresolved(reason) => {
                    tracing::warn!(reason, "reading back what became of a round");
                    let batch = self.next(READ_BACK).await?;
                    self.fold(&batch);
                    if self.landed(last) {
                        return Ok(Landed::Yes);
                    }
                }
                AppendError::Refused(_) | AppendError::WrongLog(_) => return Err(error.into()),
            }
        }
    }

    fn landed(&self, number: u64) -> bool {
        self.state.next_number(Role::Ctl, &self.replica, self.incarnation) > number
    }

    pub(crate) async fn fold_to(&mut self, seq: Seq) -> Result<(), ReplicaError> {
        while self.state.head.applied < seq {
            let batch = self.next(READ_BACK).await?;
            self.fold(&batch);
        }
        Ok(())
    }

    fn encode(
        &self,
        events: Vec<Event>,
        epoch: Epoch,
        first: u64,
    ) -> Result<Vec<Entry>, ReplicaError> {
        let mut entries = Vec::with_capacity(events.len());
        for (number, event) in (first..).zip(events) {
            let subject = Subject::of(&self.cluster, &self.replica, &event).to_string();
            let record = Record {
                version: SCHEMA_VERSION,
                author: self.replica.clone(),
                incarnation: self.incarnation,
                number,
                cause: self.state.head.applied,
                epoch,
                must_understand: false,
                event,
            };
            entries.push(Entry { subject, payload: Bytes::from(codec::encode(&record)?) });
        }
        Ok(entries)
    }
}
