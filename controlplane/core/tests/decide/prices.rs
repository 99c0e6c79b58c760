//! What is bought of all that was seen to be sold, and what the leader writes of it.

use crate::check;
use crate::world::{World, cores, gpus, id, offering};
use controlplane_core::prices::{Prices, news, probed};
use schema::event::{Event, MAX_PRICES, PriceSeen, PriceSource, ProbeDone};
use schema::policy::Offering;
use schema::policy::types::{Accelerators, TypeRules};
use schema::resources::Resources;
use schema::unit::{Micros, Millis};

fn seen(w: &mut World, offerings: Vec<Offering>) {
    let zone = offerings[0].zone.clone();
    w.say(PriceSeen { source: PriceSource::Api, zone, offerings, withdrawn: Vec::new() });
}

/// A cluster whose policy names nothing to buy.
fn bare(w: &mut World) {
    w.policy(|p| p.offerings.clear());
}

fn rules(w: &mut World, change: impl FnOnce(&mut TypeRules)) {
    w.policy(|p| change(&mut p.types));
}

#[test]
fn what_was_seen_is_bought_if_the_rules_allow_it() {
    check(&[
        (
            "the cheapest that is allowed",
            |w| {
                bare(w);
                seen(
                    w,
                    vec![offering("m7g.large", cores(2), 80), offering("t3.large", cores(2), 10)],
                );
                w.ask("a-1", cores(2));
            },
            &["launch m7g.large for a-1", "a-1 waits: launching m7g.large"],
        ),
        (
            "by the rules that hold now, not by those that held when it was seen",
            |w| {
                bare(w);
                seen(
                    w,
                    vec![offering("m7g.large", cores(2), 80), offering("t3.large", cores(2), 10)],
                );
                rules(w, |r| r.burstable = true);
                w.ask("a-1", cores(2));
            },
            &["launch t3.large for a-1", "a-1 waits: launching t3.large"],
        ),
        (
            "at the price that was seen last",
            |w| {
                bare(w);
                seen(
                    w,
                    vec![offering("m7g.large", cores(2), 80), offering("m7i.large", cores(2), 70)],
                );
                seen(w, vec![offering("m7g.large", cores(2), 60)]);
                w.ask("a-1", cores(2));
            },
            &["launch m7g.large for a-1", "a-1 waits: launching m7g.large"],
        ),
        (
            "what the policy names is bought whatever the rules say",
            |w| {
                w.policy(|p| p.offerings = vec![offering("t3.large", cores(2), 10)]);
                w.ask("a-1", cores(2));
            },
            &["launch t3.large for a-1", "a-1 waits: launching t3.large"],
        ),
        (
            "accelerators are kept for those who ask for one",
            |w| {
                bare(w);
                seen(w, vec![offering("g5.large", gpus(1, cores(2)), 10)]);
                w.ask("a-1", cores(2));
            },
            &["a-1 refused: no offerings"],
        ),
        (
            "and bought for them",
            |w| {
                bare(w);
                seen(w, vec![offering("g5.large", gpus(1, cores(2)), 10)]);
                w.ask("a-1", gpus(1, cores(2)));
            },
            &["launch g5.large for a-1", "a-1 waits: launching g5.large"],
        ),
        (
            "or for all, if the rules say so",
            |w| {
                bare(w);
                rules(w, |r| r.accelerators = Accelerators::Always);
                seen(w, vec![offering("g5.large", gpus(1, cores(2)), 10)]);
                w.ask("a-1", cores(2));
            },
            &["launch g5.large for a-1", "a-1 waits: launching g5.large"],
        ),
    ]);
}

/// Round for round until the log says the same, and then nothing; what is no offering is left out.
#[test]
fn what_is_new_is_written_down_once() {
    let mut w = World::new();
    let many =
        |price| (0..MAX_PRICES + 1).map(move |n| offering(&format!("k{n}"), cores(1), price));
    let elsewhere = Offering { zone: "y".into(), ..offering("k0", cores(1), 1) };
    let none = offering("none", cores(0), 1);
    let offerings: Vec<Offering> = many(1).chain([elsewhere.clone(), none]).collect();
    let mut prices = Prices { source: PriceSource::Shipped, offerings };
    let told = |w: &mut World, prices: &Prices| {
        let events = news(&w.state, prices);
        events.iter().for_each(|event| w.say(event.clone()));
        events.len()
    };
    assert_eq!(told(&mut w, &prices), 3, "two of one zone, one of the other");
    assert_eq!(told(&mut w, &prices), 0);
    assert_eq!(w.state.market.len(), MAX_PRICES + 2);
    prices.offerings[0].price = Micros(2);
    prices.source = PriceSource::Api;
    assert_eq!(told(&mut w, &prices), 1, "the one that costs something else");
    prices.offerings.retain(|offering| *offering != elsewhere);
    assert_eq!(told(&mut w, &prices), 1, "what is not sold any more");
    assert_eq!(told(&mut w, &prices), 0);
    assert_eq!(w.state.market.len(), MAX_PRICES + 1);
}

#[test]
fn a_type_that_was_probed_is_promised_with_the_memory_that_it_has() {
    let mut w = World::new();
    let one = offering("m7g.large", cores(2), 80);
    let (source, offerings) = (PriceSource::Shipped, vec![one.clone()]);
    let prices = Prices { source, offerings };
    let told = news(&w.state, &prices);
    told.into_iter().for_each(|event| w.say(event));
    assert_eq!(news(&w.state, &prices), []);
    assert_eq!(probed(&w.state), None);
    let mut found = one.resources.clone();
    found.memory = 1000;
    let done = ProbeDone {
        instance: id("i-1"),
        launch: id("l-1"),
        kind: one.kind.clone(),
        zone: one.zone.clone(),
        market: one.market,
        promised: one.resources.clone(),
        resources: found.clone(),
        accepted: Millis(1),
        booted: Millis(2),
        usable: Millis(3),
    };
    assert!(w.void(ProbeDone { resources: Resources::default(), ..done.clone() }));
    w.say(done);
    assert_eq!(probed(&w.state), Some(w.state.head.time));
    let told = news(&w.state, &prices);
    let [Event::PriceSeen(seen)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(seen.offerings, [Offering { resources: found, ..one }]);
    told.into_iter().for_each(|event| w.say(event));
    assert_eq!(news(&w.state, &prices), [], "once");
}
