//! Digests that do not depend on the order in which a state was built: the BLAKE3 of each entity,
//! summed. Adding, changing and removing one entity costs one hash, whatever the size of the rest.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a whole state digests to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A sum of hashes, lane by lane, wrapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sum([u64; 4]);

impl Sum {
    /// Adds a hash.
    pub fn add(&mut self, hash: &[u8; 32]) {
        self.each(hash, u64::wrapping_add);
    }

    /// Takes a hash away that was added before.
    pub fn subtract(&mut self, hash: &[u8; 32]) {
        self.each(hash, u64::wrapping_sub);
    }

    /// As bytes, lowest lane first.
    #[must_use]
    pub fn bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (chunk, lane) in bytes.chunks_exact_mut(8).zip(self.0) {
            chunk.copy_from_slice(&lane.to_le_bytes());
        }
        bytes
    }

    fn each(&mut self, hash: &[u8; 32], combine: impl Fn(u64, u64) -> u64) {
        for (lane, chunk) in self.0.iter_mut().zip(hash.chunks_exact(8)) {
            let mut word = [0; 8];
            word.copy_from_slice(chunk);
            *lane = combine(*lane, u64::from_le_bytes(word));
        }
    }
}

/// Hashes entities, one after the other.
#[derive(Debug, Default)]
pub struct Hashing {
    bytes: Vec<u8>,
}

impl Hashing {
    /// The hash of one entity: its table, its key and its value, each as MessagePack with named
    /// fields (by position alone, fields that are left out would shift the others).
    pub fn hash<K: Serialize, V: Serialize>(
        &mut self,
        table: &str,
        key: &K,
        value: &V,
    ) -> [u8; 32] {
        self.bytes.clear();
        // Encoding plain data into memory cannot fail; were it to, the digest would differ and be
        // seen.
        let _ = rmp_serde::encode::write_named(&mut self.bytes, &(table, key, value));
        *blake3::hash(&self.bytes).as_bytes()
    }
}
