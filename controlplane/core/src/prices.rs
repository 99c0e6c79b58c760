//! What a leader writes of the prices that it sees: what differs from what the log says.

use replay_core::State;
use replay_core::state::launch::{OfferingKey, key};
use replay_core::state::market::SeenOffer;
use schema::event::{Event, MAX_PRICES, PriceSeen, PriceSource, Scored, Withdrawn};
use schema::policy::Offering;
use schema::unit::Micros;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Most records of prices in one round, so that nobody waits long for what is decided after them.
const MAX_RECORDS: usize = 16;

/// All that may be bought; what is not among it is not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prices {
    /// What is sold, and where its price was seen.
    pub offers: Vec<(PriceSource, Offering)>,
}

impl Prices {
    /// What one source tells.
    #[must_use]
    pub fn of(source: PriceSource, offerings: impl IntoIterator<Item = Offering>) -> Prices {
        Prices { offers: offerings.into_iter().map(|offering| (source, offering)).collect() }
    }
}

/// The records that bring the log nearer to these prices; none if it says the same. What no fold would
/// take is left out.
#[must_use]
pub fn news(state: &State, prices: &Prices) -> Vec<Event> {
    let sound = prices.offers.iter().filter(|(_, offering)| offering.check().is_ok());
    let sold: BTreeMap<OfferingKey, (PriceSource, &Offering)> =
        sound.map(|(source, one)| (key(one), (*source, one))).collect();
    let change = state.head.policy.spot.price_change;
    let mut changed: BTreeMap<(PriceSource, &SmolStr), Vec<Offering>> = BTreeMap::new();
    for (key, (source, offering)) in &sold {
        let known = state.market.get(key);
        if known.is_none_or(|seen| is_news(seen, *source, offering, change)) {
            let zone = changed.entry((*source, &offering.zone)).or_default();
            zone.push((*offering).clone());
        }
    }
    let mut gone: BTreeMap<&SmolStr, Vec<Withdrawn>> = BTreeMap::new();
    for ((kind, zone, market), _) in state.market.iter() {
        if !sold.contains_key(&(kind.clone(), zone.clone(), *market)) {
            let withdrawn = Withdrawn { kind: kind.clone(), market: *market };
            gone.entry(zone).or_default().push(withdrawn);
        }
    }
    let changed = changed.into_iter().flat_map(|((source, zone), all)| {
        records(source, zone, &all, |seen, some| seen.offerings = some)
    });
    // Whoever tells all that there is tells what is not there any more.
    let source = prices.offers.iter().map(|(source, _)| *source).max();
    let source = source.unwrap_or(PriceSource::Shipped);
    let gone = gone
        .into_iter()
        .flat_map(|(zone, all)| records(source, zone, &all, |seen, some| seen.withdrawn = some));
    changed.chain(gone).take(MAX_RECORDS).collect()
}

/// The records that say all this of a zone; `put` is where it stands in one.
fn records<T: Clone>(
    source: PriceSource,
    zone: &SmolStr,
    all: &[T],
    put: impl Fn(&mut PriceSeen, Vec<T>),
) -> Vec<Event> {
    let record = |some: &[T]| {
        let (offerings, withdrawn, scores) = (Vec::new(), Vec::new(), Vec::new());
        let mut seen = PriceSeen { source, zone: zone.clone(), offerings, withdrawn, scores };
        put(&mut seen, some.to_vec());
        seen.into()
    };
    all.chunks(MAX_PRICES).map(record).collect()
}

/// How likely spot of a class of types is to be had in a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpotScore {
    /// The zone.
    pub zone: SmolStr,
    /// The class and its score.
    pub scored: Scored,
}

/// The records that say these placement scores. They are written though they are as before: older ones
/// say nothing.
#[must_use]
pub fn scored(scores: &[SpotScore]) -> Vec<Event> {
    let mut zones: BTreeMap<&SmolStr, Vec<Scored>> = BTreeMap::new();
    for one in scores {
        zones.entry(&one.zone).or_default().push(one.scored.clone());
    }
    let told = zones.into_iter().flat_map(|(zone, all)| {
        records(PriceSource::Api, zone, &all, |seen, some| seen.scores = some)
    });
    told.take(MAX_RECORDS).collect()
}

/// Whether the log is to say what this source says of an offering. What the cloud has told is not replaced by
/// what a catalogue says of the same; nor by another price of its own that is about the same.
fn is_news(seen: &SeenOffer, source: PriceSource, offering: &Offering, change: u32) -> bool {
    let known = &seen.offering;
    let other = Offering { price: known.price, ..offering.clone() };
    if other != *known {
        return true;
    }
    match (seen.source, source) {
        (PriceSource::Api, PriceSource::Shipped) => false,
        (_, PriceSource::Api) => differ(known.price, offering.price, change),
        _ => known.price != offering.price,
    }
}

/// Whether a price differs from what was known by more than so many per cent of that.
fn differ(known: Micros, price: Micros, percent: u32) -> bool {
    let by = u128::from(known.0.abs_diff(price.0)) * 100;
    by > u128::from(known.0) * u128::from(percent)
}
