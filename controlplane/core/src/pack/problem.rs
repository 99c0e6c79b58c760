//! Shapes and kinds as bare numbers: what packing works on.

use super::Terms;
use super::prune::{Kind, Kinds};
use super::shape::Shapes;

/// Amounts are compared in this many parts of the largest amount that any offering has.
pub(super) const PARTS: u64 = 1 << 20;
/// Values are money in this many parts of a micro-dollar per hour.
const FINE: u64 = 1 << 16;

/// What is to be packed, and onto what.
#[derive(Debug)]
pub(super) struct Problem<'a> {
    /// Number of dimensions.
    pub(super) width: usize,
    needs: Vec<u64>,
    /// The same in [`PARTS`], rounded up.
    parts: Vec<u64>,
    pub(super) terms: Vec<Terms>,
    /// Cheapest first.
    pub(super) kinds: &'a [Kind],
    /// The same, that first which can cost the least at most.
    capped: Vec<usize>,
    /// The most of each dimension that any kind has.
    most: Vec<u64>,
}

/// One instance of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bin {
    pub(super) kind: usize,
    /// Shapes in it, and how many of each.
    pub(super) load: Vec<(usize, u32)>,
    /// What is left in each dimension.
    pub(super) free: Vec<u64>,
}

impl<'a> Problem<'a> {
    pub(super) fn new(shapes: &Shapes<'_>, kinds: &'a Kinds) -> Problem<'a> {
        let needs = shapes.all.iter().map(|shape| (&shape.need[..], shape.terms));
        Problem::of(needs, &kinds.worthy)
    }

    pub(super) fn of<'n>(
        shapes: impl Iterator<Item = (&'n [u64], Terms)>,
        kinds: &'a [Kind],
    ) -> Problem<'a> {
        let (mut needs, mut terms, mut width) = (Vec::new(), Vec::new(), 0);
        for (need, of) in shapes {
            width = need.len();
            needs.extend_from_slice(need);
            terms.push(of);
        }
        let mut most = vec![0; width];
        for kind in kinds {
            most.iter_mut().zip(&kind.have).for_each(|(most, have)| *most = (*most).max(*have));
        }
        let part = |(at, need): (usize, &u64)| up(*need, most[at % width]);
        let parts = needs.iter().enumerate().map(part).collect();
        let mut capped: Vec<usize> = (0..kinds.len()).collect();
        capped.sort_by_key(|kind| kinds[*kind].at_most);
        Problem { width, needs, parts, terms, kinds, capped, most }
    }

    /// How many shapes there are.
    pub(super) fn shapes(&self) -> usize {
        self.terms.len()
    }

    pub(super) fn need(&self, shape: usize) -> &[u64] {
        &self.needs[shape * self.width..(shape + 1) * self.width]
    }

    /// What it needs in [`PARTS`].
    pub(super) fn parts(&self, shape: usize) -> &[u64] {
        &self.parts[shape * self.width..(shape + 1) * self.width]
    }

    /// An amount of one dimension in [`PARTS`], rounded down.
    pub(super) fn part(&self, dimension: usize, amount: u64) -> u64 {
        down(amount, self.most[dimension])
    }

    /// Whether a kind will do for a shape, whatever its size.
    pub(super) fn suits(&self, shape: usize, kind: usize) -> bool {
        self.kinds[kind].suits(self.terms[shape])
    }

    /// How many of a shape fit into an amount.
    pub(super) fn room(&self, shape: usize, free: &[u64]) -> u64 {
        let each = self.need(shape).iter().zip(free).filter(|(need, _)| **need > 0);
        each.map(|(need, free)| free / need).min().unwrap_or(u64::MAX)
    }

    pub(super) fn holds(&self, shape: usize, free: &[u64]) -> bool {
        self.need(shape).iter().zip(free).all(|(need, free)| need <= free)
    }

    /// Whether any kind holds this much on these terms.
    pub(super) fn held(&self, need: &[u64], terms: Terms) -> bool {
        self.kinds.iter().any(|kind| {
            kind.suits(terms) && need.iter().zip(&kind.have).all(|(need, have)| need <= have)
        })
    }

    /// The cheapest kind that holds one of a shape.
    pub(super) fn cheapest(&self, shape: usize) -> Option<usize> {
        self.holding(shape).next()
    }

    /// The cheapest kind that holds one of a shape and cannot come to more than this.
    pub(super) fn cheapest_within(&self, shape: usize, left: u128) -> Option<usize> {
        self.holding(shape).find(|kind| u128::from(self.kinds[*kind].at_most) <= left)
    }

    /// The least that one which holds one of a shape can come to, in micro-dollars per hour.
    pub(super) fn least(&self, shape: usize) -> Option<u64> {
        let least = self.capped.iter().copied().find(|kind| self.will_do(shape, *kind));
        least.map(|kind| self.kinds[kind].at_most)
    }

    /// Kinds that hold one of a shape, cheapest first.
    fn holding(&self, shape: usize) -> impl Iterator<Item = usize> {
        (0..self.kinds.len()).filter(move |kind| self.will_do(shape, *kind))
    }

    fn will_do(&self, shape: usize, kind: usize) -> bool {
        self.suits(shape, kind) && self.holds(shape, &self.kinds[kind].have)
    }

    /// An instance with nothing in it.
    pub(super) fn empty(&self, kind: usize) -> Bin {
        Bin { kind, load: Vec::new(), free: self.kinds[kind].have.clone() }
    }

    /// Puts some of a shape into an instance, which must have room for them.
    pub(super) fn put(&self, bin: &mut Bin, shape: usize, count: u32) {
        let each = bin.free.iter_mut().zip(self.need(shape));
        each.for_each(|(free, need)| *free -= need * u64::from(count));
        match bin.load.iter_mut().find(|(there, _)| *there == shape) {
            Some((_, there)) => *there += count,
            None => bin.load.push((shape, count)),
        }
    }

    /// What a kind costs when it is weighed: what is free of charge still counts as something.
    pub(super) fn cost(&self, kind: usize) -> u128 {
        u128::from(self.kinds[kind].price.max(1))
    }

    /// What all of these cost, in micro-dollars per hour.
    pub(super) fn price(&self, bins: &[Bin]) -> u128 {
        bins.iter().map(|bin| u128::from(self.kinds[bin.kind].price)).sum()
    }

    /// What all of these can cost at most, in micro-dollars per hour.
    pub(super) fn at_most(&self, bins: &[Bin]) -> u128 {
        bins.iter().map(|bin| u128::from(self.kinds[bin.kind].at_most)).sum()
    }

    /// What one of each shape would cost if there were any number of that shape and nothing else.
    pub(super) fn values(&self) -> Vec<u64> {
        let alone = |shape: usize, kind: usize| {
            let kind = self.suits(shape, kind).then(|| &self.kinds[kind])?;
            let room = self.room(shape, &kind.have);
            (room > 0).then(|| kind.price.clamp(1, 1 << 40) * FINE / room)
        };
        let value = |shape| {
            (0..self.kinds.len()).filter_map(|kind| alone(shape, kind)).min().unwrap_or(0).max(1)
        };
        (0..self.shapes()).map(value).collect()
    }
}

fn up(amount: u64, most: u64) -> u64 {
    let parts = (u128::from(amount) * u128::from(PARTS)).div_ceil(u128::from(most.max(1)));
    u64::try_from(parts).unwrap_or(u64::MAX)
}

fn down(amount: u64, most: u64) -> u64 {
    let parts = u128::from(amount) * u128::from(PARTS) / u128::from(most.max(1));
    u64::try_from(parts).unwrap_or(u64::MAX)
}
