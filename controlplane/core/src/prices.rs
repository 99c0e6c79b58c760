//! What a leader writes of the prices and types that it sees: what differs from what the log says.

use replay_core::State;
use replay_core::state::launch::{OfferingKey, key};
use replay_core::state::market::SeenOffer;
use schema::event::{Event, MAX_PRICES, PriceSeen, PriceSource, Scored, TypeSeen, Withdrawn};
use schema::policy::Offering;
use schema::policy::types::{Traits, TypeRules};
use schema::requirements::Market;
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
        let mut seen = PriceSeen {
            source,
            zone: zone.clone(),
            offerings: Vec::new(),
            withdrawn: Vec::new(),
            scores: Vec::new(),
            types: Vec::new(),
        };
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

/// What the cloud tells of a type in a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeTold {
    /// The zone, as offerings name it.
    pub zone: SmolStr,
    /// What it tells.
    pub seen: TypeSeen,
    /// What a catalogue says of it there; none if it does not know the type.
    pub shipped: Option<TypeSeen>,
}

/// What the cloud tells of its types.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TypesTold {
    /// All that it was asked about.
    pub types: Vec<TypeTold>,
    /// Whether some of it could not be had.
    pub partly: bool,
}

/// The records that bring the log nearer to what the cloud tells of types, where they may be bought by the
/// rules; none if the log and the catalogue together say the same.
#[must_use]
pub fn type_news(state: &State, told: &TypesTold) -> Vec<Event> {
    let rules = &state.head.policy.types;
    // Of what is told twice the last counts, as it will on the log.
    let types: BTreeMap<(&SmolStr, &SmolStr), &TypeTold> =
        told.types.iter().map(|one| ((&one.zone, &one.seen.kind), one)).collect();
    let mut zones: BTreeMap<&SmolStr, Vec<TypeSeen>> = BTreeMap::new();
    for one in types.into_values() {
        if let Some(seen) = learnt(state, one).filter(|_| may_be_bought(state, rules, one)) {
            zones.entry(&one.zone).or_default().push(seen);
        }
    }
    let told = zones.into_iter().flat_map(|(zone, all)| {
        records(PriceSource::Api, zone, &all, |seen, some| seen.types = some)
    });
    told.take(MAX_RECORDS).collect()
}

/// What the log is to say of a type; nothing if it says so, or the catalogue where the log says nothing.
fn learnt(state: &State, told: &TypeTold) -> Option<TypeSeen> {
    let TypeTold { zone, seen, shipped } = told;
    let key = (seen.kind.clone(), zone.clone());
    let logged = state.types.get(&key).map(|told| &told.seen);
    // A price that is not told this time is as it was.
    let on_demand = seen.on_demand.or(logged.and_then(|logged| logged.on_demand));
    let wanted = TypeSeen { on_demand, ..seen.clone() };
    let (logged, shipped) = (logged.into_iter(), shipped.as_ref());
    let known: Vec<&TypeSeen> = logged.chain(shipped).collect();
    let sold = known.first().is_some_and(|known| known.sold);
    let hardware = known.iter().find_map(|known| known.hardware.as_ref());
    let price = known.iter().find_map(|known| known.on_demand);
    let same = sold == wanted.sold
        && (!sold
            || ((wanted.hardware.is_none() || hardware == wanted.hardware.as_ref())
                && (wanted.on_demand.is_none() || price == wanted.on_demand)));
    (!same).then_some(wanted)
}

/// Whether the rules allow a type at any price, by what it has, or had while it was sold.
fn may_be_bought(state: &State, rules: &TypeRules, told: &TypeTold) -> bool {
    let TypeTold { zone, seen, shipped } = told;
    let logged = state.types.get(&(seen.kind.clone(), zone.clone())).map(|told| &told.seen);
    let known = [Some(seen), logged, shipped.as_ref()];
    let has = known.into_iter().flatten().find_map(|known| known.hardware.as_ref());
    let traits = Traits {
        name: &seen.kind,
        arch: has.map(|has| has.arch),
        local_disk: has.is_some_and(|has| has.disks.is_some()),
        accelerated: has.is_some_and(|has| has.gpu.is_some() || has.accelerator.is_some()),
    };
    rules.refusal(&traits).is_none()
}

/// Whether the log is to say what this source says of an offering. What the cloud has told is not replaced by
/// what a catalogue says of the same; nor a spot price by another of its own that is about the same.
fn is_news(seen: &SeenOffer, source: PriceSource, offering: &Offering, change: u32) -> bool {
    let known = &seen.offering;
    let other = Offering { price: known.price, ..offering.clone() };
    if other != *known {
        return true;
    }
    match (seen.source, source) {
        (PriceSource::Api, PriceSource::Shipped) => false,
        (_, PriceSource::Api) if offering.market == Market::Spot => {
            differ(known.price, offering.price, change)
        }
        _ => known.price != offering.price,
    }
}

/// Whether a price differs from what was known by more than so many per cent of that.
fn differ(known: Micros, price: Micros, percent: u32) -> bool {
    let by = u128::from(known.0.abs_diff(price.0)) * 100;
    by > u128::from(known.0) * u128::from(percent)
}
