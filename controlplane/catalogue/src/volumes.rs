//! Which EBS volumes an instance of a type is given, and what of its disk is for allocs. Whoever launches it
//! says so: the settings of a cloud, or where there are none, the rule of a policy.

use crate::kind::InstanceType;
use crate::prices::Region;
use schema::policy::volume::{VolumeKind, VolumeRule};
use schema::unit::Micros;

const GIB: u64 = 1 << 30;

/// An EBS volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Volume {
    /// What it is.
    pub kind: VolumeKind,
    /// Its size in GiB.
    pub gib: u64,
    /// Its IOPS; none: what costs nothing.
    pub iops: Option<u64>,
    /// Its throughput in MiB/s; none: what costs nothing.
    pub throughput: Option<u64>,
}

/// What one instance is given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Given {
    /// Its volumes, the root among them.
    pub volumes: Vec<Volume>,
    /// Bytes of disk that allocs can use.
    pub disk: u64,
}

/// Who says which volumes an instance is given.
pub trait Volumes {
    /// Those of an instance of this type.
    ///
    /// # Errors
    /// Why there are no such volumes: nothing of the type can be launched.
    fn given(&self, kind: &InstanceType) -> Result<Given, String>;
}

impl Volumes for VolumeRule {
    /// A root, and a data volume unless the type's own disks are as large.
    fn given(&self, kind: &InstanceType) -> Result<Given, String> {
        let free = |kind, gib| Volume { kind, gib, iops: None, throughput: None };
        let mut volumes = vec![free(VolumeKind::Gp3, self.root_gib)];
        let gib = self.data_gib(&kind.name);
        let own = kind.disks.map_or(0, |disks| disks.bytes());
        if self.local_first && own >= gib.saturating_mul(GIB) {
            return Ok(Given { volumes, disk: own });
        }
        let (iops, throughput) = (self.iops, self.throughput);
        volumes.push(Volume { iops, throughput, ..free(self.kind, gib) });
        Ok(Given { volumes, disk: gib.saturating_mul(GIB) })
    }
}

/// What volumes cost in a region, in micro-dollars per hour.
///
/// # Errors
/// Nothing says what one of them costs there.
pub(crate) fn hourly(volumes: &[Volume], region: &Region) -> Result<Micros, VolumeKind> {
    volumes.iter().try_fold(Micros(0), |sum, volume| {
        let Volume { kind, gib, iops, throughput } = *volume;
        let price = region.volumes.get(&kind).ok_or(kind)?;
        Ok(sum.plus(price.hourly(kind, gib, iops, throughput)))
    })
}
