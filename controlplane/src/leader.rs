//! A term: decide, append, fold, and have effects, until another replica is elected.

use crate::effect::Effects;
use crate::heartbeat::Heard;
use crate::replica::ReplicaError;
use crate::round::{Hold, Landed};
use controlplane_core::{Sight, decide, next_deadline};
use schema::event::{Checkpoint, Event, LeaderRenewed};
use schema::unit::{Epoch, Millis, Seq};
use std::time::Duration;
use uuid::Uuid;

/// Most rounds in a row before the loop looks at everything else again.
const ROUNDS: usize = 16;

pub(crate) struct Leading {
    pub(crate) epoch: Epoch,
    checkpoint: Seq,
}

impl Leading {
    pub(crate) fn new(epoch: Epoch) -> Leading {
        Leading { epoch, checkpoint: Seq(0) }
    }

    /// Whether this term still runs, by the fold.
    pub(crate) fn holds(&self, hold: &Hold) -> bool {
        hold.state.leads(&hold.replica) && hold.state.head.leader.epoch == self.epoch
    }

    /// Writes what there is to write, round by round, then has the effects that the folded intents
    /// ask for.
    pub(crate) async fn step(
        &mut self,
        hold: &mut Hold,
        effects: &mut Effects,
        heard: &Heard,
    ) -> Result<(), ReplicaError> {
        for _ in 0..ROUNDS {
            let round = self.next_round(hold, effects, heard);
            if round.is_empty() {
                break;
            }
            let landed = hold.append(round, self.epoch, true).await?;
            if landed == Landed::No || !self.holds(hold) {
                tracing::info!(epoch = %self.epoch, "no longer leading");
                return Ok(());
            }
        }
        if effects.wanted(&hold.state) && !self.fresh(hold) {
            // Nothing is sent to the cloud on the strength of an old acknowledgement.
            hold.append(vec![LeaderRenewed {}.into()], self.epoch, true).await?;
        }
        if self.holds(hold) && self.fresh(hold) {
            effects.run(&hold.state, self.epoch);
        }
        Ok(())
    }

    fn fresh(&self, hold: &Hold) -> bool {
        hold.acknowledged.elapsed() < hold.state.head.policy.patience.duration() / 2
    }

    /// What came of effects first; then decisions; then whatever moves log time on.
    fn next_round(&mut self, hold: &Hold, effects: &mut Effects, heard: &Heard) -> Vec<Event> {
        let state = &hold.state;
        let mut round = effects.outcomes(state);
        if let Some((seq, digest)) = state.marks.back()
            && *seq > self.checkpoint
        {
            self.checkpoint = *seq;
            round.push(Checkpoint { seq: *seq, digest: digest.0.to_vec() }.into());
        }
        if round.is_empty() {
            round = decide(state, &sight(hold, effects, heard));
        }
        let challenged = state.head.leader.challenge.is_some();
        if round.is_empty() && (challenged || due(hold)) {
            round.push(LeaderRenewed {}.into());
        }
        round
    }
}

/// Whether something falls due that the quiet log has not caught up with.
fn due(hold: &Hold) -> bool {
    next_deadline(&hold.state)
        .is_some_and(|(at, _)| hold.state.head.time < at && at <= hold.estimated_time())
}

fn sight(hold: &Hold, effects: &Effects, heard: &Heard) -> Sight {
    let state = &hold.state;
    let live = state.index.live_instances.iter();
    let due = state.index.leases.iter().take_while(|(until, _)| *until <= state.head.time);
    let kept = due.filter_map(|(_, id)| Some((id.clone(), millis(hold.kept.get(id)?.elapsed()))));
    Sight {
        silent: live.map(|id| (id.clone(), millis(heard.silent(id)))).collect(),
        kept: kept.collect(),
        gone: effects.gone(),
        entropy: Uuid::new_v4().as_u64_pair().0,
    }
}

fn millis(duration: Duration) -> Millis {
    Millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
