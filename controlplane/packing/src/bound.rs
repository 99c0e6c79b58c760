//! What no packing can be cheaper than.
//!
//! Up to [`EXACT`] requests: the optimum itself, over all ways to part them. Otherwise a linear program:
//! so many instances of each type, a share of each shape on each type that holds one of it, and in each
//! dimension no more on a type than its instances have; requests may be cut in pieces, and instances
//! too. As instances cannot be, some type that holds a shape is bought at least once. Where the solver
//! proves it in time, instances are whole and only requests are cut.

use anyhow::{Context, bail};
use microlp::{ComparisonOp, OptimizationDirection, Problem, Variable};
use schema::policy::Offering;
use schema::resources::Resources;
use std::collections::BTreeMap;
use std::time::Duration;

/// So many requests are parted in all ways.
const EXACT: usize = 11;
/// Up to so many requests the solver tries to find whole instances, and for how long.
const WHOLE: (usize, Duration) = (400, Duration::from_secs(4));
/// More shapes than this are rounded down until they are fewer: the bound stays a bound.
const MOST_SHAPES: usize = 120;

/// How a bound was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Proof {
    /// It is the optimum.
    Optimum,
    /// Instances are whole, requests are not.
    Whole,
    /// Neither is.
    Linear,
}

/// A lower bound in micro-dollars per hour.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    pub(crate) price: f64,
    pub(crate) proof: Proof,
}

/// The bound of these requests, all of which some offering holds.
pub(crate) fn bound(requests: &[Resources], offerings: &[&Offering]) -> anyhow::Result<Bound> {
    let mut shapes: BTreeMap<Resources, u32> = BTreeMap::new();
    requests.iter().for_each(|request| *shapes.entry(request.clone()).or_default() += 1);
    let mut bits = 6;
    while shapes.len() > MOST_SHAPES && bits > 0 {
        shapes = rounded(&shapes, bits);
        bits -= 1;
    }
    let types = worthy(offerings, requests);
    if requests.len() <= EXACT {
        return Ok(Bound { price: optimum(requests, &types), proof: Proof::Optimum });
    }
    if requests.len() <= WHOLE.0
        && let Some(price) = program(&shapes, &types, true)?
    {
        return Ok(Bound { price, proof: Proof::Whole });
    }
    let Some(price) = program(&shapes, &types, false)? else { bail!("no bound was found") };
    Ok(Bound { price, proof: Proof::Linear })
}

/// Offerings that none is at least as large and no dearer than, in what anybody asks for.
fn worthy<'a>(offerings: &[&'a Offering], requests: &[Resources]) -> Vec<&'a Offering> {
    let most = requests.iter().fold(Resources::default(), |most, r| most.at_least(r));
    let asked = |o: &Offering| {
        let mut had = o.resources.clone();
        had.features.retain(|name, _| most.feature(name) > 0);
        had
    };
    let mut sorted: Vec<&Offering> = offerings.to_vec();
    sorted.sort_by(|a, b| (a.price, asked(b)).cmp(&(b.price, asked(a))));
    let mut worthy: Vec<&Offering> = Vec::new();
    for offering in sorted {
        if !worthy.iter().any(|other| asked(other).holds(&asked(offering))) {
            worthy.push(offering);
        }
    }
    worthy
}

fn rounded(shapes: &BTreeMap<Resources, u32>, bits: u32) -> BTreeMap<Resources, u32> {
    let cut = |number: u64| {
        let away = (64 - number.leading_zeros()).saturating_sub(bits + 1);
        number >> away << away
    };
    let mut fewer = BTreeMap::new();
    for (shape, count) in shapes {
        let smaller = Resources { cpu: cut(shape.cpu), memory: cut(shape.memory), ..shape.clone() };
        *fewer.entry(smaller).or_insert(0) += count;
    }
    fewer
}

/// The cheapest way to part the requests, by all subsets of them.
fn optimum(requests: &[Resources], types: &[&Offering]) -> f64 {
    let all = 1_usize << requests.len();
    let mut own = vec![u64::MAX; all];
    let mut best = vec![0_u64; all];
    for set in 1..all {
        let members = requests.iter().enumerate().filter(|(at, _)| set >> at & 1 == 1);
        let need = members.fold(Resources::default(), |sum, (_, request)| sum.plus(request));
        own[set] = types.iter().find(|o| o.resources.holds(&need)).map_or(u64::MAX, |o| o.price.0);
        let lowest = set & set.wrapping_neg();
        let mut least = own[set];
        let mut part = (set - 1) & set;
        while part > 0 {
            if part & lowest > 0 {
                least = least.min(own[part].saturating_add(best[set ^ part]));
            }
            part = (part - 1) & set;
        }
        best[set] = least;
    }
    money(best[all - 1])
}

fn money(micros: u64) -> f64 {
    f64::from(u32::try_from(micros >> 20).unwrap_or(u32::MAX)) * f64::from(1 << 20)
        + f64::from(u32::try_from(micros & 0xf_ffff).unwrap_or(0))
}

/// The linear program, with whole instances or without; None if it is not proved in time.
fn program(
    shapes: &BTreeMap<Resources, u32>,
    types: &[&Offering],
    whole: bool,
) -> anyhow::Result<Option<f64>> {
    let mut problem = Problem::new(OptimizationDirection::Minimize);
    let dollars = |offering: &Offering| money(offering.price.0) / 1e6;
    let counts: Vec<Variable> = types
        .iter()
        .map(|o| match whole {
            true => problem.add_integer_var(dollars(o), (0, 100_000)),
            false => problem.add_var(dollars(o), (0.0, f64::INFINITY)),
        })
        .collect();
    let mut used: BTreeMap<(usize, usize), Vec<(Variable, f64)>> = BTreeMap::new();
    for (shape, count) in shapes {
        let (mut shares, mut holders) = (Vec::new(), Vec::new());
        for (at, offering) in types.iter().enumerate().filter(|(_, o)| o.resources.holds(shape)) {
            let share = problem.add_var(0.0, (0.0, f64::from(*count)));
            shares.push((share, 1.0));
            holders.push((counts[at], 1.0));
            for (dimension, part) in parts(shape, &offering.resources).into_iter().enumerate() {
                if part > 0.0 {
                    used.entry((at, dimension)).or_default().push((share, part));
                }
            }
        }
        problem.add_constraint(&shares[..], ComparisonOp::Eq, f64::from(*count));
        problem.add_constraint(&holders[..], ComparisonOp::Ge, 1.0);
    }
    for ((at, _), mut row) in used {
        row.push((counts[at], -1.0));
        problem.add_constraint(&row[..], ComparisonOp::Le, 0.0);
    }
    problem.set_time_limit(if whole { WHOLE.1 } else { Duration::from_secs(120) });
    let outcome = problem.solve().context("the solver failed")?;
    let proved = outcome.is_optimal();
    Ok(outcome.solution().filter(|_| proved).map(|solution| solution.objective() * 1e6))
}

/// What share of each dimension of an offering one of a shape takes.
fn parts(shape: &Resources, whole: &Resources) -> Vec<f64> {
    let mut parts = vec![
        money(shape.cpu) / money(whole.cpu).max(1.0),
        money(shape.memory >> 10) / money(whole.memory >> 10).max(1.0),
    ];
    let each = shape.features.iter();
    parts.extend(each.map(|(name, count)| money(*count) / money(whole.feature(name)).max(1.0)));
    parts
}
