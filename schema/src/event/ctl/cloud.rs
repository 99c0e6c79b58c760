//! What the leader sees of the cloud: types and prices, the settings that launches are made by, and instances that
//! nothing accounts for. Written by the leader alone, behind its fence.

use crate::event::body;
use crate::id::{InstanceId, LaunchId};
use crate::policy::Offering;
use crate::policy::types::Arch;
use crate::policy::worth::Links;
use crate::requirements::Market;
use crate::unit::{LogTime, Micros, Millis};
use crate::why::DoubtClass;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Where a price was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PriceSource {
    /// In the catalogue that is shipped with this build.
    Shipped,
    /// In an answer of the cloud.
    Api,
    /// Written by a newer version.
    #[serde(other)]
    Unknown,
}

/// An offering, but for what may change of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawn {
    /// Type name.
    #[serde(rename = "type")]
    pub kind: SmolStr,
    /// Market.
    pub market: Market,
}

/// How likely spot is to be had in a zone, as the cloud sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scored {
    /// The class of types, such as `m`.
    pub class: SmolStr,
    /// 1 to 10, the best.
    pub score: u8,
}

/// What an instance type has, as the cloud says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hardware {
    /// What it runs.
    pub arch: Arch,
    /// Virtual cpus.
    pub vcpu: u32,
    /// Memory in MiB, as it is sold.
    pub memory_mib: u64,
    /// Disks of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disks: Option<OwnDisks>,
    /// GPUs; a count of 0 stands for a part of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<Devices>,
    /// Other accelerators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accelerator: Option<Devices>,
    /// How fast its network and its link to EBS are at all times.
    #[serde(default)]
    pub links: Links,
    /// Whether it is sold as spot.
    pub spot: bool,
}

/// Disks that come with an instance, and go with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnDisks {
    /// How many.
    pub count: u32,
    /// Size of each in GB (10^9 bytes).
    pub gb: u64,
    /// Whether they are solid-state; else they turn.
    pub ssd: bool,
}

/// Devices of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Devices {
    /// How many.
    pub count: u32,
    /// What they are, such as `A100`.
    pub name: SmolStr,
}

/// What the cloud says of an instance type in a zone, where the catalogue of the leader said something else
/// or nothing. It counts for more than any catalogue, until the next of the same type and zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeSeen {
    /// Its name.
    #[serde(rename = "type")]
    pub kind: SmolStr,
    /// Whether it is sold there.
    pub sold: bool,
    /// What it has; none where it is not sold, or as the catalogue says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hardware: Option<Hardware>,
    /// On-demand price in micro-dollars per hour, without volumes; none if it has not been told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_demand: Option<Micros>,
}

impl TypeSeen {
    /// Whether it says something that can be: a sold type has cpus and memory.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let has = |one: &Hardware| one.vcpu > 0 && one.memory_mib > 0;
        !self.kind.is_empty() && self.hardware.as_ref().is_none_or(has)
    }
}

/// Most offerings in one record, those that are withdrawn, what is scored and what is said of types among
/// them; some 60 kB.
pub const MAX_PRICES: usize = 256;

/// The leader has seen what may be bought in a zone, and for how much; the newest record counts. What
/// is decided later is decided on this, and not on what a catalogue or the cloud says at the time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceSeen {
    /// Where.
    pub source: PriceSource,
    /// The zone of all of them.
    pub zone: SmolStr,
    /// What is new or costs something else, at most [`MAX_PRICES`] with those below.
    pub offerings: Vec<Offering>,
    /// What is not sold there any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withdrawn: Vec<Withdrawn>,
    /// Placement scores there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scores: Vec<Scored>,
    /// What the cloud says of types there. What is sold is told by this and a catalogue together; the
    /// offerings of that are in records that follow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<TypeSeen>,
}
body!(Ctl "price-seen" PriceSeen |_e| Cluster "price-seen");

/// Most bytes of a cloud's settings in one record.
pub const MAX_SETTINGS: usize = 128 * 1024;

/// Launches are made by these settings of the cloud from here on. Whoever repeats a call repeats it
/// by those under which it was decided, so that it says the same to the byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudConfigured {
    /// All that a call takes from the settings, as the cloud spells it; at most [`MAX_SETTINGS`] bytes,
    /// and no secret among them.
    pub settings: String,
    /// What the cluster's secret is known by, where there is one: what is launched from here on has to
    /// prove itself by that secret, and only who has it may lead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<SmolStr>,
}
body!(Ctl "cloud-configured" CloudConfigured |_e| Cluster "cloud-configured");

/// Nobody knows what came of this attempt: the call is repeated, ever more seldom, until there is an answer.
/// Written when there is first none, and when the kind of doubt changes; an answer ends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchUnanswered {
    /// The intent.
    pub launch: LaunchId,
    /// Which attempt.
    pub attempt: u32,
    /// Why nobody knows.
    pub class: DoubtClass,
    /// What the cloud said, or what was tried.
    pub message: String,
}
body!(Ctl "launch-unanswered" LaunchUnanswered |e| Launch e.launch.as_str());

/// Most bytes of what an instance wrote on its console in one record.
pub const MAX_CONSOLE: usize = 16 * 1024;

/// What an instance that did not boot wrote on its console, as the cloud shows it before the instance is
/// ended. For people: nothing is decided by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsoleSeen {
    /// The instance.
    pub instance: InstanceId,
    /// The last of it, at most [`MAX_CONSOLE`] bytes.
    pub text: String,
}
body!(Ctl "console-seen" ConsoleSeen |e| Instance e.instance.as_str(), instance &e.instance);

/// The cloud has an instance that says it is this cluster's, and that no intent accounts for. It is
/// ended once the policy's grace has passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrphanFound {
    /// The instance.
    pub instance: InstanceId,
    /// The intent that it says it is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch: Option<LaunchId>,
    /// Type of instance; empty if the cloud does not say.
    #[serde(rename = "type")]
    pub kind: SmolStr,
    /// What one like it costs in micro-dollars per hour; 0 if nobody has seen a price.
    pub price: Micros,
    /// How long it has been there.
    pub age: Millis,
}
body!(Ctl "orphan-found" OrphanFound |e| Instance e.instance.as_str(), instance &e.instance);

/// Of all that was launched lately nothing booted, whatever it was: nothing is launched for a while, and
/// then one at a time until something boots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerTripped {
    /// How many instances in a row did not boot.
    pub failures: u32,
    /// Nothing is launched before this log time.
    pub until: LogTime,
}
body!(Ctl "breaker-tripped" BreakerTripped |_e| Cluster "breaker-tripped");
