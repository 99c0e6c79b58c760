//! What must hold: every invariant, every step and every claim after every record, and, once the faults
//! are over and all is quiet, that nothing is lost, doubled or leaked.

mod budgets;
mod claims;
mod execs;
mod notices;
mod rests;
mod rollover;
mod rounds;
mod trust;
mod verdict;

use crate::agent::Agent;
use crate::cloud::Cloud;
use crate::coverage::Coverage;
use crate::log::Log;
use crate::stranger::NAME as STRANGER;
use crate::transitions::Watch;
use budgets::Budgets;
use claims::Claims;
use replay_core::{Message, Outcome, State, Void, invariant};
use rounds::Rounds;
use schema::codec;
use schema::id::{AllocId, InstanceId};
use schema::resources::Resources;
use std::collections::{BTreeMap, BTreeSet};
use trust::Trusted;

pub(crate) use verdict::verdict;

/// The world beside the log, as it truly is.
#[derive(Clone, Copy)]
pub(crate) struct Truth<'a> {
    pub(crate) now: u64,
    pub(crate) cloud: &'a Cloud,
    pub(crate) agents: &'a BTreeMap<InstanceId, Agent>,
}

/// Follows the log record by record.
#[derive(Default)]
pub(crate) struct Observer {
    pub(crate) state: State,
    pub(crate) broken: Vec<String>,
    pub(crate) coverage: Coverage,
    watch: Watch,
    claims: Claims,
    budgets: Budgets,
    trusted: Trusted,
    rounds: Rounds,
}

impl Observer {
    pub(crate) fn follow(&mut self, log: &Log, truth: Truth<'_>) {
        for message in log.from(self.state.head.applied.next()) {
            let seq = message.seq;
            let found = self.next(message, truth);
            self.broken.extend(found.into_iter().map(|found| format!("record {seq}: {found}")));
        }
    }

    fn next(&mut self, message: Message<'_>, truth: Truth<'_>) -> Vec<String> {
        let leases = self.state.index.leases.len();
        let (outcome, record) = self.state.apply_decoded(message, codec::decode(message.payload));
        let mut found = Vec::new();
        found.extend(
            record.as_ref().and_then(|record| self.rounds.check(message.seq, outcome, record)),
        );
        match (outcome, record) {
            (Outcome::Applied, Some(record)) => {
                self.coverage.event(&record.event);
                found.extend(self.claims.check(&self.state, &record, truth));
                found.extend(self.claims.execs.check(&self.state, &record.event, truth));
                found.extend(self.trusted.check(&self.state, &record));
                found.extend(self.budgets.check(&self.state, &record));
                found.extend(claims::leases(&self.state, &record.event, leases));
            }
            (Outcome::Void(void), record) => {
                self.coverage.void(void);
                let late = matches!(void, Void::OldEpoch | Void::NotLeader);
                let unfenced = record.filter(|record| late && record.author.as_str() != STRANGER);
                found.extend(unfenced.map(|record| {
                    let (author, kind) = (record.author, record.event.kind());
                    format!("{kind} of {author}, which no longer leads, got past the fence")
                }));
            }
            (Outcome::Applied | Outcome::Ignored, _) => {}
        }
        found.extend(self.watch.look(&self.state, &mut self.coverage));
        let broken = invariant::check(&self.state).into_iter();
        found.extend(broken.map(|breach| format!("{}: {}", breach.invariant, breach.found)));
        found.extend(self.state.diverged.map(|at| format!("diverged at {at}")));
        let (billed, committed) = (truth.cloud.hourly(truth.now), self.state.head.committed);
        if billed > committed {
            let (billed, committed) = (billed.dollars(), committed.dollars());
            found.push(format!("the cloud bills {billed} an hour, {committed} are accounted for"));
        }
        found
    }

    /// What runs on an instance: allocs that the log has given it and that are not closed, and no more of
    /// them than it has room for, by what the log says of their size.
    pub(crate) fn room(&self, agent: &Agent, now: u64) -> Option<String> {
        let (instance, mut sum) = (&agent.instance, Resources::default());
        for alloc in agent.runs(now).collect::<BTreeSet<_>>() {
            match self.claims.given.get(alloc) {
                Some(given) if given.instance != *instance => {
                    return Some(format!(
                        "{alloc} runs on {instance}, and is on {}",
                        given.instance
                    ));
                }
                Some(given) if given.closed => {
                    return Some(format!("{alloc} was closed, and runs on {instance}"));
                }
                Some(given) => sum = sum.plus(&given.resources),
                None => return Some(format!("{alloc} runs on {instance}, and was never granted")),
            }
        }
        let whole = &agent.resources;
        (!whole.holds(&sum)).then(|| format!("{instance} has {whole}, and runs allocs of {sum}"))
    }

    /// When this alloc was taken back, and until when its execs may run, in virtual milliseconds, if
    /// that was later than `since`.
    pub(crate) fn promised(&self, alloc: &AllocId, since: u64) -> Option<(u64, u64)> {
        let (made, until) = self.claims.promised.get(alloc)?;
        (*made >= since).then_some((*made, *until))
    }

    /// Whether nothing is left to happen.
    pub(crate) fn quiet(&self) -> bool {
        let state = &self.state;
        state.index.waiting.is_empty()
            && state.index.on_instance.is_empty()
            && state.index.open_launches.is_empty()
            && state.index.live_instances.is_empty()
    }
}
