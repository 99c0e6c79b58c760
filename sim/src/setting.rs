//! What a seed begins with: how many of whom, what they want, what is allowed and what things cost.

use crate::rng::Rng;
use crate::scenario::{Job, Scenario};
use controlplane_core::prices::Prices;
use schema::event::PriceSource;
use schema::id::InstanceId;
use schema::policy::worth::Links;
use schema::policy::{Drift, Offering, Policy, Preemption};
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
    /// By how much more than in a small seed budget and counts are, of whoever sets them.
    pub(crate) scale: u64,
    /// What has to be done, shared out to the drivers; nothing where they draw what they want.
    pub(crate) jobs: Vec<Job>,
    /// How many of a thousand runs of a job fail.
    pub(crate) crashes: u64,
    /// What the cloud says it sells; nothing where the policy says it.
    pub(crate) prices: Option<Prices>,
    /// All of it is sold in two zones, and drivers care in which and of which type they are.
    pub(crate) choosy: bool,
}

/// Where things are sold.
pub(crate) const ZONES: [&str; 2] = ["z", "y"];

/// Of so many seeds one is as large as a fleet may get.
pub(crate) const HUGE: u64 = 250;
/// How many instances such a fleet keeps at least, whatever is asked for.
const FLOOR: (u64, u64) = (165, 195);

impl Setting {
    /// Three replicas and nobody else.
    fn empty() -> Setting {
        Setting {
            replicas: 3,
            drivers: 0,
            allocs: 1,
            at_once: false,
            policy: Policy::default(),
            scale: 1,
            jobs: Vec::new(),
            crashes: 0,
            prices: None,
            choosy: false,
        }
    }

    /// What a scenario says.
    pub(crate) fn of(scenario: &Scenario) -> Setting {
        let Scenario { jobs, drivers, policy, crashes, .. } = scenario.clone();
        Setting { drivers, policy, jobs, crashes, ..Setting::empty() }
    }

    /// Most seeds are small, so that there can be many; one in fifty is large.
    pub(crate) fn draw(rng: &mut Rng) -> Setting {
        let large = rng.chance(20);
        let (drivers, allocs) =
            if large { (rng.between(6, 20), 30) } else { (rng.between(1, 5), 12) };
        let (replicas, at_once) = (rng.between(2, 5), false);
        let scale = if large { 35 } else { 1 };
        let mut policy = policy(rng, scale);
        let choosy = policy.boot_timeout.0.is_multiple_of(3000);
        if choosy {
            twice(&mut policy);
        }
        let prices = policy.max_hourly_cost.0.is_multiple_of(8).then(|| seen(&mut policy));
        let small = Setting { drivers, allocs, at_once, policy, prices, ..Setting::empty() };
        Setting { replicas, scale, choosy, ..small }
    }

    /// A fleet of more than 150 instances at once, and drivers enough to use all of them.
    pub(crate) fn huge(rng: &mut Rng) -> Setting {
        let scale = 60;
        let mut policy = policy(rng, scale);
        policy.max_hourly_cost = policy.max_hourly_cost.max(Micros(20_000_000));
        policy.max_instances = policy.max_instances.max(240);
        policy.max_pending = policy.max_pending.max(60);
        policy.min_instances = u32::try_from(rng.between(FLOOR.0, FLOOR.1)).unwrap_or(150);
        let (replicas, drivers) = (rng.between(2, 5), rng.between(15, 25));
        Setting { replicas, drivers, allocs: 20, policy, scale, ..Setting::empty() }
    }

    /// Twenty drivers that ask for fifty allocs each, at once, with a budget for a part of them.
    pub(crate) fn crowd(rng: &mut Rng) -> Setting {
        let scale = 35;
        let mut policy = policy(rng, scale);
        policy.max_hourly_cost = Micros(4_000_000);
        Setting { drivers: 20, allocs: 50, at_once: true, policy, scale, ..Setting::empty() }
    }
}

fn offering(name: &str, cores: u64, price: u64, market: Market) -> Offering {
    Offering {
        kind: name.into(),
        zone: ZONES[0].into(),
        market,
        price: Micros(price),
        cap: None,
        links: Links::default(),
        resources: Resources { cpu: cores * 1000, memory: 8 << 30, ..Resources::default() },
    }
}

/// What an instance turns out to have: in some seeds most large ones have less than was promised.
pub(crate) fn found(policy: &Policy, id: &InstanceId, offering: &Offering) -> Resources {
    let drawn = policy.boot_timeout < Millis::from_secs(30);
    let falls_short = drawn && policy.boot_timeout.0.is_multiple_of(3000);
    let mut resources = offering.resources.clone();
    let spared = id.as_str().bytes().fold(0, |sum, byte| sum + u64::from(byte)).is_multiple_of(3);
    if falls_short && !spared && offering.kind == "large" {
        (resources.cpu, resources.memory) = (6000, resources.memory / 4 * 3);
    }
    resources
}

/// In some seeds all of it is sold in another zone, too, where it costs a little more.
fn twice(policy: &mut Policy) {
    let there = policy.offerings.iter().map(|offering| Offering {
        zone: ZONES[1].into(),
        price: Micros(offering.price.0 + 5_000),
        ..offering.clone()
    });
    let there: Vec<Offering> = there.collect();
    policy.offerings.extend(there);
}

/// In some seeds the policy names nothing, and all of it comes as prices that the leader sees; the cloud has
/// other ones before long.
fn seen(policy: &mut Policy) -> Prices {
    policy.spot.price_every = Millis::from_secs(10);
    policy.spot.score_every = Millis::from_secs(60);
    Prices::of(PriceSource::Shipped, std::mem::take(&mut policy.offerings))
}

/// How long a cut-off agent lets execs run beyond their lease: now and then for longer than it did before
/// grants said so.
pub(crate) fn grace(rng: &mut Rng) -> Millis {
    let long = rng.chance(200);
    Millis::from_secs(if long { rng.between(30, 45) } else { rng.between(0, 10) })
}

fn policy(rng: &mut Rng, scale: u64) -> Policy {
    let seconds = |count| Millis::from_secs(count);
    let mut offerings = vec![
        offering("small", 2, 60_000, Market::OnDemand),
        offering("large", 8, 200_000, Market::OnDemand),
        offering("large", 8, 70_000, Market::Spot),
    ];
    // Now and then something that is asked for is not to be had at all.
    offerings.truncate(if rng.chance(100) { 1 } else { 3 });
    let mut policy = Policy {
        max_hourly_cost: Micros(rng.between(150_000, 700_000) * scale),
        max_pending: u32::try_from(rng.between(1, 4) * scale).unwrap_or(4),
        max_instances: u32::try_from(rng.between(2, 6) * scale).unwrap_or(6),
        offerings,
        idle_timeout: seconds(rng.between(0, 10)),
        boot_timeout: seconds(rng.between(5, 20)),
        orphan_grace: seconds(15),
        unreachable_after: seconds(rng.between(3, 6)),
        unreachable_grace: seconds(rng.between(0, 5)),
        lease: seconds(10),
        max_lease: seconds(rng.between(5, 20)),
        grace: grace(rng),
        retention: seconds(if rng.chance(200) { rng.between(1, 30) } else { 3600 }),
        ..Policy::default()
    };
    if policy.boot_timeout.0.is_multiple_of(2000) {
        policy.breaker = 2;
        policy.drift = Drift::Drain;
    }
    if policy.max_lease.0.is_multiple_of(3000) {
        policy.fairness.preemption = Preemption::Lower;
        policy.fairness.notice = seconds(policy.max_lease.0 / 3000);
    }
    policy
}
