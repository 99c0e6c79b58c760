//! What must hold: every invariant after every record, and, once the faults are over and all is quiet,
//! that nothing is lost, doubled or leaked.

use crate::agent::Agent;
use crate::cloud::Cloud;
use crate::log::Log;
use crate::replica::Controller;
use replay_core::state::exec::{ExecEnd, ExecStatus};
use replay_core::{Outcome, State, Void, invariant};
use schema::id::InstanceId;
use std::collections::BTreeMap;

/// Follows the log record by record.
#[derive(Default)]
pub(crate) struct Observer {
    pub(crate) state: State,
    pub(crate) broken: Vec<String>,
    pub(crate) voids: BTreeMap<Void, u64>,
}

impl Observer {
    pub(crate) fn follow(&mut self, log: &Log) {
        for message in log.from(self.state.head.applied.next()) {
            if let Outcome::Void(void) = self.state.apply(message) {
                *self.voids.entry(void).or_default() += 1;
            }
            let found = invariant::check(&self.state);
            let seq = message.seq;
            let told = found.into_iter();
            self.broken.extend(told.map(|b| format!("record {seq}: {}: {}", b.invariant, b.found)));
            if let Some(diverged) = self.state.diverged {
                self.broken.push(format!("record {seq}: diverged at {diverged}"));
            }
        }
    }

    /// Whether nothing is left to happen.
    pub(crate) fn quiet(&self) -> bool {
        let state = &self.state;
        state.index.waiting.is_empty()
            && state.index.on_instance.is_empty()
            && state.index.open_launches.is_empty()
            && state.index.live_instances.is_empty()
    }

    /// What is wrong at the end.
    pub(crate) fn verdict(
        mut self,
        now: u64,
        log: &Log,
        cloud: &Cloud,
        agents: &BTreeMap<InstanceId, Agent>,
        replicas: &[Controller],
    ) -> (State, Vec<String>) {
        let mut found = std::mem::take(&mut self.broken);
        let state = &mut self.state;
        let live = cloud.machines.iter().filter(|(_, machine)| machine.there(now));
        found.extend(live.map(|(id, _)| format!("{id} was leaked: it still runs")));
        for id in cloud.machines.keys().filter(|id| !state.instances.contains(id)) {
            let intent = cloud.machines.get(id).map(|machine| machine.launch.clone());
            if intent.is_none_or(|launch| !state.launches.contains(&launch)) {
                found.push(format!("{id} was made without an intent"));
            }
        }
        found.extend(execs(state, agents));
        let digest = state.digest();
        for replica in replicas {
            let mut other = replica.core.state().clone();
            let at = other.head.applied;
            if at == state.head.applied && other.digest() != digest {
                found.push(format!("{} has another digest at {at}", replica.name));
            }
        }
        found.extend(replay(log, &digest.to_string()));
        (self.state, found)
    }
}

/// Each exec ran at most once, and ended as its process did.
fn execs(state: &State, agents: &BTreeMap<InstanceId, Agent>) -> Vec<String> {
    let mut found = Vec::new();
    for agent in agents.values() {
        let twice = agent.starts.iter().filter(|(_, starts)| **starts > 1);
        found.extend(twice.map(|(exec, starts)| format!("{exec} was started {starts} times")));
    }
    for (id, exec) in state.execs.iter() {
        let ExecStatus::Ended { end, .. } = &exec.status else {
            found.push(format!("{id} was lost: it has no end"));
            continue;
        };
        let truth = agents.get(&exec.instance).and_then(|agent| agent.codes.get(id)).copied();
        if let ExecEnd::Exited { code, .. } = end
            && truth != Some(*code)
        {
            found.push(format!("{id} is said to have exited with {code}, not {truth:?}"));
        }
    }
    found
}

/// The log folds to the same digest from its first record, and from a snapshot in the middle.
fn replay(log: &Log, digest: &str) -> Vec<String> {
    let (mut whole, mut restored) = (State::default(), None);
    let cut = log.end().0 / 2;
    for message in log.from(schema::unit::Seq(1)) {
        whole.apply(message);
        if let Some(state) = &mut restored {
            let state: &mut State = state;
            state.apply(message);
        } else if message.seq.0 == cut {
            restored = State::restore(&whole.snapshot()).ok();
        }
    }
    let mut found = Vec::new();
    if whole.digest().to_string() != digest {
        found.push("a replay from empty has another digest".to_owned());
    }
    if restored.map(|mut state| state.digest().to_string()).as_deref() != Some(digest) {
        found.push("a snapshot and the rest have another digest".to_owned());
    }
    found
}
