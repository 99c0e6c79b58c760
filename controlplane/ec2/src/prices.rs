//! What may be bought, by the catalogue that is shipped.

use catalogue::Catalogue;
use controlplane_core::prices::Prices;
use ec2_core::Config;
use ec2_core::config::Arch;
use schema::event::PriceSource;
use schema::policy::Policy;
use smol_str::SmolStr;

/// What the policy allows, in the zones that have a subnet, for the architectures that have an image;
/// nothing where the catalogue does not know those zones.
pub(crate) fn shipped(catalogue: &Catalogue, config: &Config, policy: &Policy) -> Option<Prices> {
    let zones: Vec<SmolStr> = config.subnets.iter().map(|subnet| subnet.zone.clone()).collect();
    match catalogue.offerings(&config.region, &zones, policy) {
        Ok(mut offerings) => {
            offerings.retain(|offering| config.images.contains_key(&Arch::of(offering)));
            Some(Prices { source: PriceSource::Shipped, offerings })
        }
        Err(error) => {
            tracing::warn!(%error, "nothing is bought by the catalogue");
            None
        }
    }
}
