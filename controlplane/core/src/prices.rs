//! What a leader writes of the prices that it sees: what differs from what the log says.

use replay_core::State;
use replay_core::state::launch::{OfferingKey, key};
use schema::event::{Event, MAX_PRICES, PriceSeen, PriceSource, Withdrawn};
use schema::policy::Offering;
use schema::unit::LogTime;
use smol_str::SmolStr;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Most records of prices in one round, so that nobody waits long for what is decided after them.
const MAX_RECORDS: usize = 16;

/// All that may be bought, as one source tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prices {
    /// Where they were seen.
    pub source: PriceSource,
    /// What is sold; what is not among them is not.
    pub offerings: Vec<Offering>,
}

/// What changes in a zone.
#[derive(Default)]
struct News<'a> {
    offerings: Vec<&'a Offering>,
    withdrawn: Vec<Withdrawn>,
}

/// The records that bring the log nearer to these prices; none if it says the same. What no fold would
/// take is left out.
#[must_use]
pub fn news(state: &State, prices: &Prices) -> Vec<Event> {
    let measured = prices.offerings.iter().map(|offering| measured(state, offering));
    let sound = measured.filter(|offering| offering.check().is_ok());
    let sold: BTreeMap<OfferingKey, Cow<'_, Offering>> = sound.map(|o| (key(&o), o)).collect();
    let mut zones: BTreeMap<&SmolStr, News<'_>> = BTreeMap::new();
    for (key, offering) in &sold {
        if state.market.get(key).is_none_or(|seen| seen.offering != *offering.as_ref()) {
            zones.entry(&offering.zone).or_default().offerings.push(offering);
        }
    }
    for ((kind, zone, market), _) in state.market.iter() {
        if !sold.contains_key(&(kind.clone(), zone.clone(), *market)) {
            let gone = Withdrawn { kind: kind.clone(), market: *market };
            zones.entry(zone).or_default().withdrawn.push(gone);
        }
    }
    let records = zones.into_iter().flat_map(|(zone, news)| records(prices.source, zone, &news));
    records.take(MAX_RECORDS).collect()
}

/// An offering with the memory that its type was last seen to have, where it was probed.
fn measured<'a>(state: &State, offering: &'a Offering) -> Cow<'a, Offering> {
    match state.probes.get(&offering.kind) {
        Some(probe) if probe.resources.memory != offering.resources.memory => {
            let mut offering = offering.clone();
            offering.resources.memory = probe.resources.memory;
            Cow::Owned(offering)
        }
        Some(_) | None => Cow::Borrowed(offering),
    }
}

/// When a type was last probed: what is known of prices before that promises what was not measured.
#[must_use]
pub fn probed(state: &State) -> Option<LogTime> {
    state.probes.iter().map(|(_, probe)| probe.at).max()
}

fn records(source: PriceSource, zone: &SmolStr, news: &News<'_>) -> Vec<Event> {
    let record = |offerings: &[&Offering], withdrawn: &[Withdrawn]| {
        let offerings = offerings.iter().map(|offering| (*offering).clone()).collect();
        PriceSeen { source, zone: zone.clone(), offerings, withdrawn: withdrawn.to_vec() }.into()
    };
    let changed = news.offerings.chunks(MAX_PRICES).map(|some| record(some, &[]));
    changed.chain(news.withdrawn.chunks(MAX_PRICES).map(|some| record(&[], some))).collect()
}
