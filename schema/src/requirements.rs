//! What a driver asks for.

use crate::id::InstanceId;
use crate::resources::Resources;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Largest width: how many allocs' worth one request may ask for.
pub const MAX_WIDTH: u32 = 10_000;

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
    /// Whether a type in a zone is one of those.
    #[must_use]
    pub fn takes(&self, kind: &str, zone: &str) -> bool {
        let is = |asked: &Option<SmolStr>, one: &str| asked.as_ref().is_none_or(|a| a == one);
        is(&self.kind, kind) && is(&self.zone, zone)
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
