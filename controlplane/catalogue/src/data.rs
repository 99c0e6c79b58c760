//! The files that a catalogue is read from, and those that are shipped.

/// The files of a catalogue, as text.
#[derive(Debug, Clone, Copy)]
pub struct Files<'a> {
    /// `types.txt`: what each type has.
    pub types: &'a str,
    /// `zones.csv`: regions and their zones.
    pub zones: &'a str,
    /// `prices.txt`: where each type is sold, and for how much.
    pub prices: &'a str,
    /// `volumes.csv`: what EBS costs.
    pub volumes: &'a str,
}

/// What is shipped; `data/README.md` says where it comes from.
pub const SHIPPED: Files<'static> = Files {
    types: include_str!("../data/types.txt"),
    zones: include_str!("../data/zones.csv"),
    prices: include_str!("../data/prices.txt"),
    volumes: include_str!("../data/volumes.csv"),
};
