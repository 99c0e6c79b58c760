//! What may be bought: prices as the leader saw them, by type, zone and market; and what the cloud said of
//! types.

use super::State;
use super::launch::key;
use crate::void::Void;
use schema::event::{MAX_PRICES, PriceSeen, PriceSource, TypeSeen};
use schema::policy::Offering;
use schema::policy::kind::KindName;
use schema::requirements::Market;
use schema::unit::{LogTime, Millis};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// The best placement score.
pub const BEST_SCORE: u8 = 10;
/// A placement score is of the moment: one that is older than this says nothing.
const SCORE_HOLDS: Millis = Millis::from_secs(6 * 3600);

/// A class of types in a zone.
pub type ClassKey = (SmolStr, SmolStr);

/// A type in a zone.
pub type PlaceKey = (SmolStr, SmolStr);

/// What the cloud said of a type in a zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldType {
    /// What it said.
    pub seen: TypeSeen,
    /// When.
    pub at: LogTime,
}

/// A placement score as it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenScore {
    /// 1 to [`BEST_SCORE`].
    pub score: u8,
    /// When.
    pub at: LogTime,
}

/// An offering as it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenOffer {
    /// What is sold, and for how much.
    pub offering: Offering,
    /// Where that was seen.
    pub source: PriceSource,
    /// When.
    pub at: LogTime,
}

impl State {
    /// All or nothing: an offering that is none makes the whole record void.
    pub(crate) fn price_seen(&mut self, e: &PriceSeen) -> Result<(), Void> {
        let there = |offering: &Offering| offering.zone == e.zone && offering.check().is_ok();
        let scored = e.scores.iter().all(|one| (1..=BEST_SCORE).contains(&one.score));
        let sound = scored && e.types.iter().all(TypeSeen::is_sound);
        let all = e.offerings.len() + e.withdrawn.len() + e.scores.len() + e.types.len();
        if all > MAX_PRICES || !sound || !e.offerings.iter().all(there) {
            return Err(Void::Invalid);
        }
        self.head.told |= e.source == PriceSource::Api;
        for gone in &e.withdrawn {
            self.market.remove(&(gone.kind.clone(), e.zone.clone(), gone.market));
        }
        for offering in &e.offerings {
            let seen =
                SeenOffer { offering: offering.clone(), source: e.source, at: self.head.time };
            self.market.insert(key(offering), seen);
        }
        for one in &e.scores {
            let seen = SeenScore { score: one.score, at: self.head.time };
            self.scores.insert((one.class.clone(), e.zone.clone()), seen);
        }
        for one in &e.types {
            let told = ToldType { seen: one.clone(), at: self.head.time };
            self.types.insert((one.kind.clone(), e.zone.clone()), told);
            self.head.typed = self.head.applied;
        }
        Ok(())
    }

    /// The placement score of an offering, if it is spot and was scored lately.
    #[must_use]
    pub fn placement_score(&self, offering: &Offering) -> Option<u8> {
        if self.scores.is_empty() || offering.market != Market::Spot {
            return None;
        }
        let class = KindName::parse(&offering.kind).class;
        let seen = self.scores.get(&(class.into(), offering.zone.clone()))?;
        (self.head.time.since(seen.at) <= SCORE_HOLDS).then_some(seen.score)
    }
}
