//! What AWS says of types, zones and list prices; what is bought by it; and what becomes of it where AWS does
//! not say.

use crate::fleet::Fleet;
use crate::world::{PATIENCE, POLL, World, ZONE};
use controlplane::cloud::Cloud as _;
use controlplane_core::prices::TypeTold;
use controlplane_core::{Sight, decide};
use ec2_core::config::PriceList;
use replay_core::State;
use schema::event::{Event, PriceSource};
use schema::policy::{Offering, Policy};
use schema::requirements::Market;
use schema::resources::Resources;
use schema::unit::{Micros, Millis, Seq};
use sim_ec2::{Effect, Gone, Kind, Often, Product, Rule, Shelf};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

const OTHER: &str = "us-east-1a";
const TYPES: &str = "DescribeInstanceTypes";

/// A fleet of on-demand instances of these types.
fn policy(allow: &[&str]) -> Policy {
    let mut policy = Policy { idle_timeout: Millis::from_secs(3600), ..Policy::default() };
    policy.types.allow = allow.iter().map(|kind| (*kind).into()).collect();
    policy.types.markets = vec![Market::OnDemand];
    policy
}

fn listing(world: &mut World) {
    world.config.price_list = Some(PriceList { region: "us-east-1".into(), endpoint: None });
}

fn product(kind: &str, price: &str) -> Product {
    let attributes = BTreeMap::new();
    let (instance_type, region) = (kind.into(), "us-east-1".into());
    Product { instance_type, region, price: price.into(), attributes }
}

/// A type that nobody has heard of, as large as `m5.large`.
fn new(zones: &[&str]) -> Kind {
    let (instance_type, like) = ("m99.large".into(), "m5.large".into());
    let zones = zones.iter().map(|zone| (*zone).into()).collect();
    Kind { instance_type, like, vcpu: Some(2), memory_mib: Some(16_384), zones }
}

fn gone(kind: &str, zone: &str) -> Gone {
    Gone { zone: zone.into(), instance_type: kind.into() }
}

fn asked(world: &World, action: &str) -> usize {
    world.proxy.ledger().of(action).count()
}

/// A core: two of them go on one of these instances.
fn core() -> Resources {
    Resources { cpu: 1500, memory: 1 << 30, ..Resources::default() }
}

/// All launches on the log: where, and what.
fn launches(fleet: &Fleet) -> Vec<(Seq, Offering)> {
    let launch = |(seq, event): (Seq, Event)| match event {
        Event::LaunchRequested(e) => Some((seq, e.offering)),
        _ => None,
    };
    fleet.records().into_iter().filter_map(launch).collect()
}

/// What was bought last, once it runs.
async fn bought(fleet: &mut Fleet, world: &World, name: &str) -> Offering {
    let before = launches(fleet).len();
    fleet.ask(name, core(), None);
    fleet.seconds(world, 20, |_| {}).await;
    assert!(fleet.held().iter().any(|id| id.as_str() == name), "{:?}", fleet.waiting());
    let launches = launches(fleet);
    assert_eq!(launches.len(), before + 1);
    launches[before].1.clone()
}

/// Rules that say the same in other words: what types there are is asked again, and told.
async fn other_words(fleet: &mut Fleet, world: &World) {
    fleet.policy(|policy| policy.types.deny.push(format!("x{}*", policy.types.deny.len()).into()));
    fleet.seconds(world, 4, |_| {}).await;
}

fn source(state: &State, offering: &Offering) -> Option<PriceSource> {
    let Offering { kind, zone, market, .. } = offering.clone();
    state.market.get(&(kind, zone, market)).map(|seen| seen.source)
}

/// The catalogue was made from what moto says: nothing of that is news, so that nothing is lost or changed on
/// the way through the SDK, over all pages.
#[tokio::test]
async fn what_is_told_as_it_was_shipped_is_no_news() {
    let world = World::start().await;
    let cloud = world.cloud().await;
    let told = cloud.types_now(&policy(&[])).await.expect("types");
    assert!(!told.partly && told.types.len() > 1500, "{}", told.types.len());
    // In which zones is not held against what is shipped: moto calls zones as another account does.
    let differs = |one: &&TypeTold| {
        let shipped = one.shipped.as_ref().and_then(|shipped| shipped.hardware.as_ref());
        one.seen.hardware.is_some() && one.seen.hardware.as_ref() != shipped
    };
    let differ: BTreeMap<&str, &TypeTold> =
        told.types.iter().filter(differs).map(|one| (one.seen.kind.as_str(), one)).collect();
    let first = differ.values().next();
    assert!(differ.is_empty(), "{first:#?} and others: {:?}", differ.keys());
    for zone in [OTHER, ZONE] {
        let there = told.types.iter().filter(|one| one.zone == zone && one.seen.sold);
        let (all, unknown): (Vec<_>, Vec<_>) = there.partition(|one| one.seen.hardware.is_some());
        assert!(all.len() > 700, "{} in {zone}", all.len());
        let mac = |one: &&TypeTold| one.seen.kind.starts_with("mac");
        assert!(unknown.iter().all(mac), "{unknown:?}");
    }
    assert_eq!(asked(&world, TYPES), 1395_usize.div_ceil(100));
    assert_eq!(asked(&world, "GetProducts"), 0, "the settings name no price list");
}

#[tokio::test]
async fn a_new_type_appears_and_is_bought_once_its_price_is_known() {
    let mut world = World::going().await;
    listing(&mut world);
    let types = vec![new(&[ZONE])];
    world.proxy.shelf(Shelf { types: types.clone(), ..Shelf::default() });
    let mut fleet = Fleet::buying(&world, policy(&["m5.large", "m99.*"])).await;
    assert_eq!(bought(&mut fleet, &world, "a-1").await.kind, "m5.large", "nobody knows a price");
    // Another's machine, another system, and one that is not sold by the hour are not it.
    let mut wrong = product("m99.large", "0.0100000000");
    wrong.attributes.insert("tenancy".into(), "Dedicated".into());
    let products = vec![wrong, product("m99.large", "0.0500000000"), product("m5.large", "x")];
    world.proxy.shelf(Shelf { types, products, ..Shelf::default() });
    other_words(&mut fleet, &world).await;
    let offering = bought(&mut fleet, &world, "a-2").await;
    assert_eq!((offering.kind.as_str(), offering.zone.as_str()), ("m99.large", ZONE));
    assert!(offering.resources.memory > 14 << 30, "{offering:?}");
    let volumes = offering.price.0 - 50_000;
    let known = fleet.state().market.iter().find(|((kind, ..), _)| kind == "m5.large");
    assert_eq!(known.expect("it is sold").1.offering.price, Micros(96_000 + volumes));
    assert_eq!(source(fleet.state(), &offering), Some(PriceSource::Api));
    let kinds: BTreeSet<String> =
        world.truth().await.into_iter().map(|one| one.instance_type).collect();
    assert_eq!(kinds, ["m5.large".to_owned(), "m99.large".to_owned()].into());
    // Whoever comes later knows it from the log, and needs not to be told.
    let next = world.cloud().await;
    let policy = fleet.state().head.policy.clone();
    next.types_known(fleet.state());
    let sells = next.prices(&policy).expect("prices").offers;
    assert!(sells.contains(&(PriceSource::Api, offering)), "{sells:?}");
}

#[tokio::test]
async fn nothing_is_bought_in_a_zone_that_lost_the_type() {
    let world = World::going().await;
    let mut fleet = Fleet::buying(&world, policy(&["m5.large"])).await;
    let first = bought(&mut fleet, &world, "a-1").await.zone;
    world.proxy.shelf(Shelf { gone: vec![gone("m5.large", &first)], ..Shelf::default() });
    other_words(&mut fleet, &world).await;
    let second = bought(&mut fleet, &world, "a-2").await.zone;
    let both: BTreeSet<&str> = [first.as_str(), second.as_str()].into();
    assert_eq!(both, [OTHER, ZONE].into());
    let key = ("m5.large".into(), first.clone());
    assert_eq!(fleet.state().types.get(&key).map(|told| told.seen.sold), Some(false));
    // And it is sold there again once EC2 says so.
    let gone = vec![gone("m5.large", &second)];
    world.proxy.shelf(Shelf { gone, ..Shelf::default() });
    other_words(&mut fleet, &world).await;
    assert_eq!(bought(&mut fleet, &world, "a-3").await.zone, first);
}

#[tokio::test]
async fn a_list_price_changes_the_decision_and_a_replay_decides_the_same() {
    let mut world = World::going().await;
    listing(&mut world);
    let mut fleet = Fleet::buying(&world, policy(&["m5.large", "m6i.large", "m7i.large"])).await;
    let mut bought_as = Vec::new();
    for (n, cheap) in ["m7i.large", "m5.large", "m6i.large"].into_iter().enumerate() {
        let price = format!("0.0{}00000000", 5 - n);
        world.proxy.shelf(Shelf { products: vec![product(cheap, &price)], ..Shelf::default() });
        other_words(&mut fleet, &world).await;
        bought_as.push(bought(&mut fleet, &world, &format!("a-{n}")).await.kind);
    }
    assert_eq!(bought_as, ["m7i.large", "m5.large", "m6i.large"]);
    for (seq, offering) in launches(&fleet) {
        let before = fleet.replayed(seq);
        let again = decide(&before, &Sight::default());
        let again: Vec<&Offering> = again
            .iter()
            .filter_map(|event| match event {
                Event::LaunchRequested(e) => Some(&e.offering),
                _ => None,
            })
            .collect();
        assert_eq!(again, [&offering]);
    }
    let (mut all, mut live) = (fleet.replayed(Seq(0)), fleet.state().clone());
    assert_eq!(all.digest(), live.digest());
}

#[tokio::test]
async fn without_permission_the_catalogue_goes_on_and_it_is_asked_seldom() {
    let mut world = World::going().await;
    listing(&mut world);
    world.proxy.add(Rule::on(TYPES, Often::Always, Effect::error("UnauthorizedOperation")));
    let denied = Effect::error("AccessDeniedException");
    world.proxy.add(Rule::on("GetProducts", Often::Always, denied));
    let mut fleet = Fleet::buying(&world, policy(&["m5.large"])).await;
    let offering = bought(&mut fleet, &world, "a-1").await;
    assert_eq!(source(fleet.state(), &offering), Some(PriceSource::Shipped));
    assert!(fleet.state().types.is_empty());
    assert_eq!((asked(&world, TYPES), asked(&world, "GetProducts")), (1, 1));
    fleet.seconds(&world, 360, |_| {}).await;
    assert_eq!((asked(&world, TYPES), asked(&world, "GetProducts")), (2, 2), "after five minutes");
}

#[tokio::test]
async fn what_can_be_had_is_told_and_the_rest_is_as_it_was() {
    let mut world = World::going().await;
    listing(&mut world);
    let products = vec![product("m5.large", "0.0500000000")];
    let types = vec![new(&[ZONE])];
    world.proxy.shelf(Shelf { types, products, ..Shelf::default() });
    let cloud = world.cloud().await;
    let policy = policy(&["m5.large", "m99.*"]);
    let faults = [
        (TYPES, "UnauthorizedOperation"),
        ("GetProducts", "ThrottlingException"),
        ("DescribeInstanceTypeOfferings", "RequestLimitExceeded"),
    ];
    for (action, code) in faults {
        world.proxy.clear();
        world.proxy.add(Rule::on(action, Often::Always, Effect::error(code)));
        let told = cloud.types_now(&policy).await.expect("some of it");
        assert!(told.partly, "{action}");
        let of = |kind: &str| told.types.iter().find(|one| one.seen.kind == kind);
        let m5 = &of("m5.large").expect("it is known").seen;
        let listed = action != "GetProducts";
        assert_eq!(m5.on_demand, listed.then_some(Micros(50_000)), "{action}");
        assert_eq!(
            (m5.sold, m5.hardware.is_some(), of("m99.large").is_some()),
            (true, !listed, !listed)
        );
    }
    world.proxy.clear();
    let since = Instant::now();
    while cloud.types_now(&policy).await.is_none_or(|told| told.partly) {
        assert!(since.elapsed() < PATIENCE, "what was throttled rests for ever");
        tokio::time::sleep(POLL).await;
    }
    // A zone of which nothing at all is told has not lost all that it sells.
    let all = cloud.types_now(&Policy::default()).await.expect("types").types;
    let sold = all.iter().filter(|one| one.zone == ZONE && one.seen.sold);
    let gone = sold.map(|one| gone(&one.seen.kind, ZONE)).collect();
    world.proxy.shelf(Shelf { gone, ..Shelf::default() });
    let told = cloud.types_now(&policy).await.expect("types").types;
    assert!(
        told.iter().any(|one| one.zone == ZONE && one.seen.kind == "m5.large" && one.seen.sold)
    );
}
