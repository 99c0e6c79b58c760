//! How a data volume is laid out: one size and one type, over one or more slices that are striped.
//!
//! ```text
//! asked: size, type, how to slice ──▶ slices of one size, each as large as its type asks for
//! ```

use serde::{Deserialize, Serialize};

/// Most slices of a volume: devices `xvdb` to `xvdz`.
pub const MOST_SLICES: u32 = 25;
/// Largest volume, in GiB.
pub const LARGEST: u64 = 16_384;
/// A gp2 slice above this is made as large as its best throughput needs, in GiB.
const GP2_THRESHOLD: u64 = 200;
/// The least size of a gp2 volume with its best throughput, in GiB.
const GP2_BEST: u64 = 334;

/// A type of EBS volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VolumeType {
    /// General, with operations and throughput bought apart.
    #[default]
    Gp3,
    /// General, the older one.
    Gp2,
    /// Provisioned operations.
    Io1,
    /// Provisioned operations, the newer one.
    Io2,
    /// Throughput on magnetic disks.
    St1,
}

impl VolumeType {
    /// As EC2 calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            VolumeType::Gp3 => "gp3",
            VolumeType::Gp2 => "gp2",
            VolumeType::Io1 => "io1",
            VolumeType::Io2 => "io2",
            VolumeType::St1 => "st1",
        }
    }

    /// The least size of one volume, in GiB.
    #[must_use]
    pub fn least(self) -> u64 {
        match self {
            VolumeType::Gp3 | VolumeType::Gp2 => 1,
            VolumeType::Io1 | VolumeType::Io2 => 4,
            VolumeType::St1 => 500,
        }
    }
}

/// How a volume is sliced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Slicing {
    /// Into this many, or fewer if they would be too small.
    Count(u32),
    /// Into as many of this size in GiB as are needed.
    Each(u64),
}

impl Default for Slicing {
    fn default() -> Slicing {
        Slicing::Count(1)
    }
}

/// Slices of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// How many.
    pub slices: u32,
    /// The size of each, in GiB.
    pub each: u64,
}

impl Layout {
    /// The size of all, in GiB; it may be more than was asked for, never less.
    #[must_use]
    pub fn size(self) -> u64 {
        self.each.saturating_mul(u64::from(self.slices))
    }
}

/// The layout of a volume of at least `size` GiB. Total: what EC2 would refuse as too large is for
/// [`Config::check`](crate::config::Config::check) to say.
#[must_use]
pub fn layout(kind: VolumeType, size: u64, slicing: Slicing) -> Layout {
    match slicing {
        Slicing::Count(count) => counted(kind, size, count.clamp(1, MOST_SLICES)),
        Slicing::Each(each) => sized(kind, size, each),
    }
}

fn counted(kind: VolumeType, size: u64, count: u32) -> Layout {
    let share = size.div_ceil(u64::from(count));
    let best = kind == VolumeType::Gp2 && size / u64::from(count) > GP2_THRESHOLD;
    let each = share.max(kind.least()).max(if best { GP2_BEST } else { 0 });
    // One more than fill the size: a slice that had to grow is not multiplied by all of the count.
    let most = u32::try_from(size / each).unwrap_or(u32::MAX).saturating_add(1);
    Layout { slices: count.min(most), each }
}

fn sized(kind: VolumeType, size: u64, each: u64) -> Layout {
    let each = each.max(kind.least());
    let needed = size.div_ceil(each).max(1);
    match u32::try_from(needed) {
        Ok(slices) if slices <= MOST_SLICES => Layout { slices, each },
        _ => Layout { slices: MOST_SLICES, each: size.div_ceil(u64::from(MOST_SLICES)) },
    }
}

/// The name under which slice `index` is attached: `/dev/xvdb`, `/dev/xvdc`, ...
#[must_use]
pub fn device(index: u32) -> String {
    let letter = u8::try_from(index.min(MOST_SLICES - 1)).unwrap_or(0);
    format!("/dev/xvd{}", char::from(b'b' + letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Type, size, slices asked for; size and slices made.
    type Case = (VolumeType, u64, u32, u64, u32);

    #[test]
    fn volumes_are_laid_out_by_type_size_and_slices() {
        use VolumeType::{Gp2, Gp3, Io1, St1};
        let cases: [Case; 15] = [
            (St1, 0, 0, 500, 1),
            (St1, 100, 2, 500, 1),
            (St1, 501, 2, 1000, 2),
            (St1, 1300, 2, 1300, 2),
            (Gp2, 0, 0, 1, 1),
            (Gp2, 10, 5, 10, 5),
            (Gp2, 500, 4, 500, 4),
            (Gp2, 1200, 5, 1336, 4),
            (Gp2, 2200, 10, 2338, 7),
            // The remainder is not dropped.
            (Gp3, 10, 3, 12, 3),
            (Gp3, 2200, 10, 2200, 10),
            (Gp3, 2, 8, 3, 3),
            (Io1, 5, 4, 8, 2),
            (Gp3, 100, 100, 100, 25),
            (Gp2, 1001, 5, 1005, 5),
        ];
        for (kind, size, count, made, slices) in cases {
            let layout = layout(kind, size, Slicing::Count(count));
            let found = (layout.size(), layout.slices);
            assert_eq!(found, (made, slices), "{} {size} in {count}", kind.name());
        }
    }

    #[test]
    fn slices_of_a_size_are_as_many_as_are_needed() {
        let cases: [(u64, u64, u32, u64); 8] = [
            (1000, 335, 3, 335),
            (5350, 335, 16, 335),
            (5350 + 25, 335, 17, 335),
            (6000, 335, 18, 335),
            (0, 16, 1, 16),
            (16, 16, 1, 16),
            // Beyond the most slices each one grows, and the remainder is not dropped.
            (16 * 25, 16, 25, 16),
            (16 * 25 + 1, 16, 25, 17),
        ];
        for (size, each, slices, grown) in cases {
            let layout = layout(VolumeType::Gp3, size, Slicing::Each(each));
            assert_eq!(layout, Layout { slices, each: grown }, "{size} by {each}");
        }
    }

    #[test]
    fn a_layout_is_never_too_small_and_its_devices_differ() {
        for kind in [VolumeType::Gp3, VolumeType::Gp2, VolumeType::Io2, VolumeType::St1] {
            for size in [0, 1, 7, 199, 200, 201, 1000, 5001, u64::MAX] {
                for n in [0, 1, 2, 7, 25, 26, u32::MAX] {
                    for slicing in [Slicing::Count(n), Slicing::Each(u64::from(n))] {
                        let layout = layout(kind, size, slicing);
                        assert!(layout.size() >= size, "{size} by {slicing:?}: {layout:?}");
                        assert!(layout.each >= kind.least());
                        assert!((1..=MOST_SLICES).contains(&layout.slices));
                    }
                }
            }
        }
        assert_eq!((device(0).as_str(), device(24).as_str()), ("/dev/xvdb", "/dev/xvdz"));
    }
}
