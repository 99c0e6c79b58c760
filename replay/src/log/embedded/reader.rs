//! Reading an embedded log: ranges from disk, and the tail by which a reader learns of more.

use super::super::{Batch, ReadError, Reader, matches};
use super::generation::Generation;
use async_trait::async_trait;
use schema::unit::Seq;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

const BATCH: usize = 2000;

pub(super) struct EmbeddedReader {
    generation: Arc<Generation>,
    tail: watch::Receiver<Seq>,
    next: Seq,
    filter: Option<String>,
}

impl EmbeddedReader {
    pub(super) fn new(
        generation: Arc<Generation>,
        from: Seq,
        filter: Option<String>,
    ) -> EmbeddedReader {
        let tail = generation.tail.clone();
        EmbeddedReader { generation, tail, next: Seq(from.0.max(1)), filter }
    }

    /// What is there now, or what of a part of it matches.
    fn take(&mut self) -> Result<Batch, ReadError> {
        let last = *self.tail.borrow_and_update();
        if last.next() < self.next {
            let stream = &self.generation.identity().stream;
            return Err(ReadError::WrongLog(format!("{stream} was cut short: it ends at {last}")));
        }
        let mut batch = Batch::default();
        if self.next <= last {
            let range = self.generation.store.range(self.next, last, BATCH);
            batch.records = range.map_err(ReadError::Unavailable)?;
            let found = batch.records.first().map_or(last.next(), |record| record.seq);
            if found != self.next {
                return Err(ReadError::Hole { expected: self.next, found });
            }
            self.next = batch.records.last().map_or(last, |record| record.seq).next();
            if let Some(filter) = &self.filter {
                batch.records.retain(|record| matches(filter, &record.subject));
            }
        }
        batch.pending = last.next().0.saturating_sub(self.next.0);
        Ok(batch)
    }
}

#[async_trait]
impl Reader for EmbeddedReader {
    async fn next_batch(&mut self, wait: Duration) -> Result<Batch, ReadError> {
        let deadline = tokio::time::Instant::now() + wait;
        loop {
            let batch = self.take()?;
            if !batch.records.is_empty() {
                return Ok(batch);
            }
            if batch.pending > 0 {
                tokio::task::yield_now().await;
                continue;
            }
            match tokio::time::timeout_at(deadline, self.tail.changed()).await {
                Err(_) => return Ok(batch),
                Ok(Err(_)) => return Err(ReadError::Unavailable("the log is closed".into())),
                Ok(Ok(())) => {}
            }
        }
    }
}
