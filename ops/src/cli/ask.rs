//! What is asked for, as the verbs take it that ask: `run`, `alloc`, and `fleet plan`, which only tries.

use crate::output::Usage;
use clap::{Args, ValueEnum};
use driver::AllocOptions;
use schema::requirements::{Constraint, Market, Only, Requirements};
use schema::resources::{Resources, parse_bytes, parse_cpu};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// How much is needed, and of what kind
#[derive(Debug, Args)]
pub(super) struct NeedArgs {
    /// Cores: 2, 0.5, 500m
    #[arg(long, default_value = "1", allow_hyphen_values = true)]
    cpu: String,
    /// Memory: 64MiB, 1.5GiB; plain processes are not held to it, containers are
    #[arg(long, default_value = "256MiB", allow_hyphen_values = true)]
    memory: String,
    /// Disk: 10GiB
    #[arg(long, default_value = "0", allow_hyphen_values = true)]
    disk: String,
    /// A feature that the instance must have, as NAME=COUNT
    #[arg(long = "feature", value_name = "NAME=COUNT")]
    features: Vec<String>,
    /// So many times all this, together on one instance
    #[arg(long, default_value_t = 1)]
    width: u32,
    /// Only on this market
    #[arg(long, value_enum)]
    market: Option<MarketArg>,
    #[command(flatten)]
    only: OnlyArgs,
    /// Higher goes first
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    pub(super) priority: i32,
}

/// Where, and of what type
#[derive(Debug, Args)]
pub(super) struct OnlyArgs {
    /// Only in this zone; once for each that will do
    #[arg(long = "zone", value_name = "ZONE")]
    zones: Vec<String>,
    /// Only of this type, or of one that matches this: m7g.large, m7*; once for each that will do
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum MarketArg {
    OnDemand,
    Spot,
}

impl From<MarketArg> for Market {
    fn from(market: MarketArg) -> Market {
        match market {
            MarketArg::OnDemand => Market::OnDemand,
            MarketArg::Spot => Market::Spot,
        }
    }
}

/// What to ask for
#[derive(Debug, Args)]
pub(super) struct AskArgs {
    #[command(flatten)]
    need: NeedArgs,
    /// A word for people and bills, as NAME=VALUE
    #[arg(long = "label", value_name = "NAME=VALUE")]
    labels: Vec<String>,
}

/// Two words with a `=` between them.
pub(super) fn pair(text: &str) -> anyhow::Result<(String, String)> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = pair.ok_or_else(|| Usage(format!("{text:?} is not NAME=VALUE")))?;
    Ok((name.to_owned(), value.to_owned()))
}

impl NeedArgs {
    fn resources(&self) -> anyhow::Result<Resources> {
        let mut features = BTreeMap::new();
        for text in &self.features {
            let (name, count) = pair(text)?;
            let count = count.parse().map_err(|e| Usage(format!("{text:?}: {e}")))?;
            features.insert(SmolStr::from(name), count);
        }
        Ok(Resources {
            cpu: parse_cpu(&self.cpu).map_err(Usage)?,
            memory: parse_bytes(&self.memory).map_err(Usage)?,
            disk: parse_bytes(&self.disk).map_err(Usage)?,
            features,
        })
    }

    pub(super) fn requirements(&self) -> anyhow::Result<Requirements> {
        let exactly = Requirements::exactly(self.resources()?);
        let requirements = Requirements { width: self.width, ..exactly };
        requirements.check().map_err(Usage)?;
        Ok(requirements)
    }

    pub(super) fn constraint(&self) -> anyhow::Result<Constraint> {
        let (market, only) = (self.market.map(Market::from), self.only.only());
        checked(Constraint { market, only, ..Constraint::default() })
    }
}

impl OnlyArgs {
    pub(super) fn only(&self) -> Only {
        let set = |names: &[String]| names.iter().map(SmolStr::from).collect();
        Only { zones: set(&self.zones), types: set(&self.types) }
    }
}

/// What narrows the choice, if it can be asked for at all.
pub(super) fn checked(constraint: Constraint) -> anyhow::Result<Constraint> {
    constraint.check().map_err(Usage)?;
    Ok(constraint)
}

impl AskArgs {
    pub(super) fn options(&self) -> anyhow::Result<AllocOptions> {
        let labels = self.labels.iter().map(|text| pair(text).map(|(n, v)| (n.into(), v.into())));
        Ok(AllocOptions {
            requirements: self.need.requirements()?,
            constraint: self.need.constraint()?,
            priority: self.need.priority,
            labels: labels.collect::<anyhow::Result<_>>()?,
        })
    }
}
