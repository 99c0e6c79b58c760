//! Output of execs, from the data plane of the instance where they run.
//!
//! ```text
//! wait for the start ──▶ open at the offset ──▶ bytes ──▶ end of the body ──▶ all there? done
//!                           ▲    └── fails ──▶ pause, look for a newer address ──┐   │ no
//!                           └────────────────────────────────────────────────────┴───┘
//! ```

mod place;

use bytes::Bytes;
use driver_core::view::{ExecEnd, ExecView};
use futures::StreamExt;
use futures::stream::BoxStream;
pub(crate) use place::Place;
use schema::id::ExecId;
use std::error::Error;
use std::time::Duration;
use tokio::sync::watch;

const CONNECT: Duration = Duration::from_secs(2);
const RETRY: Duration = Duration::from_millis(100);
/// Failures in a row after which output of an exec that does not run is given up.
const TRIES: u32 = 50;
/// Failures in a row after which the log is asked where the data plane answers now.
const ASK_AFTER: u32 = 5;

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
    /// The driver cannot go on, and with it nobody tells whether more comes.
    #[error("{exec} may go on writing to {which}; this driver cannot go on reading it")]
    Stopped {
        /// The exec.
        exec: ExecId,
        /// Which output.
        which: &'static str,
    },
    /// The instance has less than the exec wrote.
    #[error("{exec} wrote {all} bytes to {which}, of which {have} are there")]
    Cut {
        /// The exec.
        exec: ExecId,
        /// Which output.
        which: &'static str,
        /// What was read.
        have: u64,
        /// What was written, by the agent's own record.
        all: u64,
    },
}

/// What to read.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) exec: ExecId,
    pub(crate) which: Which,
    /// Where the next byte is.
    pub(crate) offset: u64,
    pub(crate) follow: bool,
}

/// What the driver knows of the exec while it reads.
pub(crate) struct Live {
    pub(crate) place: Place,
    pub(crate) watch: watch::Receiver<ExecView>,
}

struct Cursor {
    http: reqwest::Client,
    address: String,
    wanted: Wanted,
    live: Option<Live>,
    /// Failures since the last byte.
    tries: u32,
    body: Option<BoxStream<'static, reqwest::Result<Bytes>>>,
}

/// A client for data planes. They are on loopback: no proxy stands between.
pub(crate) fn client() -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy().connect_timeout(CONNECT);
    builder.build().unwrap_or_default()
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
    start(client(), address, Wanted { exec, which, offset, follow }, None)
}

/// Output of an exec that this driver knows: from its start to its end, wherever its agent answers.
pub(crate) fn live(
    http: reqwest::Client,
    address: String,
    wanted: Wanted,
    live: Live,
) -> BoxStream<'static, Result<Bytes, LogsError>> {
    start(http, address, wanted, Some(live))
}

fn start(
    http: reqwest::Client,
    address: String,
    wanted: Wanted,
    live: Option<Live>,
) -> BoxStream<'static, Result<Bytes, LogsError>> {
    let cursor = Cursor { http, address, wanted, live, tries: 0, body: None };
    futures::stream::unfold(Some(cursor), next).boxed()
}

type Step = Option<(Result<Bytes, LogsError>, Option<Cursor>)>;

/// The next bytes. An error is the last item.
async fn next(cursor: Option<Cursor>) -> Step {
    let mut cursor = cursor?;
    match cursor.begun().await {
        Ok(true) => {}
        Ok(false) => return None,
        Err(stopped) => return Some((Err(stopped), None)),
    }
    loop {
        if cursor.has_all() {
            return None;
        }
        let failure = match cursor.chunk().await {
            Ok(Some(bytes)) => {
                cursor.wanted.offset += bytes.len() as u64;
                cursor.tries = 0;
                return Some((Ok(bytes), Some(cursor)));
            }
            Ok(None) => match cursor.missing() {
                None => return None,
                Some(missing) => missing,
            },
            Err(failure) => failure,
        };
        cursor.body = None;
        if !cursor.again(&failure).await {
            return Some((Err(failure), None));
        }
    }
}

impl Cursor {
    /// Waits until there may be output; false if there never will be any.
    async fn begun(&mut self) -> Result<bool, LogsError> {
        let stopped = self.stopped();
        let Some(live) = &mut self.live else { return Ok(true) };
        let begun = |view: &ExecView| view.started || view.end.is_some();
        if self.wanted.follow && live.watch.wait_for(begun).await.is_err() {
            return Err(stopped);
        }
        let view = live.watch.borrow();
        Ok(view.started || matches!(view.end, Some(ExecEnd::Exited { .. })))
    }

    fn stopped(&self) -> LogsError {
        let Wanted { exec, which, .. } = &self.wanted;
        LogsError::Stopped { exec: exec.clone(), which: which.token() }
    }

    /// What comes next of the body; nothing at its end.
    async fn chunk(&mut self) -> Result<Option<Bytes>, LogsError> {
        let mut body = match self.body.take() {
            Some(body) => body,
            None => self.open().await?,
        };
        loop {
            match body.next().await {
                None => return Ok(None),
                Some(Ok(bytes)) if bytes.is_empty() => {}
                Some(Ok(bytes)) => {
                    self.body = Some(body);
                    return Ok(Some(bytes));
                }
                Some(Err(error)) => return Err(self.unreachable(&error)),
            }
        }
    }

    async fn open(&mut self) -> Result<BoxStream<'static, reqwest::Result<Bytes>>, LogsError> {
        let Wanted { exec, which, offset, follow } = &self.wanted;
        let (address, which) = (&self.address, which.token());
        let query = [("offset", offset.to_string()), ("follow", follow.to_string())];
        let request = self.http.get(format!("{address}/v1/execs/{exec}/{which}")).query(&query);
        let response = request.send().await.map_err(|e| self.unreachable(&e))?;
        if response.status() == reqwest::StatusCode::NOT_FOUND {
            let (address, exec) = (address.clone(), exec.clone());
            return Err(LogsError::Missing { address, exec, which });
        }
        let response = response.error_for_status().map_err(|e| self.unreachable(&e))?;
        Ok(response.bytes_stream().boxed())
    }

    fn unreachable(&self, error: &reqwest::Error) -> LogsError {
        let mut reason = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            reason = format!("{reason}: {cause}");
            source = cause.source();
        }
        LogsError::Unreachable { address: self.address.clone(), reason }
    }

    /// How much the exec wrote, by its agent's own record of its end.
    fn all(&self) -> Option<u64> {
        let view = self.live.as_ref()?.watch.borrow();
        let Some(ExecEnd::Exited { logs, .. }) = &view.end else { return None };
        let (all, digest) = match self.wanted.which {
            Which::Stdout => (logs.stdout_bytes, &logs.stdout_blake3),
            Which::Stderr => (logs.stderr_bytes, &logs.stderr_blake3),
        };
        // Without a digest the agent could not tell.
        (!digest.is_empty()).then_some(all)
    }

    fn has_all(&self) -> bool {
        self.all().is_some_and(|all| self.wanted.offset >= all)
    }

    /// What is wrong when the instance says that this was all, and it was not: an agent that has
    /// just come back does not know at once that the exec still runs.
    fn missing(&self) -> Option<LogsError> {
        let live = self.live.as_ref().filter(|_| self.wanted.follow)?;
        if live.watch.borrow().end.is_none() {
            return Some(self.stopped());
        }
        let (have, all) = (self.wanted.offset, self.all()?);
        let (exec, which) = (self.wanted.exec.clone(), self.wanted.which.token());
        (have < all).then_some(LogsError::Cut { exec, which, have, all })
    }

    /// Whether to try again, after a pause: always while the exec runs, a while where it does not.
    async fn again(&mut self, failure: &LogsError) -> bool {
        let runs = self.live.as_ref().is_some_and(|live| live.watch.borrow().end.is_none());
        let known_gone = matches!(failure, LogsError::Missing { .. }) && !runs;
        // Nobody tells any more how a driver's execs end once it cannot go on.
        let told = self.live.as_ref().is_some_and(|live| live.watch.has_changed().is_ok());
        self.tries += 1;
        if known_gone || (self.tries > TRIES && !(runs && told)) {
            return false;
        }
        if self.tries.is_multiple_of(ASK_AFTER)
            && let Some(live) = &self.live
            && let Some(address) = live.place.address().await
        {
            self.address = address;
        }
        tokio::select! {
            () = tokio::time::sleep(RETRY) => {}
            () = news(self.live.as_mut()) => {}
        }
        true
    }
}

/// Returns when more is known of the exec: that may be all there was to wait for.
async fn news(live: Option<&mut Live>) {
    let changed = match live {
        Some(live) => live.watch.changed().await.is_ok(),
        None => false,
    };
    if !changed {
        std::future::pending::<()>().await;
    }
}
