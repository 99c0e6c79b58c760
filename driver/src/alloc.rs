//! Allocs: asking for one, and having one.

use crate::driver::{Driver, DriverError, random, unix_ms};
use crate::exec::Exec;
use crate::view::{AllocView, Given, OverWhy};
use schema::event::{AllocFreed, AllocWithdrawn, ExecConfig, ExecSubmitted};
use schema::id::{AllocId, ExecId, InstanceId};
use schema::requirements::{Constraint, Requirements};
use schema::unit::Seq;
use smol_str::SmolStr;
use std::collections::BTreeMap;
use tokio::sync::watch;

/// What to ask for.
#[derive(Debug, Clone)]
pub struct AllocOptions {
    /// What is needed.
    pub requirements: Requirements,
    /// What narrows the choice.
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

/// An alloc that was asked for.
pub struct AllocRequest {
    driver: Driver,
    id: AllocId,
    watch: watch::Receiver<AllocView>,
}

impl AllocRequest {
    pub(crate) fn new(
        driver: Driver,
        id: AllocId,
        watch: watch::Receiver<AllocView>,
    ) -> AllocRequest {
        AllocRequest { driver, id, watch }
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

    /// Waits until it is given.
    ///
    /// # Errors
    /// It was refused, is over, or the driver cannot go on.
    pub async fn granted(mut self) -> Result<Alloc, DriverError> {
        let settled = |view: &AllocView| !matches!(view, AllocView::Waiting(_));
        let view = self.watch.wait_for(settled).await.map(|view| view.clone());
        match view {
            Ok(AllocView::Granted(given)) => {
                Ok(Alloc { driver: self.driver, id: self.id, given, watch: self.watch })
            }
            Ok(AllocView::Refused(why)) => Err(DriverError::Refused(why)),
            Ok(AllocView::Over(why)) => Err(DriverError::Over(why)),
            Ok(AllocView::Waiting(_)) | Err(_) => Err(self.driver.failed().await),
        }
    }

    /// No longer wants it.
    ///
    /// # Errors
    /// The log takes no more records.
    pub async fn withdraw(self) -> Result<(), DriverError> {
        let shared = &self.driver.shared;
        let withdrawn = AllocWithdrawn { alloc: self.id, driver: shared.driver.clone() };
        shared.author.write(withdrawn, Seq(0)).await?;
        Ok(())
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

    /// Runs something in it under this id; the same id twice is one exec.
    ///
    /// # Errors
    /// As [`Alloc::exec`].
    pub async fn exec_as(&self, id: ExecId, config: ExecConfig) -> Result<Exec, DriverError> {
        if let AllocView::Over(why) = &*self.watch.borrow() {
            return Err(DriverError::Over(why.clone()));
        }
        let shared = &self.driver.shared;
        let watch = shared.watch_new_exec(&id, &self.id);
        let submitted = ExecSubmitted {
            exec: id.clone(),
            alloc: self.id.clone(),
            driver: shared.driver.clone(),
            instance: self.given.instance.clone(),
            config,
        };
        shared.author.write(submitted, Seq(0)).await?;
        Ok(Exec { driver: self.driver.clone(), id, watch })
    }

    /// Waits until it is over.
    pub async fn over(&self) -> OverWhy {
        let mut watch = self.watch.clone();
        let over = |view: &AllocView| matches!(view, AllocView::Over(_));
        match watch.wait_for(over).await.map(|view| view.clone()) {
            Ok(AllocView::Over(why)) => why,
            _ => OverWhy::Closed,
        }
    }

    /// Gives it back; what still runs in it is killed.
    ///
    /// # Errors
    /// The log takes no more records.
    pub async fn free(self) -> Result<(), DriverError> {
        let shared = &self.driver.shared;
        let (driver, instance) = (shared.driver.clone(), self.given.instance);
        shared.author.write(AllocFreed { alloc: self.id, driver, instance }, Seq(0)).await?;
        Ok(())
    }
}
