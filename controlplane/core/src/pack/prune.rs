//! Which offerings are worth a look: one for each kind and market, in the cheapest of the zones between which
//! nobody chooses, and only if no other that costs no more is at least as large and will do for as many.

use super::Terms;
use super::shape::Shapes;
use schema::policy::Offering;
use schema::requirements::{Market, Only};
use schema::unit::Micros;
use std::collections::BTreeMap;

/// An offering that may be the best for something.
#[derive(Debug)]
pub(super) struct Kind {
    /// Its index among all offerings.
    pub(super) offering: usize,
    /// How much it has in each dimension that anybody asks for.
    pub(super) have: Vec<u64>,
    pub(super) market: Market,
    /// It is for those only for whom it is kept.
    pub(super) kept: bool,
    /// For each of the zones and types that somebody asks for: whether it is one of those.
    within: Vec<bool>,
    /// What an hour comes to, in micro-dollars.
    pub(super) price: u64,
    /// What it can cost at most, in micro-dollars per hour.
    pub(super) at_most: u64,
    /// The same kind on the same market in other zones, cheapest first.
    pub(super) siblings: Vec<usize>,
}

impl Kind {
    /// Whether it will do on these terms.
    pub(super) fn suits(&self, terms: Terms) -> bool {
        terms.market.is_none_or(|market| market == self.market)
            && (terms.kept || !self.kept)
            && terms.only.is_none_or(|only| self.within.get(only) == Some(&true))
    }

    /// Whether it is wherever, and of whatever type, the other one is of those that somebody asks for.
    fn is_within(&self, other: &Kind) -> bool {
        self.within.iter().zip(&other.within).all(|(own, other)| *own || !*other)
    }
}

/// Offerings worth a look, cheapest first; of equally dear ones the largest cpu first.
#[derive(Debug)]
pub(super) struct Kinds {
    pub(super) worthy: Vec<Kind>,
    /// How many different ones there were.
    pub(super) candidates: usize,
}

/// Picks the offerings that are worth a look for these shapes.
pub(super) fn kinds(
    offerings: &[Offering],
    shapes: &Shapes<'_>,
    only: &[&Only],
    kept: impl Fn(&Offering) -> bool,
    worth: impl Fn(&Offering) -> Micros,
) -> Kinds {
    let wanted = |kind: &Kind| shapes.all.iter().any(|shape| kind.suits(shape.terms));
    let particular =
        |market: Market| shapes.all.iter().any(|shape| shape.terms.market == Some(market));
    let (on_demand, spot) = (particular(Market::OnDemand), particular(Market::Spot));
    let replaces = |one: Market, other: Market| {
        one == other
            || match other {
                Market::OnDemand => !on_demand,
                Market::Spot => !spot,
            }
    };
    let mut zoned = by_kind(offerings, shapes, only, kept, worth);
    zoned.retain(wanted);
    zoned.sort_by(|a, b| {
        let key = |k: &Kind| (k.price, std::cmp::Reverse(k.have.clone()), k.market);
        let kind = |k: &Kind| offerings.get(k.offering).map(|o| (o.kind.clone(), o.zone.clone()));
        key(a).cmp(&key(b)).then_with(|| kind(a).cmp(&kind(b)))
    });
    let candidates = zoned.len();
    let mut worthy: Vec<Kind> = Vec::new();
    for kind in zoned {
        let undercut = |other: &Kind| {
            replaces(other.market, kind.market)
                && (!other.kept || kind.kept)
                && other.is_within(&kind)
                && other.at_most <= kind.at_most
                && other.have.iter().zip(&kind.have).all(|(other, own)| other >= own)
        };
        if !worthy.iter().any(undercut) {
            worthy.push(kind);
        }
    }
    Kinds { worthy, candidates }
}

/// One for each kind, market and size, and for each set of zones that are asked for: the cheapest, and of
/// equally dear ones the first by name.
fn by_kind(
    offerings: &[Offering],
    shapes: &Shapes<'_>,
    only: &[&Only],
    kept: impl Fn(&Offering) -> bool,
    worth: impl Fn(&Offering) -> Micros,
) -> Vec<Kind> {
    type Key<'a> = (&'a str, Market, bool, Vec<u64>, Vec<bool>);
    let mut of_type: BTreeMap<&str, Vec<bool>> = BTreeMap::new();
    let mut zones: BTreeMap<Key<'_>, Vec<usize>> = BTreeMap::new();
    for (at, offering) in offerings.iter().enumerate() {
        let have = shapes.amount(&offering.resources);
        let kind = offering.kind.as_str();
        let typed = || only.iter().map(|only| only.takes_type(kind)).collect();
        let typed = of_type.entry(kind).or_insert_with(typed).iter().zip(only);
        let within = typed.map(|(typed, only)| *typed && only.takes_zone(&offering.zone)).collect();
        let key = (kind, offering.market, kept(offering), have, within);
        zones.entry(key).or_default().push(at);
    }
    let worths: Vec<Micros> = offerings.iter().map(worth).collect();
    let price = |at: &usize| offerings.get(*at).map(|o| (worths.get(*at), &o.zone));
    let mut kinds = Vec::with_capacity(zones.len());
    for ((_, market, kept, have, within), mut zones) in zones {
        zones.sort_by(|a, b| price(a).cmp(&price(b)));
        let offering = zones.remove(0);
        let price = worths.get(offering).map_or(u64::MAX, |worth| worth.0);
        let at_most = offerings.get(offering).map_or(u64::MAX, |of| of.at_most().0);
        let siblings = zones;
        kinds.push(Kind { offering, have, market, kept, within, price, at_most, siblings });
    }
    kinds
}
