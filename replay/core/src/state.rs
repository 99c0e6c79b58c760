//! The state that a log folds to: one table an aggregate, and indices that follow from the tables.

use crate::digest::{Digest, Hashing};
use crate::table::Table;
use crate::void::Void;

use schema::event::{Body, Genesis};
use schema::id::{AllocId, AuthorId, ClusterId, DriverId, ExecId, InstanceId, LaunchId};
use schema::policy::Policy;
use schema::subject::Role;
use schema::unit::{LogTime, Micros, Seq};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::{BTreeMap, VecDeque};

pub mod alloc;
pub mod author;
pub mod breaker;
pub mod budget;
pub mod driver;
pub mod exec;
pub mod found;
pub mod history;
pub mod index;
pub mod instance;
pub mod launch;
pub mod leader;
pub mod market;
pub mod orphan;
pub mod probe;
pub mod rest;
pub mod settings;
pub mod trust;

use alloc::Alloc;
use author::AuthorState;
use breaker::Breaker;
use driver::Driver;
use exec::Exec;
use found::Found;
use history::History;
use index::Index;
use instance::Instance;
use launch::{Backoff, Launch, OfferingKey};
use leader::Leader;
use market::{ClassKey, PlaceKey, SeenOffer, SeenScore, ToldType};
use orphan::Orphan;
use probe::Probe;
use rest::{Extent, Rest};
use trust::Claim;

/// Every this many records, and at each election, the fold takes a digest, so that a checkpoint can be
/// compared by replicas which have moved on.
pub const MARK_EVERY: u64 = 4096;
const MARKS_KEPT: usize = 64;

/// What is true of the whole log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The cluster; none before the first record.
    pub cluster: Option<ClusterId>,
    /// Generation of the log, from 1.
    pub generation: u32,
    /// Sequence of the last record folded.
    pub applied: Seq,
    /// Log time: never goes back.
    pub time: LogTime,
    /// The schema that may be written.
    pub schema: u32,
    /// The generation that follows, once this one has ended.
    pub next_generation: Option<u32>,
    /// Why this build must stop serving; none as long as it may.
    pub halted: Option<String>,
    /// Whether launches are frozen.
    pub frozen: bool,
    /// Instances in a row that did not boot, whatever they were.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unborn: u32,
    /// Set when too many of them did not, until one boots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<Breaker>,
    /// What may be spent, bought and kept.
    pub policy: Policy,
    /// Whether an operator set the policy before the log began: the one that it begins with is not it then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub policy_first: bool,
    /// Drivers that have another weight than most.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub weights: BTreeMap<DriverId, u32>,
    /// What all allocs of a driver may cost together per hour, of those that are limited.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub budgets: BTreeMap<DriverId, Micros>,
    /// The last record that changed what drivers or labels may cost.
    #[serde(default, skip_serializing_if = "is_none")]
    pub limited: Seq,
    /// The number of the cloud's settings that are in force, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<u32>,
    /// The last record that said what the cloud says of types.
    #[serde(default, skip_serializing_if = "is_none")]
    pub typed: Seq,
    /// What the cluster's secret is known by: what is launched from here on has to prove itself by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<SmolStr>,
    /// Whether the cloud has ever told a price: from then on it is noted how spot fares.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub told: bool,
    /// Who leads.
    pub leader: Leader,
    /// Micro-dollars per hour of all instances and launches under way, at their cap prices.
    pub committed: Micros,
    /// Instances that were asked for and have not booted.
    pub pending: u32,
    /// Instances that exist or were asked for.
    pub instances: u32,
    /// How many records had no effect, by reason.
    pub voids: BTreeMap<Void, u64>,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

fn is_none(seq: &Seq) -> bool {
    *seq == Seq(0)
}

/// Everything that follows from a prefix of the log.
#[derive(Debug, Clone)]
pub struct State {
    /// What is true of the whole log.
    pub head: Head,
    /// The last number accepted of each author.
    pub authors: Table<(Role, AuthorId), AuthorState>,
    /// Drivers.
    pub drivers: Table<DriverId, Driver>,
    /// Launches.
    pub launches: Table<LaunchId, Launch>,
    /// Offerings whose instances did not boot lately, or that refused when records did not say how far
    /// that reaches.
    pub backoffs: Table<OfferingKey, Backoff>,
    /// What the cloud has refused, and not accepted since.
    pub rests: Table<Extent, Rest>,
    /// What was seen to be sold, and for how much.
    pub market: Table<OfferingKey, SeenOffer>,
    /// What the cloud said of types, where that was not what a catalogue said.
    pub types: Table<PlaceKey, ToldType>,
    /// How likely spot was seen to be had, by class of types and zone.
    pub scores: Table<ClassKey, SeenScore>,
    /// How spot has fared here.
    pub history: Table<OfferingKey, History>,
    /// What the cloud has and nothing here accounts for.
    pub orphans: Table<InstanceId, Orphan>,
    /// What instance types were found to have less of than was promised.
    pub found: Table<SmolStr, Found>,
    /// What was measured of instance types.
    pub probes: Table<SmolStr, Probe>,
    /// Settings of the cloud that launches are made by, by their numbers.
    pub settings: Table<u32, String>,
    /// Who says that an instance has booted, and has not been judged, by the instance and the record.
    pub claims: Table<(InstanceId, Seq), Claim>,
    /// Instances.
    pub instances: Table<InstanceId, Instance>,
    /// Allocs, those still asked for among them.
    pub allocs: Table<AllocId, Alloc>,
    /// Execs.
    pub execs: Table<ExecId, Exec>,
    /// What follows from the tables, kept for speed.
    pub index: Index,
    /// Digests taken lately, oldest first.
    pub marks: VecDeque<(Seq, Digest)>,
    /// The sequence of a checkpoint that this state did not agree with.
    pub diverged: Option<Seq>,
}

impl Default for State {
    fn default() -> State {
        State {
            head: Head {
                cluster: None,
                generation: 0,
                applied: Seq(0),
                time: LogTime(0),
                schema: 1,
                next_generation: None,
                halted: None,
                frozen: false,
                unborn: 0,
                breaker: None,
                policy: Policy::default(),
                policy_first: false,
                weights: BTreeMap::new(),
                settings: None,
                typed: Seq(0),
                fingerprint: None,
                told: false,
                budgets: BTreeMap::new(),
                limited: Seq(0),
                leader: Leader::default(),
                committed: Micros(0),
                pending: 0,
                instances: 0,
                voids: BTreeMap::new(),
            },
            authors: Table::default(),
            drivers: Table::default(),
            launches: Table::default(),
            backoffs: Table::default(),
            rests: Table::default(),
            market: Table::default(),
            types: Table::default(),
            scores: Table::default(),
            history: Table::default(),
            found: Table::default(),
            probes: Table::default(),
            orphans: Table::default(),
            settings: Table::default(),
            claims: Table::default(),
            instances: Table::default(),
            allocs: Table::default(),
            execs: Table::default(),
            index: Index::default(),
            marks: VecDeque::new(),
            diverged: None,
        }
    }
}

impl State {
    /// The digest of all of it. The same prefix of a log gives the same digest, on every replica,
    /// build and machine.
    pub fn digest(&mut self) -> Digest {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&Hashing::default().hash("head", &(), &self.head));
        hasher.update(&self.authors.sum("author").bytes());
        hasher.update(&self.drivers.sum("driver").bytes());
        hasher.update(&self.launches.sum("launch").bytes());
        hasher.update(&self.backoffs.sum("backoff").bytes());
        hasher.update(&self.instances.sum("instance").bytes());
        hasher.update(&self.allocs.sum("alloc").bytes());
        hasher.update(&self.execs.sum("exec").bytes());
        // Tables that came later: logs that fill none of them digest to what they did before.
        if !self.market.is_empty() {
            hasher.update(&self.market.sum("market").bytes());
        }
        if !self.rests.is_empty() {
            hasher.update(&self.rests.sum("rest").bytes());
        }
        if !self.orphans.is_empty() {
            hasher.update(&self.orphans.sum("orphan").bytes());
        }
        if !self.scores.is_empty() {
            hasher.update(&self.scores.sum("score").bytes());
        }
        if !self.history.is_empty() {
            hasher.update(&self.history.sum("history").bytes());
        }
        if !self.found.is_empty() {
            hasher.update(&self.found.sum("found").bytes());
        }
        if !self.probes.is_empty() {
            hasher.update(&self.probes.sum("probe").bytes());
        }
        if !self.settings.is_empty() {
            hasher.update(&self.settings.sum("settings").bytes());
        }
        if !self.types.is_empty() {
            hasher.update(&self.types.sum("type").bytes());
        }
        if !self.claims.is_empty() {
            hasher.update(&self.claims.sum("claim").bytes());
        }
        Digest(*hasher.finalize().as_bytes())
    }

    pub(crate) fn mark(&mut self, elected: bool) {
        if elected || self.head.applied.0.is_multiple_of(MARK_EVERY) {
            let digest = self.digest();
            self.marks.push_back((self.head.applied, digest));
            if self.marks.len() > MARKS_KEPT {
                self.marks.pop_front();
            }
        }
    }

    /// The digest that this state had at `seq`, if it was taken and is still kept.
    #[must_use]
    pub fn marked(&self, seq: Seq) -> Option<Digest> {
        self.marks.iter().find(|(at, _)| *at == seq).map(|(_, digest)| *digest)
    }

    pub(crate) fn begin(&mut self, genesis: &Genesis) -> Result<(), Void> {
        genesis.check().map_err(|_| Void::Invalid)?;
        if let Some(previous) = &genesis.previous {
            if self.head.applied.0 > 1 {
                return Err(Void::Genesis);
            }
            let mut before = State::restore(&previous.snapshot).map_err(|_| Void::Invalid)?;
            if before.digest().0 != previous.digest[..] {
                return Err(Void::Invalid);
            }
            let (applied, time) = (self.head.applied, self.head.time);
            *self = before;
            self.head.applied = applied;
            self.head.time = self.head.time.max(time);
            self.head.next_generation = None;
            (self.head.limited, self.head.typed) = (Seq(0), Seq(0));
            self.head.leader = Leader { epoch: self.head.leader.epoch, ..Leader::default() };
            self.marks = VecDeque::new();
        } else if !self.head.policy_first {
            self.head.policy = genesis.policy.clone();
        }
        self.head.cluster = Some(genesis.cluster.clone());
        self.head.generation = genesis.generation;
        Ok(())
    }
}
