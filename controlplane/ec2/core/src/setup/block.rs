//! Blocks of IPv4 addresses.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// Parts of a block, as a power of two.
const PARTS: u8 = 4;
/// The largest block that EC2 gives a VPC.
const LARGEST: u8 = 16;
/// The smallest one whose parts it gives a subnet.
const SMALLEST: u8 = 24;

/// A block of IPv4 addresses, as `10.83.0.0/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    first: u32,
    length: u8,
}

impl Block {
    /// Whether a VPC may have it, with room for subnets.
    ///
    /// # Errors
    /// Says why not.
    pub fn check(self) -> Result<(), String> {
        if (LARGEST..=SMALLEST).contains(&self.length) {
            return Ok(());
        }
        Err(format!("{self}: a VPC for subnets is between /{LARGEST} and /{SMALLEST}"))
    }

    fn size(self) -> u64 {
        1 << (32 - u32::from(self.length))
    }

    fn overlaps(self, other: Block) -> bool {
        let end = |block: Block| u64::from(block.first) + block.size();
        u64::from(self.first) < end(other) && u64::from(other.first) < end(self)
    }

    /// The first sixteenth of it that overlaps none of these.
    #[must_use]
    pub fn part_without(self, taken: &[Block]) -> Option<Block> {
        let length = self.length.checked_add(PARTS).filter(|length| *length <= 28)?;
        let size = 1_u32 << (32 - length);
        let part = |nth: u32| Block { first: self.first + nth * size, length };
        let free = |part: &Block| !taken.iter().any(|other| part.overlaps(*other));
        (0..1 << PARTS).map(part).find(free)
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from_bits(self.first), self.length)
    }
}

impl FromStr for Block {
    type Err = String;

    fn from_str(text: &str) -> Result<Block, String> {
        let wrong = || format!("{text:?} is no block of addresses: 10.83.0.0/16");
        let (first, length) = text.split_once('/').ok_or_else(wrong)?;
        let first: Ipv4Addr = first.parse().map_err(|_| wrong())?;
        let length: u8 = length.parse().map_err(|_| wrong())?;
        let block = Block { first: first.to_bits(), length };
        let fits = (1..=32).contains(&length) && u64::from(block.first) % block.size() == 0;
        if fits { Ok(block) } else { Err(wrong()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(text: &str) -> Block {
        text.parse().expect("a block")
    }

    #[test]
    fn a_block_is_what_it_is_written_as() {
        assert_eq!(block("10.83.0.0/16").to_string(), "10.83.0.0/16");
        for wrong in ["", "10.83.0.0", "10.83.0.1/16", "10.83.0.0/0", "10.83.0.0/33", "x/16"] {
            assert!(wrong.parse::<Block>().is_err(), "{wrong}");
        }
        for (text, fits) in [("10.0.0.0/15", false), ("10.0.0.0/16", true), ("10.0.0.0/25", false)]
        {
            assert_eq!(block(text).check().is_ok(), fits, "{text}");
        }
    }

    #[test]
    fn parts_are_given_once_until_there_are_no_more() {
        let whole = block("10.83.0.0/16");
        let mut taken = vec![block("10.83.16.0/24")];
        let mut given = Vec::new();
        while let Some(part) = whole.part_without(&taken) {
            given.push(part.to_string());
            taken.push(part);
        }
        assert_eq!(given.len(), 15, "one of sixteen is taken in part");
        assert_eq!(given[..2], ["10.83.0.0/20", "10.83.32.0/20"]);
        assert_eq!(block("255.255.0.0/16").part_without(&[]), Some(block("255.255.0.0/20")));
    }
}
