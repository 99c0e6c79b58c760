//! Filling one instance with what is left to pack: a knapsack in several dimensions, by density.

use super::effort::Effort;
use super::problem::{Bin, PARTS, Problem};
use std::collections::BTreeMap;

/// What goes in next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// The most value for what it takes of what is still free: fills all dimensions evenly.
    Density,
    /// The most valuable first, and as many as fit.
    Value,
    /// Whatever most resembles what is still free.
    Alike,
}

/// How many of each shape are left to pack.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    pub(super) left: Vec<u32>,
    /// Shapes of which any are left.
    pub(super) active: Vec<usize>,
}

impl Pool {
    pub(super) fn new(left: Vec<u32>) -> Pool {
        let active = (0..left.len()).filter(|shape| left[*shape] > 0).collect();
        Pool { left, active }
    }

    /// Some of a few shapes among many.
    pub(super) fn of(shapes: usize, some: &BTreeMap<usize, u32>) -> Pool {
        let mut left = vec![0; shapes];
        some.iter().for_each(|(shape, count)| left[*shape] = *count);
        Pool { left, active: some.keys().copied().collect() }
    }

    /// Takes `times` what one instance holds.
    pub(super) fn take(&mut self, load: &[(usize, u32)], times: u32) {
        load.iter().for_each(|(shape, count)| self.left[*shape] -= count * times);
        let left = &self.left;
        self.active.retain(|shape| left[*shape] > 0);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.active.is_empty()
    }
}

/// A shape that still fits, and how many of it.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    shape: usize,
    left: u32,
}

/// Fills one instance of a kind, with one of `first` in it if that is given.
pub(super) fn fill(
    problem: &Problem<'_>,
    kind: usize,
    pool: &Pool,
    values: &[u64],
    rule: Rule,
    first: Option<usize>,
    effort: &mut Effort,
) -> Bin {
    let mut bin = problem.empty(kind);
    let mut scales = Scales::new(problem, &bin);
    let left = |shape: usize| pool.left[shape] - u32::from(first == Some(shape));
    let suited = pool.active.iter().filter(|shape| problem.suits(**shape, kind));
    let mut open: Vec<Candidate> =
        suited.map(|shape| Candidate { shape: *shape, left: left(*shape) }).collect();
    if let Some(first) = first {
        problem.put(&mut bin, first, 1);
    }
    loop {
        scales.weigh(problem, &bin.free);
        effort.spend(open.len() + 1);
        let Some((best, room)) = scales.best(problem, &bin, &mut open, values, rule) else {
            return bin;
        };
        let most = u64::from(open[best].left).min(room);
        let count = if rule == Rule::Value { most } else { most.div_ceil(3) };
        // At most what is left of it, which is a u32.
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        open[best].left -= count;
        problem.put(&mut bin, open[best].shape, count);
    }
}

/// What a part of each dimension weighs at this moment.
struct Scales {
    whole: Vec<u64>,
    /// The inverse of what is free, or for [`Rule::Alike`] what is free, as a share of the whole.
    scarce: Vec<u64>,
    free: Vec<u64>,
}

impl Scales {
    fn new(problem: &Problem<'_>, bin: &Bin) -> Scales {
        let parts = bin.free.iter().enumerate();
        let whole: Vec<u64> = parts.map(|(d, have)| problem.part(d, *have).max(1)).collect();
        Scales { scarce: vec![0; whole.len()], free: vec![0; whole.len()], whole }
    }

    fn weigh(&mut self, problem: &Problem<'_>, free: &[u64]) {
        for (d, free) in free.iter().enumerate() {
            let part = problem.part(d, *free);
            self.scarce[d] = (PARTS * PARTS) / part.max(1);
            self.free[d] = part * PARTS / self.whole[d] * PARTS / self.whole[d];
        }
    }

    /// The best of those that still fit, and how many of it; the others are dropped.
    fn best(
        &self,
        problem: &Problem<'_>,
        bin: &Bin,
        open: &mut Vec<Candidate>,
        values: &[u64],
        rule: Rule,
    ) -> Option<(usize, u64)> {
        open.retain(|c| c.left > 0 && problem.holds(c.shape, &bin.free));
        let mut best: Option<(usize, u128, u128)> = None;
        for (at, candidate) in open.iter().enumerate() {
            let (gain, loss) = self.score(problem, candidate.shape, values, rule);
            if best.is_none_or(|(_, g, l)| gain * l > g * loss) {
                best = Some((at, gain, loss));
            }
        }
        best.map(|(at, ..)| (at, problem.room(open[at].shape, &bin.free)))
    }

    /// What speaks for a shape, and what it takes: the best has the highest ratio.
    fn score(
        &self,
        problem: &Problem<'_>,
        shape: usize,
        values: &[u64],
        rule: Rule,
    ) -> (u128, u128) {
        let parts = problem.parts(shape).iter();
        let sum = |weights: &[u64]| -> u64 {
            parts.zip(weights).fold(0, |sum, (part, w)| sum.saturating_add(part.saturating_mul(*w)))
        };
        match rule {
            Rule::Density => (u128::from(values[shape]), u128::from(sum(&self.scarce).max(1))),
            Rule::Value => (u128::from(values[shape]), 1),
            Rule::Alike => (u128::from(sum(&self.free)), 1),
        }
    }
}
