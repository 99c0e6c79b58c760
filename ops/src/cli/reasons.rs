//! Why offerings are not bought and instances not given, as sentences and as rows.

use super::context::when;
use super::show::word;
use crate::output::{say, table};
use controlplane_core::explain::instances::{Passed, Place};
use controlplane_core::explain::offers::{Lost, Offer, Said};
use driver::describe;
use schema::requirements::Market;
use schema::resources::{show_bytes, show_cpu};
use schema::unit::Micros;
use schema::why::{DistrustWhy, TerminateWhy};
use serde_json::{Value, json};
use smol_str::SmolStr;
use std::collections::BTreeSet;

/// As a word for a column.
pub(super) fn market(market: Market) -> &'static str {
    match market {
        Market::OnDemand => "on-demand",
        Market::Spot => "spot",
    }
}

/// Why an offering is not bought.
fn lost(lost: &Lost) -> String {
    let money = |amount: &Micros| format!("{}/h", amount.dollars());
    match lost {
        Lost::TooSmall(shortage) => format!("too small: {}", describe::shortage(shortage)),
        Lost::LessThanPromised(shortage) => format!(
            "the last one that booted had less than promised: {}",
            describe::shortage(shortage)
        ),
        Lost::OtherMarket { asked } => format!("only {} will do", market(*asked)),
        Lost::OtherType => "another type or zone is asked for".to_owned(),
        Lost::OutOfZones { zones } => format!("only {} will do", any_of(zones)),
        Lost::OutOfTypes { types } => format!("only {} will do", any_of(types)),
        Lost::NotAllowed { rule } => format!("not allowed: {rule}"),
        Lost::Kept => "kept for who asks for an accelerator".to_owned(),
        Lost::OverBudget { asked, committed, limit } => format!(
            "can cost {}, {} of {} is committed",
            money(asked),
            money(committed),
            money(limit)
        ),
        Lost::Named { instance } => format!("{instance} is asked for by name"),
        Lost::Covered { launch } => format!("{launch} is on its way"),
        Lost::NotNeeded => "nothing needs to be bought".to_owned(),
        Lost::Resting { until, refusals, said } => {
            format!("not before {}: {}", when(*until), refused(*refusals, said.as_ref()))
        }
        Lost::SpotShare => "as much is spot as the policy wants".to_owned(),
        Lost::Frozen => "launches are frozen".to_owned(),
        Lost::Breaker { failures } => format!("the last {failures} instances did not boot"),
        Lost::CheaperZone { zone, price } => format!("{} in {zone}", money(price)),
        Lost::OnTrial => "refused lately; one launch is trying it again".to_owned(),
        Lost::MaxPerZone { limit } => {
            format!("there are {limit} instances in its zone, as many as allowed")
        }
        Lost::MaxInstances { limit } => format!("there are {limit} instances, as many as allowed"),
        Lost::MaxPending { limit } => {
            format!("{limit} launches are under way, as many as allowed")
        }
        Lost::Behind { reason } => {
            format!("kept for who has waited for longer: {}", describe::pending(reason))
        }
        Lost::Dearer { costs, chosen } => {
            format!("{} instead of {}", money(costs), money(chosen))
        }
        Lost::Riskier { likely, chosen } => format!(
            "likelier to be taken away: with what that costs {} instead of {}",
            money(likely),
            money(chosen)
        ),
        Lost::Slower { comes_to, chosen } => format!(
            "slower: less what network and EBS throughput are worth {} instead of {}",
            money(comes_to),
            money(chosen)
        ),
        Lost::TooMany { instances, most } => {
            format!("{instances} of it are needed, the caps leave {most}")
        }
        Lost::Shared { costs, chosen, others } => format!(
            "{} instead of {}, which carries {others} others, too",
            money(costs),
            money(chosen)
        ),
        Lost::AsCheap { costs } => {
            format!("as cheap ({}): fewer and larger ones come first, then names", money(costs))
        }
        Lost::Overlooked { costs, chosen } => {
            format!("{} instead of {}, but not come upon", money(costs), money(chosen))
        }
    }
}

fn any_of(names: &BTreeSet<SmolStr>) -> String {
    names.iter().map(SmolStr::as_str).collect::<Vec<_>>().join(" or ")
}

fn refused(refusals: u32, said: Option<&Said>) -> String {
    let last = said.map_or_else(String::new, |said| {
        let class = serde_json::to_value(&said.class).unwrap_or_default();
        let class = class.get("class").and_then(Value::as_str).unwrap_or_default().to_owned();
        format!(", the last time for {class}: {}", said.message)
    });
    format!("it has failed {refusals} times in a row{last}")
}

/// Why an instance is ended, in a word.
pub(super) fn terminating(reason: &TerminateWhy) -> String {
    let reason = serde_json::to_value(reason).unwrap_or_default();
    reason.get("why").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Why somebody is not taken for the agent of an instance.
pub(super) fn distrusted(why: &DistrustWhy) -> String {
    match why {
        DistrustWhy::Unproven => "it shows no proof".to_owned(),
        DistrustWhy::Forged => "its proof is forged, of another instance, or altered".to_owned(),
        DistrustWhy::OtherAttempt { shown, made } => {
            format!("its credential is of attempt {shown}, and the launch is at {made}")
        }
        DistrustWhy::Expired { joins_until, came } => format!(
            "its credential has expired: it could join until {}, and came at {}",
            when(*joins_until),
            when(*came)
        ),
        DistrustWhy::Stranger => "the cloud's answer for that launch has no such one".to_owned(),
        DistrustWhy::Unknown => "for a reason that a newer version knows".to_owned(),
    }
}

/// Why an instance is not given.
fn passed(passed: &Passed) -> String {
    match passed {
        Passed::NotNamed => "another is asked for by name".to_owned(),
        Passed::TooSmall(shortage) => format!("too small: {}", describe::shortage(shortage)),
        Passed::OtherMarket { asked } => format!("only {} will do", market(*asked)),
        Passed::OutOfZones { zone, zones } => {
            format!("it is in {zone}, only {} will do", any_of(zones))
        }
        Passed::OutOfTypes { types } => format!("only {} will do", any_of(types)),
        Passed::NotItsOwn => "only one that is launched for it alone will do".to_owned(),
        Passed::Terminating { reason } => {
            format!("it is being terminated ({})", terminating(reason))
        }
        Passed::Distrusted { reason } => {
            format!("nobody has proved to be its agent: {}", distrusted(reason))
        }
        Passed::Booting { since, others: 0 } => format!("it boots, since {}", when(*since)),
        Passed::Booting { since, others } => {
            format!("it boots, since {}, for {others} others", when(*since))
        }
        Passed::Held => "an operator holds it".to_owned(),
        Passed::Draining { until: None, .. } => "it drains, and goes when it is empty".to_owned(),
        Passed::Draining { until: Some(until), .. } => {
            format!("it will be taken away at {}", when(*until))
        }
        Passed::Silent { since } => format!("its agent is silent, since {}", when(*since)),
        Passed::Full(shortage) => format!("no room: {}", describe::shortage(shortage)),
        Passed::Claimed { by } => format!("kept for {by}, which has waited for longer"),
    }
}

/// Offerings as a table, the best first; says how many there are beyond those that are shown.
pub(super) fn show_offers(offers: &[Offer<'_>], most: usize) {
    let row = |o: &Offer<'_>| {
        vec![
            o.offering.kind.to_string(),
            market(o.offering.market).to_owned(),
            o.offering.zone.to_string(),
            show_cpu(o.offering.resources.cpu),
            show_bytes(o.offering.resources.memory),
            o.offering.price.dollars(),
            o.offering.at_most().dollars(),
            o.worth.dollars(),
            o.instances.map_or_else(|| "-".to_owned(), |count| count.to_string()),
            o.lost.as_ref().map_or_else(|| "chosen".to_owned(), lost),
        ]
    };
    let heads = [
        "type",
        "market",
        "zone",
        "cpu",
        "memory",
        "price/h",
        "at most/h",
        "comes to/h",
        "needed",
        "why",
    ];
    let all: Vec<Vec<String>> = offers.iter().take(most).map(row).collect();
    table(&heads, all.iter().map(|row| &row[..]));
    let rest = offers.len() - all.len();
    if rest > 0 {
        say(&format!("{rest} offerings more; --show {} shows them all", offers.len()));
    }
}

/// Instances as a table.
pub(super) fn show_places(places: &[Place<'_>]) {
    let row = |place: &Place<'_>| {
        let i = place.instance;
        vec![
            place.id.to_string(),
            i.offering.kind.to_string(),
            market(i.offering.market).to_owned(),
            word(&i.phase),
            format!("{}/{}", show_cpu(i.free().cpu), show_cpu(i.resources.cpu)),
            format!("{}/{}", show_bytes(i.free().memory), show_bytes(i.resources.memory)),
            place.passed.as_ref().map_or_else(|| "it has room".to_owned(), passed),
        ]
    };
    let heads = ["instance", "type", "market", "phase", "free cpu", "free memory", "why not"];
    let all: Vec<Vec<String>> = places.iter().map(row).collect();
    table(&heads, all.iter().map(|row| &row[..]));
}

/// An offering and what stands against it, for programs.
pub(super) fn offer_json(offer: &Offer<'_>) -> Value {
    let why = offer.lost.as_ref().map(lost);
    json!({
        "offering": offer.offering, "instances": offer.instances, "costs": offer.costs(),
        "comes_to": offer.worth, "links": offer.links, "lost": offer.lost, "words": why,
    })
}

/// An instance and what stands against it, for programs.
pub(super) fn place_json(place: &Place<'_>) -> Value {
    json!({
        "id": place.id, "free": place.instance.free(), "passed": place.passed,
        "words": place.passed.as_ref().map(passed),
    })
}
