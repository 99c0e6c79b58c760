//! What has been taken away lately, or is hard to have, costs more than its price: what is bought instead, for
//! how long, and what is said of it.

use crate::check;
use crate::world::{World, cores, id, offering};
use controlplane_core::Moment;
use controlplane_core::effects::{Call, Effects, News};
use controlplane_core::explain::Wanted;
use controlplane_core::explain::offers::{Course, Lost, offers};
use controlplane_core::prices::{self, SpotScore};
use schema::event::{
    InstanceLost, Interruption, InterruptionNoticed, PriceSeen, PriceSource, Scored,
};
use schema::policy::Offering;
use schema::requirements::{Constraint, Market};
use schema::unit::{Micros, Millis};

fn spot(kind: &str, zone: &str, price: u64) -> Offering {
    Offering { market: Market::Spot, zone: zone.into(), ..offering(kind, cores(2), price) }
}

/// The cheaper one: by 6 %.
fn cheap() -> Offering {
    spot("m7g.large", "z", 80_000)
}

/// The other.
fn dear() -> Offering {
    spot("m7i.large", "z", 85_000)
}

fn seen(w: &mut World, source: PriceSource, offerings: &[Offering]) {
    for offering in offerings {
        let (zone, offerings) = (offering.zone.clone(), vec![offering.clone()]);
        let (withdrawn, scores, types) = (Vec::new(), Vec::new(), Vec::new());
        w.say(PriceSeen { source, zone, offerings, withdrawn, scores, types });
    }
}

/// A cluster that may buy these as spot.
fn sold(w: &mut World) {
    w.policy(|p| p.offerings.clear());
    seen(w, PriceSource::Api, &[cheap(), dear()]);
}

/// An instance of this comes up and is taken away at once, without notice.
fn taken(w: &mut World, instance: &str, offering: Offering) {
    w.up_as(instance, offering);
    w.say(InstanceLost { instance: id(instance), message: String::new() });
}

const CHEAP: &[&str] = &["launch m7g.large for a-1", "a-1 waits: launching m7g.large"];
const DEAR: &[&str] = &["launch m7i.large for a-1", "a-1 waits: launching m7i.large"];

#[test]
fn what_was_taken_away_lately_is_bought_if_it_is_cheaper_still() {
    check(&[
        (
            "the cheapest, where nothing is known",
            |w| {
                sold(w);
                w.ask("a-1", cores(2));
            },
            CHEAP,
        ),
        (
            "not what was taken away",
            |w| {
                sold(w);
                taken(w, "i-1", cheap());
                w.ask("a-1", cores(2));
            },
            DEAR,
        ),
        (
            "again once that is long ago",
            |w| {
                sold(w);
                taken(w, "i-1", cheap());
                w.secs(24 * 3600);
                w.ask("a-1", cores(2));
            },
            CHEAP,
        ),
        (
            "what is dearer and fares no better is not bought instead",
            |w| {
                sold(w);
                taken(w, "i-1", cheap());
                taken(w, "i-2", dear());
                w.ask("a-1", cores(2));
            },
            CHEAP,
        ),
        (
            "a notice is enough",
            |w| {
                sold(w);
                w.up_as("i-1", cheap());
                w.interrupt("i-1", Millis::from_secs(120));
                w.say(InstanceLost { instance: id("i-1"), message: String::new() });
                w.ask("a-1", cores(2));
            },
            DEAR,
        ),
        (
            "one that ran for long before makes up for it",
            |w| {
                sold(w);
                w.up_as("i-1", cheap());
                w.secs(20 * 3600);
                w.say(InstanceLost { instance: id("i-1"), message: String::new() });
                w.ask("a-1", cores(2));
            },
            CHEAP,
        ),
        (
            "not where the policy says that it costs nothing",
            |w| {
                sold(w);
                w.policy(|p| p.spot.interruption_cost = Millis(0));
                taken(w, "i-1", cheap());
                w.ask("a-1", cores(2));
            },
            CHEAP,
        ),
        (
            "not by what was seen before the cloud told prices",
            |w| {
                w.policy(|p| p.offerings.clear());
                seen(w, PriceSource::Shipped, &[cheap(), dear()]);
                taken(w, "i-1", cheap());
                w.ask("a-1", cores(2));
            },
            CHEAP,
        ),
        (
            "nothing is taken away on demand",
            |w| {
                sold(w);
                let plain = Offering { market: Market::OnDemand, ..cheap() };
                seen(w, PriceSource::Api, std::slice::from_ref(&plain));
                taken(w, "i-1", plain.clone());
                w.policy(|p| p.types.markets = vec![Market::OnDemand]);
                w.ask("a-1", cores(2));
            },
            CHEAP,
        ),
        (
            "a replacement is nothing that was taken away either",
            |w| {
                sold(w);
                w.policy(|p| p.replace = true);
                seen(w, PriceSource::Api, &[spot("m6i.large", "z", 90_000)]);
                taken(w, "i-1", cheap());
                w.up_as("i-2", spot("m6i.large", "z", 90_000));
                w.give("a-1", "i-2", cores(1));
                w.interrupt("i-2", Millis::from_secs(120));
            },
            &["launch m7i.large in place of i-2"],
        ),
    ]);
}

/// What a notice tells and what follows from it are one interruption, and a risk alone is none.
#[test]
fn an_interruption_counts_once() {
    let per_hour = |happen: fn(&mut World)| {
        let mut w = World::new();
        sold(&mut w);
        w.up_as("i-1", cheap());
        happen(&mut w);
        w.state.taken_per_hour(&cheap())
    };
    assert_eq!(per_hour(|w| w.interrupt("i-1", Millis(0))), 100);
    assert_eq!(
        per_hour(|w| {
            w.interrupt("i-1", Millis(2));
            w.interrupt("i-1", Millis(1));
            w.say(InstanceLost { instance: id("i-1"), message: String::new() });
        }),
        100
    );
    let at_risk = |w: &mut World| {
        let (instance, interruption) = (id("i-1"), Interruption::Rebalance);
        w.say(InterruptionNoticed { instance, interruption, left: Millis(0) });
    };
    assert_eq!(per_hour(at_risk), 0);
}

#[test]
fn what_lost_by_it_is_told_so() {
    let wanted = Wanted { floor: cores(2), constraint: Constraint::default(), count: 1 };
    let mut w = World::new();
    sold(&mut w);
    let (elsewhere, far) = (spot("m7i.large", "zz", 84_000), dear());
    seen(&mut w, PriceSource::Api, std::slice::from_ref(&elsewhere));
    taken(&mut w, "i-1", cheap());
    taken(&mut w, "i-2", elsewhere.clone());
    let course = Course::Launched { chosen: vec![&far], others: 0 };
    let told = offers(&w.state, &wanted, &course);
    let lost = |of: &Offering| {
        let offer = told.iter().find(|offer| offer.offering == of).expect("it is known");
        offer.lost.clone()
    };
    let riskier =
        |likely, chosen| Some(Lost::Riskier { likely: Micros(likely), chosen: Micros(chosen) });
    assert_eq!(lost(&far), None, "it was chosen");
    assert_eq!(lost(&cheap()), riskier(88_000, 85_000));
    assert_eq!(lost(&elsewhere), riskier(92_400, 85_000));
    assert_eq!(told[0].offering, &far, "the best first");
}

/// A placement score of this class of types, in the zone of all of them.
fn scored(w: &mut World, class: &str, score: u8) {
    let scored = Scored { class: class.into(), score };
    let one = SpotScore { zone: "z".into(), scored };
    prices::scored(&[one]).into_iter().for_each(|event| w.say(event));
}

/// Beside one of class `m`, one of class `c` for 6 % more.
fn two_classes(w: &mut World) {
    w.policy(|p| p.offerings.clear());
    seen(w, PriceSource::Api, &[cheap(), spot("c7i.large", "z", 85_000)]);
}

const OTHER: &[&str] = &["launch c7i.large for a-1", "a-1 waits: launching c7i.large"];

#[test]
fn what_the_cloud_thinks_is_hard_to_have_is_bought_if_it_is_cheaper_still() {
    check(&[
        (
            "not where there is little",
            |w| {
                two_classes(w);
                scored(w, "m", 3);
                w.ask("a-1", cores(2));
            },
            OTHER,
        ),
        (
            "where there is enough",
            |w| {
                two_classes(w);
                scored(w, "m", 6);
                w.ask("a-1", cores(2));
            },
            CHEAP,
        ),
        (
            "by the newest score",
            |w| {
                two_classes(w);
                scored(w, "m", 1);
                scored(w, "m", 10);
                w.ask("a-1", cores(2));
            },
            CHEAP,
        ),
        (
            "not by one that is old",
            |w| {
                two_classes(w);
                scored(w, "m", 1);
                w.secs(6 * 3600 + 1);
                w.ask("a-1", cores(2));
            },
            CHEAP,
        ),
        (
            "not on demand",
            |w| {
                two_classes(w);
                let plain = |o: Offering| Offering { market: Market::OnDemand, ..o };
                seen(w, PriceSource::Api, &[plain(cheap()), plain(dear())]);
                w.policy(|p| p.types.markets = vec![Market::OnDemand]);
                scored(w, "m", 1);
                w.ask("a-1", cores(2));
            },
            CHEAP,
        ),
    ]);
}

#[test]
fn scores_are_asked_for_seldom_and_only_where_somebody_may_be_given_spot() {
    let mut w = World::new();
    let every = w.state.head.policy.spot.score_every;
    let mut effects = Effects::default();
    let later = |n: u64| Moment(n * every.0);
    assert_eq!(effects.score(later(0), &w.state), None, "nobody waits");
    let on_demand = Constraint { market: Some(Market::OnDemand), ..Constraint::default() };
    w.ask_with("a-1", cores(1), |ask| ask.constraint = on_demand);
    assert_eq!(effects.score(later(0), &w.state), None, "not for spot");
    w.ask("a-2", cores(1));
    let asked = |w: &World| Some(Call::Scores(Box::new(w.state.head.policy.clone())));
    assert_eq!(effects.score(later(0), &w.state), asked(&w));
    assert_eq!(effects.score(later(1), &w.state), None, "it is asked for");
    effects.take(later(1), News::Scored(None));
    effects.forget();
    assert_eq!(effects.score(Moment(every.0 - 1), &w.state), None, "nor for another term");
    assert_eq!(effects.score(later(1), &w.state), asked(&w));
    effects.take(later(1), News::Scored(None));
    w.policy(|p| p.types.markets = vec![Market::OnDemand]);
    assert_eq!(effects.score(later(2), &w.state), None, "no spot is bought");
    w.policy(|p| p.types.markets = vec![Market::Spot]);
    w.policy(|p| p.spot.score_every = Millis(0));
    assert_eq!(effects.score(later(2), &w.state), None, "never");
}
