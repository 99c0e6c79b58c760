//! Zones, looked up once. Their names are each account's own; the catalogue knows them by their ids, which
//! are the same for all.

use crate::api::Api;
use ec2_core::Config;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Why a zone cannot be told from others.
#[derive(Debug, thiserror::Error)]
pub enum ZoneError {
    /// There is none.
    #[error("EC2 has no zone {zone} in {region}: {known}")]
    None {
        /// What the settings say.
        zone: SmolStr,
        /// Where.
        region: SmolStr,
        /// Those that there are.
        known: String,
    },
    /// EC2 could not be asked.
    #[error("cannot look up zones: {0}")]
    Look(String),
}

/// A zone of this account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Zone {
    pub(crate) name: SmolStr,
    pub(crate) id: SmolStr,
}

/// Each zone that has a subnet, by what the settings call it: its name or its id.
pub(crate) async fn settle(
    api: &Api,
    config: &Config,
) -> Result<BTreeMap<SmolStr, Zone>, ZoneError> {
    let found = api.zones().await.map_err(|error| ZoneError::Look(error.to_string()))?;
    let known = |zone: &SmolStr| {
        let named = found.iter().find(|(name, id)| name == zone || id == zone);
        let settled = |(name, id): &(SmolStr, SmolStr)| Zone { name: name.clone(), id: id.clone() };
        named.map(|found| (zone.clone(), settled(found))).ok_or_else(|| {
            let known: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
            let (zone, region) = (zone.clone(), config.region.clone());
            ZoneError::None { zone, region, known: known.join(", ") }
        })
    };
    config.subnets.iter().map(|subnet| known(&subnet.zone)).collect()
}
