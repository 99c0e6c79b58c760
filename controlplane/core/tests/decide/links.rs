//! What network and EBS throughput are worth: which types of EC2's, at its prices, are bought for it, and
//! what is said of those that are not.

use crate::check;
use crate::world::{World, cores, gib};
use catalogue::{Catalogue, SpotPrices};
use controlplane_core::explain::Wanted;
use controlplane_core::explain::offers::{Course, Lost, Offer, offers};
use controlplane_core::prices::{Prices, news};
use schema::event::PriceSource;
use schema::policy::Offering;
use schema::policy::worth::WorthRule;
use schema::requirements::{Constraint, Market};
use schema::resources::Resources;
use schema::unit::{Micros, Millis};

const REGION: &str = "us-east-1";

/// A cluster that may buy these on demand, each for what EC2 takes for it alone.
fn sold(w: &mut World, kinds: &[&str]) {
    w.policy(|p| {
        p.offerings.clear();
        p.types.allow = kinds.iter().map(|kind| (*kind).into()).collect();
        p.types.markets = vec![Market::OnDemand];
    });
    let mut catalogue = Catalogue::shipped().expect("it can be read");
    let region = catalogue.regions.get_mut(REGION).expect("a region");
    for volume in region.volumes.values_mut() {
        (volume.gib, volume.iops, volume.throughput) = (Micros(0), Micros(0), Micros(0));
    }
    let (zones, policy) = (region.zones[..1].to_vec(), &w.state.head.policy);
    let offerings = catalogue.offerings(REGION, &zones, policy, &policy.volume, &SpotPrices::new());
    let prices = Prices::of(PriceSource::Shipped, offerings.expect("they are sold there"));
    assert_eq!(prices.offers.len(), kinds.len());
    news(&w.state, &prices).into_iter().for_each(|event| w.say(event));
}

fn worth(w: &mut World, change: fn(&mut WorthRule)) {
    w.policy(|p| change(&mut p.worth));
}

fn need(cpu: u64, memory: u64) -> Resources {
    Resources { memory: gib(memory), ..cores(cpu) }
}

/// Reflow takes a type of 1.5 times the EBS throughput if it costs less than 0.03 $ more, or less than 1.15
/// times as much: 325 Mbit/s for each core are usual, and half as much more is worth all that a fast link
/// may be.
fn as_reflow(rule: &mut WorthRule) {
    rule.ebs = Micros(100_000);
}

/// The same where 200 Mbit/s for each core are usual, as in the larger sizes of AMD's fifth generation.
fn as_reflow_large(rule: &mut WorthRule) {
    (rule.ebs, rule.ebs_beyond) = (Micros(100_000), 200);
}

#[test]
fn throughput_is_bought_for_what_it_is_worth() {
    check(&[
        (
            "the cheapest, where it is worth nothing: 0.126 $ and 0.149 $",
            |w| {
                sold(w, &["r5.large", "r5b.large"]);
                w.ask("a-1", need(2, 14));
            },
            &["launch r5.large for a-1", "a-1 waits: launching r5.large"],
        ),
        (
            "1.9 times the throughput for 0.023 $ more",
            |w| {
                sold(w, &["r5.large", "r5b.large"]);
                worth(w, as_reflow);
                w.ask("a-1", need(2, 14));
            },
            &["launch r5b.large for a-1", "a-1 waits: launching r5b.large"],
        ),
        (
            "not for 0.046 $ more, which is 1.18 times as much",
            |w| {
                sold(w, &["r5.xlarge", "r5b.xlarge"]);
                worth(w, as_reflow);
                w.ask("a-1", need(4, 28));
            },
            &["launch r5.xlarge for a-1", "a-1 waits: launching r5.xlarge"],
        ),
        (
            "nor 2.4 times the throughput for 1.45 times as much",
            |w| {
                sold(w, &["m5.large", "m6in.large"]);
                worth(w, as_reflow);
                w.ask("a-1", need(2, 7));
            },
            &["launch m5.large for a-1", "a-1 waits: launching m5.large"],
        ),
        (
            "1.6 times the throughput for 0.08 $ more, which is 1.12 times as much",
            |w| {
                sold(w, &["m5a.4xlarge", "m5.4xlarge", "r5b.4xlarge"]);
                worth(w, as_reflow_large);
                w.ask("a-1", need(16, 56));
            },
            &["launch m5.4xlarge for a-1", "a-1 waits: launching m5.4xlarge"],
        ),
        (
            "nothing for as much throughput: 0.086 $ and 0.096 $",
            |w| {
                sold(w, &["m5a.large", "m5.large", "m6i.large"]);
                worth(w, as_reflow);
                w.ask("a-1", need(2, 7));
            },
            &["launch m5a.large for a-1", "a-1 waits: launching m5a.large"],
        ),
        (
            "of the fast ones the cheapest: 0.085 $ slow, 0.11 $ and 0.12 $ fast",
            |w| {
                sold(w, &["c5.large", "c7gn.large", "c6in.large"]);
                worth(w, as_reflow);
                w.ask("a-1", need(2, 3));
            },
            &["launch c6in.large for a-1", "a-1 waits: launching c6in.large"],
        ),
        (
            "2.8 times the network for 0.023 $ more, by the gigabit",
            |w| {
                sold(w, &["m5.large", "m5n.large"]);
                worth(w, |rule| rule.network = Micros(20_000));
                w.ask("a-1", need(2, 7));
            },
            &["launch m5n.large for a-1", "a-1 waits: launching m5n.large"],
        ),
        (
            "not where a gigabit is worth less",
            |w| {
                sold(w, &["m5.large", "m5n.large"]);
                worth(w, |rule| rule.network = Micros(15_000));
                w.ask("a-1", need(2, 7));
            },
            &["launch m5.large for a-1", "a-1 waits: launching m5.large"],
        ),
        (
            "the price counts against the budget, and not what it comes to",
            |w| {
                sold(w, &["r5.large", "r5b.large"]);
                worth(w, as_reflow);
                w.policy(|p| p.max_hourly_cost = Micros(148_999));
                w.ask("a-1", need(2, 14));
            },
            &["launch r5.large for a-1", "a-1 waits: launching r5.large"],
        ),
    ]);
}

/// An instance of its own, one that is kept idle, and one in place of another are chosen alike.
#[test]
fn it_is_worth_as_much_whatever_it_is_bought_for() {
    check(&[
        (
            "the least number of instances",
            |w| {
                sold(w, &["r5.large", "r5b.large"]);
                worth(w, as_reflow);
                w.policy(|p| p.min_instances = 1);
            },
            &["launch r5b.large for the least of 1"],
        ),
        (
            "a replacement",
            |w| {
                w.up("i-1", cores(8));
                w.give("a-1", "i-1", cores(1));
                sold(w, &["r5.large", "r5b.large"]);
                worth(w, as_reflow);
                w.policy(|p| p.replace = true);
                w.interrupt("i-1", Millis::from_secs(120));
            },
            &["launch r5b.large in place of i-1"],
        ),
    ]);
}

#[test]
fn what_it_counted_for_is_told() {
    let mut w = World::new();
    sold(&mut w, &["r5.large", "r5b.large"]);
    worth(&mut w, as_reflow);
    let wanted = Wanted { floor: need(2, 14), constraint: Constraint::default(), count: 1 };
    let before = w.state.clone();
    w.ask("a-1", need(2, 14));
    assert!(!w.rounds().is_empty());
    assert_eq!(w.state.head.committed, Micros(149_000), "what is paid is the price");
    let (_, launch) = w.state.launches.iter().next().expect("a launch");
    let course = Course::Launched { chosen: vec![&launch.offering], others: 0 };
    let told = offers(&before, &wanted, &course);
    let [fast, slow] = &told[..] else { panic!("{told:?}") };
    let figures = |offer: &Offer<'_>| (offer.offering.price, offer.links, offer.worth);
    assert_eq!(figures(fast), (Micros(149_000), Micros(30_000), Micros(119_000)));
    assert_eq!(figures(slow), (Micros(126_000), Micros(0), Micros(126_000)));
    assert_eq!(fast.lost, None, "it was chosen");
    let (comes_to, chosen) = (Micros(126_000), Micros(119_000));
    assert_eq!(slow.lost, Some(Lost::Slower { comes_to, chosen }));
}

/// Who knew the types before their links were known is told of them once.
#[test]
fn links_come_to_be_known() {
    let mut w = World::new();
    sold(&mut w, &["m5.large"]);
    let (_, known) = w.state.market.iter().next().expect("it is sold");
    assert_eq!((known.offering.links.network, known.offering.links.ebs), (750, 650));
    let now = Prices::of(PriceSource::Shipped, [known.offering.clone()]);
    let before =
        Offering { links: schema::policy::worth::Links::default(), ..known.offering.clone() };
    let before = news(&w.state, &Prices::of(PriceSource::Shipped, [before]));
    before.into_iter().for_each(|event| w.say(event));
    let again = news(&w.state, &now);
    assert_eq!(again.len(), 1);
    again.into_iter().for_each(|event| w.say(event));
    assert!(news(&w.state, &now).is_empty());
}
