//! What a driver asks for.

use crate::id::{self, InstanceId};
use crate::policy::kind::matches;
use crate::policy::types::is_pattern;
use crate::resources::Resources;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::BTreeSet;
use std::fmt;

/// Largest width: how many allocs' worth one request may ask for.
pub const MAX_WIDTH: u32 = 10_000;
/// Most zones, and most names and patterns of types, that one request may name.
pub const MAX_NAMES: usize = 100;

/// Capacity asked for: at least `min`, up to `max` if it is free, `width` times on one instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirements {
    /// The least that will do.
    pub min: Resources,
    /// The most that is of use; never below `min`.
    pub max: Resources,
    /// How many times `min` to place together on one instance; 1 for a plain alloc.
    #[serde(default = "one")]
    pub width: u32,
}

fn one() -> u32 {
    1
}

/// What narrows the choice of instance.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Constraint {
    /// Only this instance (an accepted offer).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceId>,
    /// Only this market.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub market: Option<Market>,
    /// Only an instance that is launched for this request alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alone: Option<Alone>,
    /// Only in these zones and of these types.
    #[serde(default, skip_serializing_if = "Only::is_any")]
    pub only: Only,
}

/// In which zones and of which types an instance must be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Only {
    /// Zones, in one of which it must be; empty: in any.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub zones: BTreeSet<SmolStr>,
    /// Names and patterns (`m7*`, `c6i.large`), one of which its type must match; empty: of any type.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub types: BTreeSet<SmolStr>,
}

impl Constraint {
    /// Whether this can be asked for at all.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn check(&self) -> Result<(), String> {
        if self.instance.is_some() && !self.only.is_any() {
            return Err("an instance is named: it is in one zone and of one type already".into());
        }
        self.only.check()
    }
}

impl Only {
    /// Whether any zone and any type will do.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.zones.is_empty() && self.types.is_empty()
    }

    /// Whether a zone is one of those.
    #[must_use]
    pub fn takes_zone(&self, zone: &str) -> bool {
        self.zones.is_empty() || self.zones.contains(zone)
    }

    /// Whether a type is one of those.
    #[must_use]
    pub fn takes_type(&self, kind: &str) -> bool {
        self.types.is_empty() || self.types.iter().any(|pattern| matches(pattern, kind))
    }

    /// Whether a type in a zone is one of those.
    #[must_use]
    pub fn takes(&self, kind: &str, zone: &str) -> bool {
        self.takes_zone(zone) && self.takes_type(kind)
    }

    fn check(&self) -> Result<(), String> {
        for (what, names) in [("zones", &self.zones), ("types", &self.types)] {
            if names.len() > MAX_NAMES {
                return Err(format!("{} {what} are named; at most {MAX_NAMES}", names.len()));
            }
        }
        if let Some(wrong) = self.zones.iter().find(|zone| id::check(zone).is_err()) {
            return Err(format!("{wrong:?} is no zone; write us-east-1a"));
        }
        match self.types.iter().find(|pattern| !is_pattern(pattern)) {
            Some(wrong) => {
                Err(format!("{wrong:?} is no type and no pattern; write m7g.large or m7*"))
            }
            None => Ok(()),
        }
    }
}

impl fmt::Display for Only {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |names: &BTreeSet<SmolStr>| {
            names.iter().map(SmolStr::as_str).collect::<Vec<_>>().join(" or ")
        };
        match (self.zones.is_empty(), self.types.is_empty()) {
            (true, true) => f.write_str("in any zone, of any type"),
            (false, true) => write!(f, "in {}", list(&self.zones)),
            (true, false) => write!(f, "of type {}", list(&self.types)),
            (false, false) => write!(f, "in {}, of type {}", list(&self.zones), list(&self.types)),
        }
    }
}

/// Which instance is launched for somebody who is to have it alone.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Alone {
    /// Only this type.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<SmolStr>,
    /// Only this zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<SmolStr>,
}

impl Alone {
    /// Whether a type is that one.
    #[must_use]
    pub fn takes_type(&self, kind: &str) -> bool {
        self.kind.as_ref().is_none_or(|asked| asked == kind)
    }

    /// Whether a zone is that one.
    #[must_use]
    pub fn takes_zone(&self, zone: &str) -> bool {
        self.zone.as_ref().is_none_or(|asked| asked == zone)
    }

    /// Whether a type in a zone is one of those.
    #[must_use]
    pub fn takes(&self, kind: &str, zone: &str) -> bool {
        self.takes_type(kind) && self.takes_zone(zone)
    }
}

/// How capacity is bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Market {
    /// At list price, until we end it.
    OnDemand,
    /// Cheaper, and may be taken away with two minutes' notice.
    Spot,
}

impl Requirements {
    /// Exactly `amount`, once.
    #[must_use]
    pub fn exactly(amount: Resources) -> Requirements {
        Requirements { min: amount.clone(), max: amount, width: 1 }
    }

    /// All that an instance has, if it has at least a little.
    #[must_use]
    pub fn all() -> Requirements {
        let amount = |cpu, memory| Resources { cpu, memory, ..Resources::default() };
        let max = Resources { disk: u64::MAX, ..amount(u64::MAX, u64::MAX) };
        Requirements { min: amount(1, 1), max, width: 1 }
    }

    /// The least that one instance must have free.
    #[must_use]
    pub fn floor(&self) -> Resources {
        self.min.times(u64::from(self.width))
    }

    /// Whether this can be asked for at all.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn check(&self) -> Result<(), String> {
        self.min.check()?;
        self.max.check()?;
        if self.min.cpu == 0 || self.min.memory == 0 {
            return Err("requirements need some cpu and some memory".into());
        }
        if !self.max.holds(&self.min) {
            return Err("the most asked for is less than the least".into());
        }
        if self.width == 0 || self.width > MAX_WIDTH {
            return Err(format!("width is {}; it must be 1 to {MAX_WIDTH}", self.width));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(zones: &[&str], types: &[&str]) -> Only {
        let set = |names: &[&str]| names.iter().map(|name| SmolStr::from(*name)).collect();
        Only { zones: set(zones), types: set(types) }
    }

    #[test]
    fn only_what_is_named_is_taken() {
        for (of, kind, zone, taken) in [
            (only(&[], &[]), "m7g.large", "a", true),
            (only(&["a", "b"], &[]), "m7g.large", "b", true),
            (only(&["a", "b"], &[]), "m7g.large", "c", false),
            (only(&[], &["m7*", "c6i.large"]), "c6i.large", "c", true),
            (only(&[], &["m7*", "c6i.large"]), "c6i.xlarge", "c", false),
            (only(&["a"], &["m7*"]), "m7g.large", "b", false),
            (only(&["a"], &["m7*"]), "m6g.large", "a", false),
            (only(&["a"], &["m7*"]), "m7g.large", "a", true),
        ] {
            assert_eq!(of.takes(kind, zone), taken, "{of}: {kind} in {zone}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let many: Vec<String> = (0..=MAX_NAMES).map(|n| format!("z-{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for of in [
            only(&[""], &[]),
            only(&["a.b"], &[]),
            only(&["a*"], &[]),
            only(&["A"], &[]),
            only(&[], &[""]),
            only(&[], &["m7 large"]),
            only(&[], &["M7*"]),
            only(&many, &[]),
            only(&[], &many),
        ] {
            let constraint = Constraint { only: of.clone(), ..Constraint::default() };
            assert!(constraint.check().is_err(), "{of} was taken");
        }
        let only = only(&["a"], &["m7?.*"]);
        let fine = Constraint { only, ..Constraint::default() };
        assert_eq!(fine.check(), Ok(()));
        let named = InstanceId::new("i-1").ok();
        assert!(Constraint { instance: named, ..fine }.check().is_err(), "both at once");
    }

    #[test]
    fn who_names_none_says_nothing_of_it() {
        let plain = rmp_serde::to_vec_named(&Constraint::default());
        assert_eq!(plain.ok(), Some(vec![0x80]), "an empty map");
    }
}
