//! What was measured of instance types, the last time that each was probed.

use super::State;
use crate::void::Void;
use schema::event::{Body, ProbeDone};
use schema::requirements::Market;
use schema::resources::Resources;
use schema::unit::{LogTime, Millis};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// What was measured of a type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// When.
    pub at: LogTime,
    /// In which zone.
    pub zone: SmolStr,
    /// On which market.
    pub market: Market,
    /// What it has to give.
    pub resources: Resources,
    /// From the intent until its agent was up.
    pub booted: Millis,
    /// From the intent until a first exec had ended there.
    pub usable: Millis,
}

impl State {
    pub(crate) fn probe_done(&mut self, e: &ProbeDone) -> Result<(), Void> {
        e.check().map_err(|_| Void::Invalid)?;
        let ProbeDone { zone, market, resources, booted, usable, .. } = e.clone();
        let probe = Probe { at: self.head.time, zone, market, resources, booted, usable };
        self.probes.insert(e.kind.clone(), probe);
        Ok(())
    }
}
