//! The files of one generation: records by sequence, the last sequence of each subject, identity,
//! and whether it is sealed.
//!
//! Durable means fsync: on Linux sled's own flush only calls `sync_file_range`, which promises
//! nothing after a loss of power, so the file is synced here once more.

use super::super::{Entry, Identity, Stored};
use super::directory;
use super::row::{Rows, key, put};
use schema::id::ClusterId;
use schema::unit::{LogTime, Seq};
use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Bytes of payload after which a range is long enough.
const RANGE_BYTES: usize = 4 << 20;

pub(super) struct Store {
    db: sled::Db,
    file: Option<File>,
    records: sled::Tree,
    /// Last sequence of each subject: what fences are checked against; read from the records.
    subjects: Mutex<HashMap<String, Seq>>,
    loaded: Seq,
    sealed: AtomicBool,
    pub(super) identity: Identity,
}

fn identity_key(generation: u32) -> Vec<u8> {
    format!("identity/{generation}").into_bytes()
}

fn sealed_key(generation: u32) -> Vec<u8> {
    format!("sealed/{generation}").into_bytes()
}

/// Whether a generation was made.
pub(super) fn exists(db: &sled::Db, generation: u32) -> Result<bool, String> {
    db.contains_key(identity_key(generation)).map_err(|e| e.to_string())
}

pub(super) fn now() -> LogTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    LogTime(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

impl Store {
    /// Opens or makes a generation; reads all of it.
    pub(super) fn open(
        db: sled::Db,
        file: Option<&Path>,
        cluster: &ClusterId,
        generation: u32,
    ) -> Result<Store, String> {
        let records = db.open_tree(format!("g{generation}")).map_err(|e| e.to_string())?;
        let file = file.map(File::open).transpose().map_err(|e| e.to_string())?;
        let identity = identity(&db, cluster, generation)?;
        let sealed = db.contains_key(sealed_key(generation)).map_err(|e| e.to_string())?;
        let (subjects, loaded) = load(&records)?;
        let (subjects, sealed) = (Mutex::new(subjects), AtomicBool::new(sealed));
        let store = Store { db, file, records, subjects, loaded, sealed, identity };
        store.sync()?;
        Ok(store)
    }

    /// The last sequence that was there when it was opened.
    pub(super) fn loaded(&self) -> Seq {
        self.loaded
    }

    /// The last sequence on a literal subject; 0 if there is none.
    pub(super) fn last_on(&self, subject: &str) -> Seq {
        let subjects = self.subjects.lock().unwrap_or_else(PoisonError::into_inner);
        subjects.get(subject).copied().unwrap_or_default()
    }

    /// Writes a round; not durable before [`Store::sync`].
    pub(super) fn write(&self, first: Seq, round: &[Entry]) -> Result<(), String> {
        let mut batch = sled::Batch::default();
        put(&mut batch, first, now(), round)?;
        // A sled batch is atomic, so a round is on disk whole or not at all.
        self.records.apply_batch(batch).map_err(|e| e.to_string())?;
        let mut subjects = self.subjects.lock().unwrap_or_else(PoisonError::into_inner);
        for (seq, entry) in (first.0..).zip(round) {
            subjects.insert(entry.subject.clone(), Seq(seq));
        }
        Ok(())
    }

    /// Makes all that was written durable.
    pub(super) fn sync(&self) -> Result<(), String> {
        let Some(file) = &self.file else { return Ok(()) };
        self.db.flush().map_err(|e| e.to_string())?;
        file.sync_data().map_err(|e| e.to_string())
    }

    /// Records from `from` to `to`, both included; up to `limit`, or until they are many bytes.
    pub(super) fn range(&self, from: Seq, to: Seq, limit: usize) -> Result<Vec<Stored>, String> {
        let keys = key(from, 0)..=key(to, u16::MAX);
        let (mut found, mut bytes) = (Vec::new(), 0);
        for row in Rows::new(self.records.range(keys)) {
            let (record, _) = row?;
            bytes += record.payload.len();
            found.push(record);
            if found.len() == limit || bytes >= RANGE_BYTES {
                break;
            }
        }
        Ok(found)
    }

    pub(super) fn sealed(&self) -> bool {
        self.sealed.load(Ordering::SeqCst)
    }

    pub(super) fn seal(&self) -> Result<(), String> {
        let key = sealed_key(self.identity.generation);
        self.db.insert(key, &[1]).map_err(|e| e.to_string())?;
        self.sync()?;
        self.sealed.store(true, Ordering::SeqCst);
        Ok(())
    }
}

/// The last sequence of each subject, and of all. A round without its end was never acknowledged:
/// it is taken off.
fn load(records: &sled::Tree) -> Result<(HashMap<String, Seq>, Seq), String> {
    let (mut subjects, mut last) = (HashMap::new(), Seq(0));
    let mut round: Vec<(String, Seq)> = Vec::new();
    for row in Rows::new(records.iter()) {
        let (record, rest) = row?;
        let expected = Seq(last.0 + round.len() as u64 + 1);
        if record.seq != expected {
            return Err(format!("record {expected} is missing"));
        }
        round.push((record.subject, record.seq));
        if rest == 0 {
            last = record.seq;
            subjects.extend(round.drain(..));
        }
    }
    if !round.is_empty() {
        let torn: Vec<_> = records.range(key(last.next(), 0)..).keys().collect();
        for key in torn {
            records.remove(key.map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
        }
    }
    Ok((subjects, last))
}

fn identity(db: &sled::Db, cluster: &ClusterId, generation: u32) -> Result<Identity, String> {
    let found = db.get(identity_key(generation)).map_err(|e| e.to_string())?;
    if let Some(bytes) = found {
        return rmp_serde::from_slice(&bytes).map_err(|e| format!("identity is damaged: {e}"));
    }
    let identity = directory::identity(cluster, generation);
    let bytes = rmp_serde::to_vec_named(&identity).map_err(|e| e.to_string())?;
    db.insert(identity_key(generation), bytes).map_err(|e| e.to_string())?;
    Ok(identity)
}
