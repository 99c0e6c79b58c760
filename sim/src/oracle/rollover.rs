//! The generation ends: what follows in its log is void, and the next one begins where it ended.

use crate::coverage::Coverage;
use replay_core::author::Line;
use replay_core::snapshot::FOLD_VERSION;
use replay_core::state::leader::Holder;
use replay_core::{Message, Outcome, State, Void};
use schema::SCHEMA_VERSION;
use schema::event::{Event, Genesis, LeaderElected, LeaderRenewed, Previous, RolledOver};
use schema::id::AuthorId;
use schema::record::Record;
use schema::subject::{Role, Subject};
use schema::unit::{Epoch, Seq};
use uuid::Uuid;

/// Ends the generation of this state as its leader would, and begins the next.
pub(super) fn check(state: &State, coverage: &mut Coverage) -> Option<String> {
    let mut old = state.clone();
    let Holder::Replica(leader) = &led(&mut old).head.leader.holder.clone() else {
        return Some("nobody leads, and nobody can be elected".to_owned());
    };
    let next = state.head.generation + 1;
    let over = RolledOver { next };
    if say(&mut old, leader, over.into()) != Some(Outcome::Applied) {
        return Some("the leader cannot end the generation".to_owned());
    }
    let (ended, snapshot, digest) = (old.head.applied, old.snapshot(), old.digest());
    let after = say(&mut old, leader, LeaderRenewed {}.into());
    if after != Some(Outcome::Void(Void::GenerationEnded)) {
        return Some(format!("after the end of the generation a record was {after:?}"));
    }
    coverage.void(Void::GenerationEnded);
    let mut new = State::default();
    let previous = Previous {
        stream: format!("G{}", state.head.generation),
        seq: ended,
        digest: digest.0.to_vec(),
        snapshot,
    };
    let Some(cluster) = state.head.cluster.clone() else {
        return Some("the generation has never begun".to_owned());
    };
    let policy = state.head.policy.clone();
    let genesis = Genesis { cluster, generation: next, policy, previous: Some(previous) };
    new.head.cluster.clone_from(&state.head.cluster);
    let begun = say(&mut new, leader, genesis.into());
    let money = |state: &State| (state.head.policy.clone(), state.head.committed);
    let same = money(&new) == money(&old) && new.index == old.index;
    let begun = begun == Some(Outcome::Applied) && same;
    (!begun).then(|| "the next generation does not begin where this one ended".to_owned())
}

/// The state with a leader: if the last one has just stepped down, somebody else is elected.
fn led(state: &mut State) -> &State {
    if state.head.leader.holder == Holder::Resigned
        && let Ok(replica) = AuthorId::new("next")
    {
        let epoch = state.head.leader.epoch.next();
        say(
            state,
            &replica,
            LeaderElected { replica: replica.clone(), epoch, fold: FOLD_VERSION }.into(),
        );
    }
    state
}

/// Appends an event as that author, and says what became of it.
fn say(state: &mut State, author: &AuthorId, event: Event) -> Option<Outcome> {
    let cluster = state.head.cluster.clone()?;
    let last = state.authors.get(&(Role::Ctl, author.clone())).cloned();
    let record = Record {
        version: SCHEMA_VERSION,
        author: author.clone(),
        incarnation: last.as_ref().map_or(Uuid::nil(), |last| last.incarnation),
        number: last.map_or(0, |last| last.number) + 1,
        cause: Seq(0),
        epoch: match &event {
            _ if state.head.generation == 0 => Epoch(0),
            Event::LeaderElected(e) => e.epoch,
            _ => state.head.leader.epoch,
        },
        must_understand: false,
        event,
    };
    let subject = Subject::of(&cluster, author, &record.event).to_string();
    // The snapshot of a large fleet is longer than a record may be: what it says is checked all the same.
    let payload = Line::of(&cluster, &record).map(|line| line.payload).unwrap_or_default();
    let (seq, time) = (state.head.applied.next(), state.head.time);
    let message = Message { seq, time, subject: &subject, payload: &payload };
    Some(state.apply_decoded(message, Ok(record)).0)
}
