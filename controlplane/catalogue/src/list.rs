//! A catalogue held against the rules of a policy: what each type costs, or why it may not be bought.

use crate::Catalogue;
use crate::kind::InstanceType;
use crate::prices::{Region, Sold};
use crate::volumes::{Volumes, hourly};
use schema::policy::types::{NotAllowed, TypeRules};
use schema::policy::{Offering, Policy};
use schema::requirements::Market;
use schema::resources::Resources;
use schema::unit::Micros;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Why a type may not be bought here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Barred {
    /// The policy does not allow it.
    #[error("{0}")]
    Rules(NotAllowed),
    /// Nothing says what it costs.
    #[error("its price in this region is not known")]
    NoPrice,
    /// It is not sold as spot.
    #[error("it is not sold as spot")]
    NoSpot,
    /// There are no such volumes as it would be given.
    #[error("no such volumes: {0}")]
    NoVolume(String),
}

/// Where nothing can be bought.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Nowhere {
    /// No such region in the catalogue.
    #[error("the catalogue has no region {0:?}; it has {1}")]
    Region(String, String),
    /// No such zone in the region.
    #[error("region {0} has no zone {1:?}; it has {2}")]
    Zone(String, String, String),
}

/// What one instance costs, its volumes included, in micro-dollars per hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote {
    /// What it is taken to cost.
    pub price: Micros,
    /// The most that it can cost.
    pub cap: Micros,
}

/// A type that is sold in a region.
#[derive(Debug, Clone)]
pub struct Listed<'a> {
    /// The type.
    pub kind: &'a InstanceType,
    /// Where it is sold, and for how much.
    pub sold: &'a Sold,
    /// What the volumes of one cost, in micro-dollars per hour, or why there are no such volumes.
    pub volumes: Result<Micros, String>,
    /// What allocs can use of one.
    pub usable: Resources,
    /// What it costs on demand, if that is known, and why it may not be bought so.
    pub on_demand: (Option<Quote>, Option<Barred>),
    /// What it costs as spot, if that is known, and why it may not be bought so.
    pub spot: (Option<Quote>, Option<Barred>),
}

impl Listed<'_> {
    /// Why it may be bought on no market; nothing if it may on one.
    #[must_use]
    pub fn barred(&self) -> Option<&Barred> {
        self.spot.1.as_ref().and(self.on_demand.1.as_ref())
    }

    /// The same for spot where such an instance alone costs so much per hour there.
    #[must_use]
    pub fn spot_at(&self, rules: &TypeRules, price: Micros) -> (Option<Quote>, Option<Barred>) {
        let full = self.on_demand.0.filter(|_| self.kind.spot);
        let (Some(full), Ok(volumes)) = (full, &self.volumes) else {
            return self.spot.clone();
        };
        let price = price.plus(*volumes);
        let quote = Quote { price, cap: full.price.max(price) };
        (Some(quote), barred(self.kind, rules, Market::Spot, Some(quote)))
    }
}

/// What spot costs where that was seen, in micro-dollars per hour, by type and zone id: instances alone,
/// without their volumes.
pub type SpotPrices = BTreeMap<(SmolStr, SmolStr), Micros>;

impl Catalogue {
    /// A region by its name.
    ///
    /// # Errors
    /// There is none.
    pub fn region(&self, name: &str) -> Result<&Region, Nowhere> {
        let all = || self.regions.keys().map(SmolStr::as_str).collect::<Vec<_>>().join(", ");
        self.regions.get(name).ok_or_else(|| Nowhere::Region(name.to_owned(), all()))
    }

    /// All types that are sold in a region, by name, with the volumes that they are given.
    ///
    /// # Errors
    /// [`Nowhere`]: there is no such region.
    pub fn list(
        &self,
        region: &str,
        rules: &TypeRules,
        volumes: &dyn Volumes,
    ) -> Result<Vec<Listed<'_>>, Nowhere> {
        let found = self.region(region)?;
        let rows = self.types.values().filter_map(|kind| Some((kind, found.sold.get(&kind.name)?)));
        Ok(rows.map(|(kind, sold)| listed(kind, sold, rules, (region, found), volumes)).collect())
    }

    /// What may be bought in these zones of a region, by the policy's rules for types and with the volumes
    /// that they are given: spot for what was seen, and where nothing was, for what it mostly costs.
    ///
    /// # Errors
    /// [`Nowhere`]: there is no such region or zone.
    pub fn offerings(
        &self,
        region: &str,
        zones: &[SmolStr],
        policy: &Policy,
        volumes: &dyn Volumes,
        seen: &SpotPrices,
    ) -> Result<Vec<Offering>, Nowhere> {
        let all = &self.region(region)?.zones;
        if let Some(zone) = zones.iter().find(|zone| !all.contains(zone)) {
            return Err(Nowhere::Zone(region.into(), zone.to_string(), all.join(", ")));
        }
        let zones: Vec<_> = all.iter().enumerate().filter(|(_, z)| zones.contains(z)).collect();
        let mut offerings = Vec::new();
        for listed in self.list(region, &policy.types, volumes)? {
            let links = listed.kind.links();
            for (_, zone) in zones.iter().filter(|(at, _)| listed.sold.in_zone(*at)) {
                let spot = seen.get(&(listed.kind.name.clone(), (*zone).clone()));
                let spot = spot.map(|price| listed.spot_at(&policy.types, *price));
                let spot = spot.as_ref().unwrap_or(&listed.spot);
                let markets = [(Market::OnDemand, &listed.on_demand), (Market::Spot, spot)];
                let allowed = markets.into_iter().filter(|(_, (_, barred))| barred.is_none());
                offerings.extend(allowed.filter_map(|(market, (quote, _))| {
                    let Quote { price, cap } = (*quote)?;
                    Some(Offering {
                        kind: listed.kind.name.clone(),
                        zone: (*zone).clone(),
                        market,
                        price,
                        cap: (cap > price).then_some(cap),
                        resources: listed.usable.clone(),
                        links,
                    })
                }));
            }
        }
        Ok(offerings)
    }

    /// The types that may be bought as spot in a region if their price allows it, by name.
    ///
    /// # Errors
    /// As [`Catalogue::list`].
    pub fn spot_types(
        &self,
        region: &str,
        policy: &Policy,
        volumes: &dyn Volumes,
    ) -> Result<Vec<SmolStr>, Nowhere> {
        let free = |listed: &Listed<'_>| listed.spot_at(&policy.types, Micros(0)).1.is_none();
        let listed = self.list(region, &policy.types, volumes)?;
        Ok(listed.into_iter().filter(free).map(|listed| listed.kind.name.clone()).collect())
    }
}

fn listed<'a>(
    kind: &'a InstanceType,
    sold: &'a Sold,
    rules: &TypeRules,
    (name, region): (&str, &Region),
    volumes: &dyn Volumes,
) -> Listed<'a> {
    let given = volumes.given(kind).and_then(|given| {
        let unknown = |kind| format!("what {kind} costs in {name} is not known");
        Ok((hourly(&given.volumes, region).map_err(unknown)?, given.disk))
    });
    let volumes = given.clone().map(|(price, _)| price);
    let full = sold.on_demand.zip(volumes.clone().ok()).map(|(price, more)| price.plus(more));
    let typical = sold.typical_spot().zip(volumes.clone().ok()).map(|(one, more)| one.plus(more));
    let judged = |market: Market, quote| match &volumes {
        Ok(_) => (quote, barred(kind, rules, market, quote)),
        Err(why) => {
            let none = || Barred::NoVolume(why.clone());
            (None, Some(by_rules(kind, rules).unwrap_or_else(none)))
        }
    };
    let on_demand = judged(Market::OnDemand, full.map(|price| Quote { price, cap: price }));
    let spot = if kind.spot {
        judged(Market::Spot, full.zip(typical).map(|(cap, price)| Quote { price, cap }))
    } else {
        (None, Some(by_rules(kind, rules).unwrap_or(Barred::NoSpot)))
    };
    let usable = kind.usable(given.map_or(0, |(_, disk)| disk));
    Listed { kind, sold, volumes, usable, on_demand, spot }
}

fn by_rules(kind: &InstanceType, rules: &TypeRules) -> Option<Barred> {
    rules.refusal(&kind.traits()).map(Barred::Rules)
}

/// Why nothing of this type may be bought on this market for so much.
fn barred(
    kind: &InstanceType,
    rules: &TypeRules,
    market: Market,
    quote: Option<Quote>,
) -> Option<Barred> {
    by_rules(kind, rules).or_else(|| {
        let Some(quote) = quote else { return Some(Barred::NoPrice) };
        rules.price_refusal(market, quote.price).map(Barred::Rules)
    })
}
