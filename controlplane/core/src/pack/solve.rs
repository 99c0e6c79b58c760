//! The cheapest of several packings of one set of shapes.

use super::build::{Style, build, value};
use super::coarse::{Coarse, coarse};
use super::effort::Effort;
use super::fill::{Pool, Rule};
use super::improve::{improve, shrink};
use super::problem::{Bin, Problem};

/// Looks that each demand is worth when all is tried.
const EACH: u64 = 20;
/// Looks that each pair of demands is worth, and at most so many in all.
const PAIR: u64 = 200;
const PAIRS: u64 = 300_000;
/// Looks to learn whether something fits the caps: enough to mend the end of a packing.
const QUICK: u64 = 20_000;

/// How well to pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Care {
    /// Little more than one packing, to learn whether it fits the caps.
    Quick,
    /// All that is tried.
    Thorough,
}

/// What kind of packing is better: one with no more instances than this, then the cheaper, then the
/// one with fewer instances.
fn rank(problem: &Problem<'_>, bins: &[Bin], most: usize) -> (usize, u128, usize) {
    (bins.len().saturating_sub(most), problem.price(bins), bins.len())
}

/// What is found once for all packings of one set of shapes.
#[derive(Debug)]
pub(super) struct Known<'a> {
    /// The same with fewer shapes, if there are many.
    coarse: Option<Coarse<'a>>,
    /// What each shape, or each of the fewer, is worth before anything is packed.
    values: Vec<u64>,
    /// The cheapest kind for each shape.
    cheapest: Vec<Option<usize>>,
}

impl<'a> Known<'a> {
    pub(super) fn of(problem: &Problem<'a>) -> Known<'a> {
        let coarse = coarse(problem);
        let values = coarse.as_ref().map_or(problem, |coarse| &coarse.problem).values();
        let cheapest = (0..problem.shapes()).map(|shape| problem.cheapest(shape)).collect();
        Known { coarse, values, cheapest }
    }
}

/// Packs this many of each shape; every shape must fit some kind. At most `most` instances are wanted.
pub(super) fn solve(
    problem: &Problem<'_>,
    known: &Known<'_>,
    counts: &[u32],
    most: usize,
    care: Care,
) -> Vec<Bin> {
    let demands: u64 = counts.iter().map(|count| u64::from(*count)).sum();
    let mut effort = match care {
        Care::Quick => Effort::of(QUICK),
        Care::Thorough => Effort::of(PAIRS.min(PAIR * demands * demands) + EACH * demands),
    };
    let mut values = known.values.clone();
    let mut best = match &known.coarse {
        None => search(problem, counts, &mut values, most, &mut effort),
        Some(Coarse { problem: coarse, members }) => {
            let sum = |members: &Vec<usize>| members.iter().map(|m| counts[*m]).sum();
            let sums: Vec<u32> = members.iter().map(sum).collect();
            let bins = search(coarse, &sums, &mut values, most, &mut effort);
            let mut each = vec![0; problem.shapes()];
            for (members, value) in members.iter().zip(values) {
                members.iter().for_each(|member| each[*member] = value);
            }
            values = each;
            fine(problem, &bins, members, counts)
        }
    };
    improve(problem, &mut best, &values, &mut effort);
    // Never dearer than an instance for each.
    if alone_price(problem, known, counts) < problem.price(&best) {
        let alone = alone(problem, known, counts);
        if rank(problem, &alone, most) < rank(problem, &best, most) {
            return alone;
        }
    }
    best
}

/// Tries several styles, and values that each time follow what was paid the time before.
fn search(
    problem: &Problem<'_>,
    counts: &[u32],
    values: &mut Vec<u64>,
    most: usize,
    effort: &mut Effort,
) -> Vec<Bin> {
    const STYLES: [Style; 6] = [
        Style { rule: Rule::Density, seeded: false },
        Style { rule: Rule::Density, seeded: true },
        Style { rule: Rule::Alike, seeded: false },
        Style { rule: Rule::Density, seeded: false },
        Style { rule: Rule::Value, seeded: true },
        Style { rule: Rule::Density, seeded: false },
    ];
    let first = Style { rule: Rule::Density, seeded: false };
    // As much as one packing takes.
    let mut enough = Effort::of(u64::MAX);
    let mut best = build(problem, &mut Pool::new(counts.to_vec()), values, first, &mut enough)
        .unwrap_or_default();
    best.iter_mut().for_each(|bin| shrink(problem, bin));
    let mut tried = values.clone();
    let mut last = best.clone();
    for style in STYLES {
        if effort.spent() {
            break;
        }
        follow(problem, &last, counts, &mut tried);
        let mut lent = effort.lend(4);
        let packed = build(problem, &mut Pool::new(counts.to_vec()), &tried, style, &mut lent);
        effort.back(lent);
        let Some(mut packed) = packed else { continue };
        packed.iter_mut().for_each(|bin| shrink(problem, bin));
        if rank(problem, &packed, most) < rank(problem, &best, most) {
            best.clone_from(&packed);
            values.clone_from(&tried);
        }
        last = packed;
    }
    best
}

/// Moves each value half way to what was paid for it, on average, in this packing.
fn follow(problem: &Problem<'_>, bins: &[Bin], counts: &[u32], values: &mut [u64]) {
    let mut paid = vec![0_u128; values.len()];
    for bin in bins {
        let cost = problem.cost(bin.kind) << 16;
        let all = value(bin, values).max(1);
        for (shape, count) in &bin.load {
            paid[*shape] += cost * u128::from(values[*shape]) / all * u128::from(*count);
        }
    }
    for (shape, value) in values.iter_mut().enumerate() {
        if let Some(mean) = paid[shape].checked_div(u128::from(counts[shape])) {
            let moved = u128::midpoint(u128::from(*value), mean).max(1);
            *value = u64::try_from(moved).unwrap_or(u64::MAX).min(1 << 57);
        }
    }
}

/// The same packing with the true shapes in place of those that stood for them.
fn fine(problem: &Problem<'_>, bins: &[Bin], members: &[Vec<usize>], counts: &[u32]) -> Vec<Bin> {
    let mut left = counts.to_vec();
    let mut next: Vec<_> = members.iter().map(|members| members.iter().rev().peekable()).collect();
    let mut packed = Vec::with_capacity(bins.len());
    for bin in bins {
        let mut own = problem.empty(bin.kind);
        for (group, count) in &bin.load {
            let mut open = *count;
            while open > 0 {
                let Some(shape) = next[*group].peek().copied() else { break };
                let some = left[*shape].min(open);
                if some > 0 {
                    problem.put(&mut own, *shape, some);
                }
                left[*shape] -= some;
                open -= some;
                if left[*shape] == 0 {
                    next[*group].next();
                }
            }
        }
        packed.push(own);
    }
    packed
}

/// Each demand by itself on the cheapest kind that holds it.
fn alone(problem: &Problem<'_>, known: &Known<'_>, counts: &[u32]) -> Vec<Bin> {
    let mut bins = Vec::new();
    for (shape, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let Some(kind) = known.cheapest[shape] else { continue };
        let mut bin = problem.empty(kind);
        problem.put(&mut bin, shape, 1);
        bins.extend(std::iter::repeat_n(bin, *count as usize));
    }
    bins
}

/// What [`alone`] would cost, in micro-dollars per hour.
fn alone_price(problem: &Problem<'_>, known: &Known<'_>, counts: &[u32]) -> u128 {
    let each = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    let price = |shape: usize| known.cheapest[shape].map_or(0, |k| problem.kinds[k].price);
    each.map(|(shape, count)| u128::from(price(shape)) * u128::from(*count)).sum()
}
