//! A leader never writes what has no effect by all that it knew. Agents and drivers do not see what the
//! fold weighs a grant against: they act on what they read.

use crate::stranger::NAME as STRANGER;
use replay_core::{Outcome, Void};
use schema::id::AuthorId;
use schema::record::Record;
use schema::unit::Seq;

/// What an independent reader keeps of who has spoken last.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    /// Who has written under a term last.
    leader: Option<AuthorId>,
    /// The last record that is not his.
    others: Seq,
}

impl Rounds {
    /// Checks a record that has just been folded, with or without effect.
    pub(super) fn check(&mut self, seq: Seq, outcome: Outcome, record: &Record) -> Option<String> {
        let spoke = record.epoch.0 > 0 && record.author.as_str() != STRANGER;
        if !spoke || self.leader.as_ref() != Some(&record.author) {
            self.others = seq;
            self.leader = if spoke { Some(record.author.clone()) } else { self.leader.take() };
        }
        let Outcome::Void(void) = outcome else { return None };
        // What is sent again, or too late, or by somebody who uses his name.
        let again = matches!(
            void,
            Void::WrongSubject
                | Void::Duplicate
                | Void::NumberGap
                | Void::RetiredIncarnation
                | Void::OldEpoch
                | Void::NotLeader
                | Void::ElectionNotDue
                | Void::ChallengeIdle
                | Void::GenerationEnded
        );
        let knew = spoke && record.cause >= self.others && !again;
        knew.then(|| {
            let (kind, author) = (record.event.kind(), &record.author);
            format!("{kind} of {author}, which knew all that came before, has no effect: {void}")
        })
    }
}
