//! Which events the leader should write next, given the state and what it sees of the world.
//!
//! One round after the other: decide, append, fold, decide again. Within a round each step works on
//! a [`Draft`], which knows what the steps before it have already given away.

mod apart;
mod budget;
mod coming;
mod draft;
mod fair;
mod floor;
mod idle;
mod judge;
mod lease;
mod offer;
mod place;
mod preempt;
mod replace;
mod room;
mod scale;
mod share;
mod space;
mod tell;
mod trouble;
mod trust;
mod worth;

use crate::sight::Sight;
use draft::Draft;
pub use offer::{
    Refused, Shut, candidates, holds, is_for, is_tried, limits, on_market, refused_lately, rests,
    shut, tried, will_do, zone_limit,
};
use replay_core::State;
use schema::event::Event;
use schema::id::{AllocId, InstanceId};
use schema::why::PendingWhy;
pub use share::Share;
use std::collections::BTreeMap;
pub use worth::{expected, likely, links, risk, worth};

/// Most events in one round: what the log takes as one atomic append.
pub const MAX_ROUND: usize = 1000;

/// The next round. Empty if there is nothing to do. Deterministic: the same state and sight give the
/// same events. Whatever a round has no room for is decided again in the next.
#[must_use]
pub fn decide(state: &State, sight: &Sight) -> Vec<Event> {
    let mut events = drafted(state, sight).events;
    events.truncate(MAX_ROUND);
    events
}

fn drafted<'a>(state: &'a State, sight: &'a Sight) -> Draft<'a> {
    let mut draft = Draft::new(state, sight);
    trust::decide(&mut draft);
    trouble::decide(&mut draft);
    lease::decide(&mut draft);
    let unplaced = place::decide(&mut draft);
    // Whatever else would be said in a round that is full would be cut off.
    if !draft.full() {
        scale::decide(&mut draft, &unplaced);
        floor::decide(&mut draft);
        replace::decide(&mut draft);
        room::decide(&mut draft);
        preempt::decide(&mut draft);
        tell::decide(&mut draft);
        idle::decide(&mut draft);
    }
    draft
}

/// How things stand for those who wait, if a round were decided now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// Instances on which nobody else is given what becomes free, and for whom that is kept.
    pub claims: BTreeMap<InstanceId, AllocId>,
    /// What each of them waits for, with the figures of this moment: nobody is told again when the reason
    /// stays the same and only its figures change.
    pub waits: BTreeMap<AllocId, PendingWhy>,
}

/// How things stand. Complete where a round has nothing more to say.
#[must_use]
pub fn standing(state: &State, sight: &Sight) -> Standing {
    let Draft { claimed, waits, .. } = drafted(state, sight);
    let waits = waits.into_iter().map(|(id, why)| (id.clone(), why));
    Standing { claims: claimed, waits: waits.collect() }
}
