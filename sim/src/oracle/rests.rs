//! What the cloud has refused, how far that reaches, and until when it is not asked for again.

use replay_core::State;
use schema::event::LaunchRefused;
use schema::policy::Offering;
use schema::unit::LogTime;
use schema::why::{RefusalClass, RefusalScope};

#[derive(Debug, Default)]
pub(super) struct Rests(Vec<Rest>);

#[derive(Debug)]
struct Rest {
    offering: Offering,
    class: RefusalClass,
    scope: RefusalScope,
    until: LogTime,
}

impl Rests {
    pub(super) fn refused(&mut self, state: &State, e: &LaunchRefused) {
        self.0.retain(|rest| rest.until > state.head.time);
        let offering = state.launches.get(&e.launch).map(|launch| launch.offering.clone());
        let rest =
            |(offering, scope)| Rest { offering, class: e.class.clone(), scope, until: e.until };
        self.0.extend(offering.zip(e.scope).map(rest));
    }

    /// Somebody has mended what only people can mend.
    pub(super) fn thawed(&mut self) {
        let mended = |class: &RefusalClass| {
            matches!(class, RefusalClass::Configuration | RefusalClass::Authorisation)
        };
        self.0.retain(|rest| !mended(&rest.class));
    }

    /// How far a refusal reaches because of which this offering rests now.
    pub(super) fn hammered(&self, now: LogTime, offering: &Offering) -> Option<RefusalScope> {
        let rests = |rest: &&Rest| rest.until > now && rest.reaches(offering);
        self.0.iter().find(rests).map(|rest| rest.scope)
    }
}

impl Rest {
    /// Whether the refusal of one offering is one of another. That of a quota ends when an instance does.
    fn reaches(&self, other: &Offering) -> bool {
        let refused = &self.offering;
        let (zone, kind) = (refused.zone == other.zone, refused.kind == other.kind);
        match self.scope {
            RefusalScope::Offering => zone && kind && refused.market == other.market,
            RefusalScope::TypeInZone => zone && kind,
            RefusalScope::Zone => zone,
            RefusalScope::Account => true,
            RefusalScope::QuotaGroup | RefusalScope::Unknown => false,
        }
    }
}
