//! Which volumes instances of a type are launched with, before there is an order: what they are priced with,
//! and what disk is promised. An order for what is promised asks for just these.

use super::{Config, Data};
use crate::volume::{Layout, VolumeType, layout};
use catalogue::{Given, InstanceType, Volume, Volumes};
use schema::policy::volume::VolumeKind;
use schema::resources::Resources;

const GIB: u64 = 1 << 30;
/// So much of a root volume that allocs share is kept for the image and the agent, in GiB: the images of both
/// families take less than half of it.
const KEPT: u64 = 10;

impl Volumes for Config {
    fn given(&self, kind: &InstanceType) -> Result<Given, String> {
        let root = volume(self.root.kind, self.root.size);
        let Some(data) = &self.data else {
            let disk = self.root.size.saturating_sub(KEPT).saturating_mul(GIB);
            return Ok(Given { volumes: vec![root], disk });
        };
        let bare = kind.usable(0);
        let Layout { slices, each } = data.check_for(&bare)?;
        let (all, most) = (slices.saturating_add(1), kind.max_volumes);
        // Of a type that is newer than the catalogue nothing is known: EC2 says so, if it cannot have them.
        if most > 0 && all > most {
            return Err(format!("{all} with the root, and it can have {most}"));
        }
        let (iops, throughput) = (data.iops, data.throughput);
        let slice = Volume { iops, throughput, ..volume(data.kind, each) };
        let volumes = std::iter::once(root).chain((0..slices).map(|_| slice)).collect();
        Ok(Given { volumes, disk: data.promise(&bare).saturating_mul(GIB) })
    }
}

impl Data {
    /// The disk in GiB that may be promised with so much else: all that is made, unless an order for that
    /// would make more of it; then what was asked for.
    fn promise(&self, bare: &Resources) -> u64 {
        let asked = self.size_for(bare);
        let made = |size: u64| layout(self.kind, size, self.slicing);
        let all = made(asked).size();
        if made(all) == made(asked) { all } else { asked }
    }
}

fn volume(kind: VolumeType, gib: u64) -> Volume {
    let kind = match kind {
        VolumeType::Gp3 => VolumeKind::Gp3,
        VolumeType::Gp2 => VolumeKind::Gp2,
        VolumeType::Io1 => VolumeKind::Io1,
        VolumeType::Io2 => VolumeKind::Io2,
        VolumeType::St1 => VolumeKind::St1,
    };
    Volume { kind, gib, iops: None, throughput: None }
}
