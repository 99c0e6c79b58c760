//! Leadership: terms, challenges and elections.
//!
//! ```text
//! none ──elected──▶ held ──resigned──▶ resigned ──elected──▶ held (epoch + 1)
//!                    │ ▲
//!          challenged│ │any record of the term
//!                    ▼ │
//!               challenged ──elected, once the patience has passed──▶ held (epoch + 1)
//! ```

use super::State;
use crate::void::Void;
use schema::event::{LeaderChallenged, LeaderElected};
use schema::id::AuthorId;
use schema::record::Record;
use schema::unit::{Epoch, LogTime, Seq};
use serde::{Deserialize, Serialize};

/// Who leads, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Leader {
    /// The current term; 0 before the first election.
    pub epoch: Epoch,
    /// Who holds it.
    pub holder: Holder,
    /// The last record on the election subject, valid or void: what a fence must name.
    pub election: Seq,
    /// A challenge that no record of the term has answered.
    pub challenge: Option<Challenge>,
    /// The version of the fold that the holder goes by; 0 where its election did not say.
    #[serde(default, skip_serializing_if = "is_unsaid")]
    pub fold: u32,
}

fn is_unsaid(version: &u32) -> bool {
    *version == 0
}

/// Whether someone leads.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Holder {
    /// Nobody yet.
    #[default]
    Nobody,
    /// This replica.
    Replica(AuthorId),
    /// Nobody any more: the last one stepped down.
    Resigned,
}

/// A challenge to the leader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// When it was made.
    pub at: LogTime,
    /// Who made it.
    pub by: AuthorId,
}

impl State {
    /// Whether this replica leads.
    #[must_use]
    pub fn leads(&self, replica: &AuthorId) -> bool {
        matches!(&self.head.leader.holder, Holder::Replica(holder) if holder == replica)
    }

    /// Whether an election would be valid at this log time.
    #[must_use]
    pub fn election_due(&self) -> bool {
        match (&self.head.leader.holder, &self.head.leader.challenge) {
            (Holder::Nobody | Holder::Resigned, _) => true,
            (Holder::Replica(_), None) => false,
            (Holder::Replica(_), Some(challenge)) => {
                self.head.time >= challenge.at + self.head.policy.patience
            }
        }
    }

    /// Checks that a record comes from the leader in its current term; such a record answers a
    /// challenge, whatever else it says.
    pub(crate) fn by_leader(&mut self, record: &Record) -> Result<(), Void> {
        if record.epoch != self.head.leader.epoch {
            return Err(Void::OldEpoch);
        }
        if !self.leads(&record.author) {
            return Err(Void::NotLeader);
        }
        self.head.leader.challenge = None;
        Ok(())
    }

    pub(crate) fn challenge(&mut self, record: &Record, e: &LeaderChallenged) -> Result<(), Void> {
        if record.author != e.replica {
            return Err(Void::NotItself);
        }
        let leader = &mut self.head.leader;
        let held = matches!(leader.holder, Holder::Replica(_));
        if e.epoch != leader.epoch || leader.challenge.is_some() || !held {
            return Err(Void::ChallengeIdle);
        }
        leader.challenge = Some(Challenge { at: self.head.time, by: record.author.clone() });
        Ok(())
    }

    pub(crate) fn elect(&mut self, record: &Record, e: &LeaderElected) -> Result<(), Void> {
        if record.author != e.replica {
            return Err(Void::NotItself);
        }
        if e.epoch != self.head.leader.epoch.next() {
            return Err(Void::OldEpoch);
        }
        if !self.election_due() {
            return Err(Void::ElectionNotDue);
        }
        let leader = &mut self.head.leader;
        leader.epoch = e.epoch;
        leader.holder = Holder::Replica(e.replica.clone());
        leader.challenge = None;
        leader.fold = e.fold;
        Ok(())
    }

    pub(crate) fn resign(&mut self) -> Result<(), Void> {
        self.head.leader.holder = Holder::Resigned;
        Ok(())
    }
}
