//! What EC2 says that spot costs, page by page, and how likely it is to be had; and what becomes of it where
//! EC2 does not say.

use crate::world::{World, ZONE};
use controlplane::cloud::Cloud as _;
use controlplane_core::prices::{Prices, SpotScore};
use schema::event::{PriceSource, Scored};
use schema::policy::Policy;
use schema::requirements::Market;
use sim_ec2::{Effect, Often, Price, Rule, Score, SpotMarket};
use std::collections::BTreeMap;

/// What an offering on spot costs without its volumes, and who says so.
type Told = BTreeMap<(String, String), (PriceSource, u64)>;

fn policy(allow: &[&str]) -> Policy {
    let mut policy = Policy::default();
    policy.types.allow = allow.iter().map(|kind| (*kind).into()).collect();
    policy
}

fn price(kind: &str, zone: &str, dollars: &str, since: &str) -> Price {
    Price {
        zone: zone.into(),
        instance_type: kind.into(),
        product: "Linux/UNIX".into(),
        price: dollars.into(),
        since: since.parse().expect("a time"),
    }
}

/// Spot without the volumes: those are all that on-demand and spot have in common.
fn spot(prices: Option<Prices>) -> Told {
    let offers = prices.expect("prices").offers;
    let volumes = offers.iter().find(|(_, o)| o.kind == "m5.large" && o.market == Market::OnDemand);
    let volumes = volumes.expect("it is sold").1.price.0 - 96_000;
    let of = |market| offers.iter().filter(move |(_, offer)| offer.market == market);
    assert!(of(Market::OnDemand).all(|(source, _)| *source == PriceSource::Shipped));
    let told = of(Market::Spot).map(|(source, offer)| {
        let key = (offer.kind.to_string(), offer.zone.to_string());
        (key, (*source, offer.price.0 - volumes))
    });
    told.collect()
}

fn asked(world: &World) -> usize {
    world.proxy.ledger().of("DescribeSpotPriceHistory").count()
}

#[tokio::test]
async fn spot_costs_what_ec2_says_and_else_what_the_catalogue_does() {
    let world = World::start().await;
    let cloud = world.cloud().await;
    let policy = policy(&["m5.large", "m6i.large"]);
    let shipped = spot(cloud.prices(&policy));
    assert!(shipped.values().all(|(source, _)| *source == PriceSource::Shipped), "{shipped:?}");
    assert_eq!(shipped.len(), 4, "two types in two zones");
    let (then, later) = ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z");
    let mut prices = vec![
        price("m5.large", ZONE, "0.050000", then),
        price("m5.large", ZONE, "0.031400", later),
        price("m5.large", "us-east-1a", "0.0271", then),
        price("m5.large", "us-east-1c", "0.0001", then),
        price("m5.xlarge", ZONE, "0.0002", then),
    ];
    prices.push(Price { product: "Windows".into(), ..price("m5.large", ZONE, "0.2", later) });
    world.proxy.market(SpotMarket { prices, ..SpotMarket::default() });
    let told = spot(cloud.prices_now(&policy).await);
    let key = |kind: &str, zone: &str| (kind.to_owned(), zone.to_owned());
    let mut wanted = shipped.clone();
    wanted.insert(key("m5.large", ZONE), (PriceSource::Api, 31_400));
    wanted.insert(key("m5.large", "us-east-1a"), (PriceSource::Api, 27_100));
    assert_eq!(told, wanted);
    assert_eq!(spot(cloud.prices(&policy)), wanted, "another policy needs no other look");
    assert_eq!(asked(&world), 1);
    // What cannot be had changes nothing.
    world.proxy.add(Rule::on(
        "DescribeSpotPriceHistory",
        Often::Next(2),
        Effect::error("UnauthorizedOperation"),
    ));
    assert_eq!(cloud.prices_now(&policy).await, None);
    assert_eq!(cloud.prices_now(&policy).await, None);
    assert_eq!(spot(cloud.prices(&policy)), wanted);
    // And what EC2 does not say any more is what the catalogue says.
    world.proxy.market(SpotMarket::default());
    assert_eq!(spot(cloud.prices_now(&policy).await), shipped);
}

/// More than fit on a page, of more types than are named one by one.
#[tokio::test]
async fn all_prices_are_looked_at_page_by_page() {
    let world = World::start().await;
    let cloud = world.cloud().await;
    let policy = policy(&[]);
    let known: Vec<_> = spot(cloud.prices(&policy)).into_keys().collect();
    assert!(known.len() > 1000, "{}", known.len());
    let since = "2026-01-01T00:00:00Z";
    let prices = known.iter().map(|(kind, zone)| price(kind, zone, "0.01", since)).collect();
    world.proxy.market(SpotMarket { prices, ..SpotMarket::default() });
    let told = spot(cloud.prices_now(&policy).await);
    assert!(told.len() >= known.len(), "what is cheap enough now may be more");
    let api =
        |(source, price): &(PriceSource, u64)| *source == PriceSource::Api && *price == 10_000;
    assert!(known.iter().all(|key| told.get(key).is_some_and(api)));
    assert_eq!(asked(&world), known.len().div_ceil(1000));
}

#[tokio::test]
async fn nobody_asks_what_spot_costs_where_none_is_bought() {
    let world = World::start().await;
    let cloud = world.cloud().await;
    let mut policy = policy(&["m5.large"]);
    policy.types.markets = vec![Market::OnDemand];
    assert_eq!(cloud.prices_now(&policy).await, None);
    assert_eq!(asked(&world), 0);
}

fn score(zone_id: &str, kind: &str, score: u8) -> Score {
    let (region, zone_id) = ("us-east-1".to_owned(), zone_id.to_owned());
    Score { region, zone_id, instance_type: kind.into(), score, capacity: None }
}

/// One question for each class of types, of which there are enough.
#[tokio::test]
async fn placement_scores_are_asked_for_by_class_and_told_by_zone() {
    let world = World::start().await;
    let cloud = world.cloud().await;
    let zones = world.client.describe_availability_zones().zone_names(ZONE).send().await;
    let id = zones.expect("zones").availability_zones()[0].zone_id().expect("an id").to_owned();
    let scores = vec![
        score(&id, "m5.large", 3),
        score(&id, "c6i.large", 8),
        score("use1-az9", "m5.large", 10),
        score(&id, "r5.large", 9),
    ];
    world.proxy.market(SpotMarket { scores, ..SpotMarket::default() });
    let policy = policy(&["m5.*", "c6i.*", "r5.large"]);
    let told = |class: &str, score| SpotScore {
        zone: ZONE.into(),
        scored: Scored { class: class.into(), score },
    };
    let wanted = Some(vec![told("c", 8), told("m", 3)]);
    assert_eq!(cloud.scores_now(&policy).await, wanted, "one type of class r says nothing");
    let asked = |world: &World| world.proxy.ledger().of("GetSpotPlacementScores").count();
    assert_eq!(asked(&world), 2);
    let refused = Effect::error("UnauthorizedOperation");
    world.proxy.add(Rule::on("GetSpotPlacementScores", Often::Next(1), refused));
    assert_eq!(cloud.scores_now(&policy).await, None);
    assert_eq!(cloud.scores_now(&policy).await, wanted);
}
