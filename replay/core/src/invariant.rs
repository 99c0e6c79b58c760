//! What must be true of every state, by name: used by the simulator after each record, by the audit
//! of a real log, and by tests. Each check recomputes from the tables what the fold keeps
//! incrementally.

use crate::state::State;
use crate::state::alloc::{Alloc, AllocStatus};
use crate::state::budget::{Costs, share};
use crate::state::index::Index;
use crate::state::instance::Phase;
use crate::state::launch::LaunchStatus;
use crate::state::trust::Trust;
use schema::id::{AllocId, DriverId, InstanceId};
use schema::resources::Resources;
use schema::unit::Micros;
use std::collections::BTreeMap;

/// A broken invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// Which invariant.
    pub invariant: &'static str,
    /// What was found.
    pub found: String,
}

type Check = fn(&State) -> Vec<String>;

/// All invariants, by name.
pub const INVARIANTS: &[(&str, Check)] = &[
    ("allocs-fit", allocs_fit),
    ("used-is-the-sum-of-allocs", used_is_the_sum),
    ("instance-has-one-intent", one_intent),
    ("committed-is-the-sum-of-prices", committed_is_the_sum),
    ("counts-are-right", counts),
    ("costs-are-the-sum-of-shares", costs_are_the_sum),
    ("open-exec-has-a-live-alloc", open_execs),
    ("gone-instance-holds-nothing", gone_holds_nothing),
    ("unproven-instance-has-nothing", unproven_has_nothing),
    ("allocs-are-counted", allocs_are_counted),
    ("indices-follow-from-tables", indices),
];

/// Checks all invariants; empty if all hold.
#[must_use]
pub fn check(state: &State) -> Vec<Breach> {
    INVARIANTS
        .iter()
        .flat_map(|(invariant, check)| {
            check(state).into_iter().map(|found| Breach { invariant, found })
        })
        .collect()
}

fn held(state: &State) -> BTreeMap<&InstanceId, Resources> {
    let mut held: BTreeMap<&InstanceId, Resources> = BTreeMap::new();
    for grant in state.allocs.iter().filter_map(|(_, alloc)| alloc.grant()) {
        let sum = held.entry(&grant.instance).or_default();
        *sum = sum.plus(&grant.resources);
    }
    held
}

fn allocs_fit(state: &State) -> Vec<String> {
    let over = |(id, sum): (&InstanceId, Resources)| {
        let shortage = state.instances.get(id)?.resources.shortage(&sum)?;
        Some(format!(
            "{id} has {} {}, its allocs {}",
            shortage.available, shortage.dimension, shortage.asked
        ))
    };
    held(state).into_iter().filter_map(over).collect()
}

fn used_is_the_sum(state: &State) -> Vec<String> {
    let held = held(state);
    let wrong = |(id, instance): (&InstanceId, &crate::state::instance::Instance)| {
        let sum = held.get(id).cloned().unwrap_or_default();
        (instance.used != sum).then(|| format!("{id} counts {}, its allocs {sum}", instance.used))
    };
    state.instances.iter().filter_map(wrong).collect()
}

fn one_intent(state: &State) -> Vec<String> {
    let mut found = Vec::new();
    for (id, launch) in state.launches.iter() {
        if launch.instances.len() > launch.count as usize {
            found.push(format!("{id} made {} of {}", launch.instances.len(), launch.count));
        }
    }
    for (id, instance) in state.instances.iter().filter(|(_, instance)| instance.lives()) {
        let known = state.launches.get(&instance.launch).is_some_and(|l| l.instances.contains(id));
        if !known {
            found.push(format!("{id} belongs to no launch"));
        }
    }
    found
}

fn committed_is_the_sum(state: &State) -> Vec<String> {
    let living = state.instances.iter().filter(|(_, i)| i.lives());
    let living = living.map(|(_, i)| i.offering.at_most());
    let pending = state.launches.iter().filter(|(_, l)| l.status == LaunchStatus::Requested);
    let pending = pending.map(|(_, l)| {
        let missing = u64::from(l.count).saturating_sub(l.instances.len() as u64);
        Micros(l.offering.at_most().0.saturating_mul(missing))
    });
    let sum = living.chain(pending).fold(Micros(0), Micros::plus);
    let counted = state.head.committed;
    let wrong = counted != sum;
    wrong
        .then(|| format!("{} counted, {} found", counted.dollars(), sum.dollars()))
        .into_iter()
        .collect()
}

/// Instance by instance and launch by launch, for every driver and every label that there is.
fn costs_are_the_sum(state: &State) -> Vec<String> {
    let mut shares: BTreeMap<&AllocId, u64> = BTreeMap::new();
    for (id, launch) in state.launches.iter() {
        for alloc in &launch.reserved_for {
            let Some(waits) = state.allocs.get(alloc) else { continue };
            if matches!(&waits.status, AllocStatus::Waiting { reserved: Some(of), .. } if of == id)
            {
                shares.insert(alloc, share(&waits.requirements.floor(), &launch.offering).0);
            }
        }
    }
    for (instance, alloc) in &state.index.on_instance {
        let grant = state.allocs.get(alloc).and_then(Alloc::grant);
        let of = state.instances.get(instance).map(|instance| &instance.offering);
        if let (Some(grant), Some(of)) = (grant, of) {
            shares.insert(alloc, share(&grant.resources, of).0);
        }
    }
    let mut found = Costs::default();
    for (id, cost) in shares {
        if let Some(alloc) = state.allocs.get(id) {
            found.add(alloc, i128::from(cost));
        }
    }
    let wrong = found != state.index.costs;
    wrong.then(|| format!("{:?} counted, {found:?} found", state.index.costs)).into_iter().collect()
}

fn counts(state: &State) -> Vec<String> {
    let (mut pending, mut instances) = (0_u64, 0_u64);
    for (_, instance) in state.instances.iter().filter(|(_, instance)| instance.lives()) {
        instances += 1;
        pending += u64::from(instance.phase == Phase::Booting);
    }
    for (_, launch) in state.launches.iter().filter(|(_, l)| l.status == LaunchStatus::Requested) {
        let missing = u64::from(launch.count).saturating_sub(launch.instances.len() as u64);
        instances += missing;
        pending += missing;
    }
    let counted = (u64::from(state.head.pending), u64::from(state.head.instances));
    let wrong = counted != (pending, instances);
    let text =
        || format!("{counted:?} pending and in all counted, {:?} found", (pending, instances));
    wrong.then(text).into_iter().collect()
}

fn open_execs(state: &State) -> Vec<String> {
    let open = state.execs.iter().filter(|(_, exec)| !exec.ended());
    let orphan = open.filter(|(_, exec)| {
        let alloc = state.allocs.get(&exec.alloc);
        !alloc.is_some_and(|alloc| {
            matches!(alloc.status, AllocStatus::Granted { .. } | AllocStatus::Ending { .. })
        })
    });
    orphan.map(|(id, _)| format!("{id} is open in an alloc that is over")).collect()
}

fn gone_holds_nothing(state: &State) -> Vec<String> {
    let held = held(state);
    let gone = state.instances.iter().filter(|(_, instance)| !instance.lives());
    gone.filter(|(id, _)| held.contains_key(id)).map(|(id, _)| format!("{id} is gone")).collect()
}

fn unproven_has_nothing(state: &State) -> Vec<String> {
    let held = held(state);
    let unproven =
        state.instances.iter().filter(|(_, i)| matches!(i.trust, Trust::Unproven { .. }));
    let wrong = unproven.filter(|(id, i)| i.phase == Phase::Up || held.contains_key(id));
    wrong.map(|(id, _)| format!("{id} serves, and nobody has proved to be its agent")).collect()
}

fn allocs_are_counted(state: &State) -> Vec<String> {
    let mut held: BTreeMap<&InstanceId, u32> = BTreeMap::new();
    let mut open: BTreeMap<&DriverId, u32> = BTreeMap::new();
    for (_, alloc) in state.allocs.iter() {
        if let Some(grant) = alloc.grant() {
            *held.entry(&grant.instance).or_default() += 1;
        }
        if !matches!(alloc.status, AllocStatus::Ended { .. }) {
            *open.entry(&alloc.driver).or_default() += 1;
        }
    }
    let instances = state.instances.iter().map(|(id, instance)| {
        (id.to_string(), instance.allocs, held.get(id).copied().unwrap_or_default())
    });
    let drivers = state.drivers.iter().map(|(id, driver)| {
        (id.to_string(), driver.allocs, open.get(id).copied().unwrap_or_default())
    });
    let wrong = instances.chain(drivers).filter(|(_, counted, found)| counted != found);
    wrong.map(|(id, counted, found)| format!("{id} counts {counted} allocs, has {found}")).collect()
}

fn indices(state: &State) -> Vec<String> {
    (Index::of(state) != state.index).then(|| "they differ".to_owned()).into_iter().collect()
}
