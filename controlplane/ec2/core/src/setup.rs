//! The network that a cluster's instances are launched into: what it takes, what of it there is, and what is
//! made next. Pure: whoever was interrupted looks again and goes on from there.
//!
//! ```text
//! vpc ─┬─ internet gateway ── attached ──┐
//!      ├─ route table ── route ──────────┘
//!      ├─ subnet of each zone ── with that route table
//!      └─ security group ── lets its members reach each other
//! ```
//!
//! and, where the settings name one, an [instance profile](profile).
//!
//! Everything is tagged in the call that makes it. What does not have the cluster's tag is never touched,
//! nor used.

mod block;
mod draft;
pub mod profile;

pub use block::Block;
pub use draft::{Draft, Kept};

use crate::account::{Asked, Check};
pub use profile::{Named, Profile, TRUST};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Ports on which members of the group reach each other: an agent's data plane takes a free one.
pub const PORTS: (u16, u16) = (1024, 65535);

/// What there is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// The zones, by name: a subnet in each.
    pub zones: Vec<SmolStr>,
    /// The addresses of a VPC that has to be made.
    pub block: Block,
    /// The key pair, by name, if there is to be one.
    pub key: Option<SmolStr>,
    /// The instance profile, as the settings name it, if they do.
    pub profile: Option<SmolStr>,
}

/// What there is that has the cluster's tag.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Has {
    /// VPCs, each with its addresses. More than one is one too many.
    pub vpcs: BTreeMap<SmolStr, Block>,
    /// Internet gateways, each with the VPC that it is attached to.
    pub gateways: BTreeMap<SmolStr, Option<SmolStr>>,
    /// Route tables.
    pub tables: BTreeMap<SmolStr, Table>,
    /// Subnets by zone.
    pub subnets: BTreeMap<SmolStr, SmolStr>,
    /// Addresses in the VPC that subnets have, also others'.
    pub taken: Vec<Block>,
    /// Security groups, each with whether its members may reach each other.
    pub groups: BTreeMap<SmolStr, bool>,
    /// Key pairs.
    pub keys: BTreeSet<SmolStr>,
    /// What IAM has under the name of the profile, with the cluster's tag or without; none if nobody wants one.
    pub named: Option<Asked<Named>>,
}

/// A route table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// Whether it leads out through a gateway.
    pub out: bool,
    /// The subnets that go by it.
    pub subnets: BTreeSet<SmolStr>,
}

/// One thing to make. Each is one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A VPC with these addresses.
    Vpc(Block),
    /// An internet gateway.
    Gateway,
    /// The gateway is attached to the VPC.
    Attach {
        /// The gateway.
        gateway: SmolStr,
        /// The VPC.
        vpc: SmolStr,
    },
    /// A route table in this VPC.
    Table(SmolStr),
    /// The table leads out through the gateway.
    Route {
        /// The table.
        table: SmolStr,
        /// The gateway.
        gateway: SmolStr,
    },
    /// A subnet.
    Subnet {
        /// Its VPC.
        vpc: SmolStr,
        /// Its zone.
        zone: SmolStr,
        /// Its addresses.
        block: Block,
    },
    /// The subnet goes by the table.
    Associate {
        /// The table.
        table: SmolStr,
        /// The subnet.
        subnet: SmolStr,
    },
    /// A security group in this VPC.
    Group(SmolStr),
    /// The group lets its members reach each other.
    Rule(SmolStr),
    /// The key pair of this name.
    Key(SmolStr),
    /// The role of this name, which allows nothing.
    Role(SmolStr),
    /// The instance profile of this name.
    Profile(SmolStr),
    /// The role of this name is in the profile of this name.
    Join(SmolStr),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Vpc(block) => write!(f, "make a VPC with {block}"),
            Step::Gateway => f.write_str("make an internet gateway"),
            Step::Attach { gateway, vpc } => write!(f, "attach {gateway} to {vpc}"),
            Step::Table(vpc) => write!(f, "make a route table in {vpc}"),
            Step::Route { table, gateway } => write!(f, "lead {table} out through {gateway}"),
            Step::Subnet { zone, block, .. } => write!(f, "make a subnet in {zone} with {block}"),
            Step::Associate { table, subnet } => write!(f, "let {subnet} go by {table}"),
            Step::Group(vpc) => write!(f, "make a security group in {vpc}"),
            Step::Rule(group) => write!(f, "let members of {group} reach each other"),
            Step::Key(name) => write!(f, "import key pair {name}"),
            Step::Role(name) => write!(f, "make role {name}"),
            Step::Profile(name) => write!(f, "make instance profile {name}"),
            Step::Join(name) => write!(f, "put role {name} into its instance profile"),
        }
    }
}

/// What is made next; nothing once all is there.
///
/// # Errors
/// What there is cannot be completed; says why.
pub fn next(want: &Want, has: &Has) -> Result<Option<Step>, String> {
    let Some((vpc, block)) = only("VPC", &has.vpcs)? else {
        return Ok(Some(Step::Vpc(want.block)));
    };
    let Some((gateway, attached)) = only("internet gateway", &has.gateways)? else {
        return Ok(Some(Step::Gateway));
    };
    match attached {
        None => {
            return Ok(Some(Step::Attach { gateway: gateway.clone(), vpc: vpc.clone() }));
        }
        Some(other) if other != vpc => {
            return Err(format!("{gateway} is attached to {other} instead of {vpc}: detach it"));
        }
        Some(_) => {}
    }
    let Some((table, routes)) = only("route table", &has.tables)? else {
        return Ok(Some(Step::Table(vpc.clone())));
    };
    if !routes.out {
        return Ok(Some(Step::Route { table: table.clone(), gateway: gateway.clone() }));
    }
    for zone in &want.zones {
        let Some(subnet) = has.subnets.get(zone) else {
            let block = block.part_without(&has.taken);
            let block = block.ok_or_else(|| format!("{vpc} has no room for a subnet in {zone}"))?;
            return Ok(Some(Step::Subnet { vpc: vpc.clone(), zone: zone.clone(), block }));
        };
        if !routes.subnets.contains(subnet) {
            return Ok(Some(Step::Associate { table: table.clone(), subnet: subnet.clone() }));
        }
    }
    let Some((group, members)) = only("security group", &has.groups)? else {
        return Ok(Some(Step::Group(vpc.clone())));
    };
    if !members {
        return Ok(Some(Step::Rule(group.clone())));
    }
    if let Some(key) = want.key.iter().find(|key| !has.keys.contains(*key)) {
        return Ok(Some(Step::Key(key.clone())));
    }
    match (&want.profile, &has.named) {
        (Some(profile), Some(named)) => profile::next(profile, named),
        _ => Ok(None),
    }
}

/// The only one of these. Which of two is meant nobody can tell.
fn only<'a, T>(
    what: &str,
    all: &'a BTreeMap<SmolStr, T>,
) -> Result<Option<(&'a SmolStr, &'a T)>, String> {
    if all.len() > 1 {
        let names: Vec<&str> = all.keys().map(SmolStr::as_str).collect();
        let names = names.join(" and ");
        return Err(format!("{names} have this cluster's tag; remove all but one {what}"));
    }
    Ok(all.first_key_value())
}

impl Has {
    /// This step was made, and this is what EC2 calls what it made, where that is something new.
    pub fn made(&mut self, step: Step, id: SmolStr) {
        match step {
            Step::Vpc(block) => _ = self.vpcs.insert(id, block),
            Step::Gateway => _ = self.gateways.insert(id, None),
            Step::Attach { gateway, vpc } => _ = self.gateways.insert(gateway, Some(vpc)),
            Step::Table(_) => _ = self.tables.insert(id, Table::default()),
            Step::Route { table, .. } => self.tables.entry(table).or_default().out = true,
            Step::Subnet { zone, block, .. } => {
                self.subnets.insert(zone, id);
                self.taken.push(block);
            }
            Step::Associate { table, subnet } => {
                self.tables.entry(table).or_default().subnets.insert(subnet);
            }
            Step::Group(_) => _ = self.groups.insert(id, false),
            Step::Rule(group) => _ = self.groups.insert(group, true),
            Step::Key(name) => _ = self.keys.insert(name),
            Step::Role(_) | Step::Profile(_) | Step::Join(_) => {
                if let Some(Ok(named)) = &mut self.named {
                    named.made(step, id);
                }
            }
        }
    }

    /// What is there, and what is missing.
    #[must_use]
    pub fn checks(&self, want: &Want) -> Vec<Check> {
        let first = |all: Option<&SmolStr>, what, lacks: Option<&str>| {
            let Some(id) = all else { return lacking(what, "", "there is none") };
            lacks.map_or_else(
                || Check::ok(what, id.as_str(), "it is there"),
                |lacks| lacking(what, id, lacks),
            )
        };
        let attached = self.gateways.values().all(Option::is_some);
        let attached = (!attached).then_some("it is attached to no VPC");
        let out = self.tables.values().all(|table| table.out);
        let out = (!out).then_some("it does not lead out");
        let open = self.groups.values().all(|members| *members);
        let open = (!open).then_some("its members cannot reach each other");
        let mut checks = vec![
            first(self.vpcs.keys().next(), "vpc", None),
            first(self.gateways.keys().next(), "internet gateway", attached),
            first(self.tables.keys().next(), "route table", out),
        ];
        let routed = |subnet: &SmolStr| self.tables.values().any(|t| t.subnets.contains(subnet));
        checks.extend(want.zones.iter().map(|zone| match self.subnets.get(zone) {
            Some(subnet) if routed(subnet) => {
                Check::ok("subnet", subnet.as_str(), format!("in {zone}"))
            }
            Some(subnet) => lacking("subnet", subnet, "it does not go by the route table"),
            None => lacking("subnet", zone, "there is none in this zone"),
        }));
        checks.push(first(self.groups.keys().next(), "security group", open));
        checks.extend(want.key.iter().map(|key| match self.keys.contains(key) {
            true => Check::ok("key pair", key.as_str(), "it is there"),
            false => lacking("key pair", key, "there is none with this cluster's tag"),
        }));
        if let (Some(profile), Some(named)) = (&want.profile, &self.named) {
            checks.push(profile::check(profile, named));
        }
        checks
    }
}

fn lacking(check: &'static str, of: &str, found: &str) -> Check {
    Check::missing(check, of, found, "--make makes it")
}

#[cfg(test)]
mod tests;
