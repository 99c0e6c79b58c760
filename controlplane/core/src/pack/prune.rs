//! Which offerings are worth a look: one for each kind and market, in its cheapest zone, and only if no
//! other that costs no more is at least as large.

use super::Terms;
use super::shape::Shapes;
use schema::policy::Offering;
use schema::requirements::Market;
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
        terms.market.is_none_or(|market| market == self.market) && (terms.kept || !self.kept)
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
    let mut zoned = by_kind(offerings, shapes, kept, worth);
    zoned.retain(wanted);
    zoned.sort_by(|a, b| {
        let key = |k: &Kind| (k.price, std::cmp::Reverse(k.have.clone()), k.market);
        let kind = |k: &Kind| offerings.get(k.offering).map(|o| o.kind.clone());
        key(a).cmp(&key(b)).then_with(|| kind(a).cmp(&kind(b)))
    });
    let candidates = zoned.len();
    let mut worthy: Vec<Kind> = Vec::new();
    for kind in zoned {
        let undercut = |other: &Kind| {
            replaces(other.market, kind.market)
                && (!other.kept || kind.kept)
                && other.at_most <= kind.at_most
                && other.have.iter().zip(&kind.have).all(|(other, own)| other >= own)
        };
        if !worthy.iter().any(undercut) {
            worthy.push(kind);
        }
    }
    Kinds { worthy, candidates }
}

/// One for each kind, market and size: its cheapest zone, and of equally dear ones the first by name.
fn by_kind(
    offerings: &[Offering],
    shapes: &Shapes<'_>,
    kept: impl Fn(&Offering) -> bool,
    worth: impl Fn(&Offering) -> Micros,
) -> Vec<Kind> {
    type Key<'a> = (&'a str, Market, bool, Vec<u64>);
    let mut zones: BTreeMap<Key<'_>, Vec<usize>> = BTreeMap::new();
    for (at, offering) in offerings.iter().enumerate() {
        let have = shapes.amount(&offering.resources);
        let key = (offering.kind.as_str(), offering.market, kept(offering), have);
        zones.entry(key).or_default().push(at);
    }
    let worths: Vec<Micros> = offerings.iter().map(worth).collect();
    let price = |at: &usize| offerings.get(*at).map(|o| (worths.get(*at), &o.zone));
    let mut kinds = Vec::with_capacity(zones.len());
    for ((_, market, kept, have), mut zones) in zones {
        zones.sort_by(|a, b| price(a).cmp(&price(b)));
        let offering = zones.remove(0);
        let price = worths.get(offering).map_or(u64::MAX, |worth| worth.0);
        let at_most = offerings.get(offering).map_or(u64::MAX, |of| of.at_most().0);
        kinds.push(Kind { offering, have, market, kept, price, at_most, siblings: zones });
    }
    kinds
}
