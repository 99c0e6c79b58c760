//! The spot market from a table: placement scores and the history of prices, neither of which moto has.

use crate::error::Error;
use crate::page;
use crate::request::{Filter, Request};
use crate::xml::Element;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// As many scores as EC2 gives.
const SCORES: usize = 10;

/// What EC2 knows of the spot market.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpotMarket {
    /// How likely a type is to be had.
    pub scores: Vec<Score>,
    /// Changes of prices.
    pub prices: Vec<Price>,
}

/// How likely a type is to be had in a zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Score {
    /// By name.
    pub region: String,
    /// By id, such as `use1-az6`.
    pub zone_id: String,
    /// Such as `m5.large`.
    pub instance_type: String,
    /// 1 to 10.
    pub score: u8,
    /// Up to this target capacity; beyond it the score is 1.
    #[serde(default)]
    pub capacity: Option<u64>,
}

/// A spot price from a moment on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// By name.
    pub zone: String,
    /// Such as `m5.large`.
    pub instance_type: String,
    /// Such as `Linux/UNIX`.
    pub product: String,
    /// Dollars an hour, as EC2 writes them.
    pub price: String,
    /// From when on, as EC2 writes times.
    #[serde(with = "rfc3339")]
    pub since: Timestamp,
}

/// Answers `GetSpotPlacementScores`. The score of several types together is that of the best one.
pub(crate) fn scores(market: &SpotMarket, request: &Request) -> Result<Element, Error> {
    let capacity = request.get("TargetCapacity").and_then(|text| text.parse::<u64>().ok());
    let capacity = capacity.ok_or_else(|| missing("TargetCapacity"))?;
    let (types, regions) = (request.list("InstanceType"), request.list("RegionName"));
    let by_zone = request.is_true("SingleAvailabilityZone");
    let meant = market.scores.iter().filter(|row| {
        (types.is_empty() || types.contains(&row.instance_type))
            && (regions.is_empty() || regions.contains(&row.region))
    });
    let mut best: BTreeMap<(&str, Option<&str>), u8> = BTreeMap::new();
    for row in meant {
        let enough = row.capacity.is_none_or(|holds| capacity <= holds);
        let score = best.entry((&row.region, by_zone.then_some(&row.zone_id))).or_insert(1);
        *score = (*score).max(if enough { row.score } else { 1 });
    }
    let mut best: Vec<_> = best.into_iter().collect();
    best.sort_by_key(|(place, score)| (Reverse(*score), *place));
    let mut set = Element::new("spotPlacementScoreSet");
    for ((region, zone), score) in best.into_iter().take(SCORES) {
        let item = Element::new("item").leaf("region", region);
        let item = match zone {
            Some(zone) => item.leaf("availabilityZoneId", zone),
            None => item,
        };
        set = set.with(item.leaf("score", &score.to_string()));
    }
    Ok(Element::answer("GetSpotPlacementScores").with(set))
}

fn missing(name: &str) -> Error {
    let message = format!("The request must contain the parameter {name}");
    Error::new("MissingParameter", message)
}

/// Answers `DescribeSpotPriceHistory`: the changes between two moments, the latest first, and for each
/// offering the price that was in force at the first.
pub(crate) fn prices(market: &SpotMarket, request: &Request) -> Result<Element, Error> {
    let start = moment(request, "StartTime")?.unwrap_or(Timestamp::MIN);
    let end = moment(request, "EndTime")?.unwrap_or(Timestamp::MAX);
    let filters = filters(request)?;
    let mut rows: Vec<&Price> = Vec::new();
    for row in &market.prices {
        let region = row.zone.starts_with(&request.region);
        if region && row.since <= end && filters.iter().all(|filter| holds(filter, row)) {
            rows.push(row);
        }
    }
    rows.sort_by_key(|row| (Reverse(row.since), &row.instance_type, &row.zone, &row.product));
    let mut in_force = Vec::new();
    rows.retain(|row| {
        let offering = (&row.instance_type, &row.zone, &row.product);
        let first_before = row.since <= start && !in_force.contains(&offering);
        if row.since <= start {
            in_force.push(offering);
        }
        row.since > start || first_before
    });
    page_of(&rows, request)
}

fn page_of(rows: &[&Price], request: &Request) -> Result<Element, Error> {
    let size = page::size(request, 1)?.unwrap_or(1000);
    let token = request.get("NextToken").filter(|token| !token.is_empty());
    let from = token.map_or(Ok(0), str::parse::<usize>).map_err(|_| {
        Error::new("InvalidPaginationToken", "The specified pagination token is not valid.")
    })?;
    let mut set = Element::new("spotPriceHistorySet");
    for row in rows.iter().skip(from).take(size) {
        let item = Element::new("item")
            .leaf("instanceType", &row.instance_type)
            .leaf("productDescription", &row.product)
            .leaf("spotPrice", &row.price)
            .leaf("timestamp", &format!("{:.3}", row.since))
            .leaf("availabilityZone", &row.zone);
        set = set.with(item);
    }
    let next = from + size;
    // EC2 ends this list with a token that is there and empty.
    let next = if next < rows.len() { next.to_string() } else { String::new() };
    Ok(Element::answer("DescribeSpotPriceHistory").with(set).leaf("nextToken", &next))
}

fn moment(request: &Request, name: &str) -> Result<Option<Timestamp>, Error> {
    let parsed = request.get(name).map(str::parse::<Timestamp>).transpose();
    parsed.map_err(|error| Error::new("InvalidParameterValue", format!("{name}: {error}")))
}

/// All that narrows the history, as filters.
fn filters(request: &Request) -> Result<Vec<Filter>, Error> {
    let lists = [("instance-type", "InstanceType"), ("product-description", "ProductDescription")];
    let mut filters = request.filters();
    for (name, list) in lists {
        let values = request.list(list);
        if !values.is_empty() {
            filters.push(Filter { name: name.to_owned(), values });
        }
    }
    if let Some(zone) = request.get("AvailabilityZone") {
        let values = vec![zone.to_owned()];
        filters.push(Filter { name: "availability-zone".to_owned(), values });
    }
    let known = ["availability-zone", "instance-type", "product-description", "spot-price"];
    match filters.iter().find(|filter| !known.contains(&filter.name.as_str())) {
        Some(other) => {
            let message = format!("The filter '{}' is invalid", other.name);
            Err(Error::new("InvalidParameterValue", message))
        }
        None => Ok(filters),
    }
}

fn holds(filter: &Filter, row: &Price) -> bool {
    match filter.name.as_str() {
        "availability-zone" => filter.admits(&row.zone),
        "instance-type" => filter.admits(&row.instance_type),
        "product-description" => filter.admits(&row.product),
        _ => filter.admits(&row.price),
    }
}

/// Times in JSON.
mod rfc3339 {
    use jiff::Timestamp;
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(at)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}
