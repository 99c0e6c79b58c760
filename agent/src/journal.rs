//! What must survive the agent: which incarnation it is, and the records that the log may not have.
//! Everything else an agent needs to know stands on the log, in its own records among others.

use bytes::Bytes;
use replay::author::{Identity, Outbox};
use replay::log::Entry;
use rustix::fs::{FlockOperation, flock};
use schema::id::{AuthorId, ClusterId};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use uuid::Uuid;

const INCARNATION: &[u8] = b"incarnation";
const CACHE: u64 = 4 << 20;
/// How long to wait for an agent that is just going.
const PATIENCE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(10);

/// The journal of one agent. It is closed when this is dropped, whoever still writes to its outbox:
/// what an agent that is gone could not make durable never happened.
pub(crate) struct Journal {
    store: Shared,
}

type Shared = Arc<Mutex<Option<Store>>>;

struct Store {
    db: sled::Db,
    outbox: sled::Tree,
    /// Held for as long as the files are in use.
    _lock: File,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    subject: String,
    payload: Bytes,
}

impl Journal {
    /// Opens the journal under `dir`, once no other agent has it open. One that cannot be read is
    /// set aside, and a new life begins: the log says what the old one had done. May block for
    /// [`PATIENCE`].
    pub(crate) fn open(dir: &Path) -> Result<Journal, String> {
        let lock = lock(&dir.join("journal.lock"))?;
        let path = dir.join("journal");
        let (db, outbox) = match try_open(&path) {
            Ok(opened) => opened,
            Err(reason) => {
                let aside = dir.join(format!("journal-damaged-{}", Uuid::now_v7().simple()));
                tracing::warn!(reason, aside = %aside.display(), "the journal cannot be read");
                std::fs::rename(&path, &aside).map_err(|e| format!("{reason}; {e}"))?;
                try_open(&path)?
            }
        };
        let store = Store { db, outbox, _lock: lock };
        Ok(Journal { store: Arc::new(Mutex::new(Some(store))) })
    }

    /// Who writes from this journal, and what it may not have got onto the log, which has followed
    /// this author up to `last`. A journal that the log is ahead of is not the one that wrote there:
    /// a new life begins.
    pub(crate) fn identity(
        &self,
        cluster: ClusterId,
        author: AuthorId,
        last: Option<(Uuid, u64)>,
    ) -> Result<Identity, String> {
        with(&self.store, |store| {
            let (incarnation, landed) = store.life()?;
            let unsent = store.unsent()?;
            let last_number = unsent.last().map_or(landed, |(number, _)| *number);
            match last {
                Some(last) if last > (incarnation, last_number) => {
                    tracing::warn!(%author, "the log is ahead of the journal: a new life begins");
                    let incarnation = store.begin_anew(last.0)?;
                    Ok(Identity {
                        cluster,
                        author,
                        incarnation,
                        last_number: 0,
                        unsent: Vec::new(),
                    })
                }
                _ => Ok(Identity { cluster, author, incarnation, last_number, unsent }),
            }
        })
    }

    /// Where the author keeps what it writes.
    pub(crate) fn outbox(&self) -> Box<dyn Outbox> {
        Box::new(Keeping { store: self.store.clone() })
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.store.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

struct Keeping {
    store: Shared,
}

impl Outbox for Keeping {
    fn push(&mut self, number: u64, entry: &Entry) -> Result<(), String> {
        let kept = Kept { subject: entry.subject.clone(), payload: entry.payload.clone() };
        let bytes = rmp_serde::to_vec_named(&kept).map_err(|e| e.to_string())?;
        with(&self.store, |store| {
            store.outbox.insert(number.to_be_bytes(), bytes).map(drop).map_err(|e| e.to_string())
        })
    }

    fn sync(&mut self) -> Result<(), String> {
        with(&self.store, |store| store.db.flush().map(drop).map_err(|e| e.to_string()))
    }

    /// Not made durable at once: what is sent again after a crash is void, and does no harm.
    fn landed(&mut self, up_to: u64) -> Result<(), String> {
        with(&self.store, |store| store.landed(up_to))
    }
}

fn with<T>(store: &Shared, use_it: impl FnOnce(&Store) -> Result<T, String>) -> Result<T, String> {
    let store = store.lock().unwrap_or_else(PoisonError::into_inner);
    use_it(store.as_ref().ok_or("the agent is gone")?)
}

fn lock(path: &Path) -> Result<File, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let mut options = OpenOptions::new();
    let file = options.create(true).truncate(false).write(true).open(path);
    let file = file.map_err(|error| failed(&error))?;
    let since = Instant::now();
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) if since.elapsed() < PATIENCE => {
                std::thread::sleep(POLL);
            }
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(failed(&"another agent works here")),
            Err(error) => return Err(failed(&error)),
        }
    }
}

fn try_open(path: &Path) -> Result<(sled::Db, sled::Tree), String> {
    let at = path.to_path_buf();
    // Sled may panic on damaged files: open it where a panic can be caught.
    let opened = std::thread::spawn(move || {
        let db = sled::Config::new().path(at).cache_capacity(CACHE).flush_every_ms(None).open()?;
        let outbox = db.open_tree("outbox")?;
        Ok::<_, sled::Error>((db, outbox))
    });
    opened
        .join()
        .map_err(|_| format!("{} is damaged", path.display()))?
        .map_err(|e| format!("{}: {e}", path.display()))
}

impl Store {
    fn unsent(&self) -> Result<Vec<(u64, Entry)>, String> {
        let mut unsent = Vec::new();
        for row in &self.outbox {
            let (key, value) = row.map_err(|e| e.to_string())?;
            let kept: Kept = rmp_serde::from_slice(&value).map_err(|e| e.to_string())?;
            unsent.push((number(&key)?, Entry { subject: kept.subject, payload: kept.payload }));
        }
        Ok(unsent)
    }

    fn life(&self) -> Result<(Uuid, u64), String> {
        if let Some(bytes) = self.db.get(INCARNATION).map_err(|e| e.to_string())? {
            return rmp_serde::from_slice(&bytes).map_err(|e| e.to_string());
        }
        let life = (Uuid::now_v7(), 0);
        self.set_life(&life)?;
        self.db.flush().map_err(|e| e.to_string())?;
        Ok(life)
    }

    fn set_life(&self, life: &(Uuid, u64)) -> Result<(), String> {
        let bytes = rmp_serde::to_vec_named(life).map_err(|e| e.to_string())?;
        self.db.insert(INCARNATION, bytes).map(drop).map_err(|e| e.to_string())
    }

    /// A life that is newer than `last`, also where the clock has gone back since that one began.
    fn begin_anew(&self, last: Uuid) -> Result<Uuid, String> {
        const ONE_MS: u128 = 1 << 80;
        let later = Uuid::from_u128(last.as_u128().saturating_add(ONE_MS));
        let incarnation = Uuid::now_v7().max(later);
        self.outbox.clear().map_err(|e| e.to_string())?;
        self.set_life(&(incarnation, 0))?;
        self.db.flush().map_err(|e| e.to_string())?;
        Ok(incarnation)
    }

    fn landed(&self, up_to: u64) -> Result<(), String> {
        let (incarnation, _) = self.life()?;
        self.set_life(&(incarnation, up_to))?;
        let mut gone = sled::Batch::default();
        for row in self.outbox.range(..=up_to.to_be_bytes()) {
            gone.remove(row.map_err(|e| e.to_string())?.0);
        }
        self.outbox.apply_batch(gone).map_err(|e| e.to_string())
    }
}

fn number(key: &[u8]) -> Result<u64, String> {
    let bytes: [u8; 8] = key.try_into().map_err(|_| "a number is damaged".to_owned())?;
    Ok(u64::from_be_bytes(bytes))
}
