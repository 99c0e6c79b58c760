//! Allocs: asking for one, and having one.

use crate::driver::{Driver, DriverError, random, unix_ms};
use crate::exec::Exec;
use driver_core::view::{AllocView, Given, OverWhy};
use schema::event::{AllocFreed, AllocWithdrawn, ExecConfig, ExecSubmitted};
use schema::id::{AllocId, ExecId, InstanceId};
use schema::requirements::{Constraint, Requirements};
use schema::unit::LogTime;
use smol_str::SmolStr;
use std::collections::BTreeMap;
use tokio::sync::watch;

/// What to ask for.
#[derive(Debug, Clone)]
pub struct AllocOptions {
    /// What is needed.
    pub requirements: Requirements,
    /// What narrows the choice: a market, zones, types.
    pub constraint: Constraint,
    /// Higher goes first.
    pub priority: i32,
    /// Free words for people and bills.
    pub labels: BTreeMap<SmolStr, SmolStr>,
}

impl AllocOptions {
    /// Just these requirements.
    #[must_use]
    pub fn new(requirements: Requirements) -> AllocOptions {
        let (constraint, labels) = (Constraint::default(), BTreeMap::new());
        AllocOptions { requirements, constraint, priority: 0, labels }
    }
}

/// An alloc that was asked for. Dropped before it was given, it is withdrawn.
pub struct AllocRequest {
    driver: Driver,
    id: AllocId,
    watch: watch::Receiver<AllocView>,
    on_drop: OnDrop,
}

/// What becomes of a request that nobody waits for any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnDrop {
    /// It is withdrawn.
    Withdraw,
    /// It stays: it is over, held, or somebody else's to withdraw.
    Leave,
}

impl Drop for AllocRequest {
    fn drop(&mut self) {
        if self.on_drop == OnDrop::Leave || self.driver.shared.has_failed() {
            return;
        }
        let (driver, id) = (self.driver.clone(), self.id.clone());
        // Outside a runtime nothing can be written; the driver's end ends the request, too.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = give_up(&driver, &id).await {
                    tracing::debug!(alloc = %id, %error, "a request cannot be withdrawn");
                }
            });
        }
    }
}

/// Withdraws a request; gives the alloc back if the grant came first.
async fn give_up(driver: &Driver, id: &AllocId) -> Result<(), DriverError> {
    let shared = &driver.shared;
    let withdrawn = AllocWithdrawn { alloc: id.clone(), driver: shared.driver.clone() };
    let seq = shared.write(withdrawn).await?;
    shared.reached(seq).await?;
    match shared.look(|view| view.allocs.get(id).cloned()) {
        Some(AllocView::Granted(given)) => give_back(driver, id, &given).await,
        _ => Ok(()),
    }
}

async fn give_back(driver: &Driver, id: &AllocId, given: &Given) -> Result<(), DriverError> {
    let (driver, shared) = (driver.id().clone(), &driver.shared);
    let instance = given.instance.clone();
    shared.write(AllocFreed { alloc: id.clone(), driver, instance }).await.map(|_| ())
}

impl AllocRequest {
    pub(crate) fn new(
        driver: Driver,
        id: AllocId,
        watch: watch::Receiver<AllocView>,
        on_drop: OnDrop,
    ) -> AllocRequest {
        AllocRequest { driver, id, watch, on_drop }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &AllocId {
        &self.id
    }

    /// What is known of it; changes as the leader writes what it waits for.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<AllocView> {
        self.watch.clone()
    }

    /// Waits until it is given. A caller that stops waiting withdraws it.
    ///
    /// # Errors
    /// It was refused, is over, or the driver cannot go on.
    pub async fn granted(mut self) -> Result<Alloc, DriverError> {
        let settled = |view: &AllocView| !matches!(view, AllocView::Waiting(_));
        let view = self.watch.wait_for(settled).await.map(|view| view.clone());
        self.on_drop = OnDrop::Leave;
        match view {
            Ok(AllocView::Granted(given)) => {
                let (driver, id) = (self.driver.clone(), self.id.clone());
                Ok(Alloc { driver, id, given, watch: self.watch.clone() })
            }
            Ok(AllocView::Refused(why)) => Err(DriverError::Refused(why)),
            Ok(AllocView::Over(why)) => Err(DriverError::Over(why)),
            Ok(AllocView::Waiting(_)) | Err(_) => Err(self.driver.failed().await),
        }
    }

    /// No longer wants it. If it was given meanwhile, it is given back.
    ///
    /// # Errors
    /// The driver cannot go on.
    pub async fn withdraw(mut self) -> Result<(), DriverError> {
        self.on_drop = OnDrop::Leave;
        give_up(&self.driver, &self.id).await
    }
}

/// An alloc that this driver holds; kept alive in the background until freed.
#[derive(Clone)]
pub struct Alloc {
    driver: Driver,
    id: AllocId,
    given: Given,
    watch: watch::Receiver<AllocView>,
}

impl Alloc {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &AllocId {
        &self.id
    }

    /// What was given.
    #[must_use]
    pub fn given(&self) -> &Given {
        &self.given
    }

    /// Where it is.
    #[must_use]
    pub fn instance(&self) -> &InstanceId {
        &self.given.instance
    }

    /// Runs something in it.
    ///
    /// # Errors
    /// The alloc is over, or the log takes no more records.
    pub async fn exec(&self, config: ExecConfig) -> Result<Exec, DriverError> {
        self.exec_as(ExecId::made(unix_ms(), random()), config).await
    }

    /// Runs something in it under this id; the same id twice is one exec, also after a restart.
    ///
    /// # Errors
    /// As [`Alloc::exec`].
    pub async fn exec_as(&self, id: ExecId, config: ExecConfig) -> Result<Exec, DriverError> {
        let shared = &self.driver.shared;
        let (driver, known) = (self.driver.clone(), shared.watch_exec(&id));
        if let Some(watch) = known {
            return Ok(Exec { driver, id, watch });
        }
        if let AllocView::Over(why) = &*self.watch.borrow() {
            return Err(DriverError::Over(why.clone()));
        }
        let watch = shared.watch_new_exec(&id, &self.id);
        let submitted = ExecSubmitted {
            exec: id.clone(),
            alloc: self.id.clone(),
            driver: shared.driver.clone(),
            instance: self.given.instance.clone(),
            config,
        };
        shared.write(submitted).await?;
        Ok(Exec { driver, id, watch })
    }

    /// What is known of it; changes when it is over.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<AllocView> {
        self.watch.clone()
    }

    /// Waits until it is known that it will be taken back for another of higher priority; returns when, in
    /// log time. What it holds is best saved by then, and given back. It may be spared yet: what
    /// [`progress`](Alloc::progress) shows says so.
    ///
    /// # Errors
    /// It is over, or the driver cannot go on.
    pub async fn noticed(&self) -> Result<LogTime, DriverError> {
        let mut watch = self.watch.clone();
        let told = |view: &AllocView| match view {
            AllocView::Granted(given) => given.notice.is_some(),
            _ => true,
        };
        match watch.wait_for(told).await.map(|view| view.clone()) {
            Ok(AllocView::Granted(Given { notice: Some(until), .. })) => Ok(until),
            Ok(AllocView::Over(why)) => Err(DriverError::Over(why)),
            _ => Err(self.driver.failed().await),
        }
    }

    /// Waits until it is over.
    ///
    /// # Errors
    /// The driver cannot go on: what becomes of the alloc is not known here.
    pub async fn over(&self) -> Result<OverWhy, DriverError> {
        let mut watch = self.watch.clone();
        let over = |view: &AllocView| matches!(view, AllocView::Over(_));
        match watch.wait_for(over).await.map(|view| view.clone()) {
            Ok(AllocView::Over(why)) => Ok(why),
            _ => Err(self.driver.failed().await),
        }
    }

    /// Gives it back; what still runs in it is killed. Nothing is left to do for one that is over.
    ///
    /// # Errors
    /// The driver cannot go on.
    pub async fn free(self) -> Result<(), DriverError> {
        if matches!(*self.watch.borrow(), AllocView::Over(_)) {
            return Ok(());
        }
        give_back(&self.driver, &self.id, &self.given).await
    }
}
