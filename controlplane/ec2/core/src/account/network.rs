//! Zones, subnets and security groups.

use super::{Asked, Check, Need};
use crate::Config;
use smol_str::SmolStr;
use std::collections::BTreeSet;

/// Free addresses below which a subnet soon refuses launches.
const FEW: u32 = 16;

/// What to do where there is none of what is named.
const ANOTHER: &str = "name another one, or make one with `fleetlog fleet setup --make`";

/// A row of `DescribeSubnets`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubnetRow {
    /// Which subnet.
    pub id: SmolStr,
    /// Its VPC.
    pub vpc: SmolStr,
    /// Name of its zone.
    pub zone: SmolStr,
    /// Id of its zone.
    pub zone_id: SmolStr,
    /// Free addresses.
    pub free: u32,
    /// Its block of addresses.
    pub cidr: SmolStr,
}

/// A row of `DescribeSecurityGroups`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRow {
    /// Which group.
    pub id: SmolStr,
    /// Its VPC.
    pub vpc: SmolStr,
    /// Whether everything there is may reach its members on some port.
    pub open: bool,
}

/// Whether the region has the zones that the settings name: `asked` are names and ids.
#[must_use]
pub fn zones(config: &Config, asked: &Asked<Vec<(SmolStr, SmolStr)>>) -> Vec<Check> {
    let found = match asked {
        Ok(found) => found,
        Err(said) => {
            let action = ("DescribeAvailabilityZones", Need::Controller);
            return vec![Check::unanswered("zone", config.region.as_str(), action, said)];
        }
    };
    let known: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    let judge = |zone: &SmolStr| match found.iter().find(|(name, id)| name == zone || id == zone) {
        Some((name, id)) => Check::ok("zone", zone.as_str(), format!("{name} is {id}")),
        None => {
            let found = format!("{} has {}", config.region, known.join(", "));
            Check::missing("zone", zone.as_str(), found, "name another one in the settings")
        }
    };
    config.subnets.iter().map(|subnet| judge(&subnet.zone)).collect()
}

/// Whether the subnets are there, in their zones, with room.
#[must_use]
pub fn subnets(config: &Config, asked: &Asked<Vec<SubnetRow>>) -> Vec<Check> {
    let found = match asked {
        Ok(found) => found,
        Err(said) => {
            let judge = |id: &SmolStr| {
                Check::unanswered("subnet", id.as_str(), ("DescribeSubnets", Need::Look), said)
            };
            return config.subnets.iter().map(|subnet| judge(&subnet.subnet)).collect();
        }
    };
    let mut checks: Vec<Check> = config
        .subnets
        .iter()
        .map(|named| {
            let row = found.iter().find(|row| row.id == named.subnet);
            subnet(&named.subnet, &named.zone, row)
        })
        .collect();
    let vpcs = vpcs(found);
    if vpcs.len() > 1 {
        let all: Vec<&str> = vpcs.into_iter().map(SmolStr::as_str).collect();
        let found = format!("the subnets are in {}", all.join(" and "));
        let todo = "name subnets of one VPC: security groups are of one";
        checks.push(Check::missing("vpc", "", found, todo));
    }
    checks
}

fn vpcs(rows: &[SubnetRow]) -> BTreeSet<&SmolStr> {
    rows.iter().map(|row| &row.vpc).collect()
}

fn subnet(id: &str, zone: &str, row: Option<&SubnetRow>) -> Check {
    let Some(row) = row else {
        return Check::missing("subnet", id, "there is none", ANOTHER);
    };
    let place = format!("in {} of {}", row.zone, row.vpc);
    if row.zone != zone && row.zone_id != zone {
        let todo = format!("name a subnet in {zone}, or say {} of this one", row.zone);
        return Check::missing("subnet", id, place, todo);
    }
    let found = format!("{place}, {} free addresses", row.free);
    match row.free {
        0 => Check::missing("subnet", id, found, "name a larger one: it takes no instance"),
        few if few < FEW => Check {
            todo: "name a larger one before it is full".to_owned(),
            ..Check::ok("subnet", id, found)
        },
        _ => Check::ok("subnet", id, found),
    }
}

/// Whether the security groups are there, in the VPC of the subnets, and let in no stranger.
#[must_use]
pub fn groups(
    config: &Config,
    asked: &Asked<Vec<GroupRow>>,
    subnets: &Asked<Vec<SubnetRow>>,
) -> Vec<Check> {
    let named = config.security_groups.iter();
    let found = match asked {
        Ok(found) => found,
        Err(said) => {
            let action = ("DescribeSecurityGroups", Need::Look);
            let judge =
                |id: &SmolStr| Check::unanswered("security group", id.as_str(), action, said);
            return named.map(judge).collect();
        }
    };
    let vpcs = subnets.as_ref().map(|rows| vpcs(rows)).unwrap_or_default();
    named.map(|id| group(id, found.iter().find(|row| row.id == *id), &vpcs)).collect()
}

fn group(id: &str, row: Option<&GroupRow>, vpcs: &BTreeSet<&SmolStr>) -> Check {
    let Some(row) = row else {
        return Check::missing("security group", id, "there is none", ANOTHER);
    };
    let found = format!("in {}", row.vpc);
    if !vpcs.is_empty() && !vpcs.contains(&row.vpc) {
        let all: Vec<&str> = vpcs.iter().map(|vpc| vpc.as_str()).collect();
        let todo = format!("name a group of {}, where the subnets are", all.join(" and "));
        return Check::missing("security group", id, found, todo);
    }
    if row.open {
        return Check {
            todo: "close it: nothing outside has to reach an instance".to_owned(),
            ..Check::ok("security group", id, format!("{found}; anybody may reach its members"))
        };
    }
    Check::ok("security group", id, found)
}
