//! What must survive the agent: which incarnation it is, and the records that the log may not have.
//! Everything else an agent needs to know stands on the log, in its own records among others.

use bytes::Bytes;
use replay::author::{Identity, Outbox};
use replay::log::Entry;
use schema::id::{AuthorId, ClusterId};
use serde::{Deserialize, Serialize};
use std::path::Path;
use uuid::Uuid;

const INCARNATION: &[u8] = b"incarnation";
const CACHE: u64 = 4 << 20;

/// The journal of one agent.
pub(crate) struct Journal {
    db: sled::Db,
    outbox: sled::Tree,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    subject: String,
    payload: Bytes,
}

impl Journal {
    /// Opens the journal under `dir`. One that cannot be read is set aside, and a new life begins: the
    /// log says what the old one had done.
    pub(crate) fn open(dir: &Path) -> Result<Journal, String> {
        let path = dir.join("journal");
        match Journal::try_open(&path) {
            Ok(journal) => Ok(journal),
            Err(reason) => {
                let aside = dir.join(format!("journal-damaged-{}", Uuid::now_v7().simple()));
                tracing::warn!(reason, aside = %aside.display(), "the journal cannot be read");
                std::fs::rename(&path, &aside).map_err(|e| format!("{reason}; {e}"))?;
                Journal::try_open(&path)
            }
        }
    }

    fn try_open(path: &Path) -> Result<Journal, String> {
        let at = path.to_path_buf();
        // Sled may panic on damaged files: open it where a panic can be caught.
        let opened = std::thread::spawn(move || {
            let db =
                sled::Config::new().path(at).cache_capacity(CACHE).flush_every_ms(None).open()?;
            Ok::<_, sled::Error>((db.open_tree("outbox")?, db))
        });
        let (outbox, db) = opened
            .join()
            .map_err(|_| format!("{} is damaged", path.display()))?
            .map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Journal { db, outbox })
    }

    /// Who writes from this journal, and what it may not have got onto the log.
    pub(crate) fn identity(
        &self,
        cluster: ClusterId,
        author: AuthorId,
    ) -> Result<Identity, String> {
        let (incarnation, landed) = self.life()?;
        let mut unsent = Vec::new();
        for row in &self.outbox {
            let (key, value) = row.map_err(|e| e.to_string())?;
            let number = number(&key)?;
            let kept: Kept = rmp_serde::from_slice(&value).map_err(|e| e.to_string())?;
            unsent.push((number, Entry { subject: kept.subject, payload: kept.payload }));
        }
        let last_number = unsent.last().map_or(landed, |(number, _)| *number);
        Ok(Identity { cluster, author, incarnation, last_number, unsent })
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
}

impl Outbox for Journal {
    fn push(&mut self, number: u64, entry: &Entry) -> Result<(), String> {
        let kept = Kept { subject: entry.subject.clone(), payload: entry.payload.clone() };
        let bytes = rmp_serde::to_vec_named(&kept).map_err(|e| e.to_string())?;
        self.outbox.insert(number.to_be_bytes(), bytes).map(drop).map_err(|e| e.to_string())
    }

    fn sync(&mut self) -> Result<(), String> {
        self.db.flush().map(drop).map_err(|e| e.to_string())
    }

    /// Not made durable at once: what is sent again after a crash is void, and does no harm.
    fn landed(&mut self, up_to: u64) -> Result<(), String> {
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
