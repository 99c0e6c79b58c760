//! What the cloud told of its types, in the place of what is shipped.

use crate::Catalogue;
use crate::kind::{DiskKind, Disks, Ebs, Gpu, InstanceType, Network};
use crate::prices::{Region, Sold};
use schema::event::{Devices, Hardware, OwnDisks, TypeSeen};
use schema::policy::worth::Links;
use smol_str::SmolStr;
use std::collections::BTreeSet;

impl InstanceType {
    /// What it has, in the words of the log.
    #[must_use]
    pub fn hardware(&self) -> Hardware {
        let disks = |own: &Disks| {
            let ssd = own.kind == DiskKind::Ssd;
            OwnDisks { count: own.count, gb: own.gb, ssd }
        };
        let devices = |count: u32, name: &SmolStr| Devices { count, name: name.clone() };
        Hardware {
            arch: self.arch,
            vcpu: self.vcpu,
            memory_mib: self.memory_mib,
            disks: self.disks.as_ref().map(disks),
            gpu: self.gpu.as_ref().map(|gpu| devices(gpu.count, &gpu.name)),
            accelerator: self.accelerator.as_ref().map(|(count, name)| devices(*count, name)),
            links: self.links(),
            spot: self.spot,
        }
    }

    /// A type of which this was told; what was not is as it was known, and else nothing.
    fn told(name: &SmolStr, has: &Hardware, known: Option<&InstanceType>) -> InstanceType {
        let Links { network, ebs } = has.links;
        let gpu = |told: &Devices| {
            let gpu = known.and_then(|known| known.gpu.as_ref());
            let same = gpu.filter(|gpu| (gpu.count, &gpu.name) == (told.count, &told.name));
            let memory_mib = same.map_or(0, |gpu| gpu.memory_mib);
            Gpu { count: told.count, name: told.name.clone(), memory_mib }
        };
        let disks = |own: &OwnDisks| {
            let kind = if own.ssd { DiskKind::Ssd } else { DiskKind::Hdd };
            Disks { count: own.count, gb: own.gb, kind }
        };
        let link = known.and_then(|known| known.ebs).filter(|link| link.mbps == ebs);
        let plain = Ebs { mbps: ebs, peak_mbps: ebs, iops: 0, peak_iops: 0 };
        let measured = known.filter(|known| known.memory_mib == has.memory_mib);
        let peak_mbps = known.map_or(0, |known| known.network.peak_mbps).max(network);
        InstanceType {
            name: name.clone(),
            arch: has.arch,
            vcpu: has.vcpu,
            memory_mib: has.memory_mib,
            os_memory_mib: measured.and_then(|known| known.os_memory_mib),
            boot: known.and_then(|known| known.boot),
            gpu: has.gpu.as_ref().map(gpu),
            accelerator: has.accelerator.as_ref().map(|told| (told.count, told.name.clone())),
            disks: has.disks.as_ref().map(disks),
            network: Network { mbps: network, peak_mbps },
            ebs: (ebs > 0).then(|| link.unwrap_or(plain)),
            max_volumes: known.map_or(0, |known| known.max_volumes),
            spot: has.spot,
        }
    }
}

impl Catalogue {
    /// What this says of a type in a zone, which is named by its id; nothing if it does not know the type.
    #[must_use]
    pub fn says(&self, region: &str, zone: &str, kind: &str) -> Option<TypeSeen> {
        let (name, known) = self.types.get_key_value(kind)?;
        let region = self.regions.get(region);
        let place = region.and_then(|region| region.zones.iter().position(|one| one == zone));
        let sold = region.and_then(|region| region.sold.get(kind));
        Some(TypeSeen {
            kind: name.clone(),
            sold: sold.zip(place).is_some_and(|(sold, place)| sold.in_zone(place)),
            hardware: Some(known.hardware()),
            on_demand: sold.and_then(|sold| sold.on_demand),
        })
    }

    /// This with what was told of a region in its place: each of a zone, which is named by its id. In a
    /// region that this does not know nothing can be bought, whatever is told of it.
    #[must_use]
    pub fn with<'a>(
        &self,
        region: &str,
        told: impl IntoIterator<Item = (&'a SmolStr, &'a TypeSeen)>,
    ) -> Catalogue {
        let mut catalogue = self.clone();
        let Catalogue { types, regions } = &mut catalogue;
        let Some(region) = regions.get_mut(region) else { return catalogue };
        let mut priced = BTreeSet::new();
        for (zone, seen) in told {
            if let Some(has) = &seen.hardware {
                let known = self.types.get(&seen.kind);
                types.insert(seen.kind.clone(), InstanceType::told(&seen.kind, has, known));
            }
            let known = types.contains_key(&seen.kind);
            let Some(place) = region.place(zone).filter(|_| known) else { continue };
            let sold = region.sold.entry(seen.kind.clone()).or_insert_with(Sold::nowhere);
            sold.put(place, seen.sold);
            // The price is one of the region: where zones were told others, the highest.
            if let Some(price) = seen.on_demand {
                let first = priced.insert(seen.kind.clone());
                sold.on_demand = sold.on_demand.filter(|_| !first).max(Some(price));
            }
        }
        region.sold.retain(|_, sold| !sold.is_nowhere());
        catalogue
    }
}

impl Region {
    /// The place of a zone among those of the region, at the end if it is new; none if there is no room.
    fn place(&mut self, zone: &SmolStr) -> Option<usize> {
        if let Some(place) = self.zones.iter().position(|one| one == zone) {
            return Some(place);
        }
        (self.zones.len() < Sold::MOST_ZONES).then(|| {
            self.zones.push(zone.clone());
            self.zones.len() - 1
        })
    }
}
