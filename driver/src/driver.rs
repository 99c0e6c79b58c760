//! Joining a cluster, following what names this driver, and keeping its allocs alive.

use crate::alloc::{Alloc, AllocOptions, AllocRequest, OnDrop};
use crate::exec::Exec;
use crate::keep::{TICK, follow};
use crate::logs;
use crate::shared::{Clock, Parts, Shared, fold};
use driver_core::Driver as Core;
use driver_core::view::{AllocView, ExecView};
use replay::author::{Author, AuthorError, Forgetful, Identity};
use replay::log::{Log, ReadError, Reader};
use schema::event::{AllocRequested, DriverJoined, DriverLeft};
use schema::id::{AllocId, AuthorId, ClusterId, DriverId, ExecId};
use schema::subject;
use schema::unit::{Millis, Seq};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use uuid::Uuid;

const POLL: Duration = Duration::from_millis(10);
const OPENED: Duration = Duration::from_secs(10);

/// How to join.
pub struct JoinOptions {
    /// The cluster.
    pub cluster: ClusterId,
    /// The log.
    pub log: Arc<dyn Log>,
    /// Under which id. The same id is the same driver: it finds its allocs and execs again.
    pub driver: DriverId,
    /// Length of the leases of its allocs.
    pub lease: Millis,
}

/// Why a driver cannot go on.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DriverError {
    /// Its records cannot be written.
    #[error("cannot write to the log")]
    Write(#[from] AuthorError),
    /// The log cannot be read.
    #[error("cannot read the log: {0}")]
    Read(String),
    /// Nobody has opened the log.
    #[error("the cluster has no controller yet: its log is empty")]
    Unopened,
    /// Another process goes on under the same id.
    #[error("another process has joined as {0} and goes on with its allocs")]
    TakenOver(DriverId),
    /// The request will not be met.
    #[error("{}", driver_core::describe::refused(.0))]
    Refused(schema::why::RefusedWhy),
    /// The alloc is over.
    #[error("{}", driver_core::describe::over(.0))]
    Over(driver_core::view::OverWhy),
    /// It has left, and asks for nothing more.
    #[error("{0} has left; join again to ask for more")]
    Left(DriverId),
    /// No such alloc or exec of this driver.
    #[error("{0} is not known to this driver")]
    Unknown(String),
    /// What was asked for is out of bounds.
    #[error("{0}")]
    Invalid(String),
}

impl From<ReadError> for DriverError {
    fn from(error: ReadError) -> DriverError {
        DriverError::Read(error.to_string())
    }
}

/// A driver; cheap to clone.
#[derive(Clone)]
pub struct Driver {
    pub(crate) shared: Arc<Shared>,
    /// Ends the background task with the last handle.
    _task: Arc<AbortOnDrop>,
}

struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Driver {
    /// Joins, and catches up with everything that names this driver.
    ///
    /// # Errors
    /// [`DriverError`].
    pub async fn join(options: JoinOptions) -> Result<Driver, DriverError> {
        let JoinOptions { cluster, log, driver, lease } = options;
        opened(&*log).await?;
        let filter = subject::for_driver(&cluster, &driver);
        let mut reader = log.read(Seq(1), Some(&filter)).await?;
        let clock = Clock::start();
        let mut core = Core::new(clock.now(), cluster.clone(), driver.clone(), lease);
        while !catch_up(&mut *reader, &mut core).await? {}
        let incarnation = core.join(Uuid::now_v7());
        let identity =
            Identity { incarnation, ..Identity::fresh(cluster.clone(), AuthorId::from(&driver)) };
        let author = Author::start(log.clone(), identity, Box::new(Forgetful));
        let joined =
            DriverJoined { driver: driver.clone(), version: env!("CARGO_PKG_VERSION").into() };
        let http = logs::client();
        let parts = Parts { cluster, driver, log, http, lease, author, clock, core };
        let shared = Arc::new(Shared::new(parts));
        shared.write(joined).await?;
        while !shared.joined() {
            shared.read(&mut *reader, TICK).await?;
        }
        let task = tokio::spawn(follow(shared.clone(), reader));
        Ok(Driver { shared, _task: Arc::new(AbortOnDrop(task)) })
    }

    /// Who this is.
    #[must_use]
    pub fn id(&self) -> &DriverId {
        &self.shared.driver
    }

    /// Asks for capacity.
    ///
    /// # Errors
    /// What is asked for is out of bounds, or the log takes no more records.
    pub async fn alloc(&self, options: AllocOptions) -> Result<AllocRequest, DriverError> {
        options.requirements.check().map_err(DriverError::Invalid)?;
        options.constraint.check().map_err(DriverError::Invalid)?;
        if self.shared.look(|view| view.left) {
            return Err(DriverError::Left(self.shared.driver.clone()));
        }
        let id = AllocId::made(unix_ms(), random());
        let requested = AllocRequested {
            alloc: id.clone(),
            driver: self.shared.driver.clone(),
            requirements: options.requirements,
            constraint: options.constraint,
            priority: options.priority,
            labels: options.labels,
            lease: Some(self.shared.lease),
        };
        let watch = self.shared.watch_new_alloc(&id);
        let request = AllocRequest::new(self.clone(), id, watch, OnDrop::Withdraw);
        self.shared.write(requested).await?;
        Ok(request)
    }

    /// An alloc that this driver holds, from this life or an earlier one.
    ///
    /// # Errors
    /// Not known, over, or refused.
    pub async fn attach(&self, id: &AllocId) -> Result<Alloc, DriverError> {
        let watch = self.shared.watch_alloc(id)?;
        AllocRequest::new(self.clone(), id.clone(), watch, OnDrop::Leave).granted().await
    }

    /// An exec of this driver, from this life or an earlier one.
    ///
    /// # Errors
    /// Not known.
    pub fn exec(&self, id: &ExecId) -> Result<Exec, DriverError> {
        let watch = self.shared.watch_exec(id);
        let watch = watch.ok_or_else(|| DriverError::Unknown(id.to_string()))?;
        Ok(Exec { driver: self.clone(), id: id.clone(), watch })
    }

    /// All allocs known of this driver.
    #[must_use]
    pub fn allocs(&self) -> BTreeMap<AllocId, AllocView> {
        self.shared.look(|view| view.allocs.clone())
    }

    /// All execs known of this driver.
    #[must_use]
    pub fn execs(&self) -> BTreeMap<ExecId, ExecView> {
        self.shared.look(|view| view.execs.clone())
    }

    /// Leaves: whatever it still waits for is withdrawn. What it holds runs until freed or expired.
    ///
    /// # Errors
    /// The log takes no more records.
    pub async fn leave(self) -> Result<(), DriverError> {
        let driver = self.shared.driver.clone();
        let seq = self.shared.write(DriverLeft { driver }).await?;
        self.shared.reached(seq).await
    }

    /// Waits until this driver cannot go on, and says why.
    pub async fn failed(&self) -> DriverError {
        self.shared.failed().await
    }
}

/// Waits until somebody has opened the log: what is written before is void.
async fn opened(log: &dyn Log) -> Result<(), DriverError> {
    let since = Instant::now();
    while log.last_seq().await? == Seq(0) {
        if since.elapsed() > OPENED {
            return Err(DriverError::Unopened);
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

/// Folds what is there; says whether that was all of it.
async fn catch_up(reader: &mut dyn Reader, core: &mut Core) -> Result<bool, DriverError> {
    let batch = reader.next_batch(TICK).await?;
    fold(core, &batch);
    Ok(batch.pending == 0)
}

pub(crate) fn unix_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

pub(crate) fn random() -> u64 {
    Uuid::new_v4().as_u64_pair().0
}
