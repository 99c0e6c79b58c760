//! One exec from its order to its end: start it (or find it again), say so, wait, say how it ended.

use crate::logs;
use crate::runtime::{End, Failure, Runtime, Spec};
use agent_core::plan::Run;
use replay::author::{Author, AuthorError};
use schema::event::{Event, ExecExited, ExecFailed, ExecOomKilled, ExecStarted, Usage};
use schema::id::InstanceId;
use schema::unit::{Millis, Seq};
use schema::why::{FailureClass, OomSource, OomVictim};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;

/// SIGKILL, as an exit code and as a signal.
const KILLED: i32 = 137;
const KILL: i32 = 9;
/// The runtime's flag alone does not say which process was killed.
const FLAG_CONFIDENCE: u8 = 80;

/// What a running exec needs.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) instance: InstanceId,
    pub(crate) author: Author,
    /// Own events, as soon as they are written down.
    pub(crate) written: mpsc::UnboundedSender<Event>,
}

impl Desk {
    /// Writes an own event; returns when it is in the journal's hands, not when it has landed.
    pub(crate) async fn write(&self, event: impl Into<Event>) -> Result<(), AuthorError> {
        let event = event.into();
        self.author.post(event.clone(), Seq(0)).await?;
        let _ = self.written.send(event);
        Ok(())
    }

    pub(crate) async fn fail(
        &self,
        run: &Run,
        class: FailureClass,
        message: String,
    ) -> Result<(), AuthorError> {
        let Run { exec, alloc, driver, .. } = run.clone();
        let instance = self.instance.clone();
        self.write(ExecFailed { exec, alloc, driver, instance, class, message }).await
    }

    /// Runs one exec to its end. Whatever happens, one end is written.
    pub(crate) async fn run(
        self,
        run: Run,
        spec: Spec,
        runtime: Arc<dyn Runtime>,
    ) -> Result<(), AuthorError> {
        let since = Instant::now();
        match self.to_its_end(&run, &spec, &*runtime).await? {
            Ok(end) => self.exited(&run, &spec, end, since).await?,
            Err(failure) => self.fail(&run, failure.class, failure.message).await?,
        }
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
            self.write(ExecStarted { exec, alloc, driver, instance, handle }).await?;
        }
        let Some(limit) = spec.config.timeout else { return Ok(runtime.wait(spec).await) };
        if let Ok(end) = tokio::time::timeout(limit.duration(), runtime.wait(spec)).await {
            return Ok(end);
        }
        runtime.kill(&run.exec, KILL).await;
        let _ = runtime.wait(spec).await;
        let message = format!("{} ran for longer than its limit of {limit} ms", run.exec);
        Ok(Err(Failure { class: FailureClass::TimedOut, message }))
    }

    async fn exited(
        &self,
        run: &Run,
        spec: &Spec,
        end: End,
        since: Instant,
    ) -> Result<(), AuthorError> {
        let (stdout, stderr) = (spec.stdout.clone(), spec.stderr.clone());
        let logs = tokio::task::spawn_blocking(move || logs::digest(&stdout, &stderr)).await;
        let Run { exec, alloc, driver, .. } = run.clone();
        let instance = self.instance.clone();
        if end.oom {
            let main = end.code == KILLED;
            self.write(ExecOomKilled {
                exec: exec.clone(),
                alloc: alloc.clone(),
                driver: driver.clone(),
                instance: instance.clone(),
                limit: spec.limits.memory,
                peak: end.memory_peak,
                victim: if main { OomVictim::Main } else { OomVictim::Child },
                sources: vec![OomSource::Runtime],
                confidence: FLAG_CONFIDENCE,
            })
            .await?;
        }
        let wall = Millis(u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX));
        let usage = Usage { wall, cpu: end.cpu, memory_peak: end.memory_peak };
        let logs = logs.unwrap_or_default();
        self.write(ExecExited { exec, alloc, driver, instance, code: end.code, usage, logs }).await
    }
}
