//! Packs what waits onto the cheapest mix of offerings that holds it. Pure integers; the same input
//! gives the same plan, whatever the order in which the offerings stand in the policy.
//!
//! ```text
//! demands ─▶ shapes (equal ones together) ─┐
//! offerings ─▶ those that none undercuts ──┴▶ several packings ─▶ made better ─▶ cheapest ─▶ seats
//! ```
//!
//! **Order and caps.** Demands come in the order in which they are served. If the caps hold all of them,
//! the cheapest packing of all is taken. If not, the longest beginning of the order that a packing
//! within the caps was found for is launched for, and then one demand after the other, each that the
//! caps leave enough for. One that they do not waits, and those behind it go on; unless it is firm, as
//! who has waited for long is: behind that one nothing more is bought, and what is left of the budget is
//! kept for it. Later demands still get seats that stay empty in launches that are made anyway; those
//! cost nothing and count against no cap. A demand that no offering holds stands in nobody's way.
//!
//! Packings are compared by what an hour comes to, mostly the price; caps are held against what each launch can cost at most.

mod build;
mod cap;
mod coarse;
mod effort;
mod fill;
mod improve;
mod problem;
mod prune;
mod seat;
mod shape;
mod solve;

use schema::policy::Offering;
use schema::requirements::{Market, Only};
use schema::resources::Resources;
use schema::unit::Micros;

/// Something that waits for a seat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    /// What one instance must have for it, its width multiplied in.
    pub need: Resources,
    /// Where it may go.
    pub terms: Terms,
    /// Nothing is bought for whoever comes behind it while the caps leave too little for it.
    pub firm: bool,
}

/// Which offerings will do for a demand, whatever their size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Terms {
    /// The only market that will do, if it is not all the same.
    pub market: Option<Market>,
    /// Offerings that are kept for some demands will do: it is one of those.
    pub kept: bool,
    /// The zones and types that will do, by their number among all that [`pack`] is given; none: any.
    pub only: Option<usize>,
}

/// What may be launched at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Money left, in micro-dollars per hour.
    pub budget: Micros,
    /// Instances left.
    pub instances: u32,
    /// Launches under way left.
    pub pending: u32,
}

/// One instance to launch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// What to buy: an index into the offerings.
    pub offering: usize,
    /// The same kind on the same market in other zones that will do for whoever this one does, cheapest
    /// first: where to turn to if this one cannot be had. Indices into the offerings.
    pub siblings: Vec<usize>,
    /// Whom it carries: indices into the demands, in their order. Never empty.
    pub seats: Vec<usize>,
}

/// Why a demand got no seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unseated {
    /// No offering that will do is large enough.
    NoOffering,
    /// The budget does not reach so far.
    Budget {
        /// The least that an offering can cost at most per hour that would do for it, or for the firm one
        /// before it that is waited for if that is more.
        asked: Micros,
        /// What is left of the budget per hour beside the launches of this plan.
        left: Micros,
    },
    /// There are to be no more instances.
    MaxInstances,
    /// No more launches may be under way.
    MaxPending,
}

/// What to launch, and who gets no seat.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// In the order of the first demand that each carries.
    pub launches: Vec<Launch>,
    /// Indices of demands without a seat, in their order, and why.
    pub unseated: Vec<(usize, Unseated)>,
    /// How many different offerings the choice was between; zones between which nobody chooses count once.
    pub candidates: usize,
}

impl Plan {
    /// What all launches cost together, in micro-dollars per hour.
    #[must_use]
    pub fn price(&self, offerings: &[Offering]) -> Micros {
        self.sum(offerings, |offering| offering.price)
    }

    /// What they can cost at most, in micro-dollars per hour.
    #[must_use]
    pub fn at_most(&self, offerings: &[Offering]) -> Micros {
        self.sum(offerings, Offering::at_most)
    }

    fn sum(&self, offerings: &[Offering], money: impl Fn(&Offering) -> Micros) -> Micros {
        let bought = self.launches.iter().filter_map(|l| offerings.get(l.offering));
        bought.fold(Micros(0), |sum, offering| sum.plus(money(offering)))
    }
}

/// Packs the demands, which come in the order in which they are served, onto these offerings: those that ask
/// for `only` some zones and types onto those, and onto what is `kept` only demands for which it is. Packings
/// are compared by what an hour of each launch is `worth`.
#[must_use]
pub fn pack(
    demands: &[Demand],
    offerings: &[Offering],
    only: &[&Only],
    kept: impl Fn(&Offering) -> bool,
    worth: impl Fn(&Offering) -> Micros,
    limits: &Limits,
) -> Plan {
    let shapes = shape::group(demands);
    let kinds = prune::kinds(offerings, &shapes, only, kept, worth);
    let problem = problem::Problem::new(&shapes, &kinds);
    let packed = cap::within(&problem, &shapes, limits);
    seat::plan(&problem, &shapes, &kinds, packed, offerings, limits)
}
