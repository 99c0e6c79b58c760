//! Execs: waiting for one, killing it, reading what it writes.

use crate::driver::{Driver, DriverError};
use crate::logs::{self, Live, Place, Wanted, Which};
use bytes::Bytes;
use driver_core::view::{ExecEnd, ExecView, Oom};
use futures::stream::BoxStream;
use schema::event::ExecKillRequested;
use schema::id::ExecId;
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

    /// Sends it a signal. Nothing is left to do for one that has ended.
    ///
    /// # Errors
    /// The driver cannot go on.
    pub async fn kill(&self, signal: i32) -> Result<(), DriverError> {
        let shared = &self.driver.shared;
        let ExecView { alloc, end, .. } = self.watch.borrow().clone();
        if end.is_some() {
            return Ok(());
        }
        let instance = shared.given(&alloc)?.instance;
        let (exec, driver) = (self.id.clone(), shared.driver.clone());
        shared.write(ExecKillRequested { exec, alloc, driver, instance, signal }).await?;
        Ok(())
    }

    /// What it writes, from `offset` on; with `follow`, all of it until it has ended, through
    /// restarts of its agent.
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
        let given = shared.given(&alloc)?;
        let place = Place {
            cluster: shared.cluster.clone(),
            log: shared.log.clone(),
            instance: given.instance,
        };
        let wanted = Wanted { exec: self.id.clone(), which, offset, follow };
        let (http, watch) = (shared.http.clone(), self.watch.clone());
        Ok(logs::live(http, given.address, wanted, Live { place, watch }))
    }
}
