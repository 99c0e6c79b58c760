//! The whole request of an attempt: what it says, and that it says it again.

use crate::world::{FLAVOURS, full, image, order, plain, request, shown};
use controlplane_core::cloud::LaunchOrder;
use ec2_core::RunRequest;
use ec2_core::cloudinit::Flavour;
use ec2_core::config::{Config, Data, SpotPrice};
use ec2_core::request::{Buying, RequestError, Tagged, Token, price};
use ec2_core::tags;
use schema::id::{ClusterId, LaunchId};
use schema::requirements::Market;
use schema::unit::{Epoch, Micros};
use std::collections::BTreeSet;

/// Without the user-data, which has snapshots of its own.
#[test]
fn a_request_is_as_agreed() {
    insta::assert_debug_snapshot!("request_full", request(&full(Flavour::Flatcar), &order()));
}

#[test]
fn every_leader_sends_the_same_request() {
    for flavour in FLAVOURS {
        let config = full(flavour);
        let first = request(&config, &order());
        for term in [0, 7, 8, u64::MAX] {
            let again = LaunchOrder { epoch: Epoch(term), ..order() };
            assert_eq!(request(&config, &again), first, "asked for in term {term}");
        }
        assert_eq!(first.tags[tags::EPOCH], "7", "the term of the intent");
    }
}

#[test]
fn each_attempt_in_each_subnet_has_a_token_of_its_own() {
    let cluster = |text: &str| ClusterId::new(text).expect("an id");
    let launch = |text: &str| LaunchId::new(text).expect("an id");
    let tokens = [
        Token::of(&cluster("a"), &launch("b"), 1, "subnet-1"),
        Token::of(&cluster("a"), &launch("b"), 2, "subnet-1"),
        Token::of(&cluster("a"), &launch("b"), 1, "subnet-2"),
        Token::of(&cluster("a"), &launch("c"), 1, "subnet-1"),
        Token::of(&cluster("ab"), &launch("b"), 1, "subnet-1"),
        Token::of(&cluster("a"), &launch("ab"), 1, "subnet-1"),
        Token::of(&cluster("a"), &launch("b"), 11, "subnet-1"),
    ];
    assert_eq!(tokens.iter().collect::<BTreeSet<_>>().len(), tokens.len());
    for token in &tokens {
        let text = token.as_str();
        assert!(text.len() <= 64 && text.bytes().all(|b| b.is_ascii_graphic()), "{text}");
    }
    // EC2 keeps tokens for a day and longer: another build must make the same ones.
    insta::assert_snapshot!("token", tokens[0].as_str());
}

#[test]
fn spot_is_bought_once_and_at_a_price_that_the_budget_knows() {
    let config = plain(Flavour::Ubuntu);
    let spot = request(&config, &order());
    assert_eq!(spot.buying, Buying::Spot { most: Some(Micros(806_400)) });
    assert!(spot.tagged.contains(&Tagged::SpotInstancesRequest));
    let open = Config { spot_price: SpotPrice::OnDemand, ..config.clone() };
    assert_eq!(request(&open, &order()).buying, Buying::Spot { most: None });
    let mut order = order();
    order.offering.market = Market::OnDemand;
    let demand = request(&open, &order);
    assert_eq!(demand.buying, Buying::OnDemand);
    // EC2 refuses a request with tags for a thing that it does not make.
    assert!(!demand.tagged.contains(&Tagged::SpotInstancesRequest));
    for (micros, text) in [(806_400, "0.806400"), (12_000_001, "12.000001"), (0, "0.000000")] {
        assert_eq!(price(Micros(micros)), text);
    }
}

#[test]
fn tags_say_where_an_instance_comes_from_whatever_the_labels_say() {
    let mut config = plain(Flavour::Ubuntu);
    config.labels =
        [(tags::LAUNCH.into(), "l-forged".into()), ("team".into(), "genomics".into())].into();
    let tags = request(&config, &order()).tags;
    let found: Vec<(&str, &str)> = tags.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let wanted = [
        ("Name", "fleetlog genomics"),
        ("fleetlog:attempt", "2"),
        ("fleetlog:cluster", "genomics"),
        ("fleetlog:epoch", "7"),
        ("fleetlog:launch", "l-06gzsscyz2a50f2f1hmv"),
        ("team", "genomics"),
    ];
    assert_eq!(found, wanted);
    assert_eq!(request(&full(Flavour::Ubuntu), &order()).tags["Name"], "ours");
}

#[test]
fn an_attempt_that_can_never_be_made_says_why() {
    let config = plain(Flavour::Ubuntu);
    let refused = |config: &Config, order: &LaunchOrder| {
        let intent = ec2_core::Intent::of(order);
        RunRequest::new(config, &intent, &image(), &shown(config, &intent)).expect_err("refused")
    };
    let mut elsewhere = order();
    elsewhere.offering.zone = "us-west-2d".into();
    assert_eq!(refused(&config, &elsewhere), RequestError::NoSubnet("us-west-2d".into()));
    let huge = Config { data: Some(Data { per_core: 2000, ..Data::default() }), ..config.clone() };
    let sentence = refused(&huge, &order()).to_string();
    assert_eq!(sentence, "1 data slices of 32000 GiB: 16384 GiB is the most");
    let mut bare = config;
    bare.agent.clear();
    assert_eq!(refused(&bare, &order()).to_string(), "there is no agent for x86_64");
}
