//! Packing from nothing: one instance after the other, each time the kind that carries most value for
//! its price, as often as what is left fills it alike.

use super::effort::Effort;
use super::fill::{Pool, Rule, fill};
use super::problem::{Bin, Problem};

/// How to go about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Style {
    pub(super) rule: Rule,
    /// Begin each instance with the most valuable shape that is left, so that what is hard to place is
    /// not left for the end.
    pub(super) seeded: bool,
}

/// Packs all that is in the pool; what no kind holds stays in it. None if the effort does not suffice.
pub(super) fn build(
    problem: &Problem<'_>,
    pool: &mut Pool,
    values: &[u64],
    style: Style,
    effort: &mut Effort,
) -> Option<Vec<Bin>> {
    let mut bins = Vec::new();
    let mut queue = Queue::new(problem);
    while !pool.is_empty() {
        if effort.spent() {
            return None;
        }
        let first = if style.seeded { most_valuable(problem, pool, values) } else { None };
        if style.seeded {
            queue = Queue::new(problem);
        }
        let worth = |kind: usize| worth(problem, kind, pool, values, style.rule, first, effort);
        let Some(bin) = queue.best(problem, worth) else { break };
        let times = bin.load.iter().map(|(shape, count)| pool.left[*shape] / count).min();
        let times = times.unwrap_or(1).max(1);
        pool.take(&bin.load, times);
        bins.extend(std::iter::repeat_n(bin, times as usize));
    }
    Some(bins)
}

fn most_valuable(problem: &Problem<'_>, pool: &Pool, values: &[u64]) -> Option<usize> {
    let packable = pool.active.iter().filter(|shape| problem.cheapest(**shape).is_some());
    packable.max_by_key(|shape| (values[**shape], std::cmp::Reverse(**shape))).copied()
}

/// A kind filled as well as may be, and the value of what is in it; None if it holds nothing.
fn worth(
    problem: &Problem<'_>,
    kind: usize,
    pool: &Pool,
    values: &[u64],
    rule: Rule,
    first: Option<usize>,
    effort: &mut Effort,
) -> Option<(u128, Bin)> {
    let holds = |s: &usize| problem.suits(*s, kind) && problem.holds(*s, &problem.kinds[kind].have);
    if first.is_some_and(|first| !holds(&first)) {
        return None;
    }
    let bin = fill(problem, kind, pool, values, rule, first, effort);
    (!bin.load.is_empty()).then(|| (value(&bin, values), bin))
}

/// The value of all that is in an instance.
pub(super) fn value(bin: &Bin, values: &[u64]) -> u128 {
    bin.load.iter().map(|(shape, count)| u128::from(values[*shape]) * u128::from(*count)).sum()
}

/// Kinds by the value that they carried for their price when last looked at. As less is left, a kind
/// carries less: whoever is still ahead of what the others once carried is the best.
struct Queue {
    /// Kind and value; None if it has not been looked at.
    seen: Vec<(usize, Option<u128>)>,
}

impl Queue {
    fn new(problem: &Problem<'_>) -> Queue {
        Queue { seen: (0..problem.kinds.len()).map(|kind| (kind, None)).collect() }
    }

    fn best(
        &mut self,
        problem: &Problem<'_>,
        mut worth: impl FnMut(usize) -> Option<(u128, Bin)>,
    ) -> Option<Bin> {
        let mut fresh: Option<(usize, Bin)> = None;
        loop {
            let front = self.front(problem)?;
            let (kind, _) = self.seen[front];
            if let Some((_, bin)) = fresh.take_if(|(fresh, _)| *fresh == kind) {
                return Some(bin);
            }
            match worth(kind) {
                Some((value, bin)) => {
                    self.seen[front].1 = Some(value);
                    fresh = Some((kind, bin));
                }
                None => drop(self.seen.remove(front)),
            }
        }
    }

    /// The most value for the price; of equals the larger, then the cheaper.
    fn front(&self, problem: &Problem<'_>) -> Option<usize> {
        let mut best: Option<(usize, u128, u128)> = None;
        for (at, (kind, seen)) in self.seen.iter().enumerate() {
            let Some(value) = *seen else { return Some(at) };
            let cost = problem.cost(*kind);
            let better = |&(_, v, c): &(usize, u128, u128)| (value * c, value) > (v * cost, v);
            if best.as_ref().is_none_or(better) {
                best = Some((at, value, cost));
            }
        }
        best.map(|(at, ..)| at)
    }
}
