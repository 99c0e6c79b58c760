//! A log that can be put out of an agent's reach, and brought back; or that takes no more of its records.

use async_trait::async_trait;
use replay::log::{AppendError, Batch, Entry, Fence, Identity, Log, OpenError, ReadError, Reader};
use schema::unit::Seq;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::watch;

pub(crate) struct Cut {
    log: Arc<dyn Log>,
    cut: watch::Sender<bool>,
    full: AtomicBool,
}

impl Cut {
    pub(crate) fn new(log: Arc<dyn Log>) -> Arc<Cut> {
        Arc::new(Cut { log, cut: watch::Sender::new(false), full: AtomicBool::new(false) })
    }

    /// From now on it refuses for good what it is given.
    pub(crate) fn fill(&self) {
        self.full.store(true, Ordering::SeqCst);
    }

    /// The log as everyone else has it.
    pub(crate) fn whole(&self) -> Arc<dyn Log> {
        self.log.clone()
    }

    pub(crate) fn cut(&self, cut: bool) {
        self.cut.send_replace(cut);
    }
}

#[async_trait]
impl Log for Cut {
    async fn append(&self, round: &[Entry], fence: Option<&Fence>) -> Result<Seq, AppendError> {
        if *self.cut.borrow() {
            return Err(AppendError::Unresolved("the log is cut off".into()));
        }
        if self.full.load(Ordering::SeqCst) {
            return Err(AppendError::Refused("the log is full".into()));
        }
        self.log.append(round, fence).await
    }

    async fn read(&self, from: Seq, filter: Option<&str>) -> Result<Box<dyn Reader>, ReadError> {
        let reader = self.log.read(from, filter).await?;
        Ok(Box::new(CutReader { reader, cut: self.cut.subscribe() }))
    }

    async fn last_seq(&self) -> Result<Seq, ReadError> {
        if *self.cut.borrow() {
            return Err(ReadError::Unavailable("the log is cut off".into()));
        }
        self.log.last_seq().await
    }

    fn identity(&self) -> &Identity {
        self.log.identity()
    }

    async fn roll_over(&self, genesis: &Entry) -> Result<Box<dyn Log>, OpenError> {
        self.log.roll_over(genesis).await
    }

    async fn successor(&self) -> Result<Option<Box<dyn Log>>, OpenError> {
        self.log.successor().await
    }
}

struct CutReader {
    reader: Box<dyn Reader>,
    cut: watch::Receiver<bool>,
}

#[async_trait]
impl Reader for CutReader {
    async fn next_batch(&mut self, wait: Duration) -> Result<Batch, ReadError> {
        let deadline = tokio::time::Instant::now() + wait;
        let back = tokio::time::timeout_at(deadline, self.cut.wait_for(|cut| !cut)).await.is_ok();
        if !back {
            return Ok(Batch { records: Vec::new(), pending: 1 });
        }
        self.reader.next_batch(deadline.duration_since(tokio::time::Instant::now())).await
    }
}
