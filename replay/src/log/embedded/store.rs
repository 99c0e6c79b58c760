//! The files of one generation: records by sequence, the last sequence of each subject, identity.

use super::super::{Entry, Identity, Stored};
use bytes::Bytes;
use schema::id::ClusterId;
use schema::unit::{LogTime, Seq};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

const SEALED: &[u8] = b"sealed";
const IDENTITY: &[u8] = b"identity";

/// Cache of sled pages in bytes: the log is read once from front to end, so little is enough.
const CACHE: u64 = 32 << 20;

pub(super) struct Store {
    db: sled::Db,
    records: sled::Tree,
    /// Last sequence of each subject: what fences are checked against; read from the records.
    subjects: Mutex<HashMap<String, Seq>>,
    last: Mutex<Seq>,
    pub(super) identity: Identity,
}

#[derive(Serialize, Deserialize)]
struct Row<'a> {
    #[serde(rename = "t")]
    time: u64,
    #[serde(rename = "s", borrow)]
    subject: &'a str,
    #[serde(rename = "p", with = "serde_bytes", borrow)]
    payload: &'a [u8],
}

impl Store {
    /// Opens or makes the files. Sled may panic on a damaged directory, so it is opened on a thread
    /// of its own whose end is looked at.
    pub(super) fn open(dir: &Path, cluster: &ClusterId, generation: u32) -> Result<Store, String> {
        let path = dir.to_path_buf();
        let opened = std::thread::spawn(move || {
            let db =
                sled::Config::new().path(path).cache_capacity(CACHE).flush_every_ms(None).open()?;
            Ok::<_, sled::Error>((db.open_tree("records")?, db))
        });
        let (records, db) = opened
            .join()
            .map_err(|_| format!("{} is damaged", dir.display()))?
            .map_err(|e| format!("{}: {e}", dir.display()))?;
        let identity = identity(&db, cluster, generation)?;
        let (mut subjects, mut last) = (HashMap::new(), Seq(0));
        for row in &records {
            let record = stored(&row.map_err(|e| e.to_string())?)?;
            if record.seq != last.next() {
                return Err(format!("record {} is missing", last.next()));
            }
            last = record.seq;
            subjects.insert(record.subject, last);
        }
        Ok(Store { db, records, subjects: Mutex::new(subjects), last: Mutex::new(last), identity })
    }

    /// The last sequence that is durable.
    pub(super) fn last(&self) -> Seq {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_last(&self, seq: Seq) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = seq;
    }

    /// The last sequence on a literal subject; 0 if there is none.
    pub(super) fn last_on(&self, subject: &str) -> Seq {
        self.subjects().get(subject).copied().unwrap_or_default()
    }

    fn subjects(&self) -> MutexGuard<'_, HashMap<String, Seq>> {
        self.subjects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes records; not durable before [`Store::sync`].
    pub(super) fn write(&self, first: Seq, round: &[Entry]) -> Result<(), String> {
        let time = now().0;
        let mut records = sled::Batch::default();
        for (seq, entry) in (first.0..).zip(round) {
            let row = Row { time, subject: &entry.subject, payload: &entry.payload };
            let bytes = rmp_serde::to_vec_named(&row).map_err(|e| e.to_string())?;
            records.insert(&seq.to_be_bytes(), bytes);
        }
        // A sled batch is atomic, so a round is on disk whole or not at all.
        self.records.apply_batch(records).map_err(|e| e.to_string())?;
        let mut subjects = self.subjects();
        for (seq, entry) in (first.0..).zip(round) {
            subjects.insert(entry.subject.clone(), Seq(seq));
        }
        Ok(())
    }

    /// Makes all that was written durable.
    pub(super) fn sync(&self) -> Result<(), String> {
        self.db.flush().map(drop).map_err(|e| e.to_string())
    }

    /// Up to `limit` records from `from` to `to`, both included.
    pub(super) fn range(&self, from: Seq, to: Seq, limit: usize) -> Result<Vec<Stored>, String> {
        let keys = from.0.to_be_bytes()..=to.0.to_be_bytes();
        self.records
            .range(keys)
            .take(limit)
            .map(|row| stored(&row.map_err(|e| e.to_string())?))
            .collect()
    }

    pub(super) fn sealed(&self) -> Result<bool, String> {
        self.db.contains_key(SEALED).map_err(|e| e.to_string())
    }

    pub(super) fn seal(&self) -> Result<(), String> {
        self.db.insert(SEALED, &[1]).map_err(|e| e.to_string())?;
        self.sync()
    }
}

fn identity(db: &sled::Db, cluster: &ClusterId, generation: u32) -> Result<Identity, String> {
    if let Some(bytes) = db.get(IDENTITY).map_err(|e| e.to_string())? {
        return rmp_serde::from_slice(&bytes).map_err(|e| format!("identity is damaged: {e}"));
    }
    let stream = format!("FLEETLOG_{cluster}_G{generation}");
    let identity = Identity { stream, generation, created: now() };
    let bytes = rmp_serde::to_vec_named(&identity).map_err(|e| e.to_string())?;
    db.insert(IDENTITY, bytes).map_err(|e| e.to_string())?;
    db.flush().map_err(|e| e.to_string())?;
    Ok(identity)
}

fn stored((key, value): &(sled::IVec, sled::IVec)) -> Result<Stored, String> {
    let seq = parse_key(key)?;
    let row: Row<'_> =
        rmp_serde::from_slice(value).map_err(|e| format!("record {seq} is damaged: {e}"))?;
    Ok(Stored {
        seq,
        time: LogTime(row.time),
        subject: row.subject.to_owned(),
        payload: Bytes::copy_from_slice(row.payload),
    })
}

fn parse_key(bytes: &[u8]) -> Result<Seq, String> {
    let bytes: [u8; 8] = bytes.try_into().map_err(|_| "a sequence is damaged".to_owned())?;
    Ok(Seq(u64::from_be_bytes(bytes)))
}

fn now() -> LogTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    LogTime(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
