//! What a scenario does to instances, and what came of its work.

use super::{Node, What, World};
use crate::rng::Rng;
use crate::scenario::{Ailment, Scenario, Work};
use replay_core::state::exec::{ExecEnd, ExecStatus};
use replay_core::state::launch::LaunchStatus;
use schema::id::{ExecId, InstanceId};
use schema::why::LostWhy;
use std::collections::BTreeSet;

/// What a scenario does to instances.
#[derive(Default)]
pub(super) struct Trials {
    ailments: Vec<Ailment>,
    late: Option<(String, u64)>,
    /// How many instances have been made.
    made: usize,
    work: Work,
    /// Execs that were running on instances as they vanished.
    struck: BTreeSet<ExecId>,
}

impl Trials {
    pub(super) fn of(scenario: Option<&Scenario>) -> Trials {
        let Some(Scenario { ailments, late, .. }) = scenario.cloned() else {
            return Trials::default();
        };
        Trials { ailments, late, ..Trials::default() }
    }
}

impl World {
    /// Whether an instance that would boot after so long does; what it suffers from shows later.
    pub(super) fn may_boot(&mut self, id: &InstanceId, wait: u64) -> bool {
        let trials = &mut self.trials;
        let nth = trials.made;
        trials.made += 1;
        let kind = self.cloud.machines.get(id).map(|machine| machine.offering.kind.clone());
        if let Some((late, until)) = &trials.late
            && kind.is_some_and(|kind| kind == late.as_str())
            && self.now < *until
        {
            return false;
        }
        let ailment = trials.ailments.get(nth % trials.ailments.len().max(1)).copied();
        match ailment.unwrap_or(Ailment::None) {
            Ailment::None => true,
            Ailment::Stillborn => false,
            ailment @ (Ailment::FallsSilent(within) | Ailment::Stops(within)) => {
                let after = wait + Rng::new(self.now ^ nth as u64).between(1, within);
                self.after(after, What::Ail(id.clone(), ailment));
                true
            }
        }
    }

    /// What an instance suffers from shows.
    pub(super) fn ail(&mut self, id: &InstanceId, ailment: Ailment) {
        let node = Node::Agent(id.clone());
        match ailment {
            Ailment::FallsSilent(_) => {
                self.cut.insert(node, u64::MAX);
            }
            Ailment::Stops(_) => {
                if let Some(agent) = self.agents.get_mut(id) {
                    agent.stop();
                    self.turn_after(&node, 0);
                }
            }
            Ailment::None | Ailment::Stillborn => {}
        }
    }

    /// Each instance that is there vanishes, or not.
    pub(super) fn halve(&mut self) {
        let there: Vec<InstanceId> = self
            .cloud
            .machines
            .iter()
            .filter(|(_, machine)| machine.there(self.now))
            .map(|(id, _)| id.clone())
            .collect();
        let mut rng = Rng::new(self.rng.draw());
        let gone: Vec<InstanceId> = there.iter().filter(|_| rng.chance(500)).cloned().collect();
        for id in &gone {
            self.cloud.take(id, self.now);
            let state = &self.observer.state;
            let running = state.execs.iter().filter(|(_, e)| e.instance == *id && !e.ended());
            self.trials.struck.extend(running.map(|(exec, _)| exec.clone()));
        }
        self.trials.work.halved = (there.len(), gone.len());
    }

    /// What came of the work, as the log says.
    pub(super) fn work(&self) -> Work {
        let state = &self.observer.state;
        let ended = |exec: &&ExecId| {
            let status = state.execs.get(exec).map(|exec| &exec.status);
            matches!(status, Some(ExecStatus::Ended { end: ExecEnd::Exited { code: 0, .. }, .. }))
        };
        let ends = self.drivers.iter().flat_map(|driver| driver.tried());
        let ends = ends.map(|execs| execs.iter().filter(ended).count());
        let lost = state.execs.iter().filter(|(_, exec)| {
            matches!(
                &exec.status,
                ExecStatus::Ended { end: ExecEnd::Lost { why: LostWhy::InstanceGone { .. } }, .. }
            )
        });
        let lost: BTreeSet<&ExecId> = lost.map(|(id, _)| id).collect();
        let refused = state.launches.iter();
        let refused = refused.filter(|(_, l)| matches!(l.status, LaunchStatus::Refused { .. }));
        Work {
            ends: ends.map(|count| u32::try_from(count).unwrap_or(u32::MAX)).collect(),
            struck: self.trials.struck.len(),
            lost: lost.len(),
            refused: refused.count(),
            ..self.trials.work.clone()
        }
    }
}
