//! Making a packing cheaper: a cheaper kind for what an instance holds, an instance dissolved into the
//! room that others have, the worst ones packed anew together.

use super::build::{Style, build, value};
use super::effort::Effort;
use super::fill::{Pool, Rule};
use super::problem::{Bin, Problem};
use crate::sight::split_mix;

/// At most so many instances in a row are dissolved or packed anew without any gain.
const PATIENCE: usize = 60;

/// Makes the packing cheaper, never with more instances than before.
pub(super) fn improve(
    problem: &Problem<'_>,
    bins: &mut Vec<Bin>,
    values: &[u64],
    effort: &mut Effort,
) {
    bins.iter_mut().for_each(|bin| shrink(problem, bin));
    dissolve(problem, bins, values, effort);
    anew(problem, bins, values, effort);
}

/// Takes the cheapest kind that holds what is in it.
pub(super) fn shrink(problem: &Problem<'_>, bin: &mut Bin) {
    let have = &problem.kinds[bin.kind].have;
    let used: Vec<u64> = have.iter().zip(&bin.free).map(|(have, free)| have - free).collect();
    let holds = |kind: &usize| {
        used.iter().zip(&problem.kinds[*kind].have).all(|(used, have)| used <= have)
            && bin.load.iter().all(|(shape, _)| problem.suits(*shape, *kind))
    };
    if let Some(kind) = (0..bin.kind).find(holds) {
        let have = &problem.kinds[kind].have;
        bin.free = have.iter().zip(&used).map(|(have, used)| have - used).collect();
        bin.kind = kind;
    }
}

/// What is paid for an instance beyond the value of what is in it.
fn waste(problem: &Problem<'_>, bin: &Bin, values: &[u64]) -> i128 {
    let cost = problem.cost(bin.kind) << 16;
    // Money, far below what either type ends at.
    i128::try_from(cost).unwrap_or(i128::MAX)
        - i128::try_from(value(bin, values)).unwrap_or(i128::MAX)
}

/// Positions of instances, the most wasteful first.
fn worst(problem: &Problem<'_>, bins: &[Bin], values: &[u64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..bins.len()).collect();
    order.sort_by_cached_key(|at| (std::cmp::Reverse(waste(problem, &bins[*at], values)), *at));
    order
}

/// Empties the most wasteful instances into the room that others have.
fn dissolve(problem: &Problem<'_>, bins: &mut Vec<Bin>, values: &[u64], effort: &mut Effort) {
    let mut gone = vec![false; bins.len()];
    let mut failed = 0;
    for at in worst(problem, bins, values) {
        if effort.spent() || failed > PATIENCE {
            break;
        }
        match spread(problem, bins, &gone, at, effort) {
            Some(moves) => {
                moves.iter().for_each(|(to, shape, count)| {
                    problem.put(&mut bins[*to], *shape, *count);
                });
                gone[at] = true;
            }
            None => failed += 1,
        }
    }
    let mut gone = gone.into_iter();
    bins.retain(|_| !gone.next().unwrap_or(false));
}

/// Where all that is in one instance could go: to whom, which shape, how many.
fn spread(
    problem: &Problem<'_>,
    bins: &[Bin],
    gone: &[bool],
    from: usize,
    effort: &mut Effort,
) -> Option<Vec<(usize, usize, u32)>> {
    let mut moves: Vec<(usize, usize, u32)> = Vec::new();
    let mut taken: Vec<(usize, Vec<u64>)> = Vec::new();
    for (shape, count) in &bins[from].load {
        let mut left = *count;
        for (to, bin) in bins.iter().enumerate().filter(|(to, _)| *to != from && !gone[*to]) {
            if left == 0 {
                break;
            }
            if !problem.holds(*shape, &bin.free) || !problem.suits(*shape, bin.kind) {
                continue;
            }
            let at = taken.iter().position(|(there, _)| *there == to).unwrap_or_else(|| {
                taken.push((to, bin.free.clone()));
                taken.len() - 1
            });
            let free = &mut taken[at].1;
            let room = u32::try_from(problem.room(*shape, free)).unwrap_or(u32::MAX);
            let some = room.min(left);
            if some > 0 {
                let each = free.iter_mut().zip(problem.need(*shape));
                each.for_each(|(free, need)| *free -= need * u64::from(some));
                moves.push((to, *shape, some));
                left -= some;
            }
        }
        effort.spend(bins.len() / 4 + 1);
        if left > 0 {
            return None;
        }
    }
    Some(moves)
}

/// Packs some instances anew together, the most wasteful among them, as long as that gains anything.
fn anew(problem: &Problem<'_>, bins: &mut Vec<Bin>, values: &[u64], effort: &mut Effort) {
    const STYLES: [Style; 5] = [
        Style { rule: Rule::Density, seeded: false },
        Style { rule: Rule::Value, seeded: true },
        Style { rule: Rule::Density, seeded: true },
        Style { rule: Rule::Alike, seeded: true },
        Style { rule: Rule::Value, seeded: false },
    ];
    let (mut failed, mut turn) = (0, 0_u64);
    let mut order = worst(problem, bins, values);
    while failed < PATIENCE.min(bins.len() * bins.len()) && !effort.spent() && bins.len() > 1 {
        turn += 1;
        let some = pick(&order, turn);
        let mut better: Option<Vec<Bin>> = None;
        let before: Vec<Bin> = some.iter().map(|at| bins[*at].clone()).collect();
        let mut least = (problem.price(&before), before.len());
        let merged = merged(problem, &before, effort).map(|bin| vec![bin]);
        let others = STYLES.into_iter().map(|style| again(problem, &before, values, style, effort));
        for packed in std::iter::once(merged).chain(others).flatten() {
            let rank = (problem.price(&packed), packed.len());
            if packed.len() <= before.len() && rank < least {
                least = rank;
                better = Some(packed);
            }
        }
        let Some(packed) = better else {
            failed += 1;
            continue;
        };
        failed = 0;
        let mut at = 0..;
        bins.retain(|_| at.next().is_none_or(|at| !some.contains(&at)));
        bins.extend(packed);
        order = worst(problem, bins, values);
    }
}

/// A few positions: the most wasteful, and others that change from turn to turn.
fn pick(order: &[usize], turn: u64) -> Vec<usize> {
    let size = 2 + (turn % 5) as usize;
    // Every other turn the most wasteful alone, where the end of a packing is mended.
    let all = if turn.is_multiple_of(2) { order.len() } else { order.len().min(2 * size) } as u64;
    let mut some: Vec<usize> = Vec::with_capacity(size);
    for n in 0..size as u64 * 2 {
        // The lower of two random positions: wasteful ones are picked more often.
        let random = |n: u64| split_mix(turn, n) % all;
        let at = random(2 * n).min(random(2 * n + 1)).min(if n == 0 { turn % all } else { all });
        let position = order[usize::try_from(at).unwrap_or(0)];
        if !some.contains(&position) && some.len() < size {
            some.push(position);
        }
    }
    some
}

/// The cheapest single instance that holds all that is in these.
fn merged(problem: &Problem<'_>, bins: &[Bin], effort: &mut Effort) -> Option<Bin> {
    effort.spend(problem.kinds.len());
    let all = || bins.iter().flat_map(|bin| &bin.load);
    let mut need = vec![0_u64; problem.width];
    for (shape, count) in all() {
        let each = need.iter_mut().zip(problem.need(*shape));
        each.for_each(|(sum, one)| {
            *sum = sum.saturating_add(one.saturating_mul(u64::from(*count)))
        });
    }
    let holds = |kind: &usize| {
        need.iter().zip(&problem.kinds[*kind].have).all(|(need, have)| need <= have)
            && all().all(|(shape, _)| problem.suits(*shape, *kind))
    };
    let mut bin = problem.empty((0..problem.kinds.len()).find(holds)?);
    all().for_each(|(shape, count)| problem.put(&mut bin, *shape, *count));
    Some(bin)
}

fn again(
    problem: &Problem<'_>,
    bins: &[Bin],
    values: &[u64],
    style: Style,
    effort: &mut Effort,
) -> Option<Vec<Bin>> {
    let mut left = std::collections::BTreeMap::new();
    for (shape, count) in bins.iter().flat_map(|bin| &bin.load) {
        *left.entry(*shape).or_insert(0_u32) += count;
    }
    let mut pool = Pool::of(problem.shapes(), &left);
    let mut packed = build(problem, &mut pool, values, style, effort)?;
    packed.iter_mut().for_each(|bin| shrink(problem, bin));
    pool.is_empty().then_some(packed)
}
