//! What controllers decide and what they saw come of it. All but the first four kinds are written
//! by the leader alone, under its epoch and behind its fence.

mod cloud;
mod trust;

use super::body;
use crate::id::{AllocId, AuthorId, ClusterId, DriverId, InstanceId, LaunchId};
use crate::policy::{Offering, Policy};
use crate::resources::Resources;
use crate::unit::{Epoch, LogTime, Micros, Millis, Seq};
use crate::why::{
    DrainWhy, GrantWhy, LaunchWhy, PendingWhy, RefusalClass, RefusalScope, RefusedWhy, RevokedWhy,
    TerminateWhy,
};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

pub use cloud::*;
pub use trust::*;

fn is_zero(version: &u32) -> bool {
    *version == 0
}

/// Where a generation comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Previous {
    /// Name of the stream before.
    pub stream: String,
    /// Its last sequence.
    pub seq: Seq,
    /// Digest of the state there.
    #[serde(with = "serde_bytes")]
    pub digest: Vec<u8>,
    /// That state, as bytes.
    #[serde(with = "serde_bytes")]
    pub snapshot: Vec<u8>,
}

/// A log begins. The first record of all generations but the first; void where another one is before it,
/// and so is whatever controllers write before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Genesis {
    /// The cluster.
    pub cluster: ClusterId,
    /// Generation, from 1.
    pub generation: u32,
    /// The policy to begin with (first generation).
    pub policy: Policy,
    /// What came before (all other generations).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Previous>,
}
body!(Ctl "genesis" Genesis |_e| Cluster "genesis", check followed);

fn followed(e: &Genesis) -> Result<(), String> {
    e.policy.check()
}

/// A replica began to follow the log. Needs no epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaStarted {
    /// The replica.
    pub replica: AuthorId,
    /// Its version.
    pub version: SmolStr,
    /// The newest schema that it can read.
    pub schema: u32,
}
body!(Ctl "replica-started" ReplicaStarted |e| Cluster e.replica.as_str());

/// A standby has not heard the leader for a while. Unless a record of the leader's epoch follows
/// within the patience, an election is valid. Needs no epoch of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaderChallenged {
    /// Who challenges.
    pub replica: AuthorId,
    /// The epoch that is challenged.
    pub epoch: Epoch,
}
body!(Ctl "leader-challenged" LeaderChallenged |_e| Leader "challenged");

/// A replica claims to lead from here on. The only kind on the election subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaderElected {
    /// Who leads.
    pub replica: AuthorId,
    /// Its term: the last valid one plus one.
    pub epoch: Epoch,
    /// The version of the fold that it goes by; older records do not say. What folds came to note later is
    /// noted in terms of leaders that note it, so that an older log folds to what it did.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub fold: u32,
}
body!(Ctl "leader-elected" LeaderElected |_e| Leader "elected");

/// The leader is alive: answers a challenge, or moves log time on when a deadline is due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaderRenewed {}
body!(Ctl "leader-renewed" LeaderRenewed |_e| Leader "renewed");

/// The leader steps down; anyone may be elected at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaderResigned {}
body!(Ctl "leader-resigned" LeaderResigned |_e| Leader "resigned");

/// Records of this schema version may follow. A replica that cannot read it must stop serving.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaActivated {
    /// The version.
    pub version: u32,
}
body!(Ctl "schema-activated" SchemaActivated |_e| Cluster "schema");

/// The leader wants instances. Everything that the call to the cloud will say is frozen here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchRequested {
    /// The intent.
    pub launch: LaunchId,
    /// From 1; a definite refusal ends an attempt, and a new attempt has a new token.
    pub attempt: u32,
    /// What is bought; the most that it can cost counts against budgets.
    pub offering: Offering,
    /// How many instances at most.
    pub count: u32,
    /// The requests that will be granted first when it boots.
    pub reserved_for: Vec<AllocId>,
    /// Why.
    pub why: LaunchWhy,
}
body!(Ctl "launch-requested" LaunchRequested |e| Launch e.launch.as_str());

/// The cloud made instances for this attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchAccepted {
    /// The intent.
    pub launch: LaunchId,
    /// Which attempt.
    pub attempt: u32,
    /// The instances; no more than were asked for.
    pub instances: Vec<InstanceId>,
}
body!(Ctl "launch-accepted" LaunchAccepted |e| Launch e.launch.as_str());

/// The cloud definitely made nothing for this attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchRefused {
    /// The intent.
    pub launch: LaunchId,
    /// Which attempt.
    pub attempt: u32,
    /// What kind of refusal.
    pub class: RefusalClass,
    /// What the cloud said.
    pub message: String,
    /// It is not tried again before this log time.
    pub until: LogTime,
    /// How far it reaches; older records do not say, and mean the offering.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<RefusalScope>,
}
body!(Ctl "launch-refused" LaunchRefused |e| Launch e.launch.as_str());

/// The instance no longer exists, though nobody here ended it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceLost {
    /// The instance.
    pub instance: InstanceId,
    /// What the cloud says of it.
    pub message: String,
}
body!(Ctl "instance-lost" InstanceLost |e| Instance e.instance.as_str(), instance &e.instance);

/// The instance did not boot in time; it will be terminated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootTimedOut {
    /// The instance.
    pub instance: InstanceId,
    /// How long it was given.
    pub waited: Millis,
    /// Its offering is not bought again before this log time.
    #[serde(default)]
    pub until: LogTime,
}
body!(Ctl "boot-timed-out" BootTimedOut |e| Instance e.instance.as_str(), instance &e.instance);

/// The agent has not been heard for too long: no new allocs there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceUnreachable {
    /// The instance.
    pub instance: InstanceId,
    /// How long it has been silent.
    pub silent: Millis,
}
body!(Ctl "instance-unreachable" InstanceUnreachable |e| Instance e.instance.as_str(),
    instance &e.instance);

/// The agent is heard again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceReachable {
    /// The instance.
    pub instance: InstanceId,
}
body!(Ctl "instance-reachable" InstanceReachable |e| Instance e.instance.as_str(),
    instance &e.instance);

/// The driver has this capacity on this instance until the lease ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocGranted {
    /// The alloc.
    pub alloc: AllocId,
    /// Who holds it.
    pub driver: DriverId,
    /// Where it is.
    pub instance: InstanceId,
    /// How much it is.
    pub resources: Resources,
    /// Length of the lease; it runs from the log time of this record.
    pub lease: Millis,
    /// How long its execs may run on beyond the lease if their agent is cut off.
    #[serde(default = "AllocGranted::usual_grace")]
    pub grace: Millis,
    /// Where the instance's data plane answers.
    pub address: String,
    /// Why there.
    pub why: GrantWhy,
}
body!(Ctl "alloc-granted" AllocGranted |e| Alloc e.alloc.as_str(),
    instance &e.instance, driver &e.driver);

impl AllocGranted {
    /// What agents went by before grants said how long: so it is for every grant that does not.
    pub const GRACE: Millis = Millis::from_secs(30);

    /// The same, for what reads older records and states.
    #[must_use]
    pub fn usual_grace() -> Millis {
        AllocGranted::GRACE
    }
}

/// The driver has to wait, and what for. Written when the reason changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocPending {
    /// The alloc asked for.
    pub alloc: AllocId,
    /// Who asked.
    pub driver: DriverId,
    /// What it waits for.
    pub why: PendingWhy,
}
body!(Ctl "alloc-pending" AllocPending |e| Alloc e.alloc.as_str(), driver &e.driver);

/// The driver will not get this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocRefused {
    /// The alloc asked for.
    pub alloc: AllocId,
    /// Who asked.
    pub driver: DriverId,
    /// Why not.
    pub why: RefusedWhy,
}
body!(Ctl "alloc-refused" AllocRefused |e| Alloc e.alloc.as_str(), driver &e.driver);

/// The lease ran out. Void if by the fold it still runs at this record's log time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocExpired {
    /// The alloc.
    pub alloc: AllocId,
    /// Who held it.
    pub driver: DriverId,
    /// Where it is.
    pub instance: InstanceId,
    /// Its execs may still be running until this log time if the agent is cut off, and for its lease and grace
    /// from this record on if that is later: it may have landed long after it was decided.
    pub execs_until: LogTime,
}
body!(Ctl "alloc-expired" AllocExpired |e| Alloc e.alloc.as_str(),
    instance &e.instance, driver &e.driver);

/// The alloc will be taken back for another of higher priority, unless its driver gives it back before or
/// the other no longer needs it. Written again where yet another is to have it: the first notice holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocPreempted {
    /// The alloc.
    pub alloc: AllocId,
    /// Who holds it.
    pub driver: DriverId,
    /// Where it is.
    pub instance: InstanceId,
    /// Who is to have it.
    pub by: AllocId,
    /// How long it is left; it runs from the log time of this record.
    pub notice: Millis,
    /// What it was asked for with.
    pub priority: i32,
    /// What the other was asked for with.
    pub over: i32,
}
body!(Ctl "alloc-preempted" AllocPreempted |e| Alloc e.alloc.as_str(),
    instance &e.instance, driver &e.driver);

/// The alloc will not be taken back after all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocSpared {
    /// The alloc.
    pub alloc: AllocId,
    /// Who holds it.
    pub driver: DriverId,
    /// Where it is.
    pub instance: InstanceId,
}
body!(Ctl "alloc-spared" AllocSpared |e| Alloc e.alloc.as_str(),
    instance &e.instance, driver &e.driver);

/// The alloc was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocRevoked {
    /// The alloc.
    pub alloc: AllocId,
    /// Who held it.
    pub driver: DriverId,
    /// Where it is.
    pub instance: InstanceId,
    /// Its execs may still be running until this log time if the agent is cut off, and for its lease and grace
    /// from this record on if that is later: it may have landed long after it was decided.
    pub execs_until: LogTime,
    /// Why.
    pub why: RevokedWhy,
}
body!(Ctl "alloc-revoked" AllocRevoked |e| Alloc e.alloc.as_str(),
    instance &e.instance, driver &e.driver);

/// The instance takes no more allocs, and goes when the last one has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainStarted {
    /// The instance.
    pub instance: InstanceId,
    /// Why.
    pub why: DrainWhy,
}
body!(Ctl "drain-started" DrainStarted |e| Instance e.instance.as_str(), instance &e.instance);

/// The leader wants the instance gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminateRequested {
    /// The instance.
    pub instance: InstanceId,
    /// Why.
    pub why: TerminateWhy,
}
body!(Ctl "terminate-requested" TerminateRequested |e| Instance e.instance.as_str(),
    instance &e.instance);

/// The instance is gone, as the leader wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceTerminated {
    /// The instance.
    pub instance: InstanceId,
    /// What it cost from launch to here at its price, in micro-dollars.
    #[serde(default)]
    pub cost: Micros,
}
body!(Ctl "instance-terminated" InstanceTerminated |e| Instance e.instance.as_str(),
    instance &e.instance);

/// What the state digests to after the record at `seq`. A replica that differs stops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Up to and with this sequence.
    pub seq: Seq,
    /// The digest there, 32 bytes.
    #[serde(with = "serde_bytes")]
    pub digest: Vec<u8>,
}
body!(Ctl "checkpoint" Checkpoint |_e| Cluster "checkpoint");

/// This generation ends here; what follows in it is void.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolledOver {
    /// Number of the generation that follows.
    pub next: u32,
}
body!(Ctl "rolled-over" RolledOver |_e| Cluster "rolled-over");
