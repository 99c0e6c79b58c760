//! What is not launched for a while because the cloud refused, as far as each refusal reaches.
//!
//! ```text
//! refused ──▶ rests ──until──▶ on trial ──accepted──▶ forgotten
//!                ▲                │
//!                └────refused─────┘   (for longer; a long calm makes up for refusals)
//! ```
//! What is on trial is tried by one launch at a time: many that wait do not all ask at once.

use super::State;
use super::launch::{OfferingKey, key};
use schema::event::LaunchRefused;
use schema::policy::Offering;
use schema::policy::quota::{QuotaGroup, group};
use schema::unit::{LogTime, Millis};
use schema::why::{RefusalClass, RefusalScope};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// A calm of this length after a rest makes up for half of the refusals before.
const CALM: Millis = Millis::from_secs(600);

/// The version of the fold that lets an operator end rests first.
const SINCE: u32 = 10;

/// As far as a refusal may reach.
const SCOPES: [RefusalScope; 5] = [
    RefusalScope::Offering,
    RefusalScope::TypeInZone,
    RefusalScope::Zone,
    RefusalScope::QuotaGroup,
    RefusalScope::Account,
];

/// All that a refusal reaches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Extent {
    /// A type in a zone on a market.
    Offering(OfferingKey),
    /// A type in a zone.
    TypeInZone(SmolStr, SmolStr),
    /// A zone.
    Zone(SmolStr),
    /// A quota group.
    QuotaGroup(QuotaGroup),
    /// All launches.
    Account,
}

impl Extent {
    /// All that a refusal of this offering reaches.
    #[must_use]
    pub fn of(scope: RefusalScope, offering: &Offering) -> Extent {
        let Offering { kind, zone, market, .. } = offering;
        match scope {
            RefusalScope::Offering | RefusalScope::Unknown => Extent::Offering(key(offering)),
            RefusalScope::TypeInZone => Extent::TypeInZone(kind.clone(), zone.clone()),
            RefusalScope::Zone => Extent::Zone(zone.clone()),
            RefusalScope::QuotaGroup => Extent::QuotaGroup(group(kind, *market)),
            RefusalScope::Account => Extent::Account,
        }
    }

    /// Everything that an offering is part of, itself first.
    #[must_use]
    pub fn around(offering: &Offering) -> [Extent; 5] {
        SCOPES.map(|scope| Extent::of(scope, offering))
    }
}

/// What is known of something that the cloud refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rest {
    /// It is not tried before this log time.
    pub until: LogTime,
    /// How often it has been refused in a row.
    pub refusals: u32,
    /// The kind of the last refusal.
    pub class: RefusalClass,
    /// What the cloud said.
    pub message: String,
}

impl Rest {
    /// How many refusals in a row still count at this log time.
    #[must_use]
    pub fn refusals_at(&self, time: LogTime) -> u32 {
        let calms = time.since(self.until).0 / CALM.0;
        u32::try_from(calms).ok().and_then(|calms| self.refusals.checked_shr(calms)).unwrap_or(0)
    }
}

impl State {
    /// The refusal that keeps this offering from being launched, if there is one, and how far it reaches.
    #[must_use]
    pub fn resting(&self, offering: &Offering) -> Option<(RefusalScope, &Rest)> {
        let longest = self.refusals(offering).max_by_key(|(_, _, rest)| rest.until);
        let standing = longest.filter(|(_, _, rest)| self.head.time < rest.until);
        standing.map(|(scope, _, rest)| (scope, rest))
    }

    /// Of all refusals around this offering that are known the one that rests longest, over or not.
    #[must_use]
    pub fn refusal(&self, offering: &Offering) -> Option<&Rest> {
        self.refusals(offering).map(|(_, _, rest)| rest).max_by_key(|rest| rest.until)
    }

    /// Everything around this offering that has been refused and not accepted since, though it may be
    /// tried again.
    pub fn trials(&self, offering: &Offering) -> impl Iterator<Item = Extent> {
        self.refusals(offering).map(|(_, extent, _)| extent)
    }

    fn refusals<'a, 'o>(
        &'a self,
        offering: &'o Offering,
    ) -> impl Iterator<Item = (RefusalScope, Extent, &'a Rest)> + use<'a, 'o> {
        // Mostly nothing is refused: then nothing is looked for.
        let scopes = (!self.rests.is_empty()).then_some(SCOPES).into_iter().flatten();
        scopes.filter_map(|scope| {
            let extent = Extent::of(scope, offering);
            let rest = self.rests.get(&extent)?;
            Some((scope, extent, rest))
        })
    }

    /// One more refusal in a row. What is refused while it rests was under way before, and is the same
    /// refusal.
    pub(crate) fn rest_now(&mut self, offering: &Offering, scope: RefusalScope, e: &LaunchRefused) {
        let (extent, time) = (Extent::of(scope, offering), self.head.time);
        let (class, message) = (e.class.clone(), e.message.clone());
        let next = match self.rests.get(&extent) {
            Some(rest) if time < rest.until => {
                let until = rest.until.max(e.until);
                Rest { until, refusals: rest.refusals, class, message }
            }
            before => {
                let refusals = before.map_or(0, |rest| rest.refusals_at(time)).saturating_add(1);
                Rest { until: e.until, refusals, class, message }
            }
        };
        self.rests.insert(extent, next);
    }

    /// The cloud has made this: nothing around it that was tried again is refused any more. What rests
    /// goes on resting, since this was asked for before.
    pub(crate) fn accepted_again(&mut self, offering: &Offering) {
        let time = self.head.time;
        for extent in Extent::around(offering) {
            if self.rests.get(&extent).is_some_and(|rest| rest.until <= time) {
                self.rests.remove(&extent);
            }
        }
    }

    /// An operator wants launches to go on: what was refused until somebody mends something may be tried at
    /// once, by one launch like all that is on trial. Noted from the first leader on that folds so: what older
    /// logs fold to is as it was.
    pub(crate) fn mended(&mut self) {
        if self.head.leader.fold < SINCE {
            return;
        }
        let time = self.head.time;
        let by_hand = |rest: &Rest| match rest.class {
            RefusalClass::Configuration | RefusalClass::Authorisation => time < rest.until,
            RefusalClass::Capacity
            | RefusalClass::Quota
            | RefusalClass::Abandoned
            | RefusalClass::Unknown => false,
        };
        let rests = self.rests.iter().filter(|(_, rest)| by_hand(rest));
        let extents: Vec<Extent> = rests.map(|(extent, _)| extent.clone()).collect();
        for extent in extents {
            if let Some(rest) = self.rests.get_mut(&extent) {
                rest.until = time;
            }
        }
    }

    /// One less of these is there: what its quota refused may be tried again.
    pub(crate) fn one_less(&mut self, offering: &Offering) {
        let extent = Extent::of(RefusalScope::QuotaGroup, offering);
        let time = self.head.time;
        if let Some(rest) = self.rests.get_mut(&extent)
            && rest.class == RefusalClass::Quota
        {
            rest.until = rest.until.min(time);
        }
    }
}
