//! Who was heard, and when, by this process's monotonic clock. Nothing in the state depends on it but
//! through an event that the leader writes.

use crate::moment::Moment;
use schema::id::InstanceId;
use schema::unit::{Epoch, Millis};
use std::collections::{BTreeMap, BTreeSet};

/// How often the leader says that it lives.
pub const BEAT: Millis = Millis(200);
/// A leader that is not heard for this long may be challenged; who has heard none for this long, not
/// even itself, is deaf.
pub const SILENCE: Millis = Millis(5 * BEAT.0);
/// Agents that are gone are forgotten when there are this many more of them than of others.
const SPARE: usize = 256;

/// Who was heard, and when.
#[derive(Debug)]
pub struct Hearing {
    agents: BTreeMap<InstanceId, Moment>,
    leader: (Epoch, Moment),
    /// Since when heartbeats of leaders have come without a gap.
    open: Moment,
    /// When the last one came.
    last: Moment,
    since: Moment,
}

impl Hearing {
    /// One that begins to listen now.
    #[must_use]
    pub fn new(now: Moment) -> Hearing {
        let agents = BTreeMap::new();
        Hearing { agents, leader: (Epoch(0), now), open: now, last: now, since: now }
    }

    /// This agent was heard, by whatever means.
    pub fn agent(&mut self, now: Moment, id: &InstanceId) {
        self.agents.insert(id.clone(), now);
    }

    /// A leader's heartbeat has come.
    pub fn beat(&mut self, now: Moment, epoch: Epoch) {
        if now.since(self.last) > SILENCE {
            self.open = now;
        }
        self.last = now;
        self.leader(now, epoch);
    }

    /// A leader of this term was heard, by whatever means.
    pub fn leader(&mut self, now: Moment, epoch: Epoch) {
        if epoch >= self.leader.0 {
            self.leader = (epoch, now);
        }
    }

    /// How long this agent has been silent, as far as this process can know: a leader that does not
    /// even hear itself calls nobody silent, and silence counts from when it could hear again.
    #[must_use]
    pub fn silent(&self, now: Moment, id: &InstanceId) -> Millis {
        if now.since(self.last) > SILENCE {
            return Millis(0);
        }
        now.since(self.agents.get(id).copied().unwrap_or(self.since).max(self.open))
    }

    /// How long the leader of this term has been silent.
    #[must_use]
    pub fn leader_silent(&self, now: Moment, epoch: Epoch) -> Millis {
        let (heard, at) = self.leader;
        now.since(if heard == epoch { at } else { self.since })
    }

    /// Forgets agents of instances that are gone.
    pub fn only(&mut self, live: &BTreeSet<InstanceId>) {
        if self.agents.len() > 2 * live.len() + SPARE {
            self.agents.retain(|id, _| live.contains(id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> InstanceId {
        InstanceId::new(name).expect("an id")
    }

    #[test]
    fn who_does_not_even_hear_a_leader_calls_no_agent_silent() {
        let mut hearing = Hearing::new(Moment(0));
        hearing.agent(Moment(0), &id("i-1"));
        for beat in 1..=50 {
            hearing.beat(Moment(beat * BEAT.0), Epoch(1));
        }
        assert_eq!(hearing.silent(Moment(10_000), &id("i-1")), Millis(10_000));
        let deaf = Moment(10_000 + SILENCE.0 + 1);
        assert_eq!(hearing.silent(deaf, &id("i-1")), Millis(0), "its own ears are shut");
        hearing.beat(Moment(20_000), Epoch(1));
        assert_eq!(hearing.silent(Moment(20_100), &id("i-1")), Millis(100), "from then on");
    }

    #[test]
    fn one_that_was_never_heard_has_been_silent_for_as_long_as_anybody_listens() {
        let mut hearing = Hearing::new(Moment(1000));
        hearing.beat(Moment(1500), Epoch(1));
        assert_eq!(hearing.silent(Moment(1600), &id("i-mute")), Millis(600));
        hearing.agent(Moment(1550), &id("i-mute"));
        assert_eq!(hearing.silent(Moment(1600), &id("i-mute")), Millis(50));
    }

    #[test]
    fn a_deposed_leader_does_not_speak_for_the_new_one() {
        let mut hearing = Hearing::new(Moment(0));
        hearing.beat(Moment(100), Epoch(2));
        hearing.beat(Moment(900), Epoch(1));
        assert_eq!(hearing.leader_silent(Moment(1000), Epoch(2)), Millis(900));
        assert_eq!(hearing.leader_silent(Moment(1000), Epoch(3)), Millis(1000));
    }

    #[test]
    fn agents_that_are_gone_are_forgotten() {
        let mut hearing = Hearing::new(Moment(0));
        for n in 0..2 * SPARE {
            hearing.agent(Moment(1), &id(&format!("i-{n}")));
        }
        let live = BTreeSet::from([id("i-7")]);
        hearing.only(&live);
        assert_eq!(hearing.agents.keys().collect::<Vec<_>>(), [&id("i-7")]);
    }
}
