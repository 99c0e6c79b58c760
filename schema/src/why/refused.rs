//! Why a request can never be met.

use crate::id::InstanceId;
use crate::requirements::Only;
use crate::resources::{Resources, Shortage};
use crate::unit::Micros;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Why an alloc can never be granted as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum RefusedWhy {
    /// No type that the policy allows is large enough.
    TooLarge {
        /// The dimension in which the largest type falls short.
        shortage: Shortage,
        /// The largest type allowed.
        largest: SmolStr,
        /// What it has, as far as is known.
        has: Resources,
        /// What it was promised to have, where the last one that booted had less.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        promised: Option<Box<Resources>>,
    },
    /// The policy allows no type at all.
    NoOfferings,
    /// Nothing that may be bought is in a zone and of a type that will do. Each offering counts once, where
    /// it first falls out.
    NoneWithin {
        /// What was asked for.
        only: Only,
        /// How many offerings may be bought.
        offerings: u32,
        /// How many of them are in another zone.
        other_zone: u32,
        /// How many are of another type.
        other_type: u32,
        /// How many are on another market than the one that was asked for.
        other_market: u32,
        /// How many are kept for who asks for an accelerator.
        kept: u32,
    },
    /// One launch of the cheapest type that fits costs more than the whole budget.
    OverBudget {
        /// Its price per hour.
        asked: Micros,
        /// The limit per hour.
        limit: Micros,
    },
    /// It alone would cost more than the whole budget of its driver.
    OverDriverBudget {
        /// What it would cost per hour where it costs least.
        asked: Micros,
        /// The limit per hour.
        limit: Micros,
    },
    /// It alone would cost more than the whole budget of one of its labels.
    OverLabelBudget {
        /// The label, as `key=value`.
        label: SmolStr,
        /// What it would cost per hour where it costs least.
        asked: Micros,
        /// The limit per hour.
        limit: Micros,
    },
    /// The named instance is unknown, has ended, or is too small.
    NoSuchInstance {
        /// The instance.
        instance: InstanceId,
    },
    /// An operator killed the request.
    Killed,
    /// Written by a newer version.
    #[serde(other)]
    Unknown,
}
