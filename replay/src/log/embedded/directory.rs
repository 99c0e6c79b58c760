//! The directory of one cluster: its sled database, which generations it holds, and who has them
//! open. Sled may panic on a damaged directory, so it is opened on a thread whose end is looked at.

use super::super::{Identity, OpenError};
use super::generation::Generation;
use super::store::{self, Store};
use super::telemetry::Local;
use schema::id::ClusterId;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Cache of sled pages in bytes: the log is read once from front to end, so little is enough.
const CACHE: u64 = 32 << 20;
/// How long to wait for a process that is about to end to let go of the files.
const PATIENCE: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(10);

/// What this process has open: a directory that is opened twice is shared.
static OPEN: Mutex<BTreeMap<PathBuf, Weak<Directory>>> = Mutex::new(BTreeMap::new());

pub(super) struct Directory {
    db: sled::Db,
    /// The file that sled writes to; nothing if temporary.
    file: Option<PathBuf>,
    shown: String,
    cluster: ClusterId,
    generations: Mutex<BTreeMap<u32, Weak<Generation>>>,
    pub(super) telemetry: Arc<Local>,
}

pub(super) fn shown(path: &Path) -> String {
    format!("file://{}", path.display())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs what may panic inside sled.
fn guarded<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let ended = std::thread::spawn(work).join();
    ended.unwrap_or_else(|_| Err("its files are damaged".to_owned()))
}

impl Directory {
    pub(super) fn open(path: &Path, cluster: &ClusterId) -> Result<Arc<Directory>, OpenError> {
        let broken = |reason: String| OpenError::Broken { url: shown(path), reason };
        std::fs::create_dir_all(path).map_err(|e| broken(e.to_string()))?;
        let path = path.canonicalize().map_err(|e| broken(e.to_string()))?;
        let mut open = lock(&OPEN);
        if let Some(directory) = open.get(&path).and_then(Weak::upgrade) {
            return Ok(directory);
        }
        let config = sled::Config::new().path(&path);
        let db = database(config, path.join("db")).map_err(broken)?;
        let directory = Arc::new(Directory {
            file: Some(path.join("db")),
            ..Directory::new(db, shown(&path), cluster)
        });
        open.retain(|_, directory| directory.strong_count() > 0);
        open.insert(path, Arc::downgrade(&directory));
        Ok(directory)
    }

    pub(super) fn temporary(cluster: &ClusterId) -> Result<Arc<Directory>, OpenError> {
        let shown = "temporary files".to_owned();
        let db = guarded(|| open_sled(&sled::Config::new().temporary(true)))
            .map_err(|reason| OpenError::Broken { url: shown.clone(), reason })?;
        Ok(Arc::new(Directory::new(db, shown, cluster)))
    }

    fn new(db: sled::Db, shown: String, cluster: &ClusterId) -> Directory {
        let (cluster, telemetry) = (cluster.clone(), Arc::new(Local::default()));
        let generations = Mutex::new(BTreeMap::new());
        Directory { db, file: None, shown, cluster, generations, telemetry }
    }

    pub(super) fn broken(&self, reason: impl Into<String>) -> OpenError {
        OpenError::Broken { url: self.shown.clone(), reason: reason.into() }
    }

    /// The newest generation that has begun; 0 if there is none. One that was made without its
    /// first record is a rollover that was cut short: its predecessor is still the newest.
    pub(super) fn newest(self: &Arc<Directory>) -> Result<u32, OpenError> {
        let mut newest = 0;
        while store::exists(&self.db, newest + 1).map_err(|reason| self.broken(reason))? {
            newest += 1;
        }
        match newest {
            0 | 1 => Ok(newest),
            _ if self.generation(newest)?.last().0 == 0 => Ok(newest - 1),
            _ => Ok(newest),
        }
    }

    /// Opens a generation, making it if it is not there.
    pub(super) fn generation(
        self: &Arc<Directory>,
        number: u32,
    ) -> Result<Arc<Generation>, OpenError> {
        let mut generations = lock(&self.generations);
        if let Some(generation) = generations.get(&number).and_then(Weak::upgrade) {
            return Ok(generation);
        }
        let (db, file, cluster) = (self.db.clone(), self.file.clone(), self.cluster.clone());
        let opened = guarded(move || Store::open(db, file.as_deref(), &cluster, number));
        let store = opened.map_err(|reason| self.broken(reason))?;
        let generation = Generation::start(self.clone(), store);
        let generation = Arc::new(generation.map_err(|e| self.broken(e.to_string()))?);
        generations.insert(number, Arc::downgrade(&generation));
        Ok(generation)
    }
}

/// Opens sled's files, waiting a little for whoever holds them to end.
fn database(config: sled::Config, file: PathBuf) -> Result<sled::Db, String> {
    let since = Instant::now();
    loop {
        let config = config.clone();
        match guarded(move || open_sled(&config)) {
            Err(reason) if reason.contains("could not acquire lock") => {
                if since.elapsed() > PATIENCE {
                    return Err(format!("{} is in use by another process", file.display()));
                }
                std::thread::sleep(POLL);
            }
            opened => return opened,
        }
    }
}

fn open_sled(config: &sled::Config) -> Result<sled::Db, String> {
    let config = config.clone().cache_capacity(CACHE).flush_every_ms(None);
    config.open().map_err(|e| e.to_string())
}

/// What a generation is called.
pub(super) fn identity(cluster: &ClusterId, generation: u32) -> Identity {
    let stream = format!("FLEETLOG_{cluster}_G{generation}");
    Identity { stream, generation, created: store::now() }
}
