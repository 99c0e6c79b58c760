//! What people who run the cluster state.

use super::body;
use crate::id::{AllocId, DriverId, InstanceId, LaunchId};
use crate::policy::Policy;
use crate::requirements::Market;
use crate::resources::Resources;
use crate::unit::{Micros, Millis};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// The policy is now this one, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicySet {
    /// The policy.
    pub policy: Policy,
}
body!(Ops "policy-set" PolicySet |_e| Policy "policy", check followed);

fn followed(e: &PolicySet) -> Result<(), String> {
    e.policy.check()
}

/// The instance takes no new allocs and is not scaled down, until resumed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceHeld {
    /// The instance.
    pub instance: InstanceId,
}
body!(Ops "instance-held" InstanceHeld |e| Instance e.instance.as_str(), instance &e.instance);

/// The instance takes no new allocs, and goes when the last one has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceDrained {
    /// The instance.
    pub instance: InstanceId,
}
body!(Ops "instance-drained" InstanceDrained |e| Instance e.instance.as_str(),
    instance &e.instance);

/// The instance takes allocs again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceResumed {
    /// The instance.
    pub instance: InstanceId,
}
body!(Ops "instance-resumed" InstanceResumed |e| Instance e.instance.as_str(),
    instance &e.instance);

/// The instance goes now, with all that runs on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceKilled {
    /// The instance.
    pub instance: InstanceId,
}
body!(Ops "instance-killed" InstanceKilled |e| Instance e.instance.as_str(),
    instance &e.instance);

/// The alloc goes now, with all that runs in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocKilled {
    /// The alloc.
    pub alloc: AllocId,
}
body!(Ops "alloc-killed" AllocKilled |e| Alloc e.alloc.as_str());

/// Nothing is launched until thawed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchesFrozen {
    /// Why, for people.
    pub reason: String,
}
body!(Ops "launches-frozen" LaunchesFrozen |_e| Policy "launches");

/// Launches go on: also where nothing booted, and where the cloud refused for what a person has to mend
/// (permissions, settings). It is tried at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchesThawed {}
body!(Ops "launches-thawed" LaunchesThawed |_e| Policy "launches");

/// How large a driver's part is of what several want: one of weight 200 is served until it holds twice
/// what one of weight 100 holds, which is the weight of whoever is not named. Also of a driver that has
/// yet to join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverWeighted {
    /// The driver.
    pub driver: DriverId,
    /// Its weight, from 1 to [`MAX_WEIGHT`].
    pub weight: u32,
}
body!(Ops "driver-weighted" DriverWeighted |e| Driver e.driver.as_str(), check weight);

/// What all allocs of a driver may cost together per hour, each by its part of its instance. A lower
/// limit ends nothing that is there; nothing is added until it is kept again. Also of a driver that has
/// yet to join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverBudgetSet {
    /// The driver.
    pub driver: DriverId,
    /// The limit in micro-dollars per hour; none: no limit but the cluster's.
    pub max_hourly_cost: Option<Micros>,
}
body!(Ops "driver-budget-set" DriverBudgetSet |e| Driver e.driver.as_str());

/// Somebody has launched an instance of this type for no other end than to see what it is. What it booted with
/// counts as that of any other does; this says how long everything took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeDone {
    /// The instance.
    pub instance: InstanceId,
    /// The launch that it came from.
    pub launch: LaunchId,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: SmolStr,
    /// Its zone.
    pub zone: SmolStr,
    /// Its market.
    pub market: Market,
    /// What its offering had promised.
    pub promised: Resources,
    /// What it has to give, as measured on it.
    pub resources: Resources,
    /// Log time from the intent until the cloud had accepted it.
    pub accepted: Millis,
    /// From the intent until its agent was up.
    pub booted: Millis,
    /// From the intent until a first exec had ended there.
    pub usable: Millis,
}
body!(Ops "probe-done" ProbeDone |e| Instance e.instance.as_str(), check measured);

/// The weight of a driver that nobody has weighted.
pub const WEIGHT: u32 = 100;

/// The largest weight.
pub const MAX_WEIGHT: u32 = 100_000;

fn weight(e: &DriverWeighted) -> Result<(), String> {
    match e.weight {
        1..=MAX_WEIGHT => Ok(()),
        other => Err(format!("a weight is from 1 to {MAX_WEIGHT}, not {other}")),
    }
}

fn measured(probe: &ProbeDone) -> Result<(), String> {
    probe.resources.check()?;
    if probe.resources.memory == 0 || probe.kind.is_empty() {
        return Err("a probe has measured some memory, and of a type that has a name".into());
    }
    Ok(())
}
