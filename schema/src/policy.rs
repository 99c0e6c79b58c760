//! What the owner of a cluster allows. Changed live by `PolicySet`; read by `decide`.

pub mod kind;
pub mod quota;
pub mod spot;
pub mod types;
pub mod volume;
pub mod worth;

use crate::requirements::Market;
use crate::resources::Resources;
use crate::unit::{Micros, Millis};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use spot::SpotRule;
use std::collections::BTreeMap;
use types::TypeRules;
use volume::VolumeRule;
use worth::{Links, WorthRule};

mod fairness;

pub use fairness::{Fairness, Preemption};

/// Something that can be bought: an instance type in a zone on a market, at a price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offering {
    /// Type name, such as `local.large`.
    #[serde(rename = "type")]
    pub kind: SmolStr,
    /// Zone name.
    pub zone: SmolStr,
    /// Market.
    pub market: Market,
    /// Price in micro-dollars per hour: what it is taken to cost.
    pub price: Micros,
    /// The most that it can cost in micro-dollars per hour, where that is more than the price: what
    /// counts against budgets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<Micros>,
    /// What such an instance has to give.
    pub resources: Resources,
    /// How fast its network and its link to EBS are; none where that is not known.
    #[serde(default, skip_serializing_if = "is_default")]
    pub links: Links,
}

impl Offering {
    /// The most that it can cost in micro-dollars per hour.
    #[must_use]
    pub fn at_most(&self) -> Micros {
        self.cap.map_or(self.price, |cap| cap.max(self.price))
    }

    /// Whether it is one.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn check(&self) -> Result<(), String> {
        self.resources.check()?;
        if self.resources.cpu == 0 || self.resources.memory == 0 {
            return Err(format!("offering {} has no cpu or no memory", self.kind));
        }
        Ok(())
    }
}

/// Longest delay that a policy may name: 30 days.
const LONGEST: Millis = Millis::from_secs(30 * 24 * 3600);

/// Limits and delays. Every field has a default, so that a policy may name only what it changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Never commit to more than this per hour, in micro-dollars, pending launches included.
    pub max_hourly_cost: Micros,
    /// Never have more launches under way than this.
    pub max_pending: u32,
    /// Never have more instances than this, pending ones included.
    pub max_instances: u32,
    /// Never have more instances than this in one zone, pending ones included; none: as many as in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_per_zone: Option<u32>,
    /// Never have more calls under way that launch instances than this.
    #[serde(skip_serializing_if = "is_usual_creating")]
    pub max_creating: u32,
    /// After so many instances in a row that did not boot, whatever they were, nothing is launched for a
    /// while, and then one at a time until one boots; 0: never.
    #[serde(skip_serializing_if = "is_usual_breaker")]
    pub breaker: u32,
    /// By label (`key=value`): what all allocs that have it may cost together per hour, each by its part
    /// of its instance, in micro-dollars.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub label_budgets: BTreeMap<SmolStr, Micros>,
    /// Keep at least this many instances, even idle.
    pub min_instances: u32,
    /// What may be bought, whatever it is.
    pub offerings: Vec<Offering>,
    /// What may be bought of all that the cloud is seen to offer.
    #[serde(skip_serializing_if = "TypeRules::is_default")]
    pub types: TypeRules,
    /// Which volumes an instance is given, where no settings of the cloud say so.
    #[serde(skip_serializing_if = "VolumeRule::is_default")]
    pub volume: VolumeRule,
    /// What is done to know the spot market.
    #[serde(skip_serializing_if = "is_default")]
    pub spot: SpotRule,
    /// What network and EBS throughput are worth.
    #[serde(skip_serializing_if = "is_default")]
    pub worth: WorthRule,
    /// Terminate an instance without allocs after this.
    pub idle_timeout: Millis,
    /// How the cloud bills: an idle instance that is paid for by the hour stays for what is paid.
    #[serde(skip_serializing_if = "is_default")]
    pub billing: Billing,
    /// Give up on an instance that has not booted after this.
    pub boot_timeout: Millis,
    /// End an instance that says it is this cluster's, and that nothing on the log accounts for, this long
    /// after it was found.
    #[serde(skip_serializing_if = "is_usual_orphan_grace")]
    pub orphan_grace: Millis,
    /// What is done about an instance of which the cloud says that it may be taken away before long.
    #[serde(skip_serializing_if = "is_default")]
    pub rebalance: Rebalance,
    /// What is done about an instance that was launched by other settings of the cloud than those in force:
    /// with another image, or another version of the agent.
    #[serde(skip_serializing_if = "is_default")]
    pub drift: Drift,
    /// Whether another instance is launched at once for what is on one that will be taken away.
    #[serde(skip_serializing_if = "is_true")]
    pub replace: bool,
    /// Call an instance unreachable after this silence.
    pub unreachable_after: Millis,
    /// Revoke the allocs of an unreachable instance, and terminate it, after this.
    pub unreachable_grace: Millis,
    /// Length of a lease when the driver names none.
    pub lease: Millis,
    /// Longest lease that is given.
    pub max_lease: Millis,
    /// How long a cut-off agent may let execs run beyond the lease; it comes with each grant, so that
    /// a change holds for what is granted from then on.
    pub grace: Millis,
    /// How long a challenge to the leader stands before an election is valid.
    pub patience: Millis,
    /// How long ended allocs, execs, launches and instances stay in the state.
    pub retention: Millis,
    /// How what several want is shared.
    #[serde(skip_serializing_if = "is_default")]
    pub fairness: Fairness,
}

/// How the cloud bills instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Billing {
    /// By the second, after a first minute.
    #[default]
    Second,
    /// By the hour begun, as some images are.
    Hour,
}

/// What is done about a rebalance recommendation: it comes before most interruptions, and before none
/// quite often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rebalance {
    /// The instance takes no more allocs, and goes when those that it has are over.
    #[default]
    Drain,
    /// Nothing.
    Ignore,
}

/// What is done about an instance that was launched by other settings of the cloud than those in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Drift {
    /// Nothing: it stays for as long as it is of use.
    #[default]
    Keep,
    /// It takes no more allocs, and goes when those that it has are over.
    Drain,
}

fn is_true(value: &bool) -> bool {
    *value
}

/// What is as it was before there was such a field is not written: older records keep their bytes.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Calls under way that launch instances, where the policy names no number.
const CREATING: u32 = 10;

/// Instances in a row that did not boot, where the policy names no number.
const BREAKER: u32 = 5;

/// How long an orphan is left alone, where the policy does not say.
const ORPHAN_GRACE: Millis = Millis::from_secs(300);

fn is_usual_orphan_grace(grace: &Millis) -> bool {
    *grace == ORPHAN_GRACE
}

fn is_usual_breaker(count: &u32) -> bool {
    *count == BREAKER
}

fn is_usual_creating(count: &u32) -> bool {
    *count == CREATING
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            max_hourly_cost: Micros(10_000_000),
            max_pending: 5,
            max_instances: 64,
            max_per_zone: None,
            max_creating: CREATING,
            breaker: BREAKER,
            label_budgets: BTreeMap::new(),
            min_instances: 0,
            offerings: Vec::new(),
            types: TypeRules::default(),
            volume: VolumeRule::default(),
            spot: SpotRule::default(),
            worth: WorthRule::default(),
            idle_timeout: Millis::from_secs(600),
            billing: Billing::default(),
            boot_timeout: Millis::from_secs(600),
            orphan_grace: ORPHAN_GRACE,
            rebalance: Rebalance::default(),
            drift: Drift::default(),
            replace: true,
            unreachable_after: Millis::from_secs(30),
            unreachable_grace: Millis::from_secs(120),
            lease: Millis::from_secs(120),
            max_lease: Millis::from_secs(300),
            grace: Millis::from_secs(30),
            patience: Millis::from_secs(1),
            retention: Millis::from_secs(3600),
            fairness: Fairness::default(),
        }
    }
}

impl Policy {
    /// The lease to give when `asked` was asked for.
    #[must_use]
    pub fn lease_for(&self, asked: Option<Millis>) -> Millis {
        asked.unwrap_or(self.lease).min(self.max_lease).max(Millis(1))
    }

    /// Whether the policy can be followed.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn check(&self) -> Result<(), String> {
        self.offerings.iter().try_for_each(Offering::check)?;
        self.types.check()?;
        self.volume.check()?;
        self.spot.check()?;
        self.worth.check()?;
        if self.min_instances > self.max_instances {
            return Err("min_instances is more than max_instances".into());
        }
        // Heartbeats come every second; what is shorter than a few of them is noise.
        let least = [
            ("idle_timeout", self.idle_timeout, 0),
            ("boot_timeout", self.boot_timeout, 1000),
            ("orphan_grace", self.orphan_grace, 0),
            ("unreachable_after", self.unreachable_after, 3000),
            ("unreachable_grace", self.unreachable_grace, 0),
            ("lease", self.lease, 1),
            ("max_lease", self.max_lease, 1),
            ("grace", self.grace, 0),
            ("patience", self.patience, 100),
            ("retention", self.retention, 0),
            ("fairness.aging", self.fairness.aging, 0),
            ("fairness.notice", self.fairness.notice, 0),
        ];
        for (name, length, least) in least {
            if length.0 < least || length > LONGEST {
                return Err(format!("{name} must be between {least} ms and {LONGEST} ms"));
            }
        }
        for (name, count) in
            [("max_pending", self.max_pending), ("max_creating", self.max_creating)]
        {
            if count == 0 {
                return Err(format!("{name} must be at least 1"));
            }
        }
        if let Some(wrong) = self.label_budgets.keys().find(|label| !label.contains('=')) {
            return Err(format!("label_budgets: {wrong:?} is no label: write key=value"));
        }
        Ok(())
    }
}
