//! Packing: which mix is bought for which requests, who goes first when caps bind, and what holds of
//! every plan whatever was asked for.

#[path = "pack/always.rs"]
mod always;
#[path = "pack/caps.rs"]
mod caps;
#[path = "pack/mix.rs"]
mod mix;
#[path = "pack/waste.rs"]
mod waste;

use controlplane_core::pack::{Demand, Limits, Plan, Terms};
use schema::policy::Offering;
use schema::policy::worth::Links;
use schema::requirements::Market;
use schema::resources::Resources;
use schema::unit::Micros;

/// Nothing is capped.
const ANY: Limits = Limits { budget: Micros(u64::MAX), instances: u32::MAX, pending: u32::MAX };

fn amount(cores: u64, gib: u64) -> Resources {
    Resources { cpu: cores * 1000, memory: gib << 30, ..Resources::default() }
}

/// Of those who are waited for.
fn firm(need: Resources) -> Demand {
    Demand { need, terms: Terms::default(), firm: true }
}

fn need(cores: u64, gib: u64) -> Demand {
    firm(amount(cores, gib))
}

/// What to launch where nothing is kept for anybody.
fn pack(demands: &[Demand], offerings: &[Offering], limits: &Limits) -> Plan {
    controlplane_core::pack::pack(
        demands,
        offerings,
        &[],
        |_| false,
        |offering| offering.price,
        limits,
    )
}

fn needs(count: usize, cores: u64, gib: u64) -> Vec<Demand> {
    vec![need(cores, gib); count]
}

fn sold(kind: &str, resources: Resources, price: u64) -> Offering {
    Offering {
        kind: kind.into(),
        zone: "a".into(),
        market: Market::OnDemand,
        price: Micros(price),
        cap: None,
        links: Links::default(),
        resources,
    }
}

/// Kinds that are launched, sorted, each with how many requests it carries.
fn bought(plan: &Plan, offerings: &[Offering]) -> Vec<String> {
    let one = |launch: &controlplane_core::pack::Launch| {
        format!("{} for {}", offerings[launch.offering].kind, launch.seats.len())
    };
    let mut bought: Vec<String> = plan.launches.iter().map(one).collect();
    bought.sort();
    bought
}
