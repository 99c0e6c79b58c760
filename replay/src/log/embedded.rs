//! The log in this process, durable in sled: what `fleetlog up` and `fleetlog demo` use when no NATS
//! is named. Same semantics as JetStream: fences, atomic rounds, one order, fsync before an append
//! is acknowledged.
//!
//! ```text
//! appends ──▶ queue ──▶ writer thread: check fences, write one batch, fsync once, acknowledge all
//!                                                   └──▶ tail (watch) ──▶ readers
//! ```

mod reader;
mod store;
mod telemetry;
mod writer;

use super::{AppendError, Entry, Fence, Identity, Log, OpenError, ReadError, Reader, Telemetry};
use async_trait::async_trait;
use schema::id::ClusterId;
use schema::unit::Seq;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::Store;
use tokio::sync::{oneshot, watch};
use writer::{Ask, Writer};

pub use writer::Faults;

/// One generation of an embedded log.
pub struct EmbeddedLog {
    store: Arc<Store>,
    cluster: ClusterId,
    root: PathBuf,
    asks: std::sync::mpsc::Sender<Ask>,
    tail: watch::Receiver<Seq>,
    faults: Faults,
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
    let root = dir.join(cluster.as_str());
    let generation = match newest(&root) {
        Some(generation) => generation,
        None if create => 1,
        None => {
            let (cluster, url) = (cluster.to_string(), shown(dir));
            return Err(OpenError::Missing { cluster, url });
        }
    };
    let log = EmbeddedLog::at(&root, cluster, generation)?;
    Ok((Arc::new(log), Arc::new(telemetry::Local::default())))
}

impl EmbeddedLog {
    fn at(root: &Path, cluster: &ClusterId, generation: u32) -> Result<EmbeddedLog, OpenError> {
        let store = Store::open(&root.join(format!("g{generation}")), cluster, generation)
            .map_err(|reason| OpenError::Broken { url: shown(root), reason })?;
        let store = Arc::new(store);
        let faults = Faults::default();
        let (asks, inbox) = std::sync::mpsc::channel();
        let (mark, tail) = watch::channel(store.last());
        Writer::spawn(store.clone(), inbox, mark, faults.clone())
            .map_err(|e| OpenError::Broken { url: shown(root), reason: e.to_string() })?;
        Ok(EmbeddedLog { store, cluster: cluster.clone(), root: root.into(), asks, tail, faults })
    }

    /// A handle by which tests make this log misbehave.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.faults.clone()
    }
}

#[async_trait]
impl Log for EmbeddedLog {
    async fn append(&self, round: &[Entry], fence: Option<&Fence>) -> Result<Seq, AppendError> {
        super::check_round(round, fence)?;
        let (answer, stored) = oneshot::channel();
        let ask = Ask::Append { round: round.to_vec(), fence: fence.cloned(), answer };
        self.asks.send(ask).map_err(|_| AppendError::Busy("the log is closing".into()))?;
        stored.await.unwrap_or_else(|_| Err(AppendError::Unresolved("the log closed".into())))
    }

    async fn read(&self, from: Seq, filter: Option<&str>) -> Result<Box<dyn Reader>, ReadError> {
        let filter = filter.map(str::to_owned);
        Ok(Box::new(reader::EmbeddedReader::new(
            self.store.clone(),
            self.tail.clone(),
            from,
            filter,
        )))
    }

    async fn last_seq(&self) -> Result<Seq, ReadError> {
        Ok(*self.tail.borrow())
    }

    fn identity(&self) -> &Identity {
        &self.store.identity
    }

    async fn roll_over(&self, genesis: &Entry) -> Result<Box<dyn Log>, OpenError> {
        let broken = |reason: String| OpenError::Broken { url: shown(&self.root), reason };
        let (answer, sealed) = oneshot::channel();
        self.asks.send(Ask::Seal { answer }).map_err(|_| broken("the log is closing".into()))?;
        sealed.await.map_err(|e| broken(e.to_string()))?.map_err(broken)?;
        let next = EmbeddedLog::at(&self.root, &self.cluster, self.store.identity.generation + 1)?;
        if next.last_seq().await.map_err(|e| broken(e.to_string()))? == Seq(0) {
            next.append(std::slice::from_ref(genesis), None)
                .await
                .map_err(|e| broken(e.to_string()))?;
        }
        Ok(Box::new(next))
    }
}

fn newest(root: &Path) -> Option<u32> {
    let names = std::fs::read_dir(root).ok()?.flatten().map(|entry| entry.file_name());
    names.filter_map(|name| name.to_str()?.strip_prefix('g')?.parse().ok()).max()
}

fn shown(dir: &Path) -> String {
    format!("file://{}", dir.display())
}
