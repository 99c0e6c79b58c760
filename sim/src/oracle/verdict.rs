//! What must be so once all is quiet.

use super::{Observer, Truth, rollover};
use crate::coverage::Coverage;
use crate::log::Log;
use crate::replica::Controller;
use replay_core::State;
use replay_core::state::alloc::AllocStatus;
use replay_core::state::exec::{ExecEnd, ExecStatus};
use replay_core::state::instance::Service;
use schema::unit::Seq;

/// What is wrong at the end.
pub(crate) fn verdict(
    observer: &mut Observer,
    log: &Log,
    truth: Truth<'_>,
    replicas: &mut [Controller],
) -> Vec<String> {
    let mut found = money(observer, truth);
    found.extend(observer.claims.execs.verdict(&observer.state, truth));
    let Observer { state, coverage, .. } = observer;
    ends(state, coverage);
    found.extend(doubled(truth));
    let lost = state.execs.iter().filter(|(_, exec)| !exec.ended());
    found.extend(lost.map(|(id, _)| format!("{id} was lost: it has no end")));
    let digest = state.digest();
    for replica in replicas {
        replica.catch_up(truth.now, log);
        let mut other = replica.core.state().clone();
        let at = other.head.applied;
        if at != log.end() || other.digest() != digest {
            found.push(format!("{} has another digest at {at}", replica.name));
        }
    }
    found.extend(replay(log, &digest.to_string()));
    found.extend(rollover::check(state, coverage));
    found
}

/// What the cloud has made, and bills, is what the log asked for, launch by launch, and nothing of it
/// is still there.
fn money(observer: &Observer, truth: Truth<'_>) -> Vec<String> {
    let claims = &observer.claims;
    let mut found = truth.cloud.misused.clone();
    for (id, machine) in &truth.cloud.machines {
        if machine.there(truth.now) {
            found.push(format!("{id} was leaked: it still runs"));
        }
        match claims.intents.get(&machine.launch) {
            None => found.push(format!("{id} was made without an intent")),
            Some((price, _)) if *price != machine.offering.price => {
                let (billed, said) = (machine.offering.price.dollars(), price.dollars());
                found.push(format!("{id} is billed at {billed}, its intent says {said}"));
            }
            Some(_) => {}
        }
        if claims.born.get(id) != Some(&machine.launch) {
            found.push(format!("{id} is billed, and the log does not name it"));
        }
    }
    let strays = truth.cloud.strays.iter().filter(|(_, machine)| machine.there(truth.now));
    found.extend(strays.map(|(id, _)| format!("{id} is a stray, and still runs")));
    for (launch, (_, count)) in &claims.intents {
        let made = truth.cloud.machines.values().filter(|machine| machine.launch == *launch);
        let made = made.count();
        if made > *count as usize {
            found.push(format!("{launch} was for {count}, and {made} were made"));
        }
    }
    let strangers = claims.born.keys().filter(|id| !truth.cloud.machines.contains_key(id));
    found.extend(strangers.map(|id| format!("{id} is on the log, and was never made")));
    found
}

/// Each exec was started once.
fn doubled(truth: Truth<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for agent in truth.agents.values() {
        let starts = agent.starts();
        let twice = starts.iter().filter(|(_, starts)| **starts > 1);
        found.extend(twice.map(|(exec, starts)| format!("{exec} was started {starts} times")));
    }
    found
}

/// Counts how everything ended.
fn ends(state: &State, coverage: &mut Coverage) {
    for (_, alloc) in state.allocs.iter() {
        if let AllocStatus::Ended { why, .. } = &alloc.status {
            coverage.alloc_end(why);
        }
    }
    for (_, exec) in state.execs.iter() {
        if let ExecStatus::Ended { end: ExecEnd::Lost { why }, .. } = &exec.status {
            coverage.lost(why);
        }
    }
    for (_, instance) in state.instances.iter() {
        if let Service::Draining { why, .. } = &instance.service {
            coverage.drain(why);
        }
    }
}

/// The log folds to the same digest from its first record, and from a snapshot in the middle, there
/// and at every few records from there on.
fn replay(log: &Log, digest: &str) -> Vec<String> {
    let (mut whole, mut restored): (State, Option<State>) = (State::default(), None);
    let (cut, stride) = (log.end().0 / 2, 1 + log.end().0 / 32);
    for message in log.from(Seq(1)) {
        whole.apply(message);
        if let Some(state) = &mut restored {
            state.apply(message);
            let compared = message.seq.0.is_multiple_of(stride) || message.seq == log.end();
            if compared && state.digest() != whole.digest() {
                let at = message.seq;
                return vec![format!("from a snapshot at {cut} the digest at {at} is another")];
            }
        } else if message.seq.0 == cut {
            restored = State::restore(&whole.snapshot()).ok();
        }
    }
    let mut found = Vec::new();
    if whole.digest().to_string() != digest {
        found.push("a replay from empty has another digest".to_owned());
    }
    if restored.is_none() {
        found.push("a snapshot cannot be read".to_owned());
    }
    found
}
