//! People who run the cluster: what they say, each time as an author of a new incarnation, as the
//! command line does it.

use crate::rng::Rng;
use crate::setting::grace;
use replay_core::State;
use replay_core::author::{Line, Writer};
use schema::event::{
    AllocKilled, DriverBudgetSet, DriverWeighted, Event, InstanceDrained, InstanceHeld,
    InstanceKilled, InstanceResumed, LaunchesFrozen, LaunchesThawed, PolicySet,
};
use schema::id::{AuthorId, ClusterId, DriverId, InstanceId};
use schema::policy::Policy;
use schema::unit::{Micros, Millis, Seq};
use uuid::Uuid;

/// The teams that label allocs, of which each may have a budget.
pub(crate) const LABELS: [&str; 2] = ["a", "b"];

/// What somebody says who looks at the cluster and wants something else. `scale` is how large it is.
pub(crate) fn says(rng: &mut Rng, state: &State, scale: u64) -> Option<Event> {
    let any = |rng: &mut Rng| -> Option<InstanceId> {
        let live = &state.index.live_instances;
        let at = usize::try_from(rng.below(live.len() as u64)).unwrap_or(0);
        live.iter().nth(at).cloned()
    };
    Some(match rng.below(15) {
        0 | 1 => InstanceHeld { instance: any(rng)? }.into(),
        2 | 3 => InstanceDrained { instance: any(rng)? }.into(),
        4 | 5 => InstanceResumed { instance: any(rng)? }.into(),
        6 => InstanceKilled { instance: any(rng)? }.into(),
        7 => {
            let held: Vec<_> = state.index.of_driver.iter().collect();
            let at = usize::try_from(rng.below(held.len() as u64)).unwrap_or(0);
            AllocKilled { alloc: held.get(at)?.1.clone() }.into()
        }
        8 => {
            let driver = some_driver(rng, state)?;
            let weight = [1, 50, 100, 300][usize::try_from(rng.below(4)).unwrap_or(0)];
            DriverWeighted { driver, weight }.into()
        }
        13 | 14 => {
            let driver = some_driver(rng, state)?;
            let limited = rng.chance(800);
            let max_hourly_cost = limited.then(|| Micros(rng.between(5_000, 150_000)));
            DriverBudgetSet { driver, max_hourly_cost }.into()
        }
        9 if state.head.frozen => LaunchesThawed {}.into(),
        9 => LaunchesFrozen { reason: "an incident".into() }.into(),
        _ => PolicySet { policy: other(rng, &state.head.policy, scale) }.into(),
    })
}

fn some_driver(rng: &mut Rng, state: &State) -> Option<DriverId> {
    let drivers: Vec<&DriverId> = state.drivers.iter().map(|(id, _)| id).collect();
    let at = usize::try_from(rng.below(drivers.len() as u64)).unwrap_or(0);
    drivers.get(at).map(|id| (*id).clone())
}

fn other(rng: &mut Rng, policy: &Policy, scale: u64) -> Policy {
    let mut policy = policy.clone();
    let count = |count: u64| u32::try_from(count * scale).unwrap_or(u32::MAX);
    match rng.below(9) {
        0 => policy.max_hourly_cost = Micros(rng.between(100_000, 1_000_000) * scale),
        1 => policy.min_instances = count(rng.below(3)),
        2 => policy.grace = grace(rng),
        3 => policy.max_lease = Millis::from_secs(rng.between(5, 20)),
        4 => policy.idle_timeout = Millis::from_secs(rng.between(0, 10)),
        5 => policy.max_per_zone = rng.chance(700).then(|| count(rng.between(1, 5))),
        6 | 7 => {
            let label = LABELS[usize::try_from(rng.below(LABELS.len() as u64)).unwrap_or(0)];
            let label = format!("team={label}");
            if rng.chance(300) {
                policy.label_budgets.remove(label.as_str());
            } else {
                let limit = Micros(rng.between(5_000, 200_000) * scale);
                policy.label_budgets.insert(label.into(), limit);
            }
        }
        _ => policy.max_instances = count(rng.between(2, 8)),
    }
    policy.min_instances = policy.min_instances.min(policy.max_instances);
    policy
}

/// What is said when all is to come to rest: everything open, nothing kept.
pub(crate) fn clears_up(state: &State) -> Vec<Event> {
    let resumed = state.index.live_instances.iter().map(|instance| {
        let instance = instance.clone();
        InstanceResumed { instance }.into()
    });
    let policy = Policy { min_instances: 0, ..state.head.policy.clone() };
    let mut says: Vec<Event> = resumed.collect();
    says.extend([LaunchesThawed {}.into(), PolicySet { policy }.into()]);
    says
}

/// These events, as one round to append.
pub(crate) fn lines(
    cluster: &ClusterId,
    life: u64,
    events: Vec<Event>,
) -> Result<Vec<Line>, String> {
    let author = AuthorId::new("operator").map_err(|error| error.to_string())?;
    let incarnation = Uuid::from_u128(u128::from(life));
    let mut writer = Writer::new(cluster.clone(), author, incarnation, 0, Vec::new());
    for event in events {
        let kind = event.kind();
        let written = writer.write(event, Seq(0));
        written.map_err(|error| format!("an operator cannot write {kind}: {error}"))?;
    }
    Ok(writer.round())
}
