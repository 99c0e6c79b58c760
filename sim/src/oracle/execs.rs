//! What is said of execs, held against what truly became of them on their machine.

use super::Truth;
use crate::agent::Fate;
use replay_core::State;
use replay_core::state::exec::{Exec, ExecEnd, ExecStatus};
use schema::event::{Event, ExecConfig, ExecExited, ExecFailed, ExecOomKilled};
use schema::id::{AllocId, ExecId, InstanceId};
use schema::resources::Resources;
use schema::why::{FailureClass, LostWhy};
use std::collections::{BTreeMap, BTreeSet};

/// What an independent reader keeps of execs.
#[derive(Debug, Default)]
pub(super) struct Execs {
    /// How much each alloc is.
    sizes: BTreeMap<AllocId, Resources>,
    /// What was to be run, and in what.
    asked: BTreeMap<ExecId, (AllocId, ExecConfig)>,
    /// Execs that were said not to have been started, nor to be, and where.
    unstarted: BTreeMap<ExecId, InstanceId>,
    /// Execs that were given up, and for a reason that was so.
    lost: BTreeSet<ExecId>,
}

impl Execs {
    /// Checks a record that has just had its effect.
    pub(super) fn check(&mut self, state: &State, event: &Event, truth: Truth<'_>) -> Vec<String> {
        let found = match event {
            Event::AllocGranted(e) => {
                self.sizes.insert(e.alloc.clone(), e.resources.clone());
                None
            }
            Event::ExecSubmitted(e) => {
                self.asked.insert(e.exec.clone(), (e.alloc.clone(), e.config.clone()));
                None
            }
            Event::ExecStarted(e) => match fate(truth, &e.instance, &e.exec) {
                Ok(fate) if fate.starts > 0 => None,
                Ok(_) => Some(format!("{} is said to have started, and has not", e.exec)),
                Err(wrong) => Some(wrong),
            },
            Event::ExecExited(e) => exited(state, e, truth).err(),
            Event::ExecOomKilled(e) => oom_killed(e, truth).err(),
            Event::ExecFailed(e) => self.failed(e, truth).err(),
            Event::AllocClosed(_) | Event::InstanceLost(_) | Event::InstanceTerminated(_) => {
                return self.given_up(state, truth);
            }
            _ => None,
        };
        found.into_iter().collect()
    }

    /// An exec has failed for a reason that is so; and if that is why it did not run, it never does.
    fn failed(&mut self, e: &ExecFailed, truth: Truth<'_>) -> Result<(), String> {
        let (exec, fate) = (&e.exec, fate(truth, &e.instance, &e.exec)?);
        let never = || format!("{exec} is said to have failed, and nobody has asked for it");
        let (alloc, config) = self.asked.get(exec).ok_or_else(never)?;
        let so = match &e.class {
            FailureClass::ImageMissing { .. } | FailureClass::CannotStart | FailureClass::Agent => {
                fate.refused.as_ref() == Some(&e.class)
            }
            FailureClass::AllocEnded => true,
            FailureClass::TooLarge { shortage } => {
                let limits = config.limits.as_ref();
                let of = |size: &Resources| limits.and_then(|limits| size.shortage(limits));
                self.sizes.get(alloc).and_then(of).as_ref() == Some(shortage)
            }
            FailureClass::NoRuntime => config.image.is_some(),
            FailureClass::Lost => fate.starts > 0 && fate.unseen,
            FailureClass::TimedOut => {
                fate.starts > 0 && config.timeout.is_some_and(|limit| fate.ran >= limit.0)
            }
            FailureClass::Unknown => false,
        };
        if !so {
            return Err(format!("{exec} failed for what is not so: {:?}, {fate:?}", e.class));
        }
        if !matches!(e.class, FailureClass::Lost | FailureClass::TimedOut) {
            self.unstarted.insert(exec.clone(), e.instance.clone());
            return not_started(exec, &fate);
        }
        Ok(())
    }

    /// What was given up just now was so because its instance is gone, or because it was never started.
    fn given_up(&mut self, state: &State, truth: Truth<'_>) -> Vec<String> {
        let mut found = Vec::new();
        for (id, exec, why) in lost(state) {
            if self.lost.insert(id.clone()) {
                found.extend(self.lost_because(id, exec, why, truth).err());
            }
        }
        found
    }

    fn lost_because(
        &mut self,
        id: &ExecId,
        exec: &Exec,
        why: &LostWhy,
        truth: Truth<'_>,
    ) -> Result<(), String> {
        let machine = truth.cloud.machines.get(&exec.instance);
        let machine = machine.ok_or_else(|| format!("{id} was lost where nothing was made"))?;
        let gone = !machine.there(truth.now);
        match why {
            LostWhy::InstanceGone { instance } if *instance == exec.instance && gone => Ok(()),
            // Nobody is left who could say whether it was.
            LostWhy::NeverStarted { exec } if exec == id && gone => Ok(()),
            LostWhy::NeverStarted { exec: said } if said == id => {
                self.unstarted.insert(id.clone(), exec.instance.clone());
                not_started(id, &fate(truth, &exec.instance, id)?)
            }
            _ => Err(format!("{id} was lost for what is not so: {why:?}")),
        }
    }

    /// What must be so once all is quiet.
    pub(super) fn verdict(&self, state: &State, truth: Truth<'_>) -> Vec<String> {
        let started = |(id, instance): (&ExecId, &InstanceId)| {
            fate(truth, instance, id).and_then(|fate| not_started(id, &fate)).err()
        };
        let mut found: Vec<String> = self.unstarted.iter().filter_map(started).collect();
        let unseen = lost(state).filter(|(id, ..)| !self.lost.contains(*id));
        found.extend(unseen.map(|(id, ..)| format!("{id} was lost without anything that ends it")));
        found
    }
}

fn lost(state: &State) -> impl Iterator<Item = (&ExecId, &Exec, &LostWhy)> {
    state.execs.iter().filter_map(|(id, exec)| match &exec.status {
        ExecStatus::Ended { end: ExecEnd::Lost { why }, .. } => Some((id, exec, why)),
        _ => None,
    })
}

/// What became of an exec where it is said to have been.
fn fate(truth: Truth<'_>, instance: &InstanceId, exec: &ExecId) -> Result<Fate, String> {
    let agent = truth.agents.get(instance);
    agent
        .map(|agent| agent.fate(exec))
        .ok_or_else(|| format!("{exec} is on {instance}, which never booted"))
}

fn not_started(exec: &ExecId, fate: &Fate) -> Result<(), String> {
    let said = || format!("{exec} is said not to have been started, and was: {fate:?}");
    if fate.starts == 0 { Ok(()) } else { Err(said()) }
}

/// An exec is said to have exited with the code that its process had, and if something of it was killed
/// for memory, that was said before.
fn exited(state: &State, e: &ExecExited, truth: Truth<'_>) -> Result<(), String> {
    let (exec, fate) = (&e.exec, fate(truth, &e.instance, &e.exec)?);
    if fate.starts == 0 || fate.code != e.code {
        return Err(format!("{exec} is said to have exited with {}, and was {fate:?}", e.code));
    }
    let told = state.execs.get(exec).is_some_and(|exec| exec.oom.is_some());
    let hidden = fate.oom && !told;
    if hidden { Err(format!("{exec} exited, and was killed for memory untold")) } else { Ok(()) }
}

fn oom_killed(e: &ExecOomKilled, truth: Truth<'_>) -> Result<(), String> {
    let (exec, fate) = (&e.exec, fate(truth, &e.instance, &e.exec)?);
    let so = fate.starts > 0 && fate.oom;
    let wrong = || format!("{exec} is said to have been killed for memory, and was not: {fate:?}");
    if so { Ok(()) } else { Err(wrong()) }
}
