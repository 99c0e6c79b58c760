//! Values out of given bytes: the same bytes, the same values, and zeros when they have run out. Tame
//! dice draw from few ids and small figures, so that what is drawn meets; wild ones from all there are.

use schema::id::{AllocId, AuthorId, ClusterId, DriverId, ExecId, IdError, InstanceId, LaunchId};
use schema::requirements::Only;
use schema::resources::Resources;
use schema::unit::{LogTime, Micros, Millis};
use smol_str::{SmolStr, format_smolstr};
use std::collections::BTreeSet;
use std::str::FromStr;
use uuid::Uuid;

const ALPHABET: &[u8; 37] = b"abcdefghijklmnopqrstuvwxyz0123456789-";

/// Where values come from.
#[derive(Debug, Clone)]
pub struct Dice<'a> {
    bytes: &'a [u8],
    wild: bool,
}

/// Things that belong together: an exec in an alloc of a driver on an instance of a launch.
#[derive(Debug, Clone)]
pub struct Place {
    /// The exec.
    pub exec: ExecId,
    /// Its alloc.
    pub alloc: AllocId,
    /// Whose both are.
    pub driver: DriverId,
    /// Where both are.
    pub instance: InstanceId,
    /// Where that comes from.
    pub launch: LaunchId,
}

impl<'a> Dice<'a> {
    /// Few ids and small figures.
    #[must_use]
    pub fn tame(bytes: &'a [u8]) -> Dice<'a> {
        Dice { bytes, wild: false }
    }

    /// Any ids and figures.
    #[must_use]
    pub fn wild(bytes: &'a [u8]) -> Dice<'a> {
        Dice { bytes, wild: true }
    }

    /// Whether nothing but zeros will come.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        *first
    }

    /// Less than `end`, which is 1 to 256.
    pub fn below(&mut self, end: u16) -> u8 {
        u8::try_from(u16::from(self.byte()) % end.max(1)).unwrap_or(0)
    }

    /// True about once in `of` times.
    pub fn rarely(&mut self, of: u16) -> bool {
        self.below(of) == 1
    }

    /// Any number; from tame dice a small one, or rarely the largest.
    pub fn number(&mut self) -> u64 {
        match self.below(if self.wild { 8 } else { 32 }) {
            1 => u64::MAX,
            2 if self.wild => (0..8).fold(0, |sum, _| (sum << 8) | u64::from(self.byte())),
            _ => u64::from(self.byte()),
        }
    }

    /// As [`Dice::number`], in 32 bits.
    pub fn short(&mut self) -> u32 {
        u32::try_from(self.number()).unwrap_or(u32::MAX)
    }

    /// As [`Dice::short`], with a sign.
    pub fn signed(&mut self) -> i32 {
        self.short().cast_signed()
    }

    /// A length of time.
    pub fn millis(&mut self) -> Millis {
        Millis(self.number().saturating_mul(100))
    }

    /// An instant.
    pub fn time(&mut self) -> LogTime {
        LogTime(self.number().saturating_mul(1_000_000_000))
    }

    /// A price.
    pub fn price(&mut self) -> Micros {
        Micros(self.number().saturating_mul(1000))
    }

    /// A life of an author.
    pub fn life(&mut self) -> Uuid {
        Uuid::from_u128(self.number().into())
    }

    /// Words for people.
    pub fn text(&mut self) -> String {
        let length = if self.wild { self.below(20) } else { self.below(4) };
        let letter = |dice: &mut Dice<'_>| match (dice.wild, dice.byte()) {
            (true, 250..) => 'ß',
            (_, byte) => char::from(32 + byte % 95),
        };
        (0..length).map(|_| letter(self)).collect()
    }

    /// Some zones and types: most of them such as can be asked for, if it is tame.
    pub fn only(&mut self) -> Only {
        Only { zones: self.some("z-"), types: self.some("m*.") }
    }

    fn some(&mut self, name: &str) -> BTreeSet<SmolStr> {
        let one = |dice: &mut Dice<'_>| match dice.wild {
            true => dice.text().into(),
            false => format_smolstr!("{name}{}", dice.below(3)),
        };
        (0..self.below(3)).map(|_| one(self)).collect()
    }

    fn named<T: FromStr<Err = IdError>>(&mut self, prefix: &str, number: u8) -> T {
        let mut name = format!("{prefix}-{number}");
        if self.wild && self.rarely(4) {
            let length = 1 + self.below(64);
            let letter = |dice: &mut Dice<'_>| char::from(ALPHABET[usize::from(dice.below(37))]);
            name = (0..length).map(|_| letter(self)).collect();
        }
        name.parse().expect("letters, digits and dashes are an id")
    }

    /// A cluster.
    pub fn cluster(&mut self) -> ClusterId {
        self.named("c", 0)
    }

    /// A replica.
    pub fn replica(&mut self) -> AuthorId {
        let number = self.below(2);
        self.named("r", number)
    }

    /// An alloc.
    pub fn alloc(&mut self) -> AllocId {
        self.place().alloc
    }

    /// A driver.
    pub fn driver(&mut self) -> DriverId {
        self.place().driver
    }

    /// An instance.
    pub fn instance(&mut self) -> InstanceId {
        self.place().instance
    }

    /// Things that belong together; rarely ones that do not.
    pub fn place(&mut self) -> Place {
        let number = self.below(12);
        let other = if self.rarely(16) { self.below(3) } else { 0 };
        let alloc = (number + other) % 6;
        Place {
            exec: self.named("x", number),
            alloc: self.named("a", alloc),
            driver: self.named("d", alloc % 2),
            instance: self.named("i", (alloc + other / 2) % 3),
            launch: self.named("l", (alloc + other / 2) % 3),
        }
    }

    /// An amount of resources; from tame dice a small one that has some cpu and memory.
    pub fn resources(&mut self) -> Resources {
        if !self.wild {
            let cores = 1 + u64::from(self.below(2));
            let features = self.rarely(16).then(|| ("gpu".into(), self.number()));
            let features = features.into_iter().collect();
            return Resources { cpu: cores, memory: cores, disk: 0, features };
        }
        let count = self.below(4);
        let features = (0..count).map(|_| (self.text().into(), self.number())).collect();
        Resources { cpu: self.number(), memory: self.number(), disk: self.number(), features }
    }
}
