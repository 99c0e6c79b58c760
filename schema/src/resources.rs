//! What an instance has and an alloc takes: cpu in millicores, memory and disk in bytes, and named
//! features that are counted (`gpu: 4`, `avx2: 16`, `arch-arm64: 1`).

use crate::id;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::fmt;

/// Most named features in one amount of resources.
pub const MAX_FEATURES: usize = 64;

/// An amount of resources. Missing features count as 0.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Resources {
    /// Millicores: 1000 is one core.
    #[serde(default)]
    pub cpu: u64,
    /// Bytes.
    #[serde(default)]
    pub memory: u64,
    /// Bytes.
    #[serde(default)]
    pub disk: u64,
    /// Named features and how many of each.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub features: BTreeMap<SmolStr, u64>,
}

/// One axis of [`Resources`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dimension {
    /// Millicores.
    Cpu,
    /// Bytes of memory.
    Memory,
    /// Bytes of disk.
    Disk,
    /// A named feature.
    Feature(SmolStr),
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dimension::Cpu => f.write_str("cpu"),
            Dimension::Memory => f.write_str("memory"),
            Dimension::Disk => f.write_str("disk"),
            Dimension::Feature(name) => write!(f, "feature {name}"),
        }
    }
}

/// The dimension in which something does not fit, and both amounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortage {
    /// Which dimension.
    pub dimension: Dimension,
    /// How much was asked for.
    pub asked: u64,
    /// How much there is.
    pub available: u64,
}

impl Resources {
    /// Whether `need` fits into this.
    #[must_use]
    pub fn holds(&self, need: &Resources) -> bool {
        need.cpu <= self.cpu
            && need.memory <= self.memory
            && need.disk <= self.disk
            && need.features.iter().all(|(name, count)| *count <= self.feature(name))
    }

    /// How many of the named feature there are.
    #[must_use]
    pub fn feature(&self, name: &str) -> u64 {
        self.features.get(name).copied().unwrap_or(0)
    }

    /// The first dimension in which `need` does not fit into this.
    #[must_use]
    pub fn shortage(&self, need: &Resources) -> Option<Shortage> {
        let plain = [
            (Dimension::Cpu, need.cpu, self.cpu),
            (Dimension::Memory, need.memory, self.memory),
            (Dimension::Disk, need.disk, self.disk),
        ];
        let features = need
            .features
            .iter()
            .map(|(name, count)| (Dimension::Feature(name.clone()), *count, self.feature(name)));
        plain
            .into_iter()
            .chain(features)
            .find(|(_, asked, available)| asked > available)
            .map(|(dimension, asked, available)| Shortage { dimension, asked, available })
    }

    /// This plus `other`, saturating.
    #[must_use]
    pub fn plus(&self, other: &Resources) -> Resources {
        self.zip(other, u64::saturating_add)
    }

    /// This minus `other`, never below zero.
    #[must_use]
    pub fn minus(&self, other: &Resources) -> Resources {
        self.zip(other, u64::saturating_sub)
    }

    /// The smaller of both in each dimension.
    #[must_use]
    pub fn at_most(&self, other: &Resources) -> Resources {
        self.zip(other, u64::min)
    }

    /// The larger of both in each dimension.
    #[must_use]
    pub fn at_least(&self, other: &Resources) -> Resources {
        self.zip(other, u64::max)
    }

    /// `count` times this, saturating.
    #[must_use]
    pub fn times(&self, count: u64) -> Resources {
        self.zip(self, |amount, _| amount.saturating_mul(count))
    }

    /// Whether there is nothing of anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cpu == 0
            && self.memory == 0
            && self.disk == 0
            && self.features.values().all(|count| *count == 0)
    }

    fn zip(&self, other: &Resources, f: impl Fn(u64, u64) -> u64) -> Resources {
        let names = self.features.keys().chain(other.features.keys());
        Resources {
            cpu: f(self.cpu, other.cpu),
            memory: f(self.memory, other.memory),
            disk: f(self.disk, other.disk),
            features: names
                .map(|name| (name.clone(), f(self.feature(name), other.feature(name))))
                .filter(|(_, count)| *count > 0)
                .collect(),
        }
    }

    /// Whether names and counts are within bounds.
    ///
    /// # Errors
    /// Says what is not.
    pub fn check(&self) -> Result<(), String> {
        if self.features.len() > MAX_FEATURES {
            return Err(format!(
                "{} features are named; at most {MAX_FEATURES} are allowed",
                self.features.len()
            ));
        }
        self.features.keys().try_for_each(|name| id::check(name).map_err(|e| e.to_string()))
    }
}

impl fmt::Display for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cpu {} memory {}", show_cpu(self.cpu), show_bytes(self.memory))?;
        if self.disk > 0 {
            write!(f, " disk {}", show_bytes(self.disk))?;
        }
        for (name, count) in &self.features {
            write!(f, " {name} {count}")?;
        }
        Ok(())
    }
}

/// Millicores as cores: `2`, `0.5`.
#[must_use]
pub fn show_cpu(millicores: u64) -> String {
    let text = format!("{}.{:03}", millicores / 1000, millicores % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Bytes in the largest binary unit that divides well: `64MiB`, `1.5GiB`.
#[must_use]
pub fn show_bytes(bytes: u64) -> String {
    const UNITS: [(&str, u64); 4] =
        [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    for (unit, size) in UNITS {
        if bytes >= size {
            let tenths = (u128::from(bytes) * 10 + u128::from(size) / 2) / u128::from(size);
            return match tenths % 10 {
                0 => format!("{}{unit}", tenths / 10),
                part => format!("{}.{part}{unit}", tenths / 10),
            };
        }
    }
    format!("{bytes}B")
}

/// Cores (`2`, `0.5`, `500m`) as millicores.
///
/// # Errors
/// Says what is wrong with the text.
pub fn parse_cpu(text: &str) -> Result<u64, String> {
    let wrong =
        || format!("{text:?} is no amount of cpu; write cores (2, 0.5) or millicores (500m)");
    if let Some(millicores) = text.strip_suffix('m') {
        return digits(millicores).ok_or_else(wrong);
    }
    scaled(text, 1000).ok_or_else(wrong)
}

/// Bytes with an optional unit (`64MiB`, `1.5GiB`, `1GB`, `4096`).
///
/// # Errors
/// Says what is wrong with the text.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no amount of bytes; write 64MiB, 1.5GiB, 1GB or 4096");
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let scale = match unit {
        "" | "B" => 1,
        "K" | "KiB" | "Ki" => 1 << 10,
        "M" | "MiB" | "Mi" => 1 << 20,
        "G" | "GiB" | "Gi" => 1 << 30,
        "T" | "TiB" | "Ti" => 1 << 40,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ => return Err(wrong()),
    };
    scaled(number, scale).ok_or_else(wrong)
}

fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// `text` is digits with at most nine decimals; the result is `text * scale`, rounded down.
fn scaled(text: &str, scale: u64) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() || part.len() > 9 || text.ends_with('.') {
        return None;
    }
    let fraction = if part.is_empty() { 0 } else { u128::from(digits(part)?) };
    let unit = 10_u128.pow(u32::try_from(part.len()).ok()?);
    let amount =
        u128::from(digits(whole)?) * u128::from(scale) + fraction * u128::from(scale) / unit;
    u64::try_from(amount).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_parse_or_say_why_not() {
        for (text, bytes) in [
            ("64MiB", 64 << 20),
            ("1.5GiB", 3 << 29),
            ("0", 0),
            ("4096", 4096),
            ("1GB", 1_000_000_000),
        ] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in
            ["", "-1", "1e9", "MiB", "1.", ".5", "1 GiB", "NaN", "99999999999TiB", "1XiB", "١"]
        {
            assert!(parse_bytes(text).is_err(), "{text:?} was taken for bytes");
        }
        assert_eq!(parse_cpu("0.5"), Ok(500));
        assert_eq!(parse_cpu("250m"), Ok(250));
        for text in ["", "m", "-1", "1.2.3", "inf", "-0.5m"] {
            assert!(parse_cpu(text).is_err(), "{text:?} was taken for cpu");
        }
    }

    #[test]
    fn shortage_names_the_dimension() {
        let have = Resources { cpu: 1000, memory: 10, ..Resources::default() };
        let need = Resources {
            cpu: 1000,
            features: BTreeMap::from([("gpu".into(), 2)]),
            ..Resources::default()
        };
        let shortage = have.shortage(&need).expect("a gpu is missing");
        assert_eq!(shortage.dimension, Dimension::Feature("gpu".into()));
        assert_eq!((shortage.asked, shortage.available), (2, 0));
        assert!(!have.holds(&need));
    }

    #[test]
    fn sizes_read_well() {
        for (bytes, text) in
            [(64 << 20, "64MiB"), (3 << 29, "1.5GiB"), (10, "10B"), (1 << 40, "1TiB")]
        {
            assert_eq!(show_bytes(bytes), text);
        }
        assert_eq!(show_cpu(500), "0.5");
        assert_eq!(show_cpu(16000), "16");
    }
}
