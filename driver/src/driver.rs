//! Joining a cluster, following what names this driver, and keeping its allocs alive.

use crate::alloc::{Alloc, AllocOptions, AllocRequest};
use crate::exec::Exec;
use crate::view::{AllocView, Changed, ExecView, Given, View};
use replay::author::{Author, AuthorError, Forgetful, Identity};
use replay::log::{Log, ReadError, Reader};
use schema::codec;
use schema::event::{AllocRequested, AllocsKept, DriverJoined, DriverLeft};
use schema::id::{AllocId, AuthorId, ClusterId, DriverId, ExecId};
use schema::subject;
use schema::unit::{Millis, Seq};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

const TICK: Duration = Duration::from_millis(100);
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
    #[error("{}", crate::describe::refused(.0))]
    Refused(schema::why::RefusedWhy),
    /// The alloc is over.
    #[error("{}", crate::describe::over(.0))]
    Over(crate::view::OverWhy),
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

pub(crate) struct Shared {
    pub(crate) cluster: ClusterId,
    pub(crate) driver: DriverId,
    pub(crate) author: Author,
    pub(crate) lease: Millis,
    incarnation: Uuid,
    tables: Mutex<Tables>,
    failed: watch::Sender<Option<DriverError>>,
}

struct Tables {
    view: View,
    allocs: BTreeMap<AllocId, watch::Sender<AllocView>>,
    execs: BTreeMap<ExecId, watch::Sender<ExecView>>,
    deadlines: BTreeMap<AllocId, Instant>,
}

impl Driver {
    /// Joins, and catches up with everything that names this driver.
    ///
    /// # Errors
    /// [`DriverError`].
    pub async fn join(options: JoinOptions) -> Result<Driver, DriverError> {
        let JoinOptions { cluster, log, driver, lease } = options;
        opened(&*log).await?;
        let identity = Identity::fresh(cluster.clone(), AuthorId::from(&driver));
        let incarnation = identity.incarnation;
        let author = Author::start(log.clone(), identity, Box::new(Forgetful));
        let joined =
            DriverJoined { driver: driver.clone(), version: env!("CARGO_PKG_VERSION").into() };
        let seq = author.write(joined, Seq(0)).await?;
        let filter = subject::for_driver(&cluster, &driver);
        let mut reader = log.read(Seq(1), Some(&filter)).await?;
        let tables = Mutex::new(Tables {
            view: View::new(driver.clone()),
            allocs: BTreeMap::new(),
            execs: BTreeMap::new(),
            deadlines: BTreeMap::new(),
        });
        let failed = watch::Sender::new(None);
        let shared = Shared { cluster, driver, author, lease, incarnation, tables, failed };
        let shared = Arc::new(shared);
        while shared.read(&mut *reader, TICK).await? < seq {}
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
        self.shared.author.write(requested, Seq(0)).await?;
        Ok(AllocRequest::new(self.clone(), id, watch))
    }

    /// An alloc that this driver holds, from this life or an earlier one.
    ///
    /// # Errors
    /// Not known, over, or refused.
    pub async fn attach(&self, id: &AllocId) -> Result<Alloc, DriverError> {
        let watch = self.shared.watch_alloc(id)?;
        AllocRequest::new(self.clone(), id.clone(), watch).granted().await
    }

    /// An exec of this driver, from this life or an earlier one.
    ///
    /// # Errors
    /// Not known.
    pub fn exec(&self, id: &ExecId) -> Result<Exec, DriverError> {
        let watch = self.shared.watch_exec(id)?;
        Ok(Exec { driver: self.clone(), id: id.clone(), watch })
    }

    /// All allocs known of this driver.
    #[must_use]
    pub fn allocs(&self) -> BTreeMap<AllocId, AllocView> {
        self.shared.tables().view.allocs.clone()
    }

    /// All execs known of this driver.
    #[must_use]
    pub fn execs(&self) -> BTreeMap<ExecId, ExecView> {
        self.shared.tables().view.execs.clone()
    }

    /// Leaves: whatever it still waits for is withdrawn. What it holds runs until freed or expired.
    ///
    /// # Errors
    /// The log takes no more records.
    pub async fn leave(self) -> Result<(), DriverError> {
        let driver = self.shared.driver.clone();
        self.shared.author.write(DriverLeft { driver }, Seq(0)).await?;
        Ok(())
    }

    /// Waits until this driver cannot go on, and says why.
    pub async fn failed(&self) -> DriverError {
        let mut failed = self.shared.failed.subscribe();
        match failed.wait_for(Option::is_some).await.map(|why| why.clone()) {
            Ok(Some(why)) => why,
            _ => DriverError::Read("the driver has stopped".into()),
        }
    }
}

/// Waits until somebody has opened the log: what is written before is void.
async fn opened(log: &dyn Log) -> Result<(), DriverError> {
    let since = Instant::now();
    while log.last_seq().await? == Seq(0) {
        if since.elapsed() > OPENED {
            return Err(DriverError::Unopened);
        }
        tokio::time::sleep(TICK / 10).await;
    }
    Ok(())
}

impl Shared {
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch_new_alloc(&self, id: &AllocId) -> watch::Receiver<AllocView> {
        let mut tables = self.tables();
        let sender = tables.allocs.entry(id.clone());
        sender.or_insert_with(|| watch::Sender::new(AllocView::Waiting(None))).subscribe()
    }

    fn watch_alloc(&self, id: &AllocId) -> Result<watch::Receiver<AllocView>, DriverError> {
        let mut tables = self.tables();
        let view = tables.view.allocs.get(id).cloned();
        let view = view.ok_or_else(|| DriverError::Unknown(id.to_string()))?;
        let sender = tables.allocs.entry(id.clone()).or_insert_with(|| watch::Sender::new(view));
        Ok(sender.subscribe())
    }

    pub(crate) fn watch_new_exec(&self, id: &ExecId, alloc: &AllocId) -> watch::Receiver<ExecView> {
        let mut tables = self.tables();
        let known = tables.view.execs.get(id).cloned();
        let new = || ExecView { alloc: alloc.clone(), started: false, oom: None, end: None };
        let sender = tables.execs.entry(id.clone());
        sender.or_insert_with(|| watch::Sender::new(known.unwrap_or_else(new))).subscribe()
    }

    fn watch_exec(&self, id: &ExecId) -> Result<watch::Receiver<ExecView>, DriverError> {
        let alloc = self.tables().view.execs.get(id).map(|exec| exec.alloc.clone());
        let alloc = alloc.ok_or_else(|| DriverError::Unknown(id.to_string()))?;
        Ok(self.watch_new_exec(id, &alloc))
    }

    /// What was given under this alloc, if it was.
    pub(crate) fn given(&self, id: &AllocId) -> Option<Given> {
        match self.tables().view.allocs.get(id) {
            Some(AllocView::Granted(given)) => Some(given.clone()),
            _ => None,
        }
    }

    /// Reads and folds a batch; returns the last sequence of it.
    async fn read(&self, reader: &mut dyn Reader, wait: Duration) -> Result<Seq, DriverError> {
        let batch = reader.next_batch(wait).await?;
        let mut tables = self.tables();
        for stored in &batch.records {
            let Ok(record) = codec::decode(&stored.payload) else { continue };
            let cluster = Some(&self.cluster);
            if subject::fits(&stored.subject, cluster, &record.author, &record.event) {
                let changed = tables.view.apply(&record, stored.time);
                tables.tell(changed);
            }
        }
        tables.expire();
        let newest = tables.view.newest;
        drop(tables);
        if newest > Some(self.incarnation) {
            return Err(DriverError::TakenOver(self.driver.clone()));
        }
        Ok(batch.records.last().map_or(Seq(0), |stored| stored.seq))
    }
}

impl Tables {
    fn tell(&mut self, changed: Vec<Changed>) {
        for change in changed {
            match change {
                Changed::Alloc(id) => {
                    if let (Some(watch), Some(view)) =
                        (self.allocs.get(&id), self.view.allocs.get(&id))
                    {
                        watch.send_replace(view.clone());
                    }
                }
                Changed::Exec(id) => {
                    if let (Some(watch), Some(view)) =
                        (self.execs.get(&id), self.view.execs.get(&id))
                    {
                        watch.send_replace(view.clone());
                    }
                }
            }
        }
    }

    /// Gives up on execs of allocs that are over, once nobody can report them any more.
    fn expire(&mut self) {
        let now = Instant::now();
        for (id, awaited) in &self.view.awaited {
            self.deadlines.entry(id.clone()).or_insert_with(|| now + awaited.duration());
        }
        let awaited = &self.view.awaited;
        self.deadlines.retain(|id, _| awaited.contains_key(id));
        let due = self.deadlines.iter().filter(|(_, at)| **at <= now).map(|(id, _)| id.clone());
        for id in due.collect::<Vec<_>>() {
            let changed = self.view.lose(&id);
            self.tell(changed);
        }
    }
}

async fn follow(shared: Arc<Shared>, mut reader: Box<dyn Reader>) {
    let why = tokio::select! {
        why = read_on(&shared, &mut *reader) => why,
        why = keep(&shared) => why,
    };
    tracing::warn!(driver = %shared.driver, error = %why, "a driver cannot go on");
    shared.failed.send_replace(Some(why));
    // Whoever waits on an alloc or an exec is woken by the end of its channel.
    let mut tables = shared.tables();
    tables.allocs.clear();
    tables.execs.clear();
}

async fn read_on(shared: &Shared, reader: &mut dyn Reader) -> DriverError {
    loop {
        if let Err(why) = shared.read(reader, TICK).await {
            return why;
        }
    }
}

/// Keeps all allocs alive with one record at a time. The author sends it again for as long as it
/// takes, so there is never more than one under way.
async fn keep(shared: &Shared) -> DriverError {
    let pause = shared.lease.duration() / 3;
    loop {
        tokio::time::sleep(pause).await;
        let allocs = shared.tables().view.held();
        if allocs.is_empty() {
            continue;
        }
        let (driver, interval) = (shared.driver.clone(), shared.lease);
        if let Err(why) = shared.author.write(AllocsKept { driver, allocs, interval }, Seq(0)).await
        {
            return why.into();
        }
    }
}

pub(crate) fn unix_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

pub(crate) fn random() -> u64 {
    Uuid::new_v4().as_u64_pair().0
}
