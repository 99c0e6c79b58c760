//! Reasons as data: why a decision was taken, with the figures it was taken on.

mod doubt;
mod exec;
mod oom;
mod refused;
mod trust;

use crate::id::{AllocId, InstanceId, LaunchId};
use crate::resources::Resources;
use crate::unit::{Micros, Millis};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

pub use doubt::*;
pub use exec::*;
pub use oom::*;
pub use refused::*;
pub use trust::*;

fn is_none(count: &u32) -> bool {
    *count == 0
}

fn is_nothing(amount: &Micros) -> bool {
    *amount == Micros(0)
}

/// Why an alloc went to this instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum GrantWhy {
    /// The instance was launched for this request.
    Reserved {
        /// The launch.
        launch: LaunchId,
    },
    /// The tightest fit among those with room, but for those that are to become empty.
    BestFit {
        /// How many instances had room.
        candidates: u32,
        /// What stays free on the chosen one.
        left: Resources,
        /// How many of them were tighter, and less than half in use: they go once they are empty.
        #[serde(default, skip_serializing_if = "is_none")]
        emptying: u32,
    },
    /// The driver named the instance.
    Named,
    /// Written by a newer version.
    #[serde(other)]
    Unknown,
}

/// Why an alloc has to wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum PendingWhy {
    /// An instance is being launched for it.
    Launching {
        /// The launch.
        launch: LaunchId,
        /// Type of instance.
        kind: SmolStr,
        /// Its price in micro-dollars per hour.
        price: Micros,
    },
    /// An instance was asked for, and nobody knows what came of it: the call is repeated.
    Unanswered {
        /// The launch.
        launch: LaunchId,
        /// Type of instance.
        kind: SmolStr,
        /// Its price in micro-dollars per hour.
        price: Micros,
        /// Why nobody knows.
        class: DoubtClass,
        /// What the cloud said.
        message: String,
    },
    /// The hourly budget is in use.
    Budget {
        /// What the cheapest launch that would do costs per hour.
        asked: Micros,
        /// What is committed per hour now.
        committed: Micros,
        /// The limit per hour.
        limit: Micros,
    },
    /// As many launches are under way as allowed.
    MaxPending {
        /// The limit.
        limit: u32,
    },
    /// There are as many instances as allowed.
    MaxInstances {
        /// The limit.
        limit: u32,
    },
    /// The named instance has no room, or takes no allocs now.
    NamedInstanceBusy {
        /// The instance.
        instance: InstanceId,
    },
    /// Every offering that would do has refused lately.
    BackedOff {
        /// Type of instance that will be tried first.
        kind: SmolStr,
        /// Why that one rests, if the cloud refused it; none if its instances did not boot.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        class: Option<RefusalClass>,
        /// What the cloud said.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        message: String,
    },
    /// An operator froze launches.
    Frozen,
    /// Of all that was launched lately nothing booted: one launch at a time is tried, and now and then.
    Breaker {
        /// How many instances in a row did not.
        failures: u32,
    },
    /// The budget of its driver is in use.
    DriverBudget {
        /// What it would cost per hour where it costs least.
        asked: Micros,
        /// What the driver's other allocs cost per hour now.
        used: Micros,
        /// The limit per hour.
        limit: Micros,
    },
    /// The budget of one of its labels is in use.
    LabelBudget {
        /// The label, as `key=value`.
        label: SmolStr,
        /// What it would cost per hour where it costs least.
        asked: Micros,
        /// What other allocs with that label cost per hour now.
        used: Micros,
        /// The limit per hour.
        limit: Micros,
    },
    /// There are as many instances as allowed in every zone where one that would do may be bought.
    MaxPerZone {
        /// The limit.
        limit: u32,
    },
    /// Others give way to it, who asked with a lower priority: they have notice.
    Preempting {
        /// Where they are.
        instance: InstanceId,
        /// How many of them.
        allocs: u32,
        /// How long until what they have not given back is taken.
        left: Millis,
    },
    /// Nothing that may be bought will ever do; something that there is would, once it has room.
    NothingToBuy {
        /// Why nothing that may be bought will do.
        reason: Box<RefusedWhy>,
        /// How many instances there are that would.
        busy: u32,
    },
    /// Written by a newer version.
    #[serde(other)]
    Unknown,
}

/// Why an alloc was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum RevokedWhy {
    /// Its instance has been silent for too long.
    Unreachable {
        /// How long it has been silent.
        silent: Millis,
    },
    /// Its instance is being taken away.
    Interrupted,
    /// An operator killed the instance.
    InstanceKilled,
    /// An operator killed the alloc.
    AllocKilled,
    /// Its instance is gone.
    InstanceLost,
    /// Its instance is being terminated.
    Terminating,
    /// It gave way to one of higher priority, after notice.
    Preempted {
        /// That one.
        by: AllocId,
    },
    /// Written by a newer version.
    #[serde(other)]
    Unknown,
}

/// Why an instance is launched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum LaunchWhy {
    /// Requests wait that fit nowhere.
    Demand {
        /// How many requests it is for.
        requests: u32,
        /// How many offerings would do.
        offerings: u32,
        /// Micro-dollars per hour for each core used by those requests.
        price_per_core: Micros,
        /// What its network and EBS throughput count for per hour, by the policy.
        #[serde(default, skip_serializing_if = "is_nothing")]
        links: Micros,
        /// What was committed per hour before.
        committed: Micros,
    },
    /// An instance will be taken away, and nothing has room for what it holds.
    Replacement {
        /// That instance.
        instance: InstanceId,
    },
    /// The policy keeps a least number of instances.
    MinInstances {
        /// That number.
        floor: u32,
    },
    /// Written by a newer version.
    #[serde(other)]
    Unknown,
}

impl LaunchWhy {
    /// The instance in whose place another is launched.
    #[must_use]
    pub fn replaces(&self) -> Option<&InstanceId> {
        match self {
            LaunchWhy::Replacement { instance } => Some(instance),
            LaunchWhy::Demand { .. } | LaunchWhy::MinInstances { .. } | LaunchWhy::Unknown => None,
        }
    }
}

/// Why an instance is terminated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum TerminateWhy {
    /// It had no allocs for long enough.
    Idle {
        /// How long.
        idle: Millis,
    },
    /// It is idle and of no use to those who wait, and takes up what one of them waits for: a place, money
    /// or a quota.
    MakesRoom {
        /// Who waits.
        alloc: AllocId,
    },
    /// It did not boot in time.
    BootTimeout,
    /// It has been silent for too long.
    Unreachable {
        /// How long.
        silent: Millis,
    },
    /// It was drained, and nothing is left on it.
    Drained,
    /// An operator killed it.
    Killed,
    /// Its agent said that it stops.
    Stopping,
    /// Nobody has proved to be its agent, and who said so could not.
    Distrusted {
        /// What was wrong with who said so last.
        reason: DistrustWhy,
    },
    /// Written by a newer version.
    #[serde(other)]
    Unknown,
}

/// Why an instance takes no more allocs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum DrainWhy {
    /// It will be taken away.
    Interruption,
    /// The cloud says that it may be taken away before long.
    Rebalance,
    /// It was launched by other settings of the cloud than those in force.
    Drift,
    /// An operator asked for it.
    Operator,
    /// Its agent said that it stops.
    Stopping,
    /// Written by a newer version.
    #[serde(other)]
    Unknown,
}

/// Why a launch was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "class", rename_all = "kebab-case")]
pub enum RefusalClass {
    /// No capacity for this offering now.
    Capacity,
    /// A quota is used up.
    Quota,
    /// The request can never work as it is.
    Configuration,
    /// The leader may not do this.
    Authorisation,
    /// The attempt is too old to be repeated, and left no instance.
    Abandoned,
    /// Written by a newer version.
    #[serde(other)]
    Unknown,
}

/// How far a refusal reaches, from the offering that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalScope {
    /// Its type in its zone on its market.
    #[default]
    Offering,
    /// Its type in its zone on every market.
    TypeInZone,
    /// Its zone.
    Zone,
    /// What is counted against the same quota: its [group](crate::policy::quota) on its market.
    QuotaGroup,
    /// Whatever is launched.
    Account,
    /// Written by a newer version.
    #[serde(other)]
    Unknown,
}
