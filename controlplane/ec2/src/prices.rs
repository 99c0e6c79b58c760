//! What may be bought, and for how much: by what is known of types, and spot by what EC2 says that it costs
//! now. EC2 does not tell on-demand prices: they are the catalogue's, or those of the price list.

use crate::error::ApiError;
use crate::told::Told;
use crate::wire::filter_any;
use crate::{Ec2Cloud, lock};
use catalogue::{Catalogue, SpotPrices};
use controlplane_core::prices::Prices;
use ec2_core::Config;
use ec2_core::config::Arch;
use schema::event::PriceSource;
use schema::policy::{Offering, Policy};
use schema::requirements::Market;
use schema::unit::Micros;
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// What instances are priced as: EC2 has other prices where an operating system is paid for.
const PRODUCT: &str = "Linux/UNIX";
/// Most values of one filter that EC2 takes. Where more types are allowed, all prices are looked at.
const MOST_VALUES: usize = 200;

/// What EC2 said last of spot prices.
#[derive(Default)]
pub(crate) struct Spot {
    prices: Mutex<SpotPrices>,
    told: Told,
}

/// A price that EC2 tells, of what is called so by EC2.
pub(crate) struct SpotPrice {
    pub(crate) kind: SmolStr,
    pub(crate) zone: SmolStr,
    pub(crate) price: Micros,
    /// Since when, in milliseconds since 1970.
    pub(crate) since: i64,
}

/// What the policy allows, with the volumes of the settings, in the zones that have a subnet, for the architectures that have an image, each
/// with the id of its zone; nothing where the catalogue does not know those zones. `zones` are their ids,
/// by what the settings call them.
pub(crate) fn allowed(
    catalogue: &Catalogue,
    config: &Config,
    zones: &BTreeMap<SmolStr, SmolStr>,
    policy: &Policy,
    seen: &SpotPrices,
) -> Option<Vec<(SmolStr, Offering)>> {
    let ids: Vec<SmolStr> = zones.values().cloned().collect();
    let called = |mut offering: Offering| {
        let (name, id) = zones.iter().find(|(_, id)| **id == offering.zone)?;
        offering.zone = name.clone();
        Some((id.clone(), offering))
    };
    match catalogue.offerings(&config.region, &ids, policy, config, seen) {
        Ok(mut offerings) => {
            offerings.retain(|offering| config.images.contains_key(&Arch::of(offering)));
            Some(offerings.into_iter().filter_map(called).collect())
        }
        Err(error) => {
            tracing::warn!(%error, "nothing is bought by the catalogue");
            None
        }
    }
}

impl Ec2Cloud {
    /// What may be bought here now, and for how much.
    pub(crate) fn sold(&self, policy: &Policy) -> Option<Prices> {
        let seen = lock(&self.spot.prices).clone();
        let ids = self.zones.iter().map(|(called, zone)| (called.clone(), zone.id.clone()));
        let config = &self.settings.config;
        let known = self.types.known();
        let sold = allowed(&known.catalogue, config, &ids.collect(), policy, &seen)?;
        let offers = sold.into_iter().map(|(id, one)| {
            let told = match one.market {
                Market::Spot => seen.contains_key(&(one.kind.clone(), id)),
                Market::OnDemand => known.listed.contains(&one.kind),
            };
            (if told { PriceSource::Api } else { PriceSource::Shipped }, one)
        });
        Some(Prices { offers: offers.collect() })
    }

    /// What the settings call a zone.
    pub(crate) fn called(&self, is: impl Fn(&crate::zone::Zone) -> bool) -> Option<&SmolStr> {
        self.zones.iter().find(|(_, zone)| is(zone)).map(|(called, _)| called)
    }

    /// Asks EC2 what spot costs now; says whether it told. What cannot be had is said once, and changes
    /// nothing.
    pub(crate) async fn see_prices(&self, policy: &Policy) -> bool {
        let (config, known) = (&self.settings.config, self.types.known());
        let asked = match known.catalogue.spot_types(&config.region, policy, config) {
            Ok(kinds) if !kinds.is_empty() => self.ask_prices(&kinds).await,
            // Nothing is bought as spot, or nothing at all.
            Ok(_) | Err(_) => return false,
        };
        self.spot.told.heard("spot prices", "those that were seen last count", &asked);
        asked.map(|prices| *lock(&self.spot.prices) = prices).is_ok()
    }

    async fn ask_prices(&self, kinds: &[SmolStr]) -> Result<SpotPrices, ApiError> {
        let zones = self.zones.values().map(|zone| zone.name.as_str());
        let mut filters = vec![
            filter_any("availability-zone", zones),
            filter_any("product-description", [PRODUCT]),
        ];
        if kinds.len() <= MOST_VALUES {
            filters.push(filter_any("instance-type", kinds.iter().map(SmolStr::as_str)));
        }
        let told = self.api.spot_prices(&filters).await?;
        let mut latest: BTreeMap<(SmolStr, SmolStr), SpotPrice> = BTreeMap::new();
        for price in told {
            let zone = self.zones.values().find(|zone| zone.name == price.zone);
            let Some(zone) = zone.map(|zone| zone.id.clone()) else { continue };
            let key = (price.kind.clone(), zone);
            if latest.get(&key).is_none_or(|known| known.since < price.since) {
                latest.insert(key, price);
            }
        }
        Ok(latest.into_iter().map(|(key, price)| (key, price.price)).collect())
    }
}
