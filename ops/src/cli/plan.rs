//! `fleet plan`: what would become of something that is asked for, tried on a copy of the state with the
//! leader's own decisions. Nothing is written anywhere.

use super::ask::NeedArgs;
use super::policy::changed;
use super::reasons::{market, offer_json, show_offers};
use super::volumes::{Unsold, by, catalogue, settings, unsold};
use crate::output::{Output, Usage, print, say, table};
use catalogue::{Catalogue, SpotPrices, Volumes};
use clap::Args;
use controlplane_core::explain::Wanted;
use controlplane_core::explain::offers::{Offer, offers};
use controlplane_core::explain::rehearse::{Ask, Fate, Outlook, Planned, Rehearsal};
use controlplane_core::prices::Prices;
use driver::describe;
use replay_core::State;
use schema::event::PriceSource;
use schema::id::ClusterId;
use schema::policy::types::{Accelerators, TypeRules};
use schema::policy::{Offering, Policy};
use schema::unit::Micros;
use serde_json::json;
use std::collections::BTreeMap;
use std::process::ExitCode;

/// Whose shipped prices stand in where there is no cluster.
pub(super) const REGION: &str = "us-east-1";

/// Show what would be launched for something now, and why nothing else
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    need: NeedArgs,
    /// So many of it at once, each where there is room
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    count: u32,
    /// With the shipped prices of the first zone of this region, instead of those that the cluster has
    /// seen [without a cluster: us-east-1]
    #[arg(long)]
    region: Option<String>,
    /// As if the policy were changed so: max_hourly_cost=$5
    #[arg(long, value_name = "KEY=VALUE")]
    policy: Vec<String>,
    /// Show so many offerings at most
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    show: usize,
}

/// What becomes of some, in words.
struct Line {
    fate: &'static str,
    on: String,
    requests: usize,
    offering: Option<Offering>,
    why: String,
}

pub(super) fn plan(
    args: &PlanArgs,
    found: Option<State>,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let requirements = args.need.requirements()?;
    let (floor, constraint) = (requirements.floor(), args.need.constraint()?);
    let mut rehearsal = rehearsal(args, found)?;
    let first = rehearsal.settle()?.len();
    if first > 0 {
        say(&format!("{first} instances are launched before, for what is asked for already"));
    }
    let before = rehearsal.clone();
    let ask = Ask { requirements, constraint: constraint.clone(), priority: args.need.priority };
    let outlook = rehearsal.ask(&vec![ask; args.count as usize])?;
    let (course, count) = outlook.course();
    let wanted = Wanted { floor, constraint, count };
    let now = before.state();
    let offers = offers(now, &wanted, &course);
    // The cluster's volumes say nothing of another region.
    let unsold = match args.region {
        None => unsold(&catalogue(now)?, now, &wanted),
        Some(_) => Vec::new(),
    };
    match output {
        Output::Table => {
            show(&outlook, &offers, args.show);
            unsold.iter().for_each(|unsold| say(&unsold.words()));
        }
        Output::Json => print(&json(&outlook, &offers, &unsold)),
        Output::Quiet => outlook.launches.iter().for_each(|l| print(&l.offering.kind)),
    }
    Ok(ExitCode::SUCCESS)
}

/// A copy of the cluster, with the policy and the prices that are to hold; where there is none, of one that
/// has nothing but what each has by default.
fn rehearsal(args: &PlanArgs, found: Option<State>) -> anyhow::Result<Rehearsal> {
    let region = args.region.as_deref();
    let (mut rehearsal, region) = match found {
        Some(state) => {
            let none = || Usage("there is no cluster on this log yet".to_owned());
            (Rehearsal::of(state).ok_or_else(none)?, region)
        }
        None => {
            let none = Rehearsal::new(ClusterId::new("none")?, Policy::default())?;
            (none, region.or(Some(REGION)))
        }
    };
    if !args.policy.is_empty() {
        rehearsal.policy(changed(&rehearsal.state().head.policy, &args.policy)?)?;
    }
    if let Some(region) = region {
        let config = settings(rehearsal.state());
        let policy = &rehearsal.state().head.policy;
        let prices = shipped(region, policy, by(config.as_ref(), policy))?;
        rehearsal.prices(&prices)?;
    }
    Ok(rehearsal)
}

/// All that is sold in the first zone of a region, whether the policy allows it or not.
fn shipped(region: &str, policy: &Policy, volumes: &dyn Volumes) -> anyhow::Result<Prices> {
    let wrong = |error: catalogue::Nowhere| Usage(error.to_string());
    let catalogue = Catalogue::shipped()?;
    let zones = &catalogue.region(region).map_err(wrong)?.zones;
    let zone = zones.iter().take(1).cloned().collect::<Vec<_>>();
    let types = TypeRules {
        min_generation: BTreeMap::new(),
        burstable: true,
        bare_metal: true,
        accelerators: Accelerators::Always,
        ..TypeRules::default()
    };
    let all = Policy { types, ..policy.clone() };
    let offerings = catalogue.offerings(region, &zone, &all, volumes, &SpotPrices::new());
    let offerings = offerings.map_err(wrong)?;
    say(&format!("with the shipped prices of {} in {region}", zone.join(", ")));
    Ok(Prices::of(PriceSource::Shipped, offerings))
}

fn show(outlook: &Outlook, offers: &[Offer<'_>], most: usize) {
    let row = |line: Line| {
        let of = line.offering.as_ref();
        let text = |show: fn(&Offering) -> String| of.map_or_else(|| "-".to_owned(), show);
        vec![
            line.fate.to_owned(),
            line.requests.to_string(),
            line.on,
            text(|o| o.kind.to_string()),
            text(|o| market(o.market).to_owned()),
            text(|o| o.zone.to_string()),
            text(|o| o.price.dollars()),
            text(|o| o.at_most().dollars()),
            line.why,
        ]
    };
    let rows: Vec<Vec<String>> = lines(outlook).into_iter().map(row).collect();
    let heads = ["fate", "requests", "on", "type", "market", "zone", "price/h", "at most/h", "why"];
    table(&heads, rows.iter().map(|row| &row[..]));
    let (price, at_most) = cost(outlook);
    if !outlook.launches.is_empty() {
        let (count, price, at_most) = (outlook.launches.len(), price.dollars(), at_most.dollars());
        say(&format!("{count} launches in all, {price}/h, {at_most}/h at most"));
    }
    print("");
    show_offers(offers, most);
}

/// What all launches cost per hour, and can cost at most.
fn cost(outlook: &Outlook) -> (Micros, Micros) {
    let all = outlook.launches.iter().map(|launch| &launch.offering);
    all.fold((Micros(0), Micros(0)), |(price, most), offering| {
        (price.plus(offering.price), most.plus(offering.at_most()))
    })
}

/// Those who are given room together, then each launch, then those who wait or are refused.
fn lines(outlook: &Outlook) -> Vec<Line> {
    let mut given: BTreeMap<String, usize> = BTreeMap::new();
    let mut left: Vec<(&'static str, String, usize)> = Vec::new();
    let carried: Vec<usize> = outlook.launches.iter().flat_map(|l| l.carries.clone()).collect();
    for (at, fate) in outlook.fates.iter().enumerate() {
        let (fate, why) = match fate {
            Fate::Granted(on) => {
                *given.entry(on.to_string()).or_default() += 1;
                continue;
            }
            Fate::Waits(_) if carried.contains(&at) => continue,
            Fate::Waits(why) => ("waits", describe::pending(why)),
            Fate::Refused(why) => ("refused", describe::refused(why)),
        };
        match left.iter_mut().find(|(of, text, _)| *of == fate && *text == why) {
            Some((_, _, count)) => *count += 1,
            None => left.push((fate, why, 1)),
        }
    }
    let given = given.into_iter().map(|(on, requests)| {
        let why = "there is room".to_owned();
        Line { fate: "given", on, requests, offering: None, why }
    });
    let left = left.into_iter().map(|(fate, why, requests)| Line {
        fate,
        on: "-".to_owned(),
        requests,
        offering: None,
        why,
    });
    given.chain(launched(&outlook.launches)).chain(left).collect()
}

/// Launches, those together that are alike.
fn launched(launches: &[Planned]) -> Vec<Line> {
    let alike = |one: &Planned, other: &Planned| {
        let of = |l: &Planned| (l.offering.clone(), l.carries.len(), l.others, l.why.clone());
        of(one) == of(other)
    };
    launches.chunk_by(alike).map(|some| line(&some[0], some.len())).collect()
}

fn line(launch: &Planned, count: usize) -> Line {
    let why = super::why::launched(&launch.why);
    let why = match launch.others {
        0 => why,
        others => format!("{why}; it carries {others} others that wait"),
    };
    let on = if count == 1 { "a new one".to_owned() } else { format!("{count} new ones") };
    let (requests, offering) = (launch.carries.len() * count, Some(launch.offering.clone()));
    Line { fate: "launched", on, requests, offering, why }
}

fn json(outlook: &Outlook, offers: &[Offer<'_>], unsold: &[Unsold]) -> String {
    let (price, at_most) = cost(outlook);
    let offers: Vec<_> = offers.iter().map(offer_json).collect();
    json!({
        "requests": outlook.fates, "launches": outlook.launches,
        "price": price, "at_most": at_most, "offerings": offers, "not_sold": unsold,
    })
    .to_string()
}
