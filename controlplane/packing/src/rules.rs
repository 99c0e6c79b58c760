//! The packing rules of two others, restated from their sources: what they would launch for the same
//! requests at the same prices. Not their programs.

use schema::policy::Offering;
use schema::resources::Resources;

/// How many instances, and what they cost together in micro-dollars per hour.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bought {
    pub(crate) instances: usize,
    pub(crate) price: u64,
}

fn cheapest<'a>(offerings: &[&'a Offering], need: &Resources) -> Option<&'a Offering> {
    offerings.iter().copied().filter(|o| o.resources.holds(need)).min_by_key(|o| o.price)
}

impl Bought {
    fn one(&mut self, offering: &Offering) {
        self.add(Bought { instances: 1, price: offering.price.0 });
    }

    pub(crate) fn add(&mut self, other: Bought) {
        self.instances += other.instances;
        self.price += other.price;
    }
}

/// Reflow (ec2cluster/manager.go): requests from small to large; as many as the largest type holds go
/// onto one instance, of the cheapest type that holds them; then the next begins. Without its upgrade
/// to types with a faster disk, which only costs more, and without its budget.
pub(crate) fn reflow(requests: &[Resources], offerings: &[&Offering]) -> Bought {
    let distance = |r: &Resources| (r.memory / (8 << 30) * 1000).saturating_add(r.cpu);
    let mut sorted: Vec<&Resources> = requests.iter().collect();
    sorted.sort_by_key(|request| (distance(request), request.memory));
    let mut bought = Bought::default();
    let (mut need, mut best) = (Resources::default(), None);
    for request in sorted {
        let more = need.plus(request);
        if let Some(offering) = cheapest(offerings, &more) {
            (need, best) = (more, Some(offering));
            continue;
        }
        best.iter().for_each(|offering| bought.one(offering));
        best = cheapest(offerings, request);
        need = best.map_or_else(Resources::default, |_| request.clone());
    }
    best.iter().for_each(|offering| bought.one(offering));
    bought
}

/// Karpenter (provisioning/scheduling): pods from large to small, by cpu and then memory; each goes to
/// the planned node with the fewest pods of those that some type would still hold it on, or begins
/// another one; each node becomes the cheapest type that holds what was put there. Some type
/// must hold each pod.
pub(crate) fn karpenter(requests: &[Resources], offerings: &[&Offering]) -> Bought {
    let mut sorted: Vec<&Resources> = requests.iter().collect();
    sorted.sort_by_key(|request| std::cmp::Reverse((request.cpu, request.memory)));
    let largest = undominated(offerings);
    let mut nodes: Vec<(usize, Resources)> = Vec::new();
    for request in sorted {
        let mut open: Vec<usize> = (0..nodes.len()).collect();
        open.sort_by_key(|at| nodes[*at].0);
        let takes = |at: &usize| largest.iter().any(|o| o.holds(&nodes[*at].1.plus(request)));
        match open.into_iter().find(takes) {
            Some(at) => nodes[at] = (nodes[at].0 + 1, nodes[at].1.plus(request)),
            None => nodes.push((1, request.clone())),
        }
    }
    let mut bought = Bought::default();
    nodes.iter().filter_map(|(_, need)| cheapest(offerings, need)).for_each(|o| bought.one(o));
    bought
}

/// The sizes that are not within another size.
fn undominated(offerings: &[&Offering]) -> Vec<Resources> {
    let mut largest: Vec<Resources> = Vec::new();
    for offering in offerings {
        if !largest.iter().any(|there| there.holds(&offering.resources)) {
            largest.retain(|there| !offering.resources.holds(there));
            largest.push(offering.resources.clone());
        }
    }
    largest
}
