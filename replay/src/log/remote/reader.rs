//! Reading a log in another process: a stream of frames, opened anew from the position whenever it
//! fails.

use super::super::{Batch, ReadError, Reader, Stored};
use super::client::Http;
use super::frame::Frames;
use super::{ReadQuery, Which};
use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use schema::unit::Seq;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

const RECONNECT: Duration = Duration::from_millis(100);

enum Link {
    Closed,
    Opening(BoxFuture<'static, Result<Frames, ReadError>>),
    Open(Frames),
}

pub(super) struct RemoteReader {
    http: Http,
    which: Which,
    next: Seq,
    filter: Option<String>,
    link: Link,
    /// What the last frame said of it; more than nothing as long as there was none.
    pending: u64,
    /// The last record delivered. Reading begins with it again after a failure, which shows whether
    /// it is still the same log.
    last: Option<Stored>,
    /// Whether `last` is what must come next.
    expect_last: bool,
}

impl RemoteReader {
    pub(super) fn new(http: Http, which: Which, from: Seq, filter: Option<String>) -> RemoteReader {
        RemoteReader {
            http,
            which,
            next: Seq(from.0.max(1)),
            filter,
            link: Link::Closed,
            pending: 1,
            last: None,
            expect_last: false,
        }
    }

    fn close(&mut self) {
        (self.link, self.pending) = (Link::Closed, 1);
    }

    fn open(&mut self) -> BoxFuture<'static, Result<Frames, ReadError>> {
        self.expect_last = self.last.is_some();
        let Which { stream, created } = self.which.clone();
        let from = self.last.as_ref().map_or(self.next, |last| last.seq).0;
        let query = ReadQuery { stream, created, from, filter: self.filter.clone() };
        Frames::open(self.http.get("read").query(&query)).boxed()
    }

    /// Opens a stream of frames if there is none. Cancel-safe: what was begun goes on.
    async fn connect(&mut self) -> Result<&mut Frames, ReadError> {
        if let Link::Closed = self.link {
            self.link = Link::Opening(self.open());
        }
        if let Link::Opening(opening) = &mut self.link {
            let opened = opening.await;
            self.link = Link::Closed;
            self.link = Link::Open(opened?);
        }
        match &mut self.link {
            Link::Open(frames) => Ok(frames),
            Link::Closed | Link::Opening(_) => Err(ReadError::Unavailable("not connected".into())),
        }
    }

    async fn step(&mut self) -> Result<Batch, ReadError> {
        let frame: Result<Batch, ReadError> = self.connect().await?.next().await?;
        let mut batch = frame?;
        if self.expect_last && !batch.records.is_empty() {
            let first = batch.records.remove(0);
            if self.last.as_ref() != Some(&first) {
                let reason =
                    format!("record {} of {} is another one", first.seq, self.which.stream);
                return Err(ReadError::WrongLog(reason));
            }
            self.expect_last = false;
        }
        if let Some(first) = batch.records.first()
            && self.filter.is_none()
            && first.seq != self.next
        {
            return Err(ReadError::Hole { expected: self.next, found: first.seq });
        }
        self.pending = batch.pending;
        if let Some(last) = batch.records.last() {
            self.next = last.seq.next();
            self.last = Some(last.clone());
        }
        Ok(batch)
    }
}

#[async_trait]
impl Reader for RemoteReader {
    async fn next_batch(&mut self, wait: Duration) -> Result<Batch, ReadError> {
        let deadline = Instant::now() + wait;
        loop {
            match timeout_at(deadline, self.step()).await {
                Err(_) => return Ok(Batch { records: Vec::new(), pending: self.pending }),
                Ok(Ok(batch)) if batch.records.is_empty() && batch.pending > 0 => {}
                Ok(Ok(batch)) => return Ok(batch),
                Ok(Err(ReadError::Unavailable(reason))) => {
                    tracing::debug!(reason, "reconnecting to the log");
                    self.close();
                    let pause = tokio::time::sleep(RECONNECT);
                    if timeout_at(deadline, pause).await.is_err() {
                        return Ok(Batch { records: Vec::new(), pending: self.pending });
                    }
                }
                Ok(Err(error)) => {
                    self.close();
                    return Err(error);
                }
            }
        }
    }
}
