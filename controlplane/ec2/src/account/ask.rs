//! The looks at an account, as plain rows.

use super::Account;
use crate::api::Api;
use crate::error::{ApiError, Failed};
use crate::{types, wire};
use aws_sdk_ec2::types::{Filter, LocationType, SecurityGroup, Subnet};
use ec2_core::RunRequest;
use ec2_core::account::{Asked, GroupRow, SubnetRow};
use ec2_core::bucket::Call;
use smol_str::SmolStr;
use std::collections::BTreeSet;

/// From everywhere.
const ANYWHERE: [&str; 2] = ["0.0.0.0/0", "::/0"];

impl Account {
    /// Names and ids of the region's zones.
    pub(super) async fn zones(&self) -> Asked<Vec<(SmolStr, SmolStr)>> {
        self.patiently(|| self.api.zones()).await
    }

    /// The subnets for which a filter has one of these values.
    pub(super) async fn subnets<'a>(
        &self,
        name: &str,
        values: impl Iterator<Item = &'a str>,
    ) -> Asked<Vec<SubnetRow>> {
        let filter = wire::filter_any(name, values);
        self.patiently(|| self.api.subnets(&filter)).await
    }

    /// The security groups for which a filter has one of these values.
    pub(super) async fn groups<'a>(
        &self,
        name: &str,
        values: impl Iterator<Item = &'a str>,
    ) -> Asked<Vec<GroupRow>> {
        let filter = wire::filter_any(name, values);
        self.patiently(|| self.api.groups(&filter)).await
    }

    /// The key pairs of this name.
    pub(super) async fn key_pairs(&self, name: &str) -> Asked<Vec<String>> {
        let filter = wire::filter("key-name", name);
        self.patiently(|| self.api.key_pairs(&filter)).await
    }

    /// The types that are sold in a zone, which is named by its id.
    pub(super) async fn sold(&self, zone: &str) -> Asked<BTreeSet<SmolStr>> {
        let filter = [wire::filter("location", zone)];
        let by = LocationType::AvailabilityZoneId;
        let sold = self.patiently(|| self.api.sold(by.clone(), &filter)).await?;
        Ok(sold.into_iter().map(|(kind, _)| kind).collect())
    }

    /// Of how many types that are called so EC2 tells what they have, on the first page.
    pub(super) async fn types(&self, allow: &[SmolStr]) -> Asked<usize> {
        let filters = types::named(allow);
        let (types, _) = self.patiently(|| self.api.some_types(&filters, None)).await?;
        Ok(types.len())
    }

    /// Of how many types the price list names a price; nothing if there is none to be asked.
    pub(super) async fn listed(&self, region: &str) -> Asked<Option<usize>> {
        let listed = self.patiently(|| self.api.listed(region)).await?;
        Ok(listed.map(|listed| listed.len()))
    }

    /// What EC2 says of the account.
    pub(super) async fn limits(&self) -> Asked<Vec<(String, String)>> {
        self.patiently(|| self.api.attributes()).await
    }
}

impl Api {
    pub(super) async fn subnets(&self, filter: &Filter) -> Result<Vec<SubnetRow>, ApiError> {
        let sent = self.client.describe_subnets().filters(filter.clone());
        let answer = self.made(Call::Describe, Box::pin(sent.send())).await?;
        Ok(answer.subnets().iter().filter_map(subnet).collect())
    }

    pub(super) async fn groups(&self, filter: &Filter) -> Result<Vec<GroupRow>, ApiError> {
        let sent = self.client.describe_security_groups().filters(filter.clone());
        let answer = self.made(Call::Describe, Box::pin(sent.send())).await?;
        Ok(answer.security_groups().iter().filter_map(group).collect())
    }

    pub(super) async fn key_pairs(&self, filter: &Filter) -> Result<Vec<String>, ApiError> {
        let sent = self.client.describe_key_pairs().filters(filter.clone());
        let answer = self.made(Call::Describe, Box::pin(sent.send())).await?;
        let names = answer.key_pairs().iter().filter_map(|pair| pair.key_name());
        Ok(names.map(str::to_owned).collect())
    }

    async fn attributes(&self) -> Result<Vec<(String, String)>, ApiError> {
        let sent = self.client.describe_account_attributes();
        let answer = self.made(Call::Describe, Box::pin(sent.send())).await?;
        let mut found = Vec::new();
        for one in answer.account_attributes() {
            let Some(name) = one.attribute_name() else { continue };
            let values = one.attribute_values().iter().filter_map(|value| value.attribute_value());
            found.extend(values.map(|value| (name.to_owned(), value.to_owned())));
        }
        Ok(found)
    }

    /// A launch that EC2 is to judge and not to make.
    pub(super) async fn try_run(&self, request: &RunRequest) -> Result<(), ApiError> {
        let sent = wire::run(&self.client, request).map_err(ApiError::Failed)?.dry_run(true);
        match self.made(Call::Run(1), Box::pin(sent.send())).await {
            Err(ApiError::Failed(failed)) if Failed::is_dry_run(&failed) => Ok(()),
            answer => answer.map(drop),
        }
    }

    /// The end of an instance that EC2 is to judge and not to bring about.
    pub(super) async fn try_end(&self, instance: &str) -> Result<(), ApiError> {
        let sent = self.client.terminate_instances().instance_ids(instance).dry_run(true);
        match self.made(Call::Terminate(1), Box::pin(sent.send())).await {
            Err(ApiError::Failed(failed)) if Failed::is_dry_run(&failed) => Ok(()),
            answer => answer.map(drop),
        }
    }
}

fn subnet(row: &Subnet) -> Option<SubnetRow> {
    Some(SubnetRow {
        id: row.subnet_id()?.into(),
        vpc: row.vpc_id()?.into(),
        zone: row.availability_zone()?.into(),
        zone_id: row.availability_zone_id().unwrap_or_default().into(),
        free: row.available_ip_address_count().and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
        cidr: row.cidr_block().unwrap_or_default().into(),
    })
}

fn group(row: &SecurityGroup) -> Option<GroupRow> {
    let open = row.ip_permissions().iter().any(|rule| {
        let four = rule.ip_ranges().iter().filter_map(|range| range.cidr_ip());
        let six = rule.ipv6_ranges().iter().filter_map(|range| range.cidr_ipv6());
        four.chain(six).any(|cidr| ANYWHERE.contains(&cidr))
    });
    Some(GroupRow { id: row.group_id()?.into(), vpc: row.vpc_id()?.into(), open })
}
