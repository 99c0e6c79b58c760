//! What the cloud has, held against what the log has: each instance that either of them names.

use crate::cloud::{Seen, SeenState};
use replay_core::State;
use replay_core::state::instance::{Instance, Phase};
use replay_core::state::launch::LaunchStatus;
use schema::id::{InstanceId, LaunchId};
use schema::unit::{LogTime, Micros, Millis};
use schema::why::TerminateWhy;
use serde::Serialize;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// How an instance stands in both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "fate", rename_all = "kebab-case")]
pub enum Fate {
    /// Both have it.
    Running,
    /// Both have it, and its agent has not spoken yet.
    Booting,
    /// The cloud has it for an intent that has no answer yet.
    Appeared {
        /// The intent.
        launch: LaunchId,
    },
    /// The leader wants it gone, and the cloud has it still.
    Terminating {
        /// Since when.
        since: LogTime,
        /// Why.
        reason: TerminateWhy,
    },
    /// The log has it, and the cloud says that it is no more.
    Gone {
        /// What the cloud says of it; empty if nothing.
        said: String,
    },
    /// The log has it, and the cloud does not show it: it may not show it yet.
    NotShown,
    /// The log says that it is gone, and the cloud has it still.
    Lingering {
        /// Since when it is gone by the log.
        since: LogTime,
    },
    /// It says that it is this cluster's, and the log says that nothing accounts for it.
    Orphan {
        /// When that was found.
        found: LogTime,
        /// When it is ended.
        ends: LogTime,
    },
    /// It says that it is this cluster's, and nothing accounts for it: an orphan before long, if that is
    /// still so then.
    Unaccounted,
    /// Another's. It is left alone.
    Stranger {
        /// The cluster that it says it is of.
        cluster: SmolStr,
    },
}

/// An instance in both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Real {
    /// Type; empty if nobody says.
    pub kind: SmolStr,
    /// Micro-dollars per hour; none if the log does not say what it costs.
    pub price: Option<Micros>,
    /// What it has cost until now.
    pub cost: Option<Micros>,
    /// How it stands.
    #[serde(flatten)]
    pub fate: Fate,
}

impl Real {
    /// An instance of another cluster.
    #[must_use]
    pub fn stranger(cluster: SmolStr, kind: SmolStr) -> Real {
        Real { kind, price: None, cost: None, fate: Fate::Stranger { cluster } }
    }

    /// Whether the log and the cloud do not agree on it, or do not yet.
    #[must_use]
    pub fn differs(&self) -> bool {
        match self.fate {
            Fate::Appeared { .. }
            | Fate::Gone { .. }
            | Fate::NotShown
            | Fate::Lingering { .. }
            | Fate::Orphan { .. }
            | Fate::Unaccounted => true,
            Fate::Running | Fate::Booting | Fate::Terminating { .. } | Fate::Stranger { .. } => {
                false
            }
        }
    }
}

/// Every instance that lives by the log, or that the cloud shows as there. `now` is log time.
#[must_use]
pub fn reality(state: &State, seen: &[Seen], now: LogTime) -> BTreeMap<InstanceId, Real> {
    let shown: BTreeMap<&InstanceId, &Seen> = seen.iter().map(|s| (&s.instance, s)).collect();
    let live = state.index.live_instances.iter();
    let live = live.filter_map(|id| Some((id, state.instances.get(id)?)));
    let on_log = live.map(|(id, i)| (id.clone(), known(i, shown.get(id).copied(), now)));
    let there = seen.iter().filter(|seen| seen.state == SeenState::There);
    let others = there.filter(|seen| !state.index.live_instances.contains(&seen.instance));
    let others = others.map(|seen| (seen.instance.clone(), unknown(state, seen, now)));
    on_log.chain(others).collect()
}

/// An instance that lives by the log.
fn known(instance: &Instance, seen: Option<&Seen>, now: LogTime) -> Real {
    let fate = match (seen.map(|seen| (seen.state, seen)), &instance.phase) {
        (Some((SeenState::Gone, seen)), _) => Fate::Gone { said: seen.why.clone() },
        (_, Phase::Terminating { since, why }) => {
            Fate::Terminating { since: *since, reason: why.clone() }
        }
        (None, _) => Fate::NotShown,
        (Some(_), Phase::Booting) => Fate::Booting,
        (Some(_), Phase::Up | Phase::Gone { .. }) => Fate::Running,
    };
    let (kind, price) = (instance.offering.kind.clone(), instance.offering.price);
    let cost = price.over(now.since(instance.created));
    Real { kind, price: Some(price), cost: Some(cost), fate }
}

/// One that the cloud has, and that does not live by the log.
fn unknown(state: &State, seen: &Seen, now: LogTime) -> Real {
    let kind = seen.offering.as_ref().map(|(kind, ..)| kind.clone()).unwrap_or_default();
    if let Some(orphan) = state.orphans.get(&seen.instance) {
        let (found, ends) = (orphan.found, orphan.found + state.head.policy.orphan_grace);
        let there = Millis(now.since(found).0.saturating_add(orphan.age.0));
        let (price, cost) = (Some(orphan.price), Some(orphan.price.over(there)));
        return Real { kind, price, cost, fate: Fate::Orphan { found, ends } };
    }
    let over = state.instances.get(&seen.instance).and_then(|i| match i.phase {
        Phase::Gone { at, .. } => Some((at, i)),
        Phase::Booting | Phase::Up | Phase::Terminating { .. } => None,
    });
    if let Some((since, instance)) = over {
        let price = Some(instance.offering.price);
        let cost = price.map(|price| price.over(now.since(instance.created)));
        return Real { kind, price, cost, fate: Fate::Lingering { since } };
    }
    let launch = seen.launch.as_ref().and_then(|id| Some((id, state.launches.get(id)?)));
    let open = launch.filter(|(_, launch)| launch.status == LaunchStatus::Requested);
    let Some((launch, intent)) = open else {
        return Real { kind, price: None, cost: None, fate: Fate::Unaccounted };
    };
    let price = intent.offering.price;
    let (cost, launch) = (price.over(seen.age), launch.clone());
    Real { kind, price: Some(price), cost: Some(cost), fate: Fate::Appeared { launch } }
}
