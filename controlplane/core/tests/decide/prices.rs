//! What is bought of all that was seen to be sold, and what the leader writes of it.

use crate::check;
use crate::world::{World, cores, gpus, offering};
use controlplane_core::effects::{Call, Effects, News};
use controlplane_core::prices::{Prices, news};
use controlplane_core::{Moment, decide};
use schema::event::{Event, MAX_PRICES, PriceSeen, PriceSource};
use schema::policy::types::{Accelerators, TypeRules};
use schema::policy::{Offering, Policy};
use schema::requirements::Market;
use schema::unit::{Micros, Millis};

fn seen(w: &mut World, offerings: Vec<Offering>) {
    let zone = offerings[0].zone.clone();
    let (source, withdrawn) = (PriceSource::Api, Vec::new());
    let (scores, types) = (Vec::new(), Vec::new());
    w.say(PriceSeen { source, zone, offerings, withdrawn, scores, types });
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
    let mut prices = Prices::of(PriceSource::Shipped, offerings);
    let told = |w: &mut World, prices: &Prices| {
        let events = news(&w.state, prices);
        events.iter().for_each(|event| w.say(event.clone()));
        events.len()
    };
    assert_eq!(told(&mut w, &prices), 3, "two of one zone, one of the other");
    assert_eq!(told(&mut w, &prices), 0);
    assert_eq!(w.state.market.len(), MAX_PRICES + 2);
    prices.offers[0].1.price = Micros(2);
    prices.offers.iter_mut().for_each(|(source, _)| *source = PriceSource::Api);
    assert_eq!(told(&mut w, &prices), 1, "the one that costs something else");
    prices.offers.retain(|(_, offering)| *offering != elsewhere);
    assert_eq!(told(&mut w, &prices), 1, "what is not sold any more");
    assert_eq!(told(&mut w, &prices), 0);
    assert_eq!(w.state.market.len(), MAX_PRICES + 1);
}

/// What the cloud told is not replaced by what a catalogue says; and it has to differ by enough to be written.
#[test]
fn prices_that_are_about_the_same_are_no_news() {
    use PriceSource::{Api, Shipped};
    for (what, known, told, percent, new) in [
        ("the same", (Shipped, 100), (Shipped, 100), 5, false),
        ("a newer catalogue", (Shipped, 100), (Shipped, 101), 5, true),
        ("about what the catalogue says", (Shipped, 100), (Api, 105), 5, false),
        ("other than the catalogue says", (Shipped, 100), (Api, 106), 5, true),
        ("a little cheaper", (Api, 100), (Api, 95), 5, false),
        ("cheaper", (Api, 100), (Api, 94), 5, true),
        ("a little, where all counts", (Api, 100), (Api, 101), 0, true),
        ("the same, where all counts", (Api, 100), (Api, 100), 0, false),
        ("a catalogue", (Api, 100), (Shipped, 300), 5, false),
        ("what had no price", (Shipped, 0), (Api, 1), 100, true),
    ] {
        let mut w = World::new();
        w.policy(|p| p.spot.price_change = percent);
        let market = Market::Spot;
        let one = |price| Offering { market, ..offering("m7g.large", cores(2), price) };
        let prices = |(source, price)| Prices::of(source, [one(price)]);
        news(&w.state, &prices(known)).into_iter().for_each(|event| w.say(event));
        assert_eq!(news(&w.state, &prices(told)).len(), usize::from(new), "{what}");
    }
    // What else is new of it is new whoever says so.
    let mut w = World::new();
    let of = |source, cpu| Prices::of(source, [offering("m7g.large", cores(cpu), 100)]);
    news(&w.state, &of(Api, 2)).into_iter().for_each(|event| w.say(event));
    assert_eq!(news(&w.state, &of(Shipped, 3)).len(), 1);
}

/// A price is on the log before anything is decided by it: whoever folds as much of the log decides the same.
#[test]
fn a_decision_that_is_replayed_sees_the_price_that_it_saw() {
    let mut w = World::new();
    bare(&mut w);
    let sold = |a, b| vec![offering("m7g.large", cores(2), a), offering("m7i.large", cores(2), b)];
    seen(&mut w, sold(80, 70));
    w.ask("a-1", cores(2));
    let (then, sight) = (w.state.head.applied, w.sight.clone());
    let decided = decide(&w.state, &sight);
    let bought = |events: &[Event]| {
        let launch = events.iter().find_map(|event| match event {
            Event::LaunchRequested(e) => Some((e.offering.kind.clone(), e.offering.price)),
            _ => None,
        });
        launch.expect("a launch")
    };
    assert_eq!(bought(&decided), ("m7i.large".into(), Micros(70)));
    seen(&mut w, sold(60, 90));
    assert_eq!(bought(&decide(&w.state, &sight)), ("m7g.large".into(), Micros(60)));
    assert_eq!(decide(&w.replayed(then), &sight), decided);
}

#[test]
fn prices_are_asked_for_as_often_as_the_policy_says_and_one_at_a_time() {
    let mut policy = Policy::default();
    let every = policy.spot.price_every;
    let mut effects = Effects::default();
    let asked = Some(Call::Prices(Box::new(policy.clone())));
    assert_eq!(effects.price(Moment(0), &policy), asked);
    assert_eq!(effects.price(Moment(2 * every.0), &policy), None, "it is asked for");
    effects.take(Moment(2 * every.0), News::Priced(None));
    assert_eq!(effects.price(Moment(2 * every.0), &policy), asked);
    effects.take(Moment(2 * every.0), News::Priced(None));
    assert_eq!(effects.price(Moment(3 * every.0 - 1), &policy), None, "it was asked for");
    // The next term asks at once, and not before the last has its answer.
    effects.forget();
    assert_eq!(effects.price(Moment(3 * every.0 - 1), &policy), asked);
    effects.forget();
    assert_eq!(effects.price(Moment(3 * every.0 - 1), &policy), None, "it is asked for");
    effects.take(Moment(3 * every.0), News::Priced(None));
    policy.spot.price_every = Millis(0);
    assert_eq!(effects.price(Moment(9 * every.0), &policy), None);
}
