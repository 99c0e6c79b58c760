//! What EC2 does not show. For seconds to minutes it may not know what it has just made, and that an id
//! is not found does not say that its instance has ended: only what was missing at every look for ten
//! minutes is taken for gone.

use controlplane_core::Moment;
use schema::unit::Millis;
use std::collections::BTreeMap;

/// How long something must be missing. The developer guide lets whoever looks wait for up to five
/// minutes; this is twice that.
pub const LONG: Millis = Millis::from_secs(600);

/// Things that are looked for, and since when each has been missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absent<K>(BTreeMap<K, Moment>);

impl<K: Ord> Default for Absent<K> {
    fn default() -> Absent<K> {
        Absent(BTreeMap::new())
    }
}

impl<K: Ord + Clone> Absent<K> {
    /// A look did not show it. Whether it has been missing for long.
    pub fn missed(&mut self, now: Moment, what: &K) -> bool {
        let since = *self.0.entry(what.clone()).or_insert(now);
        now.since(since) >= LONG
    }

    /// A look showed it, or nobody looks for it any more.
    pub fn forget(&mut self, what: &K) {
        self.0.remove(what);
    }

    /// Whether it was missing at the last look.
    #[must_use]
    pub fn contains(&self, what: &K) -> bool {
        self.0.contains_key(what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_for_long_is_gone() {
        let mut absent = Absent::default();
        assert!(!absent.missed(Moment(5), &"i-1"));
        assert!(!absent.missed(Moment(600_004), &"i-1"));
        assert!(!absent.missed(Moment(600_004), &"i-2"));
        assert!(absent.missed(Moment(600_005), &"i-1"));
        absent.forget(&"i-1");
        assert!(!absent.contains(&"i-1") && absent.contains(&"i-2"));
        assert!(!absent.missed(Moment(700_000), &"i-1"));
    }
}
