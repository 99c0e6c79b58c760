//! One exec from its order to its end: start it (or find it again), say so, wait, say how it ended.

use crate::logs;
use crate::runtime::{End, Failure, Runtime, Spec};
use agent_core::plan::Run;
use replay::author::{Author, AuthorError};
use schema::event::{Event, ExecExited, ExecFailed, ExecOomKilled, ExecStarted, Usage};
use schema::id::{ExecId, InstanceId};
use schema::unit::{Millis, Seq};
use schema::why::{FailureClass, OomSource, OomVictim};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};

/// SIGKILL, as an exit code and as a signal.
const KILLED: i32 = 137;
const KILL: i32 = 9;
/// The runtime's flag alone does not say which process was killed.
const FLAG_CONFIDENCE: u8 = 80;

/// Longest message of a failure, in bytes: what a driver asked for can be as long as a record.
const MESSAGE: usize = 2000;

/// What the execs say to the loop, in order.
pub(crate) enum Heard {
    /// This was written down.
    Wrote(Box<Event>),
    /// The end of this exec was written down.
    Ended(ExecId),
}

/// Tells when, and whether, an event has landed on the log.
type Landing = oneshot::Receiver<Result<Seq, AuthorError>>;

/// What a running exec needs.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) instance: InstanceId,
    pub(crate) author: Author,
    heard: mpsc::UnboundedSender<Heard>,
}

impl Desk {
    pub(crate) fn new(
        instance: InstanceId,
        author: Author,
    ) -> (Desk, mpsc::UnboundedReceiver<Heard>) {
        let (heard, hears) = mpsc::unbounded_channel();
        (Desk { instance, author, heard }, hears)
    }

    /// Writes an own event; returns when it is in the author's hands, not when it has landed.
    async fn write(&self, run: &Run, event: impl Into<Event>) -> Result<Landing, AuthorError> {
        let event = event.into();
        let landing = self.author.post(event.clone(), run.cause).await?;
        let _ = self.heard.send(Heard::Wrote(Box::new(event)));
        Ok(landing)
    }

    async fn fail(&self, run: &Run, failure: Failure) -> Result<Landing, AuthorError> {
        let Run { exec, alloc, driver, .. } = run.clone();
        let instance = self.instance.clone();
        let Failure { class, mut message } = failure;
        message.truncate(message.floor_char_boundary(MESSAGE));
        self.write(run, ExecFailed { exec, alloc, driver, instance, class, message }).await
    }

    /// Runs one exec to its end. Whatever happens, one end is written.
    pub(crate) async fn run(
        self,
        run: Run,
        spec: Spec,
        runtime: Arc<dyn Runtime>,
    ) -> Result<(), AuthorError> {
        let since = Instant::now();
        let end = self.to_its_end(&run, &spec, &*runtime).await?;
        runtime.settle(&spec).await;
        let landing = match end {
            Ok(end) => self.exited(&run, &spec, end, since).await?,
            Err(failure) => self.fail(&run, failure).await?,
        };
        let _ = self.heard.send(Heard::Ended(run.exec.clone()));
        // Until the log has the end, only the runtime is sure to know it.
        landing.await.unwrap_or(Err(AuthorError::Stopped))?;
        runtime.forget(&run.exec).await;
        Ok(())
    }

    async fn to_its_end(
        &self,
        run: &Run,
        spec: &Spec,
        runtime: &dyn Runtime,
    ) -> Result<Result<End, Failure>, AuthorError> {
        if !run.started {
            let handle = match runtime.start(spec).await {
                Ok(handle) => handle,
                Err(failure) => return Ok(Err(failure)),
            };
            let Run { exec, alloc, driver, .. } = run.clone();
            let instance = self.instance.clone();
            self.write(run, ExecStarted { exec, alloc, driver, instance, handle }).await?;
        }
        match spec.config.timeout {
            None => Ok(runtime.wait(spec).await),
            Some(limit) => Ok(within(limit, spec, runtime).await),
        }
    }

    async fn exited(
        &self,
        run: &Run,
        spec: &Spec,
        end: End,
        since: Instant,
    ) -> Result<Landing, AuthorError> {
        let (stdout, stderr) = (spec.stdout.clone(), spec.stderr.clone());
        let logs = tokio::task::spawn_blocking(move || logs::digest(&stdout, &stderr)).await;
        let Run { exec, alloc, driver, .. } = run.clone();
        let instance = self.instance.clone();
        if end.oom {
            let main = end.code == KILLED;
            let oom = ExecOomKilled {
                exec: exec.clone(),
                alloc: alloc.clone(),
                driver: driver.clone(),
                instance: instance.clone(),
                limit: spec.limits.memory,
                peak: end.memory_peak,
                victim: if main { OomVictim::Main } else { OomVictim::Child },
                sources: vec![OomSource::Runtime],
                confidence: FLAG_CONFIDENCE,
            };
            self.write(run, oom).await?;
        }
        let wall = if end.wall == Millis(0) { Millis::of(since.elapsed()) } else { end.wall };
        let usage = Usage { wall, cpu: end.cpu, memory_peak: end.memory_peak };
        let logs = logs.unwrap_or_default();
        let code = end.code;
        self.write(run, ExecExited { exec, alloc, driver, instance, code, usage, logs }).await
    }
}

/// Waits for the end, and kills what runs for longer than its limit, time in earlier lives of the
/// agent included.
async fn within(limit: Millis, spec: &Spec, runtime: &dyn Runtime) -> Result<End, Failure> {
    let exec = &spec.exec;
    let left = limit.0.saturating_sub(runtime.age(exec).await.0);
    let ended = tokio::time::timeout(Millis(left).duration(), runtime.wait(spec)).await;
    match ended {
        // An earlier life may have killed it for the same reason, and died before it could say so.
        Ok(Ok(end)) if end.code != KILLED || end.wall < limit => return Ok(end),
        Ok(Err(failure)) => return Err(failure),
        Ok(Ok(_)) => {}
        Err(_) => {
            runtime.kill(exec, KILL).await;
            let _ = runtime.wait(spec).await;
        }
    }
    let message = format!("{exec} ran for longer than its limit of {limit} ms");
    Err(Failure { class: FailureClass::TimedOut, message })
}
