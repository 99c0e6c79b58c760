//! How far the caps reach: the longest beginning of the order that a packing within them is found for.

use super::Limits;
use super::problem::{Bin, Problem};
use super::shape::Shapes;
use super::solve::{Care, Known, solve};
use std::cell::OnceCell;

/// So many demands are tried first; then four times as many each time.
const FIRST_REACH: usize = 256;

/// What is to be launched.
#[derive(Debug, Default)]
pub(super) struct Packed {
    pub(super) bins: Vec<Bin>,
    /// The firm demand behind which nothing more is bought.
    pub(super) stopped: Option<usize>,
}

/// Packs as many as the caps allow, in their order.
pub(super) fn within(problem: &Problem<'_>, shapes: &Shapes<'_>, limits: &Limits) -> Packed {
    let packer = Packer::new(problem, shapes, limits);
    if packer.leaves_nothing() {
        let mut bins = Vec::new();
        let stopped = packer.extend(&mut bins, 0);
        return Packed { bins, stopped };
    }
    let all = shapes.of.len();
    let (mut reached, mut bins, mut beyond) = (0, Vec::new(), FIRST_REACH);
    loop {
        if beyond >= all {
            let packed = packer.pack(all, Care::Thorough);
            if packer.allows(&packed) {
                return Packed { bins: packed, ..Packed::default() };
            }
            beyond = all;
            break;
        }
        let packed = packer.pack(beyond, Care::Quick);
        if !packer.allows(&packed) {
            break;
        }
        (reached, bins, beyond) = (beyond, packed, beyond * 4);
    }
    while beyond - reached > (reached / 1024).max(1) {
        let middle = reached.midpoint(beyond);
        let packed = packer.pack(middle, Care::Quick);
        if packer.allows(&packed) {
            (reached, bins) = (middle, packed);
        } else {
            beyond = middle;
        }
    }
    let better = packer.pack(reached, Care::Thorough);
    if packer.allows(&better) {
        bins = better;
    }
    let stopped = packer.extend(&mut bins, reached);
    Packed { bins, stopped }
}

struct Packer<'a> {
    problem: &'a Problem<'a>,
    shapes: &'a Shapes<'a>,
    /// Launches at most.
    most: usize,
    budget: u128,
    /// The least that an instance for each shape can come to, if any holds it.
    least: Vec<Option<u64>>,
    known: OnceCell<Known<'a>>,
}

impl<'a> Packer<'a> {
    fn new(problem: &'a Problem<'a>, shapes: &'a Shapes<'a>, limits: &Limits) -> Packer<'a> {
        let most = limits.instances.min(limits.pending) as usize;
        let least = (0..problem.shapes()).map(|shape| problem.least(shape)).collect();
        let (budget, known) = (u128::from(limits.budget.0), OnceCell::new());
        Packer { problem, shapes, most, budget, least, known }
    }

    /// Whether the caps leave too little for any launch at all.
    fn leaves_nothing(&self) -> bool {
        let least = self.least.iter().flatten().min();
        self.most == 0 || least.is_none_or(|least| u128::from(*least) > self.budget)
    }

    fn allows(&self, bins: &[Bin]) -> bool {
        bins.len() <= self.most && self.problem.at_most(bins) <= self.budget
    }

    /// The first so many demands, those left out that nothing holds.
    fn pack(&self, first: usize, care: Care) -> Vec<Bin> {
        let count = |(at, least): (usize, &Option<u64>)| {
            let demands = &self.shapes.all[at].demands;
            let early = demands.partition_point(|demand| *demand < first);
            least.map_or(0, |_| u32::try_from(early).unwrap_or(u32::MAX))
        };
        let counts: Vec<u32> = self.least.iter().enumerate().map(count).collect();
        let known = self.known.get_or_init(|| Known::of(self.problem));
        solve(self.problem, known, &counts, self.most, care)
    }

    /// Seats one demand after the other, from this one on, where there is room, or in an instance of its
    /// own if the caps leave enough for one; says which firm one they leave too little for.
    fn extend(&self, bins: &mut Vec<Bin>, from: usize) -> Option<usize> {
        let mut spent = self.problem.at_most(bins);
        let mut stopped = None;
        // Room only becomes less: where there was none for a shape there is none any more.
        let mut looked: Vec<usize> = vec![0; self.problem.shapes()];
        for (demand, shape) in self.shapes.of.iter().enumerate().skip(from) {
            let Some(least) = self.least[*shape] else { continue };
            let at = &mut looked[*shape];
            while *at < bins.len() && !self.takes(&bins[*at], *shape) {
                *at += 1;
            }
            if *at == bins.len() {
                let left = self.budget.saturating_sub(spent);
                let none = stopped.is_some() || bins.len() >= self.most || u128::from(least) > left;
                let kind = (!none).then(|| self.problem.cheapest_within(*shape, left)).flatten();
                let Some(kind) = kind else {
                    stopped = stopped.or(self.shapes.firm[demand].then_some(demand));
                    continue;
                };
                spent += u128::from(self.problem.kinds[kind].at_most);
                bins.push(self.problem.empty(kind));
            }
            self.problem.put(&mut bins[*at], *shape, 1);
        }
        stopped
    }

    fn takes(&self, bin: &Bin, shape: usize) -> bool {
        self.problem.holds(shape, &bin.free) && self.problem.suits(shape, bin.kind)
    }
}
