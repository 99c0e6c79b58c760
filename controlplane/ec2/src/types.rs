//! What AWS says of instance types: what each has, in which zones it is sold, and what it costs on demand by
//! the price list, where the settings name one. What is known is what is shipped, and what the log says of
//! types in the place of that: the same for every leader.

use crate::error::ApiError;
use crate::wire::filter_any;
use crate::{Ec2Cloud, lock};
use aws_sdk_ec2::types::{Filter, LocationType};
use catalogue::Catalogue;
use controlplane_core::prices::{TypeTold, TypesTold};
use replay_core::State;
use schema::event::{Hardware, TypeSeen};
use schema::policy::Policy;
use schema::policy::kind::matches;
use schema::unit::Micros;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

/// Most values of one filter that EC2 takes. Where more types are allowed, all are looked at.
const MOST_VALUES: usize = 200;

/// What is known of types, and whether more was told the last time.
pub(crate) struct Types {
    shipped: Catalogue,
    known: Mutex<Arc<Known>>,
    told: crate::told::Told,
    list: crate::told::Told,
}

/// What is known of types.
pub(crate) struct Known {
    /// What is sold, and where.
    pub(crate) catalogue: Catalogue,
    /// The types whose on-demand price the list has told.
    pub(crate) listed: BTreeSet<SmolStr>,
}

/// What EC2 says.
struct Asked {
    types: BTreeMap<SmolStr, Hardware>,
    /// Types, and the names of zones where they are sold.
    sold: BTreeSet<(SmolStr, SmolStr)>,
}

impl Types {
    pub(crate) fn of(shipped: Catalogue) -> Types {
        let known = Known { catalogue: shipped.clone(), listed: BTreeSet::new() };
        let known = Mutex::new(Arc::new(known));
        Types { shipped, known, told: Default::default(), list: Default::default() }
    }

    /// What is known now.
    pub(crate) fn known(&self) -> Arc<Known> {
        lock(&self.known).clone()
    }
}

/// Of what is allowed what a filter can hold; of more all types are asked for.
fn narrowed(allow: &[SmolStr]) -> &[SmolStr] {
    if allow.len() > MOST_VALUES { &[] } else { allow }
}

/// The filters for types that are called by one of these names and patterns; none of all types.
pub(crate) fn named(allow: &[SmolStr]) -> Vec<Filter> {
    let names = narrowed(allow).iter().map(SmolStr::as_str);
    let filter = (!narrowed(allow).is_empty()).then(|| filter_any("instance-type", names));
    Vec::from_iter(filter)
}

impl Ec2Cloud {
    /// From here on types are known as the log has them.
    pub(crate) fn know(&self, state: &State) {
        let told: Vec<(&SmolStr, &TypeSeen)> = state
            .types
            .iter()
            .filter_map(|((_, zone), told)| Some((&self.zones.get(zone)?.id, &told.seen)))
            .collect();
        let priced = told.iter().filter(|(_, seen)| seen.on_demand.is_some());
        let listed = priced.map(|(_, seen)| seen.kind.clone()).collect();
        let catalogue = self.types.shipped.with(&self.settings.config.region, told);
        *lock(&self.types.known) = Arc::new(Known { catalogue, listed });
    }

    /// Asks AWS what there is of types that this policy may allow. What cannot be had is said once, and changes
    /// nothing; nothing if none of it can be had.
    pub(crate) async fn see_types(&self, policy: &Policy) -> Option<TypesTold> {
        let allow = narrowed(&policy.types.allow);
        let asked = self.ask_types(allow).await;
        self.types.told.heard("instance types", "what was known of them last counts", &asked);
        let list = self.api.listed(&self.settings.config.region).await;
        self.types.list.heard("list prices", "those that were known last count", &list);
        let partly = asked.is_err() || list.is_err();
        let (asked, list) = (asked.ok(), list.ok().flatten());
        if asked.is_none() && list.is_none() {
            return None;
        }
        let types = self.told(allow, asked.as_ref(), &list.unwrap_or_default());
        Some(TypesTold { types, partly })
    }

    async fn ask_types(&self, allow: &[SmolStr]) -> Result<Asked, ApiError> {
        let types = self.api.types(&named(allow)).await?;
        let zones = self.zones.values().map(|zone| zone.name.as_str());
        let here = [filter_any("location", zones)];
        let sold = self.api.sold(LocationType::AvailabilityZone, &here).await?;
        Ok(Asked { types, sold })
    }

    /// What was told of each type that was asked about, in each zone, beside what is shipped.
    fn told(
        &self,
        allow: &[SmolStr],
        asked: Option<&Asked>,
        list: &BTreeMap<SmolStr, Micros>,
    ) -> Vec<TypeTold> {
        let (region, known) = (&self.settings.config.region, self.types.known());
        let mut kinds: BTreeSet<&SmolStr> = BTreeSet::new();
        kinds.extend(known.catalogue.regions.get(region).into_iter().flat_map(|r| r.sold.keys()));
        kinds.extend(asked.into_iter().flat_map(|asked| asked.types.keys()));
        kinds.retain(|kind| allow.is_empty() || allow.iter().any(|like| matches(like, kind)));
        let mut told = Vec::new();
        for (called, zone) in &self.zones {
            // A zone where nothing at all is sold is one that EC2 does not tell of.
            let tells = asked.filter(|asked| asked.sold.iter().any(|(_, at)| *at == zone.name));
            for kind in &kinds {
                let says = known.catalogue.says(region, &zone.id, kind);
                let sold = match tells {
                    Some(asked) => asked.sold.contains(&((*kind).clone(), zone.name.clone())),
                    None => says.is_some_and(|says| says.sold),
                };
                let hardware = tells.filter(|_| sold).and_then(|asked| asked.types.get(*kind));
                let seen = TypeSeen {
                    kind: (*kind).clone(),
                    sold,
                    hardware: hardware.cloned(),
                    on_demand: list.get(*kind).copied(),
                };
                let shipped = self.types.shipped.says(region, &zone.id, kind);
                told.push(TypeTold { zone: called.clone(), seen, shipped });
            }
        }
        told
    }
}
