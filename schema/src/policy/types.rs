//! Which instance types may be bought, and why another may not.

use super::Offering;
use super::kind::{KindName, matches};
use crate::requirements::Market;
use crate::unit::Micros;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::fmt;

/// Most names and patterns in one list.
const MAX_PATTERNS: usize = 1000;
/// Longest name or pattern, in characters.
const LONGEST_PATTERN: usize = 64;
/// Stands for every class of families that is not named.
const OTHERS: &str = "*";

/// What a machine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arch {
    /// 64-bit ARM.
    Arm64,
    /// 64-bit x86.
    #[serde(rename = "x86_64")]
    X86,
}

impl Arch {
    /// All of them.
    pub const ALL: [Arch; 2] = [Arch::Arm64, Arch::X86];

    /// The feature under which an instance offers it: one for each vCPU.
    #[must_use]
    pub fn feature(self) -> &'static str {
        match self {
            Arch::Arm64 => "arch-arm64",
            Arch::X86 => "arch-x86-64",
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Arch::Arm64 => "arm64",
            Arch::X86 => "x86_64",
        })
    }
}

/// The feature of instances whose own disks are solid-state, with how many there are.
pub const LOCAL_SSD: &str = "local-ssd";
/// The feature of instances whose own disks turn, with how many there are.
pub const LOCAL_HDD: &str = "local-hdd";
/// The feature of instances with whole GPUs, with how many there are.
pub const GPU: &str = "gpu";
/// The feature of instances with other accelerators, or with a part of a GPU.
pub const ACCELERATOR: &str = "accelerator";

/// Whether types with disks of their own are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LocalDisk {
    /// With and without.
    #[default]
    Any,
    /// Only with.
    Required,
    /// Only without.
    Refused,
}

/// Whether types with GPUs and other accelerators are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Accelerators {
    /// Not at all.
    Never,
    /// For requests that ask for one.
    #[default]
    Asked,
    /// For all requests.
    Always,
}

/// Which instance types may be bought. Every rule must allow a type; one that `allow` names in full is
/// taken whatever its generation is, and though it is burstable, bare metal or accelerated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TypeRules {
    /// Names and patterns (`m7*`, `c6i.large`) of which a type must match one; empty: all types.
    pub allow: Vec<SmolStr>,
    /// Names and patterns of which a type must match none.
    pub deny: Vec<SmolStr>,
    /// By class of families (`m`), or `*` for all others: the oldest generation that is taken.
    pub min_generation: BTreeMap<SmolStr, u32>,
    /// What a type must run; empty: anything.
    pub arch: Vec<Arch>,
    /// Whether types with disks of their own are taken.
    pub local_disk: LocalDisk,
    /// Whether types that live on cpu credits are taken.
    pub burstable: bool,
    /// Whether types without a hypervisor are taken.
    pub bare_metal: bool,
    /// Whether types with GPUs and other accelerators are taken.
    pub accelerators: Accelerators,
    /// The most that one instance may cost, in micro-dollars per hour, its volumes included.
    pub max_price: Option<Micros>,
    /// On which markets to buy.
    pub markets: Vec<Market>,
}

impl Default for TypeRules {
    fn default() -> TypeRules {
        let oldest = [
            ("a", 2),
            ("c", 5),
            ("d", 3),
            ("g", 4),
            ("i", 3),
            ("m", 5),
            ("p", 4),
            ("r", 5),
            ("t", 3),
        ];
        TypeRules {
            allow: Vec::new(),
            deny: Vec::new(),
            min_generation: oldest.map(|(class, oldest)| (class.into(), oldest)).into(),
            arch: Vec::new(),
            local_disk: LocalDisk::Any,
            burstable: false,
            bare_metal: false,
            accelerators: Accelerators::Asked,
            max_price: None,
            markets: vec![Market::OnDemand, Market::Spot],
        }
    }
}

/// What the rules look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traits<'a> {
    /// The type's name.
    pub name: &'a str,
    /// What it runs, if that is known.
    pub arch: Option<Arch>,
    /// Whether it has disks of its own.
    pub local_disk: bool,
    /// Whether it has a GPU or another accelerator.
    pub accelerated: bool,
}

impl<'a> Traits<'a> {
    /// Those of an offering, as its name and its features tell them.
    #[must_use]
    pub fn of(offering: &'a Offering) -> Traits<'a> {
        let has = |feature: &str| offering.resources.feature(feature) > 0;
        Traits {
            name: &offering.kind,
            arch: Arch::ALL.into_iter().find(|arch| has(arch.feature())),
            local_disk: has(LOCAL_SSD) || has(LOCAL_HDD),
            accelerated: has(GPU) || has(ACCELERATOR),
        }
    }
}

/// Why a type may not be bought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum NotAllowed {
    /// No name or pattern in the list.
    #[error("it matches nothing in the list of allowed types")]
    NotListed,
    /// One that is denied.
    #[error("{pattern} is denied")]
    Denied {
        /// What it matches.
        pattern: SmolStr,
    },
    /// A machine that is let as a whole, for a day at least.
    #[error("it comes on dedicated hosts alone")]
    DedicatedHost,
    /// Too old.
    #[error("generation {generation} is older than {oldest}, the oldest that is taken of {class}")]
    OldGeneration {
        /// Class of its family.
        class: SmolStr,
        /// Its generation.
        generation: u32,
        /// The oldest that is taken.
        oldest: u32,
    },
    /// Runs something else.
    #[error("it does not run what is asked for")]
    OtherArch,
    /// Has no disks of its own.
    #[error("it has no disks of its own")]
    NoLocalDisk,
    /// Has disks of its own.
    #[error("it has disks of its own, which cost and are not wanted")]
    LocalDisk,
    /// Lives on cpu credits.
    #[error("it is burstable: it slows down when its cpu credits are spent")]
    Burstable,
    /// Has no hypervisor.
    #[error("it is bare metal: it boots slowly")]
    BareMetal,
    /// Has accelerators.
    #[error("it has accelerators, which are not wanted")]
    Accelerated,
    /// Not on this market.
    #[error("nothing is bought {}", market.how())]
    OtherMarket {
        /// The market.
        market: Market,
    },
    /// Costs too much.
    #[error("{}/h is more than {}/h, the most that one instance may cost", price.dollars(), limit.dollars())]
    TooDear {
        /// Its price in micro-dollars per hour.
        price: Micros,
        /// The limit.
        limit: Micros,
    },
}

impl Market {
    fn how(self) -> &'static str {
        match self {
            Market::OnDemand => "on demand",
            Market::Spot => "as spot",
        }
    }
}

impl TypeRules {
    /// Whether these are the rules that a policy has which names none.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == TypeRules::default()
    }

    /// Why a type may not be bought at any price; nothing if it may.
    #[must_use]
    pub fn refusal(&self, of: &Traits<'_>) -> Option<NotAllowed> {
        let any = |patterns: &[SmolStr]| patterns.iter().find(|p| matches(p, of.name)).cloned();
        if let Some(pattern) = any(&self.deny) {
            return Some(NotAllowed::Denied { pattern });
        }
        if !self.allow.is_empty() && any(&self.allow).is_none() {
            return Some(NotAllowed::NotListed);
        }
        let kind = KindName::parse(of.name);
        if kind.class == "mac" {
            return Some(NotAllowed::DedicatedHost);
        }
        if !self.arch.is_empty() && !of.arch.is_some_and(|arch| self.arch.contains(&arch)) {
            return Some(NotAllowed::OtherArch);
        }
        match (self.local_disk, of.local_disk) {
            (LocalDisk::Required, false) => return Some(NotAllowed::NoLocalDisk),
            (LocalDisk::Refused, true) => return Some(NotAllowed::LocalDisk),
            (LocalDisk::Any | LocalDisk::Required | LocalDisk::Refused, _) => {}
        }
        let in_full = self.allow.iter().any(|name| name == of.name);
        if in_full { None } else { self.unusual(of, &kind) }
    }

    /// Why a type is not taken unless it is named in full.
    fn unusual(&self, of: &Traits<'_>, kind: &KindName<'_>) -> Option<NotAllowed> {
        let oldest = self.min_generation.get(kind.class).or(self.min_generation.get(OTHERS));
        let oldest = oldest.copied().unwrap_or(0);
        if kind.burstable() && !self.burstable {
            return Some(NotAllowed::Burstable);
        }
        if kind.bare_metal() && !self.bare_metal {
            return Some(NotAllowed::BareMetal);
        }
        if of.accelerated && self.accelerators == Accelerators::Never {
            return Some(NotAllowed::Accelerated);
        }
        let old = kind.generation < oldest;
        old.then(|| NotAllowed::OldGeneration {
            class: kind.class.into(),
            generation: kind.generation,
            oldest,
        })
    }

    /// Why nothing may be bought on this market at this price; nothing if it may.
    #[must_use]
    pub fn price_refusal(&self, market: Market, price: Micros) -> Option<NotAllowed> {
        if !self.markets.contains(&market) {
            return Some(NotAllowed::OtherMarket { market });
        }
        let limit = self.max_price.filter(|limit| price > *limit)?;
        Some(NotAllowed::TooDear { price, limit })
    }

    /// Whether an offering may be bought.
    #[must_use]
    pub fn admits(&self, offering: &Offering) -> bool {
        self.price_refusal(offering.market, offering.price).is_none()
            && self.refusal(&Traits::of(offering)).is_none()
    }

    /// Whether the rules can be followed.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn check(&self) -> Result<(), String> {
        for (name, patterns) in [("allow", &self.allow), ("deny", &self.deny)] {
            if patterns.len() > MAX_PATTERNS {
                return Err(format!("types.{name} has more than {MAX_PATTERNS} patterns"));
            }
            if let Some(wrong) = patterns.iter().find(|pattern| !is_pattern(pattern)) {
                return Err(format!(
                    "types.{name}: {wrong:?} is no name or pattern; write m7g.large or m7*"
                ));
            }
        }
        let classes = self.min_generation.keys();
        let lower = |class: &&SmolStr| class.bytes().all(|b| b.is_ascii_lowercase());
        let class = |class: &&SmolStr| *class == OTHERS || (!class.is_empty() && lower(class));
        if let Some(wrong) = classes.into_iter().find(|name| !class(name)) {
            return Err(format!("types.min_generation: {wrong:?} is no class such as m, nor *"));
        }
        if self.markets.is_empty() {
            return Err("types.markets names no market: nothing could be bought".into());
        }
        Ok(())
    }
}

/// Whether this is the name of a type, or a pattern of such names.
pub(crate) fn is_pattern(text: &str) -> bool {
    let known = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'*' | b'?');
    !text.is_empty() && text.len() <= LONGEST_PATTERN && text.bytes().all(known)
}
