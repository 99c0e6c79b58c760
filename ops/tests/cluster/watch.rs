//! Following a cluster's log from its first record, as a replica would.

use replay::log::{Log, Reader};
use replay_core::state::leader::Holder;
use replay_core::{Outcome, State, invariant};
use schema::event::Event;
use schema::record::Record;
use schema::unit::{LogTime, Seq};
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
}

impl Watch {
    pub(crate) async fn open(log: Arc<dyn Log>) -> Watch {
        let reader = log.read(Seq(1), None).await.expect("readable");
        Watch { log, reader, state: State::default(), agreed: 0 }
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
        let (mut found, agreed) = (None, &mut self.agreed);
        replay::fold::fold(&mut self.state, &batch.records, |state, stored, outcome, record| {
            let applied = record.filter(|_| outcome == Outcome::Applied);
            if let Some(record) = &applied
                && wanted(state, record)
            {
                found = found.or(Some(stored.time));
            }
            assert_eq!(state.diverged, None, "a leader's digest is another one");
            *agreed += usize::from(matches!(
                applied.as_ref().map(|record| &record.event),
                Some(Event::Checkpoint(e)) if state.marked(e.seq).is_some()
            ));
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

    /// The name of the leading replica, once one leads.
    pub(crate) async fn leader(&mut self) -> String {
        self.catch_up().await;
        loop {
            if let Holder::Replica(leader) = &self.state.head.leader.holder {
                return leader.to_string();
            }
            self.step(&|_, _| false).await;
        }
    }
}
