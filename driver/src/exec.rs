//! Execs: waiting for one, killing it, reading what it writes.

use crate::driver::{Driver, DriverError};
use crate::logs::{self, Which};
use crate::view::{ExecEnd, ExecView, Oom};
use bytes::Bytes;
use futures::stream::BoxStream;
use schema::event::ExecKillRequested;
use schema::id::ExecId;
use schema::unit::Seq;
use tokio::sync::watch;

/// One run in an alloc.
#[derive(Clone)]
pub struct Exec {
    pub(crate) driver: Driver,
    pub(crate) id: ExecId,
    pub(crate) watch: watch::Receiver<ExecView>,
}

impl Exec {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &ExecId {
        &self.id
    }

    /// Waits for its end, and whether something of it was killed for memory on the way.
    ///
    /// # Errors
    /// The driver cannot go on.
    pub async fn wait(&self) -> Result<(ExecEnd, Option<Oom>), DriverError> {
        let mut watch = self.watch.clone();
        let view = watch.wait_for(|view| view.end.is_some()).await.map(|view| view.clone());
        match view {
            Ok(ExecView { end: Some(end), oom, .. }) => Ok((end, oom)),
            _ => Err(self.driver.failed().await),
        }
    }

    /// What is known of it; changes as the agent writes what becomes of it.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<ExecView> {
        self.watch.clone()
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// Its alloc is over, or the log takes no more records.
    pub async fn kill(&self, signal: i32) -> Result<(), DriverError> {
        let shared = &self.driver.shared;
        let alloc = self.watch.borrow().alloc.clone();
        let given = shared.given(&alloc);
        let instance = given.ok_or_else(|| DriverError::Unknown(alloc.to_string()))?.instance;
        let (exec, driver) = (self.id.clone(), shared.driver.clone());
        let kill = ExecKillRequested { exec, alloc, driver, instance, signal };
        shared.author.write(kill, Seq(0)).await?;
        Ok(())
    }

    /// What it writes, from `offset` on; with `follow`, until it has ended.
    ///
    /// # Errors
    /// Its alloc is not known.
    pub fn logs(
        &self,
        which: Which,
        offset: u64,
        follow: bool,
    ) -> Result<BoxStream<'static, Result<Bytes, logs::LogsError>>, DriverError> {
        let shared = &self.driver.shared;
        let alloc = self.watch.borrow().alloc.clone();
        let given = shared.given(&alloc).ok_or_else(|| DriverError::Unknown(alloc.to_string()))?;
        Ok(logs::stream(given.address, self.id.clone(), which, offset, follow))
    }
}
