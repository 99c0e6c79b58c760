//! `fleet types`: what instance types there are in a region, what they cost, and which may be bought. Where the
//! cluster buys, that is as its log has it now; elsewhere, as the catalogue is shipped.

use super::context::when;
use super::plan::REGION;
use super::volumes::{by, catalogue, settings};
use crate::output::{Output, Row, Usage, or_dash, rows};
use catalogue::{Barred, Catalogue, Listed, Quote};
use replay_core::State;
use replay_core::state::market::{SeenOffer, ToldType};
use schema::event::PriceSource;
use schema::policy::types::NotAllowed;
use schema::requirements::Market;
use schema::resources::show_bytes;
use schema::unit::{LogTime, Micros};
use serde_json::{Value, json};
use smol_str::SmolStr;
use std::borrow::Cow;
use std::process::ExitCode;

/// Why something is not bought that the catalogue sells.
const GONE: &str = "it is not sold in the cluster's zones any more";

/// What a log says of a type: the cheapest that it may be bought for, and what the cloud told of it.
#[derive(Default)]
struct Logged<'a> {
    on_demand: Option<&'a SeenOffer>,
    spot: Option<&'a SeenOffer>,
    told: Vec<(&'a SmolStr, &'a ToldType)>,
}

pub(super) fn types(
    region: Option<String>,
    allow: Vec<String>,
    found: Option<State>,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let mut state = found.unwrap_or_default();
    let config = settings(&state);
    let own = config.as_ref().map(|config| &config.region);
    let region = region.as_deref().or(own.map(SmolStr::as_str)).unwrap_or(REGION);
    let narrowed = !allow.is_empty();
    if narrowed {
        state.head.policy.types.allow = allow.into_iter().map(Into::into).collect();
        state.head.policy.check().map_err(Usage)?;
    }
    let here = own.is_some_and(|own| own == region);
    let catalogue = if here { catalogue(&state)? } else { Catalogue::shipped()? };
    let policy = &state.head.policy;
    let listed = catalogue.list(region, &policy.types, by(config.as_ref(), policy));
    let listed = listed.map_err(|error| Usage(error.to_string()))?;
    let left_out =
        |one: &Listed<'_>| narrowed && one.barred() == Some(&Barred::Rules(NotAllowed::NotListed));
    let all: Vec<Row> = listed
        .iter()
        .filter(|one| !left_out(one))
        .map(|one| row(one, &state, &Logged::of(&state, &one.kind.name, here)))
        .collect();
    let heads = [
        "type",
        "arch",
        "vcpu",
        "memory",
        "usable in",
        "on-demand/h",
        "spot/h",
        "core/h",
        "interrupted",
        "on the log",
        "allowed",
    ];
    rows(output, &heads, &all);
    Ok(ExitCode::SUCCESS)
}

impl<'a> Logged<'a> {
    fn of(state: &'a State, kind: &SmolStr, here: bool) -> Logged<'a> {
        if !here {
            return Logged::default();
        }
        let seen = || state.market.iter().map(|(_, seen)| seen);
        let cheapest = |market: Market| {
            let sold = seen().filter(|seen| seen.offering.kind == *kind);
            let sold = sold.filter(|seen| seen.offering.market == market);
            sold.min_by_key(|seen| (seen.offering.price, &seen.offering.zone))
        };
        let told = state.types.iter().filter(|((name, _), _)| name == kind);
        Logged {
            on_demand: cheapest(Market::OnDemand),
            spot: cheapest(Market::Spot),
            told: told.map(|((_, zone), told)| (zone, told)).collect(),
        }
    }

    /// When the newest of it was written, and who says so.
    fn marked(&self) -> Option<(LogTime, PriceSource)> {
        let offers = self.on_demand.into_iter().chain(self.spot);
        let offers = offers.map(|seen| (seen.at, seen.source));
        let told = self.told.iter().map(|(_, told)| (told.at, PriceSource::Api));
        offers.chain(told).max()
    }

    /// Whether the cloud has said of each zone that it tells of that it is not sold there.
    fn is_gone(&self) -> bool {
        let bought = self.on_demand.is_some() || self.spot.is_some();
        !bought && !self.told.is_empty() && self.told.iter().all(|(_, told)| !told.seen.sold)
    }

    fn json(&self) -> Value {
        let offer = |seen: &SeenOffer| {
            let SeenOffer { offering, source, at } = seen;
            let (zone, price) = (&offering.zone, offering.price);
            json!({ "zone": zone, "price": price, "at_most": offering.at_most(),
                "resources": offering.resources, "source": source, "at": at })
        };
        let told = |(zone, told): &(&SmolStr, &ToldType)| json!({ "zone": zone, "at": told.at, "told": told.seen });
        json!({
            "on_demand": self.on_demand.map(offer),
            "spot": self.spot.map(offer),
            "told": self.told.iter().map(told).collect::<Vec<_>>(),
        })
    }
}

fn said_by(source: PriceSource) -> &'static str {
    match source {
        PriceSource::Shipped => "catalogue",
        PriceSource::Api => "AWS",
        PriceSource::Unknown => "?",
    }
}

fn row(one: &Listed<'_>, state: &State, logged: &Logged<'_>) -> Row {
    let name = &one.kind.name;
    let (probe, found) = (state.probes.get(name), state.found.get(name));
    let seen = |offer: &SeenOffer| {
        let offering = &offer.offering;
        Quote { price: offering.price, cap: offering.at_most() }
    };
    let kind = one.kind;
    let on_demand = logged.on_demand.map(seen).or(one.on_demand.0);
    let spot = logged.spot.map(seen).or(one.spot.0);
    let usable = found.map_or(Cow::Borrowed(&one.usable), |found| found.of(&one.usable));
    // As it was probed here, else as somebody has measured it once.
    let ready = probe.map(|probe| probe.usable).or(kind.boot);
    let core = on_demand.into_iter().chain(spot).map(|quote| quote.price).min();
    let core = core.map(|price| Micros(price.0.div_ceil(u64::from(kind.vcpu.max(1)))));
    let allowed = one.barred().map_or_else(|| markets(one).to_owned(), ToString::to_string);
    let allowed = if logged.is_gone() { GONE.to_owned() } else { allowed };
    let marked = logged.marked().map(|(at, by)| format!("{}, {}", said_by(by), when(at)));
    let cells = vec![
        kind.arch.to_string(),
        kind.vcpu.to_string(),
        show_bytes(usable.memory),
        or_dash(ready.map(|length| format!("{} s", length.0.div_ceil(1000)))),
        or_dash(on_demand.map(price)),
        or_dash(spot.map(price)),
        or_dash(core.map(dollars)),
        or_dash(one.sold.interruption.map(band)),
        or_dash(marked),
        allowed,
    ];
    let json = json!({
        "arch": kind.arch,
        "vcpu": kind.vcpu,
        "usable": usable,
        "usable_in": ready,
        "probe": probe,
        "found": found,
        "on_demand": on_demand.map(|quote| quote.price),
        "spot": spot.map(|quote| quote.price),
        "spot_at_most": spot.map(|quote| quote.cap),
        "per_core": core,
        "interruption": one.sold.interruption,
        "log": logged.marked().map(|_| logged.json()),
        "not_on_demand": one.on_demand.1.as_ref().map(reason),
        "not_spot": one.spot.1.as_ref().map(reason),
    });
    Row::new(&kind.name, &json, cells)
}

/// Why not, for programs.
fn reason(barred: &Barred) -> Value {
    match barred {
        Barred::Rules(why) => json!(why),
        Barred::NoPrice => json!({ "why": "no-price" }),
        Barred::NoSpot => json!({ "why": "no-spot" }),
        Barred::NoVolume(said) => json!({ "why": "no-volume", "said": said }),
    }
}

/// On which markets it may be bought.
fn markets(one: &Listed<'_>) -> &'static str {
    match (&one.on_demand.1, &one.spot.1) {
        (None, None) => "yes",
        (None, Some(_)) => "on demand",
        (Some(_), _) => "as spot",
    }
}

fn price(quote: Quote) -> String {
    dollars(quote.price)
}

/// With four decimals, rounded up.
fn dollars(price: Micros) -> String {
    Micros(price.0.div_ceil(100).saturating_mul(100)).dollars()
}

/// Share of spot instances that were interrupted in a month.
fn band(band: u8) -> String {
    match band {
        0 => "<5%".to_owned(),
        4.. => ">20%".to_owned(),
        middle => format!("{}-{}%", middle * 5, middle * 5 + 5),
    }
}
