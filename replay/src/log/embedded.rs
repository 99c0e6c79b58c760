//! The log in this process, durable in sled: what `fleetlog up` and `fleetlog demo` use when no NATS
//! is named. Same semantics as JetStream: fences, atomic rounds, one order, fsync before an append
//! is acknowledged.
//!
//! ```text
//! appends ──▶ queue ──▶ writer thread: check fences, write, fsync once, acknowledge all
//!                                                   └──▶ tail (watch) ──▶ readers
//! ```
//!
//! One directory holds all generations of a cluster. Whoever opens it again within the process
//! shares it; another process cannot.

mod directory;
mod generation;
mod reader;
mod row;
mod store;
mod telemetry;
mod writer;

use super::{AppendError, Entry, Fence, Identity, Log, OpenError, ReadError, Reader, Telemetry};
use async_trait::async_trait;
use directory::Directory;
use generation::Generation;
use schema::id::ClusterId;
use schema::unit::Seq;
use std::path::Path;
use std::sync::Arc;

pub use writer::Faults;

/// One generation of an embedded log.
pub struct EmbeddedLog {
    generation: Arc<Generation>,
}

/// Opens the newest generation of the log of this cluster under `dir`; makes the first one if
/// `create` and there is none.
///
/// # Errors
/// [`OpenError`]: no such log, or files that cannot be used.
pub fn open(
    dir: &Path,
    cluster: &ClusterId,
    create: bool,
) -> Result<(Arc<EmbeddedLog>, Arc<dyn Telemetry>), OpenError> {
    let path = dir.join(cluster.as_str());
    let missing =
        || OpenError::Missing { cluster: cluster.to_string(), url: directory::shown(dir) };
    if !create && !path.exists() {
        return Err(missing());
    }
    newest(&Directory::open(&path, cluster)?, create).ok_or_else(missing)?
}

/// A log that is forgotten with its last handle, and never waits for a disk. For tests.
///
/// # Errors
/// [`OpenError`]: there is no room for temporary files.
pub fn temporary(cluster: &ClusterId) -> Result<(Arc<EmbeddedLog>, Arc<dyn Telemetry>), OpenError> {
    let directory = Directory::temporary(cluster)?;
    let opened = newest(&directory, true);
    opened.ok_or_else(|| directory.broken("it could not be made"))?
}

type Opened = Result<(Arc<EmbeddedLog>, Arc<dyn Telemetry>), OpenError>;

/// Nothing if there is no generation and none is to be made.
fn newest(directory: &Arc<Directory>, create: bool) -> Option<Opened> {
    let number = match directory.newest() {
        Ok(0) if !create => return None,
        Ok(number) => number.max(1),
        Err(error) => return Some(Err(error)),
    };
    Some(directory.generation(number).map(|generation| {
        let telemetry: Arc<dyn Telemetry> = directory.telemetry.clone();
        (Arc::new(EmbeddedLog { generation }), telemetry)
    }))
}

impl EmbeddedLog {
    /// A handle by which tests make this log misbehave.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.generation.faults.clone()
    }

    /// Waits until the disk has failed, and says how: nothing more is taken until the log has been
    /// opened anew.
    pub async fn failed(&self) -> String {
        let mut failed = self.generation.failed.clone();
        match failed.wait_for(Option::is_some).await.map(|reason| reason.clone()) {
            Ok(Some(reason)) => reason,
            _ => "its writer has ended".to_owned(),
        }
    }

    fn next(&self) -> Result<EmbeddedLog, OpenError> {
        let directory = self.generation.directory();
        let generation = directory.generation(self.identity().generation + 1)?;
        Ok(EmbeddedLog { generation })
    }
}

#[async_trait]
impl Log for EmbeddedLog {
    async fn append(&self, round: &[Entry], fence: Option<&Fence>) -> Result<Seq, AppendError> {
        super::check_round(round, fence)?;
        self.generation.append(round, fence, None).await
    }

    async fn read(&self, from: Seq, filter: Option<&str>) -> Result<Box<dyn Reader>, ReadError> {
        super::check_filter(filter)?;
        let filter = filter.map(str::to_owned);
        Ok(Box::new(reader::EmbeddedReader::new(self.generation.clone(), from, filter)))
    }

    async fn last_seq(&self) -> Result<Seq, ReadError> {
        Ok(*self.generation.tail.borrow())
    }

    fn identity(&self) -> &Identity {
        self.generation.identity()
    }

    async fn roll_over(&self, genesis: &Entry) -> Result<Box<dyn Log>, OpenError> {
        let directory = self.generation.directory();
        self.generation.seal().await.map_err(|reason| directory.broken(reason))?;
        let next = self.next()?;
        let first = std::slice::from_ref(genesis);
        match next.generation.append(first, None, Some(Seq(0))).await {
            Ok(_) | Err(AppendError::Fenced { .. }) => Ok(Box::new(next)),
            Err(error) => Err(directory.broken(error.to_string())),
        }
    }

    async fn successor(&self) -> Result<Option<Box<dyn Log>>, OpenError> {
        let newest = self.generation.directory().newest()?;
        if newest <= self.identity().generation {
            return Ok(None);
        }
        Ok(Some(Box::new(self.next()?)))
    }
}
