//! Which EBS volumes an instance is given.

use super::kind::KindName;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::fmt;

/// Most that one instance may be given, in GiB: what one gp3 volume may have.
const MOST_GIB: u64 = 65_536;

/// A kind of EBS volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VolumeKind {
    /// General purpose; IOPS and throughput bought beside the size.
    Gp3,
    /// General purpose; IOPS come with the size.
    Gp2,
    /// Provisioned IOPS.
    Io1,
    /// Provisioned IOPS, more durable.
    Io2,
    /// Turning disks, for throughput.
    St1,
    /// Turning disks, seldom used.
    Sc1,
}

impl VolumeKind {
    /// All of them.
    pub const ALL: [VolumeKind; 6] = [
        VolumeKind::Gp3,
        VolumeKind::Gp2,
        VolumeKind::Io1,
        VolumeKind::Io2,
        VolumeKind::St1,
        VolumeKind::Sc1,
    ];

    /// Its name at EC2.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            VolumeKind::Gp3 => "gp3",
            VolumeKind::Gp2 => "gp2",
            VolumeKind::Io1 => "io1",
            VolumeKind::Io2 => "io2",
            VolumeKind::St1 => "st1",
            VolumeKind::Sc1 => "sc1",
        }
    }

    /// The IOPS and the MiB/s that cost nothing beside the size. Source: the EBS price page; what has
    /// no price of its own is not bought at all.
    #[must_use]
    pub fn free(self) -> (u64, u64) {
        match self {
            VolumeKind::Gp3 => (3000, 125),
            VolumeKind::Gp2
            | VolumeKind::Io1
            | VolumeKind::Io2
            | VolumeKind::St1
            | VolumeKind::Sc1 => (0, 0),
        }
    }

    /// The least size, in GiB, that EC2 makes.
    fn least_gib(self) -> u64 {
        match self {
            VolumeKind::Gp3 | VolumeKind::Gp2 => 1,
            VolumeKind::Io1 | VolumeKind::Io2 => 4,
            VolumeKind::St1 | VolumeKind::Sc1 => 125,
        }
    }
}

impl fmt::Display for VolumeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which EBS volumes an instance is given, beside its own disks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VolumeRule {
    /// Kind of the data volume; the root volume is gp3.
    pub kind: VolumeKind,
    /// Size of the root volume in GiB; nothing of it is for allocs.
    pub root_gib: u64,
    /// Size of the data volume in GiB.
    pub data_gib: u64,
    /// Other sizes of the data volume in GiB, by size of instance (`2xlarge`).
    pub by_size: BTreeMap<SmolStr, u64>,
    /// IOPS of the data volume; none: what costs nothing.
    pub iops: Option<u64>,
    /// Throughput of the data volume in MiB/s; none: what costs nothing.
    pub throughput: Option<u64>,
    /// Instances whose own disks are as large as the data volume would be get none.
    pub local_first: bool,
}

impl Default for VolumeRule {
    fn default() -> VolumeRule {
        VolumeRule {
            kind: VolumeKind::Gp3,
            root_gib: 20,
            data_gib: 300,
            by_size: BTreeMap::new(),
            iops: None,
            throughput: None,
            local_first: true,
        }
    }
}

impl VolumeRule {
    /// Whether this is the rule that a policy has which names none.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == VolumeRule::default()
    }

    /// Size of the data volume of this type in GiB, were it to get one.
    #[must_use]
    pub fn data_gib(&self, kind: &str) -> u64 {
        self.by_size.get(KindName::parse(kind).size).copied().unwrap_or(self.data_gib)
    }

    /// Whether the rule can be followed.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn check(&self) -> Result<(), String> {
        let least = self.kind.least_gib();
        let sizes = self.by_size.values().chain([&self.data_gib]);
        if let Some(wrong) = sizes.into_iter().find(|gib| **gib < least || **gib > MOST_GIB) {
            let kind = self.kind;
            return Err(format!("a {kind} volume has {least} to {MOST_GIB} GiB, not {wrong}"));
        }
        if self.root_gib == 0 || self.root_gib > MOST_GIB {
            return Err(format!("volume.root_gib must be 1 to {MOST_GIB}"));
        }
        let (gp3, provisioned) =
            (self.kind == VolumeKind::Gp3, matches!(self.kind, VolumeKind::Io1 | VolumeKind::Io2));
        if self.iops.is_some() && !gp3 && !provisioned {
            return Err(format!("{} takes no iops", self.kind));
        }
        if self.iops.is_none() && provisioned {
            return Err(format!("{} needs iops", self.kind));
        }
        if self.throughput.is_some() && !gp3 {
            return Err(format!("{} takes no throughput", self.kind));
        }
        Ok(())
    }
}
