//! What EC2 sells: instance types, where each is sold and for how much, and which of them a policy allows.
//! Pure: bytes in, plain data out. What is shipped is in `data/`, with its sources.
//!
//! A [`Catalogue`] is data alone. [`Catalogue::list`] holds it against the rules of a policy and says of
//! each type what it costs or why it may not be bought; [`Catalogue::offerings`] are those that may.
//! [`Catalogue::with`] puts what the cloud told in the place of what is shipped.

mod data;
mod kind;
mod list;
mod parse;
mod prices;
mod told;
mod volumes;

pub use data::{Files, SHIPPED};
pub use kind::{DiskKind, Disks, Ebs, Gpu, InstanceType, Network};
pub use list::{Barred, Listed, Nowhere, Quote, SpotPrices};
pub use parse::Fault;
pub use prices::{Region, Sold, VolumePrice};
pub use volumes::{Given, Volume, Volumes};

use smol_str::SmolStr;
use std::collections::BTreeMap;

/// What EC2 sells, where, and for how much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogue {
    /// Instance types, by name.
    pub types: BTreeMap<SmolStr, InstanceType>,
    /// Regions, by name.
    pub regions: BTreeMap<SmolStr, Region>,
}

impl Catalogue {
    /// What is shipped with this build.
    ///
    /// # Errors
    /// A [`Fault`] in it: a mistake in how this build was made.
    pub fn shipped() -> Result<Catalogue, Fault> {
        Catalogue::parse(&SHIPPED)
    }

    /// The catalogue that these files hold.
    ///
    /// # Errors
    /// The first [`Fault`] in them.
    pub fn parse(files: &Files<'_>) -> Result<Catalogue, Fault> {
        let types = kind::parse(files.types)?;
        let regions = prices::parse(files, &types)?;
        Ok(Catalogue { types, regions })
    }
}
