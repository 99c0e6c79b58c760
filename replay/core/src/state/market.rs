//! What may be bought: prices as the leader saw them, by type, zone and market.

use super::State;
use super::launch::key;
use crate::void::Void;
use schema::event::{MAX_PRICES, PriceSeen, PriceSource};
use schema::policy::Offering;
use schema::unit::LogTime;
use serde::{Deserialize, Serialize};

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
        if e.offerings.len() + e.withdrawn.len() > MAX_PRICES || !e.offerings.iter().all(there) {
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
        Ok(())
    }
}
