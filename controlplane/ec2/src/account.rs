//! The account as people look after it: what it has of what a cluster's settings name. Reads, and launches
//! that are only tried.

mod ask;
mod seen;
mod setup;

use crate::api::Api;
use crate::client;
use crate::error::{ApiError, Failed};
use crate::iam::Iam;
use crate::image::look_up;
use crate::prices;
use aws_config::SdkConfig;
use catalogue::{Catalogue, SpotPrices};
use controlplane::cloud::LaunchOrder;
use ec2_core::account::{self, Asked, Check, Status};
use ec2_core::config::{Arch, Image};
use ec2_core::credential::{ClusterKey, credential};
use ec2_core::setup::profile;
use ec2_core::{Config, Intent, RunRequest};
use schema::event::TypeSeen;
use schema::id::{ClusterId, LaunchId};
use schema::policy::{Offering, Policy};
use schema::unit::Epoch;
pub use seen::InAccount;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// An account, for one cluster in it.
pub struct Account {
    api: Api,
    iam: Iam,
    cluster: ClusterId,
}

/// What settings are held against, beside the account.
pub struct Rules<'a> {
    /// What is sold, as it is shipped.
    pub catalogue: &'a Catalogue,
    /// What AWS has told of types since, and of which zone, by its name.
    pub told: &'a [(SmolStr, TypeSeen)],
    /// What may be bought of it.
    pub policy: &'a Policy,
    /// Quota groups that refused lately, and what was said of them.
    pub refused: &'a [(String, String)],
}

impl Account {
    /// The account of these credentials.
    #[must_use]
    pub fn of(config: &SdkConfig, cluster: ClusterId) -> Account {
        Account { api: Api::new(client::of(config)), iam: Iam::of(config), cluster }
    }

    /// The account of this process's credentials, in a region.
    pub async fn open(region: &str, cluster: ClusterId) -> Account {
        Account::of(&client::configuration(region).await, cluster)
    }

    /// The same, which may ask this price list: none if the settings name none.
    #[must_use]
    pub fn with_price_list(self, list: Option<aws_sdk_pricing::Client>) -> Account {
        Account { api: self.api.with_price_list(list), ..self }
    }

    /// Whether the account has what these settings name, and would launch with it. Nothing is changed.
    pub async fn verify(&self, config: &Config, rules: &Rules<'_>) -> Vec<Check> {
        let zones = self.zones().await;
        let credentials =
            account::credentials(&config.region, ("DescribeAvailabilityZones", &zones));
        if credentials.status != Status::Ok {
            return vec![credentials];
        }
        let mut checks = vec![credentials];
        checks.extend(account::zones(config, &zones));
        let ids = config.subnets.iter().map(|subnet| subnet.subnet.as_str());
        let subnets = self.subnets("subnet-id", ids).await;
        checks.extend(account::subnets(config, &subnets));
        let ids = config.security_groups.iter().map(SmolStr::as_str);
        let groups = self.groups("group-id", ids).await;
        checks.extend(account::groups(config, &groups, &subnets));
        let images = self.images(config).await;
        checks.extend(account::images(config, &images));
        if let Some(name) = &config.key_name {
            checks.extend(account::key_pair(config, &self.key_pairs(name).await));
        }
        if let Some(named) = &config.instance_profile {
            let there = self.iam.named(self.cluster.as_str(), profile::name(named)).await;
            checks.push(profile::check(named, &there));
        }
        let zones = zone_ids(config, &zones.unwrap_or_default());
        checks.extend(self.to_buy(config, rules, &zones, &images).await);
        let region = &config.region;
        checks.push(account::told(region, &self.types(&rules.policy.types.allow).await));
        checks.extend(account::list_prices(region, &self.listed(region).await));
        let ours = self.seen().await.map(|seen| seen.ours.len());
        let end = self.patiently(|| self.api.try_end(account::NOBODYS)).await;
        checks.extend(account::instances(self.cluster.as_str(), &ours, &end));
        checks.extend(account::limits(&self.limits().await, rules.refused));
        checks
    }

    async fn images(&self, config: &Config) -> BTreeMap<Arch, Asked<Option<Image>>> {
        let mut images = BTreeMap::new();
        for (arch, rule) in &config.images {
            let found = self.patiently(|| look_up(&self.api, *arch, rule)).await;
            images.insert(*arch, found);
        }
        images
    }

    /// What each zone sells of what may be bought, and whether the cheapest of it could be launched there.
    async fn to_buy(
        &self,
        config: &Config,
        rules: &Rules<'_>,
        zones: &BTreeMap<SmolStr, SmolStr>,
        images: &BTreeMap<Arch, Asked<Option<Image>>>,
    ) -> Vec<Check> {
        let seen = SpotPrices::default();
        let told = rules.told.iter().filter_map(|(zone, seen)| Some((zones.get(zone)?, seen)));
        let catalogue = rules.catalogue.with(&config.region, told);
        let allowed = prices::allowed(&catalogue, config, zones, rules.policy, &seen);
        let offerings: Vec<Offering> =
            allowed.into_iter().flatten().map(|(_, offering)| offering).collect();
        let mut checks = Vec::new();
        for (zone, id) in zones {
            let here = || offerings.iter().filter(|offering| offering.zone == *zone);
            let allowed: BTreeSet<SmolStr> = here().map(|offering| offering.kind.clone()).collect();
            let sold = self.sold(id).await;
            checks.push(account::types(zone, &allowed, &sold));
            let sold = sold.unwrap_or(allowed);
            for (arch, image) in images {
                let fits = |o: &&Offering| Arch::of(o) == *arch && sold.contains(&o.kind);
                let cheapest = here().filter(fits).min_by_key(|o| (o.price, &o.kind));
                match (cheapest, image) {
                    (Some(offering), Ok(Some(image))) => {
                        checks.push(self.tried(config, offering, image).await);
                    }
                    (Some(offering), _) => {
                        checks.push(account::untried(zone, &offering.kind, arch.name()));
                    }
                    (None, _) => {}
                }
            }
        }
        checks
    }

    /// What EC2 says to a launch that is only tried.
    async fn tried(&self, config: &Config, offering: &Offering, image: &Image) -> Check {
        let Offering { kind, zone, .. } = offering;
        let profile = config.instance_profile.as_deref();
        let request = match self.request(config, offering, image) {
            Ok(request) => request,
            Err(error) => {
                let of = format!("{kind} in {zone}");
                return Check::missing("launch", of, error, "mend the settings");
            }
        };
        let asked = self.patiently(|| self.api.try_run(&request)).await;
        account::launches(zone, kind, profile, &asked)
    }

    /// A launch like any other, but of no intent: whatever its credential is, nobody is let in with it.
    fn request(
        &self,
        config: &Config,
        offering: &Offering,
        image: &Image,
    ) -> Result<RunRequest, String> {
        let launch = LaunchId::new("verify").map_err(|error| error.to_string())?;
        let intent = Intent::of(&LaunchOrder {
            cluster: self.cluster.clone(),
            launch,
            attempt: 1,
            offering: offering.clone(),
            count: 1,
            settings: None,
            intended: Epoch(0),
            epoch: Epoch(0),
        });
        let nobodys = credential(&ClusterKey::new([0; 32]), &intent, config.bootstrap_expiry);
        RunRequest::new(config, &intent, image, &nobodys).map_err(|error| error.to_string())
    }

    /// Makes a call until EC2's limits leave room for it.
    async fn patiently<T, F>(&self, call: impl Fn() -> F) -> Asked<T>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        loop {
            match call().await {
                Ok(answer) => return Ok(answer),
                Err(ApiError::Failed(failed)) => return Err(Failed::said(failed)),
                Err(ApiError::NotYet(wait)) => tokio::time::sleep(wait.duration()).await,
            }
        }
    }
}

/// The id of each zone that the settings name, by what they call it.
fn zone_ids(config: &Config, found: &[(SmolStr, SmolStr)]) -> BTreeMap<SmolStr, SmolStr> {
    let named = config.subnets.iter().map(|subnet| &subnet.zone);
    let id = |zone: &SmolStr| {
        let row = found.iter().find(|(name, id)| name == zone || id == zone);
        row.map(|(_, id)| (zone.clone(), id.clone()))
    };
    named.filter_map(id).collect()
}
