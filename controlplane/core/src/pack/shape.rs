//! Equal demands together, as numbers in the dimensions that anybody asks for.

use super::{Demand, Terms};
use schema::resources::Resources;
use std::collections::BTreeSet;

/// Dimensions that are there whether anybody asks for them or not: cpu, memory, disk.
const PLAIN: usize = 3;

/// Demands that ask for the same.
#[derive(Debug)]
pub(super) struct Shape {
    /// How much in each dimension.
    pub(super) need: Vec<u64>,
    pub(super) terms: Terms,
    /// Who asks for it, in their order.
    pub(super) demands: Vec<usize>,
}

/// All demands, and what their numbers mean.
#[derive(Debug)]
pub(super) struct Shapes<'a> {
    /// Features that anybody asks for.
    features: Vec<&'a str>,
    /// In an order that does not depend on the order of the demands.
    pub(super) all: Vec<Shape>,
    /// The shape of each demand.
    pub(super) of: Vec<usize>,
    /// Whether each demand is firm.
    pub(super) firm: Vec<bool>,
}

impl Shapes<'_> {
    /// An amount in the dimensions that anybody asks for.
    pub(super) fn amount(&self, resources: &Resources) -> Vec<u64> {
        amount(&self.features, resources)
    }
}

fn amount(features: &[&str], resources: &Resources) -> Vec<u64> {
    let mut amount = Vec::with_capacity(PLAIN + features.len());
    add_amount(&mut amount, features, resources);
    amount
}

fn add_amount(amounts: &mut Vec<u64>, features: &[&str], resources: &Resources) {
    amounts.extend([resources.cpu, resources.memory, resources.disk]);
    amounts.extend(features.iter().map(|name| resources.feature(name)));
}

/// Puts equal demands together.
pub(super) fn group(demands: &[Demand]) -> Shapes<'_> {
    let names =
        demands.iter().flat_map(|d| d.need.features.iter().filter(|(_, count)| **count > 0));
    let features: BTreeSet<&str> = names.map(|(name, _)| name.as_str()).collect();
    let features: Vec<&str> = features.into_iter().collect();
    let width = PLAIN + features.len();
    let mut amounts = Vec::with_capacity(width * demands.len());
    demands.iter().for_each(|demand| add_amount(&mut amounts, &features, &demand.need));
    // Sorted, not put into a map: where all of a hundred thousand are different, that is what takes long.
    let key = |at: usize| (&amounts[at * width..(at + 1) * width], demands[at].terms);
    let mut sorted: Vec<usize> = (0..demands.len()).collect();
    sorted.sort_unstable_by(|a, b| key(*a).cmp(&key(*b)).then(a.cmp(b)));
    let mut of = vec![0; demands.len()];
    let mut all = Vec::new();
    for alike in sorted.chunk_by(|a, b| key(*a) == key(*b)) {
        alike.iter().for_each(|demand| of[*demand] = all.len());
        let (need, terms) = key(alike[0]);
        all.push(Shape { need: need.to_vec(), terms, demands: alike.to_vec() });
    }
    let firm = demands.iter().map(|demand| demand.firm).collect();
    Shapes { features, all, of, firm }
}
