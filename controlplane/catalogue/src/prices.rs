//! What is sold where, and for how much: instance types by region and zone, and EBS volumes by region.

use crate::data::Files;
use crate::kind::InstanceType;
use crate::parse::{At, Fault, lines};
use schema::policy::volume::VolumeKind;
use schema::unit::Micros;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Hours in a month, by AWS' custom.
const HOURS_A_MONTH: u128 = 730;
/// Stands for the price of the first region that has one.
const SAME: &str = "=";

/// A region.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Region {
    /// Ids of its zones, such as `use1-az4`: alike for every account, which names are not.
    pub zones: Vec<SmolStr>,
    /// What is sold there, by type.
    pub sold: BTreeMap<SmolStr, Sold>,
    /// What volumes cost there.
    pub volumes: BTreeMap<VolumeKind, VolumePrice>,
}

/// Where in a region a type is sold, and for how much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sold {
    /// On-demand price in micro-dollars per hour, if it is known.
    pub on_demand: Option<Micros>,
    /// By how many per cent spot was cheaper, on average over 30 days, if it is known.
    pub savings: Option<u8>,
    /// Share of spot instances that were interrupted in a month, if it is known: 0 is below 5 %, then
    /// steps of 5 %, 4 is above 20 %.
    pub interruption: Option<u8>,
    /// In which zones; bit 0 is the first of the region.
    zones: u32,
}

/// What volumes of one kind cost, in micro-dollars per month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VolumePrice {
    /// Each GiB.
    pub gib: Micros,
    /// Each IOPS beyond those that are free.
    pub iops: Micros,
    /// Each MiB/s beyond those that are free.
    pub throughput: Micros,
}

impl VolumePrice {
    /// What one volume costs, in micro-dollars per hour, rounded up. Nothing asked for is what is free.
    #[must_use]
    pub fn hourly(
        &self,
        kind: VolumeKind,
        gib: u64,
        iops: Option<u64>,
        throughput: Option<u64>,
    ) -> Micros {
        let (free_iops, free_throughput) = kind.free();
        let beyond = |asked: Option<u64>, free: u64| asked.unwrap_or(0).saturating_sub(free);
        let cost = |amount: u64, price: Micros| u128::from(amount) * u128::from(price.0);
        let month = cost(gib, self.gib)
            .saturating_add(cost(beyond(iops, free_iops), self.iops))
            .saturating_add(cost(beyond(throughput, free_throughput), self.throughput));
        Micros(u64::try_from(month.div_ceil(HOURS_A_MONTH)).unwrap_or(u64::MAX))
    }
}

impl Sold {
    /// What it cost as spot on average, in micro-dollars per hour, rounded up. Where no saving is known,
    /// what it can cost at most: the on-demand price.
    #[must_use]
    pub fn typical_spot(&self) -> Option<Micros> {
        let Micros(full) = self.on_demand?;
        let left = 100 - u64::from(self.savings.unwrap_or(0).min(100));
        Some(Micros(full.saturating_mul(left).div_ceil(100)))
    }

    /// Most zones that a region may have.
    pub(crate) const MOST_ZONES: usize = 32;

    /// What is sold nowhere, at no price.
    pub(crate) fn nowhere() -> Sold {
        Sold { on_demand: None, savings: None, interruption: None, zones: 0 }
    }

    /// Whether it is sold in no zone.
    pub(crate) fn is_nowhere(&self) -> bool {
        self.zones == 0
    }

    /// It is sold in the zone at this place, or not any more.
    pub(crate) fn put(&mut self, at: usize, sold: bool) {
        let bit = u32::try_from(at).ok().and_then(|at| 1u32.checked_shl(at)).unwrap_or(0);
        if sold { self.zones |= bit } else { self.zones &= !bit }
    }

    /// Whether it is sold in the zone at this place of the region's list.
    #[must_use]
    pub fn in_zone(&self, at: usize) -> bool {
        u32::try_from(at).ok().and_then(|at| self.zones.checked_shr(at)).unwrap_or(0) & 1 == 1
    }
}

/// All regions of `zones.csv`, with what is sold there.
pub(crate) fn parse(
    files: &Files<'_>,
    types: &BTreeMap<SmolStr, InstanceType>,
) -> Result<BTreeMap<SmolStr, Region>, Fault> {
    let mut regions = Vec::new();
    for (at, line) in lines("zones.csv", files.zones) {
        let mut names = line.split(',');
        let name = names.next().unwrap_or_default();
        let zones: Vec<SmolStr> = names.map(SmolStr::from).collect();
        if name.is_empty() || zones.is_empty() || zones.len() > Sold::MOST_ZONES {
            return Err(at.fault("a region has a name and 1 to 32 zones"));
        }
        regions.push((SmolStr::from(name), Region { zones, ..Region::default() }));
    }
    sold(files.prices, types, &mut regions)?;
    let mut regions: BTreeMap<SmolStr, Region> = regions.into_iter().collect();
    volumes(files.volumes, &mut regions)?;
    Ok(regions)
}

/// `prices.txt`: a line `= FAMILY`, and under it one line for each size: the size, and a cell for each
/// region in the order of `zones.csv`.
fn sold(
    text: &str,
    types: &BTreeMap<SmolStr, InstanceType>,
    regions: &mut [(SmolStr, Region)],
) -> Result<(), Fault> {
    let mut family = None;
    for (at, line) in lines("prices.txt", text) {
        if let Some(name) = line.strip_prefix("= ") {
            family = Some(name);
            continue;
        }
        let family = family.ok_or_else(|| at.fault("a size before any family"))?;
        let mut cells = line.split(',');
        let name = SmolStr::from(format!("{family}.{}", cells.next().unwrap_or_default()));
        if !types.contains_key(&name) {
            return Err(at.fault(format!("types.txt has no {name}")));
        }
        let cells: Vec<&str> = cells.collect();
        if cells.len() != regions.len() {
            return Err(at.fault(format!("{} cells for {} regions", cells.len(), regions.len())));
        }
        let mut first = None;
        for (cell, (_, region)) in cells.into_iter().zip(&mut *regions) {
            if !cell.is_empty() {
                let sold = cell_of(at, cell, first, region.zones.len())?;
                first = first.or(sold.on_demand);
                region.sold.insert(name.clone(), sold);
            }
        }
    }
    Ok(())
}

/// `PRICE SAVINGS/INTERRUPTION ZONES`: dollars an hour or `=`, per cent and a band, the zones' bits in
/// hexadecimal or nothing for all of them; each may be empty.
fn cell_of(at: At, cell: &str, first: Option<Micros>, zones: usize) -> Result<Sold, Fault> {
    let mut words = cell.split(' ');
    let on_demand = match words.next() {
        None | Some("") => None,
        Some(SAME) => Some(first.ok_or_else(|| at.fault("the same price as none"))?),
        Some(price) => Some(at.dollars(price)?),
    };
    let (savings, interruption) = match words.next() {
        None | Some("") => (None, None),
        Some(advice) => {
            let parts = advice.split_once('/');
            let (savings, band) = parts.ok_or_else(|| at.fault(format!("{advice:?}: no /")))?;
            (Some(at.number(savings)?), Some(at.number(band)?))
        }
    };
    let all = u32::MAX >> (32 - zones);
    let zones = match words.next() {
        None => all,
        Some(bits) => {
            u32::from_str_radix(bits, 16).map_err(|_| at.fault("zones in hexadecimal"))?
        }
    };
    if zones == 0 || zones & !all != 0 || words.next().is_some() {
        return Err(at.fault(format!("{cell:?} names no zones of the region")));
    }
    Ok(Sold { on_demand, savings, interruption, zones })
}

fn volumes(text: &str, regions: &mut BTreeMap<SmolStr, Region>) -> Result<(), Fault> {
    for (at, line) in lines("volumes.csv", text) {
        let [region, kind, gib, iops, throughput] = at.fields(line)?;
        let region = regions.get_mut(region);
        let region = region.ok_or_else(|| at.fault("a region that zones.csv has not"))?;
        let known = VolumeKind::ALL.into_iter().find(|known| known.name() == kind);
        let kind = known.ok_or_else(|| at.fault(format!("unknown kind of volume {kind:?}")))?;
        let dollars = |text: &str| if text.is_empty() { Ok(Micros(0)) } else { at.dollars(text) };
        let price = VolumePrice {
            gib: at.dollars(gib)?,
            iops: dollars(iops)?,
            throughput: dollars(throughput)?,
        };
        region.volumes.insert(kind, price);
    }
    Ok(())
}
