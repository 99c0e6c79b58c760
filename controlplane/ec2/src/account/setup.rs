//! What a cluster has of a network of its own, and the calls that make the rest.

use super::Account;
use crate::api::Api;
use crate::error::ApiError;
use crate::wire::filter;
use aws_sdk_ec2::primitives::Blob;
use aws_sdk_ec2::types::{
    Filter, IpPermission, ResourceType, RouteTable, Tag, TagSpecification, UserIdGroupPair,
};
use ec2_core::account::{Asked, Said};
use ec2_core::bucket::Call;
use ec2_core::setup::{Has, PORTS, Step, Table, Want, profile};
use ec2_core::tags;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Everywhere that is not nearer.
const EVERYWHERE: &str = "0.0.0.0/0";

impl Account {
    /// The standard zones of the region, by name.
    ///
    /// # Errors
    /// What EC2 said.
    pub async fn zone_names(&self) -> Asked<Vec<SmolStr>> {
        self.patiently(|| self.api.standard_zones()).await
    }

    /// What there is that has the cluster's tag, and what there is of the instance profile that is wanted.
    ///
    /// # Errors
    /// What EC2 said. What IAM said is part of what there is.
    pub async fn has(&self, want: &Want) -> Asked<Has> {
        let ours = filter(&format!("tag:{}", tags::CLUSTER), self.cluster.as_str());
        let mut has = self.patiently(|| self.api.network(&ours, self.cluster.as_str())).await?;
        let vpcs = has.vpcs.keys().map(SmolStr::as_str);
        if !has.vpcs.is_empty() {
            let all = self.subnets("vpc-id", vpcs).await?;
            has.taken = all.iter().filter_map(|row| row.cidr.parse().ok()).collect();
        }
        if let Some(named) = &want.profile {
            let (cluster, name) = (self.cluster.as_str(), profile::name(named));
            has.named = Some(self.iam.named(cluster, name).await);
        }
        Ok(has)
    }

    /// Makes one thing; what EC2 calls it, if it is something new. `key` is the public key of a key pair.
    ///
    /// # Errors
    /// What EC2 said.
    pub async fn make(&self, step: &Step, key: &str) -> Asked<SmolStr> {
        let cluster = self.cluster.as_str();
        match step {
            Step::Role(name) => return self.iam.make_role(cluster, name).await,
            Step::Profile(name) => return self.iam.make_profile(cluster, name).await,
            Step::Join(name) => return self.iam.join(name).await,
            _ => {}
        }
        let made = self.patiently(|| self.api.make(step, self.cluster.as_str(), key)).await?;
        made.ok_or_else(|| Said {
            code: None,
            message: "EC2 named nothing that it made".to_owned(),
            status: None,
        })
    }
}

/// Whether these tags name the cluster. Filters are not left to EC2 alone: what an endpoint that ignores
/// them shows must not be taken for ours.
fn is_ours(cluster: &str, all: &[Tag]) -> bool {
    all.iter().any(|tag| tag.key() == Some(tags::CLUSTER) && tag.value() == Some(cluster))
}

/// The tags of something that is made.
fn tagged(kind: ResourceType, cluster: &str) -> TagSpecification {
    let tag = |key: &str, value: String| Tag::builder().key(key).value(value).build();
    TagSpecification::builder()
        .resource_type(kind)
        .tags(tag(tags::NAME, format!("fleetlog {cluster}")))
        .tags(tag(tags::CLUSTER, cluster.to_owned()))
        .build()
}

impl Api {
    async fn standard_zones(&self) -> Result<Vec<SmolStr>, ApiError> {
        let sent = self.client.describe_availability_zones();
        let answer = self.made(Call::Describe, Box::pin(sent.send())).await?;
        let standard = |kind: Option<&str>| kind.is_none_or(|kind| kind == "availability-zone");
        let zones = answer.availability_zones().iter().filter(|zone| standard(zone.zone_type()));
        Ok(zones.filter_map(|zone| zone.zone_name().map(SmolStr::new)).collect())
    }

    async fn network(&self, ours: &Filter, cluster: &str) -> Result<Has, ApiError> {
        let mut has = Has::default();
        let sent = self.client.describe_vpcs().filters(ours.clone());
        let answer = self.made(Call::Describe, Box::pin(sent.send())).await?;
        for vpc in answer.vpcs().iter().filter(|vpc| is_ours(cluster, vpc.tags())) {
            if let (Some(id), Some(Ok(block))) = (vpc.vpc_id(), vpc.cidr_block().map(str::parse)) {
                has.vpcs.insert(id.into(), block);
            }
        }
        let sent = self.client.describe_internet_gateways().filters(ours.clone());
        let answer = self.made(Call::Describe, Box::pin(sent.send())).await?;
        for one in answer.internet_gateways().iter().filter(|one| is_ours(cluster, one.tags())) {
            let vpc = one.attachments().iter().find_map(|to| to.vpc_id()).map(SmolStr::new);
            has.gateways.extend(one.internet_gateway_id().map(|id| (id.into(), vpc)));
        }
        let sent = self.client.describe_route_tables().filters(ours.clone());
        let answer = self.made(Call::Describe, Box::pin(sent.send())).await?;
        let tables = answer.route_tables().iter().filter(|one| is_ours(cluster, one.tags()));
        has.tables = tables.filter_map(table).collect();
        let sent = self.client.describe_subnets().filters(ours.clone());
        let answer = self.made(Call::Describe, Box::pin(sent.send())).await?;
        let subnets = answer.subnets().iter().filter(|one| is_ours(cluster, one.tags()));
        has.subnets = subnets
            .filter_map(|one| Some((one.availability_zone()?.into(), one.subnet_id()?.into())))
            .collect();
        has.groups = self.own_groups(ours, cluster).await?;
        let sent = self.client.describe_key_pairs().filters(ours.clone());
        let answer = self.made(Call::Describe, Box::pin(sent.send())).await?;
        let keys = answer.key_pairs().iter().filter(|one| is_ours(cluster, one.tags()));
        has.keys = keys.filter_map(|one| one.key_name().map(SmolStr::new)).collect();
        Ok(has)
    }

    async fn own_groups(
        &self,
        ours: &Filter,
        cluster: &str,
    ) -> Result<BTreeMap<SmolStr, bool>, ApiError> {
        let sent = self.client.describe_security_groups().filters(ours.clone());
        let answer = self.made(Call::Describe, Box::pin(sent.send())).await?;
        let mut groups = BTreeMap::new();
        for one in answer.security_groups().iter().filter(|one| is_ours(cluster, one.tags())) {
            let rules = one.ip_permissions().iter();
            let pairs = rules.flat_map(IpPermission::user_id_group_pairs);
            let members = pairs.filter_map(UserIdGroupPair::group_id);
            let members = members.into_iter().any(|id| Some(id) == one.group_id());
            groups.extend(one.group_id().map(|id| (id.into(), members)));
        }
        Ok(groups)
    }

    /// Makes one thing. Nothing, if EC2 does not say what it made.
    async fn make(
        &self,
        step: &Step,
        cluster: &str,
        key: &str,
    ) -> Result<Option<SmolStr>, ApiError> {
        let client = &self.client;
        let tags = |kind| tagged(kind, cluster);
        let change = Call::Change;
        let made = match step {
            Step::Vpc(block) => {
                let sent = client.create_vpc().cidr_block(block.to_string());
                let sent = sent.tag_specifications(tags(ResourceType::Vpc));
                let answer = self.made(change, Box::pin(sent.send())).await?;
                answer.vpc().and_then(|vpc| vpc.vpc_id()).map(SmolStr::new)
            }
            Step::Gateway => {
                let sent = client.create_internet_gateway();
                let sent = sent.tag_specifications(tags(ResourceType::InternetGateway));
                let answer = self.made(change, Box::pin(sent.send())).await?;
                let made = answer.internet_gateway().and_then(|one| one.internet_gateway_id());
                made.map(SmolStr::new)
            }
            Step::Attach { gateway, vpc } => {
                let sent = client.attach_internet_gateway().vpc_id(vpc.as_str());
                let sent = sent.internet_gateway_id(gateway.as_str());
                self.made(change, Box::pin(sent.send())).await?;
                Some(gateway.clone())
            }
            Step::Table(vpc) => {
                let sent = client.create_route_table().vpc_id(vpc.as_str());
                let sent = sent.tag_specifications(tags(ResourceType::RouteTable));
                let answer = self.made(change, Box::pin(sent.send())).await?;
                answer.route_table().and_then(|one| one.route_table_id()).map(SmolStr::new)
            }
            Step::Route { table, gateway } => {
                let sent = client.create_route().route_table_id(table.as_str());
                let sent = sent.destination_cidr_block(EVERYWHERE).gateway_id(gateway.as_str());
                self.made(change, Box::pin(sent.send())).await?;
                Some(table.clone())
            }
            Step::Subnet { vpc, zone, block } => {
                let sent = client.create_subnet().vpc_id(vpc.as_str());
                let sent = sent.availability_zone(zone.as_str()).cidr_block(block.to_string());
                let sent = sent.tag_specifications(tags(ResourceType::Subnet));
                let answer = self.made(change, Box::pin(sent.send())).await?;
                answer.subnet().and_then(|one| one.subnet_id()).map(SmolStr::new)
            }
            Step::Associate { table, subnet } => {
                let sent = client.associate_route_table().route_table_id(table.as_str());
                self.made(change, Box::pin(sent.subnet_id(subnet.as_str()).send())).await?;
                Some(table.clone())
            }
            Step::Group(vpc) => {
                let sent = client.create_security_group().vpc_id(vpc.as_str());
                let sent = sent.group_name(format!("fleetlog-{cluster}"));
                let sent = sent.description(format!("instances of fleetlog cluster {cluster}"));
                let sent = sent.tag_specifications(tags(ResourceType::SecurityGroup));
                let answer = self.made(change, Box::pin(sent.send())).await?;
                answer.group_id().map(SmolStr::new)
            }
            Step::Rule(group) => {
                let sent = client.authorize_security_group_ingress().group_id(group.as_str());
                let sent = sent.ip_permissions(members(group));
                self.made(change, Box::pin(sent.send())).await?;
                Some(group.clone())
            }
            Step::Key(name) => {
                let sent = client.import_key_pair().key_name(name.as_str());
                let sent = sent.public_key_material(Blob::new(key.as_bytes()));
                let sent = sent.tag_specifications(tags(ResourceType::KeyPair));
                let answer = self.made(change, Box::pin(sent.send())).await?;
                answer.key_name().map(SmolStr::new)
            }
            // Not EC2's.
            Step::Role(_) | Step::Profile(_) | Step::Join(_) => None,
        };
        Ok(made)
    }
}

fn table(row: &RouteTable) -> Option<(SmolStr, Table)> {
    let out = row.routes().iter().any(|route| {
        let gateway = route.gateway_id().is_some_and(|id| id.starts_with("igw-"));
        gateway && route.destination_cidr_block() == Some(EVERYWHERE)
    });
    let subnets = row.associations().iter().filter_map(|to| to.subnet_id().map(SmolStr::new));
    Some((row.route_table_id()?.into(), Table { out, subnets: subnets.collect() }))
}

/// From members of the group to members, on the ports that a data plane may have.
fn members(group: &str) -> IpPermission {
    let (first, last) = PORTS;
    IpPermission::builder()
        .ip_protocol("tcp")
        .from_port(first.into())
        .to_port(last.into())
        .user_id_group_pairs(UserIdGroupPair::builder().group_id(group).build())
        .build()
}
