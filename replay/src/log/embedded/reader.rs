//! Reading an embedded log: ranges from disk, and the tail by which a reader learns of more.

use super::super::{Batch, ReadError, Reader, matches};
use super::store::Store;
use async_trait::async_trait;
use schema::unit::Seq;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

const BATCH: usize = 2000;

pub(super) struct EmbeddedReader {
    store: Arc<Store>,
    tail: watch::Receiver<Seq>,
    next: Seq,
    filter: Option<String>,
}

impl EmbeddedReader {
    pub(super) fn new(
        store: Arc<Store>,
        tail: watch::Receiver<Seq>,
        from: Seq,
        filter: Option<String>,
    ) -> EmbeddedReader {
        EmbeddedReader { store, tail, next: Seq(from.0.max(1)), filter }
    }

    /// What is there now. A filtered read goes on until something matches or the end is reached.
    fn take(&mut self) -> Result<Batch, ReadError> {
        let last = *self.tail.borrow_and_update();
        let mut batch = Batch::default();
        while batch.records.is_empty() && self.next <= last {
            let mut records =
                self.store.range(self.next, last, BATCH).map_err(ReadError::Unavailable)?;
            let Some(end) = records.last().map(|record| record.seq) else { break };
            self.next = end.next();
            if let Some(filter) = &self.filter {
                records.retain(|record| matches(filter, &record.subject));
            }
            batch.records = records;
        }
        batch.pending = (last.0 + 1).saturating_sub(self.next.0);
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
            match tokio::time::timeout_at(deadline, self.tail.changed()).await {
                Err(_) => return Ok(batch),
                Ok(Err(_)) => return Err(ReadError::Unavailable("the log is closed".into())),
                Ok(Ok(())) => {}
            }
        }
    }
}
