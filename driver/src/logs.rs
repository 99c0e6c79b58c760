//! Output of execs, from the data plane of the instance where they run.

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use schema::id::ExecId;
use std::time::Duration;

const RETRY: Duration = Duration::from_millis(100);
const TRIES: u32 = 50;

/// Which output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Which {
    fn token(self) -> &'static str {
        match self {
            Which::Stdout => "stdout",
            Which::Stderr => "stderr",
        }
    }
}

/// Why output cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// The instance has none of that exec.
    #[error("{address} has no {which} of {exec}")]
    Missing {
        /// The data plane that was asked.
        address: String,
        /// The exec.
        exec: ExecId,
        /// Which output.
        which: &'static str,
    },
    /// The instance does not answer.
    #[error("the instance at {address} does not answer: {reason}")]
    Unreachable {
        /// The data plane that was asked.
        address: String,
        /// What came of it.
        reason: String,
    },
}

struct Cursor {
    http: reqwest::Client,
    address: String,
    exec: ExecId,
    which: Which,
    offset: u64,
    follow: bool,
    tries: u32,
    body: Option<BoxStream<'static, reqwest::Result<Bytes>>>,
}

/// Output of an exec from `offset` on. A broken connection is taken up again where it broke.
#[must_use]
pub fn stream(
    address: String,
    exec: ExecId,
    which: Which,
    offset: u64,
    follow: bool,
) -> BoxStream<'static, Result<Bytes, LogsError>> {
    let http = reqwest::Client::new();
    let cursor = Cursor { http, address, exec, which, offset, follow, tries: 0, body: None };
    futures::stream::unfold(Some(cursor), next).boxed()
}

type Step = Option<(Result<Bytes, LogsError>, Option<Cursor>)>;

async fn next(cursor: Option<Cursor>) -> Step {
    let mut cursor = cursor?;
    loop {
        if cursor.body.is_none() {
            match cursor.open().await {
                Ok(body) => cursor.body = Some(body),
                Err(error @ LogsError::Missing { .. }) => return Some((Err(error), None)),
                Err(error) if cursor.tries >= TRIES => return Some((Err(error), None)),
                Err(_) => {
                    cursor.tries += 1;
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
            }
        }
        match cursor.body.as_mut()?.next().await {
            None => return None,
            Some(Ok(bytes)) => {
                cursor.offset += bytes.len() as u64;
                cursor.tries = 0;
                return Some((Ok(bytes), Some(cursor)));
            }
            Some(Err(_)) => cursor.body = None,
        }
    }
}

impl Cursor {
    async fn open(&mut self) -> Result<BoxStream<'static, reqwest::Result<Bytes>>, LogsError> {
        let Cursor { address, exec, which, .. } = &*self;
        let which = which.token();
        let unreachable = |e: reqwest::Error| LogsError::Unreachable {
            address: address.clone(),
            reason: e.to_string(),
        };
        let query = [("offset", self.offset.to_string()), ("follow", self.follow.to_string())];
        let request = self.http.get(format!("{address}/v1/execs/{exec}/{which}")).query(&query);
        let response = request.send().await.map_err(unreachable)?;
        if response.status() == reqwest::StatusCode::NOT_FOUND {
            let (address, exec) = (address.clone(), exec.clone());
            return Err(LogsError::Missing { address, exec, which });
        }
        Ok(response.error_for_status().map_err(unreachable)?.bytes_stream().boxed())
    }
}
