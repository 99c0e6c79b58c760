//! What a seed begins with: how many of whom, what they want, what is allowed and what things cost.

use crate::rng::Rng;
use controlplane_core::prices::Prices;
use schema::event::PriceSource;
use schema::policy::{Offering, Policy};
use schema::requirements::Market;
use schema::resources::Resources;
use schema::unit::{Micros, Millis};

/// How many take part, and what they may do.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) replicas: u64,
    pub(crate) drivers: u64,
    /// Most allocs that one driver asks for, and whether it asks for so many, at once.
    pub(crate) allocs: u64,
    pub(crate) at_once: bool,
    pub(crate) policy: Policy,
    /// What the cloud says it sells; nothing where the policy says it.
    pub(crate) prices: Option<Prices>,
}

impl Setting {
    /// Most seeds are small, so that there can be many; one in fifty is as large as a fleet gets here.
    pub(crate) fn draw(rng: &mut Rng) -> Setting {
        let large = rng.chance(20);
        let (drivers, allocs) =
            if large { (rng.between(6, 20), 30) } else { (rng.between(1, 5), 12) };
        let (replicas, at_once) = (rng.between(2, 5), false);
        let mut policy = policy(rng, large);
        let prices = policy.max_hourly_cost.0.is_multiple_of(8).then(|| seen(&mut policy));
        Setting { replicas, drivers, allocs, at_once, policy, prices }
    }

    /// Twenty drivers that ask for fifty allocs each, at once, with a budget for a part of them.
    pub(crate) fn crowd(rng: &mut Rng) -> Setting {
        let mut policy = policy(rng, true);
        policy.max_hourly_cost = Micros(4_000_000);
        Setting { replicas: 3, drivers: 20, allocs: 50, at_once: true, policy, prices: None }
    }
}

fn offering(name: &str, cores: u64, price: u64, market: Market) -> Offering {
    Offering {
        kind: name.into(),
        zone: "z".into(),
        market,
        price: Micros(price),
        cap: None,
        resources: Resources { cpu: cores * 1000, memory: 8 << 30, ..Resources::default() },
    }
}

/// In some seeds the policy names nothing, and all of it comes as prices that the leader sees.
fn seen(policy: &mut Policy) -> Prices {
    Prices { source: PriceSource::Api, offerings: std::mem::take(&mut policy.offerings) }
}

fn policy(rng: &mut Rng, large: bool) -> Policy {
    let seconds = |count| Millis::from_secs(count);
    let scale = if large { 35 } else { 1 };
    let mut offerings = vec![
        offering("small", 2, 60_000, Market::OnDemand),
        offering("large", 8, 200_000, Market::OnDemand),
        offering("large", 8, 70_000, Market::Spot),
    ];
    // Now and then something that is asked for is not to be had at all.
    offerings.truncate(if rng.chance(100) { 1 } else { 3 });
    Policy {
        max_hourly_cost: Micros(rng.between(150_000, 700_000) * scale),
        max_pending: u32::try_from(rng.between(1, 4) * scale).unwrap_or(4),
        max_instances: u32::try_from(rng.between(2, 6) * scale).unwrap_or(6),
        offerings,
        idle_timeout: seconds(rng.between(0, 10)),
        boot_timeout: seconds(rng.between(5, 20)),
        unreachable_after: seconds(rng.between(3, 6)),
        unreachable_grace: seconds(rng.between(0, 5)),
        lease: seconds(10),
        max_lease: seconds(rng.between(5, 20)),
        grace: GRACE,
        retention: seconds(if rng.chance(200) { rng.between(1, 30) } else { 3600 }),
        ..Policy::default()
    }
}

/// How long a cut-off agent lets execs run beyond their lease: agents are told so when they start.
pub(crate) const GRACE: Millis = Millis::from_secs(5);
