//! What may be bought, by the catalogue that is shipped.

use catalogue::Catalogue;
use controlplane_core::prices::Prices;
use ec2_core::Config;
use ec2_core::config::Arch;
use schema::event::PriceSource;
use schema::policy::{Offering, Policy};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// What the policy allows, in the zones that have a subnet, for the architectures that have an image;
/// nothing where the catalogue does not know those zones. `zones` are their ids, by what the settings
/// call them.
pub(crate) fn shipped(
    catalogue: &Catalogue,
    config: &Config,
    zones: &BTreeMap<SmolStr, SmolStr>,
    policy: &Policy,
) -> Option<Prices> {
    let ids: Vec<SmolStr> = zones.values().cloned().collect();
    let called = |mut offering: Offering| {
        let (name, _) = zones.iter().find(|(_, id)| **id == offering.zone)?;
        offering.zone = name.clone();
        Some(offering)
    };
    match catalogue.offerings(&config.region, &ids, policy) {
        Ok(mut offerings) => {
            offerings.retain(|offering| config.images.contains_key(&Arch::of(offering)));
            let offerings = offerings.into_iter().filter_map(called).collect();
            Some(Prices { source: PriceSource::Shipped, offerings })
        }
        Err(error) => {
            tracing::warn!(%error, "nothing is bought by the catalogue");
            None
        }
    }
}
