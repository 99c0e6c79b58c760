//! Rows of `DescribeInstances`, and what they mean. Whether one that is ours is wanted, unknown or an
//! orphan is decided by the fold, not here. Rows are hostile: anyone in the account can write tags.

use crate::refusal::{Ended, ended};
use crate::tags::{self, Mark};
use controlplane_core::cloud::{Seen, SeenState};
use schema::id::{ClusterId, InstanceId};
use schema::requirements::Market;
use schema::unit::Millis;
use smol_str::SmolStr;

/// A row, with what EC2 may leave out left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// `i-...`
    pub instance: String,
    /// Name of its state.
    pub state: String,
    /// Code of the reason for its state.
    pub reason: Option<String>,
    /// Tags.
    pub tags: Vec<(String, String)>,
    /// `spot`, or nothing.
    pub lifecycle: Option<String>,
    /// Zone.
    pub zone: Option<String>,
    /// Instance type.
    pub kind: Option<String>,
    /// The token of the request that made it.
    pub token: Option<String>,
    /// When it was launched, in milliseconds since 1970.
    pub launched: Option<u64>,
}

/// How far an instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It starts.
    Pending,
    /// It runs.
    Running,
    /// It stops or has stopped. Nothing of ours stops an instance: it is of no use, and costs its disks.
    Stopped,
    /// It goes.
    Going,
    /// It is no more.
    Gone,
    /// A state that is not known here: taken for one in which it costs.
    Other,
}

/// What a row means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// Which instance.
    pub instance: InstanceId,
    /// How far it is.
    pub phase: Phase,
    /// Why it ended, if it goes or is gone.
    pub ended: Option<Ended>,
    /// Where it comes from.
    pub mark: Mark,
    /// Its market.
    pub market: Market,
    /// Its zone.
    pub zone: Option<SmolStr>,
    /// Its type.
    pub kind: Option<SmolStr>,
    /// The token of the request that made it.
    pub token: Option<SmolStr>,
    /// When it was launched, in milliseconds since 1970.
    pub launched: Option<u64>,
}

/// What a row means to this cluster; nothing, if it does not name an instance.
#[must_use]
pub fn sight(cluster: &ClusterId, row: &Row) -> Option<Sighting> {
    let instance = InstanceId::new(&row.instance).ok()?;
    let phase = phase(&row.state);
    let over = match phase {
        Phase::Going | Phase::Gone | Phase::Stopped => true,
        Phase::Pending | Phase::Running | Phase::Other => false,
    };
    let tags = row.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let spot = row.lifecycle.as_deref() == Some("spot");
    Some(Sighting {
        instance,
        phase,
        ended: over.then(|| row.reason.as_deref().map_or(Ended::Unknown, ended)),
        mark: tags::mark(cluster, tags),
        market: if spot { Market::Spot } else { Market::OnDemand },
        zone: row.zone.as_deref().map(SmolStr::new),
        kind: row.kind.as_deref().map(SmolStr::new),
        token: row.token.as_deref().map(SmolStr::new),
        launched: row.launched,
    })
}

fn phase(state: &str) -> Phase {
    match state {
        "pending" => Phase::Pending,
        "running" => Phase::Running,
        "stopping" | "stopped" => Phase::Stopped,
        "shutting-down" => Phase::Going,
        "terminated" => Phase::Gone,
        _ => Phase::Other,
    }
}

impl Sighting {
    /// As the controller takes it, at this time in milliseconds since 1970; nothing of another's
    /// instances.
    #[must_use]
    pub fn seen(&self, now: u64) -> Option<Seen> {
        let state = match self.phase {
            Phase::Gone => SeenState::Gone,
            Phase::Pending | Phase::Running | Phase::Stopped | Phase::Going | Phase::Other => {
                SeenState::There
            }
        };
        let launch = match &self.mark {
            Mark::Ours { launch, .. } => Some(launch.clone()),
            Mark::Unnamed => None,
            Mark::Stranger => return None,
        };
        let offering = self.kind.clone().zip(self.zone.clone());
        Some(Seen {
            instance: self.instance.clone(),
            state,
            why: self.ended.map(|ended| ended.words().to_owned()).unwrap_or_default(),
            launch,
            offering: offering.map(|(kind, zone)| (kind, zone, self.market)),
            age: Millis(self.launched.map_or(0, |at| now.saturating_sub(at))),
        })
    }
}
