//! What the local cloud sells.

use controlplane::cloud::local::offerings;
use schema::policy::Policy;
use schema::requirements::Market;

#[test]
fn every_type_is_sold_on_demand_and_as_spot_for_less() {
    let (mut prices, offerings) = (Vec::new(), offerings());
    let policy = Policy { offerings: offerings.clone(), ..Policy::default() };
    assert_eq!(policy.check(), Ok(()));
    for spot in offerings.iter().filter(|offering| offering.market == Market::Spot) {
        let same = |other: &&_| {
            let other: &schema::policy::Offering = other;
            other.kind == spot.kind && other.zone == spot.zone && other.market == Market::OnDemand
        };
        let on_demand = offerings.iter().find(same).unwrap();
        assert_eq!(on_demand.resources, spot.resources);
        assert_eq!(on_demand.price.0 * 3, spot.price.0 * 10);
        prices.push(on_demand.price.dollars());
    }
    assert_eq!(prices, ["$0.024", "$0.048", "$0.096"]);
    assert_eq!(offerings.len(), 6);
}
