//! Who sits where: demands in the places of their shapes, the earliest first, and why the others do not.

use super::cap::Packed;
use super::problem::Problem;
use super::prune::Kinds;
use super::shape::Shapes;
use super::{Launch, Limits, Plan, Unseated};
use schema::policy::Offering;
use schema::unit::Micros;

/// The plan of a packing.
pub(super) fn plan(
    problem: &Problem<'_>,
    shapes: &Shapes<'_>,
    kinds: &Kinds,
    packed: Packed,
    offerings: &[Offering],
    limits: &Limits,
) -> Plan {
    let mut waiting: Vec<_> = shapes.all.iter().map(|shape| shape.demands.iter()).collect();
    let mut launches = Vec::with_capacity(packed.bins.len());
    for bin in &packed.bins {
        let kind = &kinds.worthy[bin.kind];
        let mut seats = Vec::new();
        for (shape, count) in &bin.load {
            seats.extend(waiting[*shape].by_ref().take(*count as usize));
        }
        let siblings = kind.siblings.clone();
        launches.push(Launch { offering: kind.offering, siblings, seats });
    }
    launches.iter_mut().for_each(|launch| launch.seats.sort_unstable());
    launches.sort_by_key(|launch| launch.seats.first().copied());
    let mut plan = Plan { launches, unseated: Vec::new(), candidates: kinds.candidates };
    let left = limits.budget.minus(plan.at_most(offerings));
    let begun = u32::try_from(plan.launches.len()).unwrap_or(u32::MAX);
    let asks = |shape: usize| problem.least(shape);
    let stopped = packed.stopped.and_then(|demand| Some((demand, asks(shapes.of[demand])?)));
    let why = |demand: usize| match asks(shapes.of[demand]) {
        None => Unseated::NoOffering,
        Some(_) if begun >= limits.instances => Unseated::MaxInstances,
        Some(_) if begun >= limits.pending => Unseated::MaxPending,
        Some(asked) => {
            let ahead = stopped.filter(|(firm, _)| *firm < demand).map_or(0, |(_, asked)| asked);
            Unseated::Budget { asked: Micros(asked.max(ahead)), left }
        }
    };
    let mut seated = vec![false; shapes.of.len()];
    plan.launches.iter().flat_map(|l| &l.seats).for_each(|demand| seated[*demand] = true);
    let rest = seated.iter().enumerate().filter(|(_, seated)| !**seated);
    plan.unseated = rest.map(|(demand, _)| (demand, why(demand))).collect();
    plan
}
