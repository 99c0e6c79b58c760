//! Following a cluster's log from its first record, as a replica would.

use replay::log::{Log, Reader};
use replay_core::state::leader::Holder;
use replay_core::{Outcome, State, invariant};
use schema::event::Event;
use schema::record::Record;
use schema::unit::{Epoch, LogTime, Seq};
use std::sync::Arc;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
const TICK: Duration = Duration::from_millis(50);

pub(crate) struct Watch {
    log: Arc<dyn Log>,
    reader: Box<dyn Reader>,
    pub(crate) state: State,
    /// Checkpoints of leaders that agreed with this fold.
    pub(crate) agreed: usize,
    /// The term of the last of them.
    term: Epoch,
}

impl Watch {
    pub(crate) async fn open(log: Arc<dyn Log>) -> Watch {
        let reader = log.read(Seq(1), None).await.expect("readable");
        Watch { log, reader, state: State::default(), agreed: 0, term: Epoch(0) }
    }

    /// Folds what comes until a record that counts is as `wanted`; returns when the log stored it.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&State, &Record) -> bool) -> LogTime {
        let since = Instant::now();
        loop {
            assert!(since.elapsed() < PATIENCE, "it did not come; at {}", self.state.head.applied);
            if let Some(time) = self.step(&wanted).await {
                return time;
            }
        }
    }

    /// Folds one batch; returns when the first record in it that was wanted was stored.
    async fn step(&mut self, wanted: &impl Fn(&State, &Record) -> bool) -> Option<LogTime> {
        let batch = self.reader.next_batch(TICK).await.expect("readable");
        let (mut found, agreed, term) = (None, &mut self.agreed, &mut self.term);
        replay::fold::fold(&mut self.state, &batch.records, |state, stored, outcome, record| {
            let applied = record.filter(|_| outcome == Outcome::Applied);
            if let Some(record) = &applied
                && wanted(state, record)
            {
                found = found.or(Some(stored.time));
            }
            assert_eq!(state.diverged, None, "a leader's digest is another one");
            if let Some(record) = applied
                && matches!(&record.event, Event::Checkpoint(e) if state.marked(e.seq).is_some())
            {
                (*agreed, *term) = (*agreed + 1, record.epoch);
            }
        });
        assert_eq!(invariant::check(&self.state), []);
        found
    }

    /// Folds to what is the end now.
    pub(crate) async fn catch_up(&mut self) {
        let since = Instant::now();
        let end = loop {
            if let Ok(end) = self.log.last_seq().await {
                break end;
            }
            assert!(since.elapsed() < PATIENCE, "the log is out of reach");
        };
        while self.state.head.applied < end {
            assert!(since.elapsed() < PATIENCE, "the log does not come");
            self.step(&|_, _| false).await;
        }
    }

    /// The name of the leading replica, once one leads and its digest has been compared.
    pub(crate) async fn leader(&mut self) -> String {
        self.catch_up().await;
        let since = Instant::now();
        loop {
            let leader = &self.state.head.leader;
            if let Holder::Replica(name) = &leader.holder
                && leader.epoch == self.term
            {
                return name.to_string();
            }
            assert!(since.elapsed() < PATIENCE, "nobody leads, or it says nothing of its digest");
            self.step(&|_, _| false).await;
        }
    }
}
