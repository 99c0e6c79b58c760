//! An ordered table of entities with an incremental digest. Its order is the order of its keys, and
//! hashing is put off until a digest is asked for, so that an entity which changes a hundred times
//! between two digests is hashed once.

use crate::digest::{Hashing, Sum};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::collections::btree_map::{Entry, VacantEntry};
use std::fmt::{Debug, Formatter};
use std::ops::RangeBounds;

/// Entities by key.
#[derive(Clone)]
pub struct Table<K, V> {
    rows: BTreeMap<K, Row<V>>,
    changed: Vec<K>,
    sum: Sum,
}

#[derive(Debug, Clone)]
struct Row<V> {
    value: V,
    hash: Option<[u8; 32]>,
}

/// A place in a table that nothing is in.
pub struct Vacant<'a, K, V> {
    entry: VacantEntry<'a, K, Row<V>>,
    changed: &'a mut Vec<K>,
}

impl<K: Ord + Clone, V> Vacant<'_, K, V> {
    /// Puts an entity there.
    pub fn insert(self, value: V) {
        self.changed.push(self.entry.key().clone());
        self.entry.insert(Row { value, hash: None });
    }
}

impl<K: Ord + Debug, V: Debug> Debug for Table<K, V> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.rows.iter().map(|(key, row)| (key, &row.value))).finish()
    }
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Table { rows: BTreeMap::new(), changed: Vec::new(), sum: Sum::default() }
    }
}

impl<K: Ord + Clone + Serialize, V: Clone + Serialize> Table<K, V> {
    /// The entity under this key.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        self.rows.get(key).map(|row| &row.value)
    }

    /// Whether there is one under this key.
    #[must_use]
    pub fn contains(&self, key: &K) -> bool {
        self.rows.contains_key(key)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// All of them, in order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.rows.iter().map(|(key, row)| (key, &row.value))
    }

    /// Those with keys in this range, in order of their keys.
    pub fn range(&self, keys: impl RangeBounds<K>) -> impl Iterator<Item = (&K, &V)> {
        self.rows.range(keys).map(|(key, row)| (key, &row.value))
    }

    /// For changing the entity under this key.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let row = self.rows.get_mut(key)?;
        if let Some(hash) = row.hash.take() {
            self.sum.subtract(&hash);
            self.changed.push(key.clone());
        }
        Some(&mut row.value)
    }

    /// Puts an entity under this key, in place of one that may be there.
    pub fn insert(&mut self, key: K, value: V) {
        self.changed.push(key.clone());
        if let Some(Row { hash: Some(hash), .. }) = self.rows.insert(key, Row { value, hash: None })
        {
            self.sum.subtract(&hash);
        }
    }

    /// The place under this key, if nothing is there.
    pub fn vacant(&mut self, key: K) -> Option<Vacant<'_, K, V>> {
        match self.rows.entry(key) {
            Entry::Vacant(entry) => Some(Vacant { entry, changed: &mut self.changed }),
            Entry::Occupied(_) => None,
        }
    }

    /// Takes the entity under this key out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let row = self.rows.remove(key)?;
        if let Some(hash) = row.hash {
            self.sum.subtract(&hash);
        }
        Some(row.value)
    }

    /// The sum over all entities, hashing those that changed since it was last asked for.
    pub fn sum(&mut self, name: &str) -> Sum {
        let mut hashing = Hashing::default();
        for key in std::mem::take(&mut self.changed) {
            if let Some(row) = self.rows.get_mut(&key)
                && row.hash.is_none()
            {
                let hash = hashing.hash(name, &key, &row.value);
                self.sum.add(&hash);
                row.hash = Some(hash);
            }
        }
        self.sum
    }
}

impl<K: Ord + Clone + Serialize, V: Clone + Serialize> Serialize for Table<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de, K, V> Deserialize<'de> for Table<K, V>
where
    K: Ord + Clone + Serialize + Deserialize<'de>,
    V: Clone + Serialize + Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut table = Table::default();
        for (key, value) in Vec::<(K, V)>::deserialize(deserializer)? {
            table.insert(key, value);
        }
        Ok(table)
    }
}
