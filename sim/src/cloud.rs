//! A cloud: launches are idempotent by their intent, answers may be lost, instances may never boot,
//! and go some time after they were told to.

use crate::faults::Faults;
use crate::rng::Rng;
use controlplane_core::cloud::{LaunchAnswer, LaunchOrder, Seen, SeenState, TerminateAnswer};
use controlplane_core::effects::{Call, News};
use schema::id::{InstanceId, LaunchId};
use schema::resources::Resources;
use schema::unit::Millis;
use schema::why::RefusalClass;
use std::collections::BTreeMap;

/// Longest time that an instance takes to go, in milliseconds.
const GOING: u64 = 1500;

/// An instance, as the cloud has it.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) launch: LaunchId,
    pub(crate) resources: Resources,
    pub(crate) stillborn: bool,
    /// When it is, or was, no more.
    pub(crate) gone: Option<u64>,
}

#[derive(Default)]
pub(crate) struct Cloud {
    pub(crate) machines: BTreeMap<InstanceId, Machine>,
    /// What was made for each intent.
    made: BTreeMap<LaunchId, Vec<InstanceId>>,
}

impl Machine {
    pub(crate) fn there(&self, now: u64) -> bool {
        self.gone.is_none_or(|at| now < at)
    }
}

impl Cloud {
    /// Does what is asked, and answers; newly made instances come second.
    pub(crate) fn call(
        &mut self,
        now: u64,
        call: Call,
        faults: &Faults,
        rng: &mut Rng,
    ) -> (News, Vec<InstanceId>) {
        let unknown = || "no answer came".to_owned();
        let (undone, unheard) = (rng.chance(faults.lost_call), rng.chance(faults.lost_news));
        match call {
            Call::Launch(order) => {
                let (launch, attempt) = (order.launch.clone(), order.attempt);
                if undone {
                    let answer = LaunchAnswer::Unknown(unknown());
                    return (News::Launched(launch, attempt, answer), Vec::new());
                }
                let (answer, born) = self.launch(order, faults, rng);
                let answer = if unheard { LaunchAnswer::Unknown(unknown()) } else { answer };
                (News::Launched(launch, attempt, answer), born)
            }
            Call::Terminate(instance) => {
                let answer = if undone {
                    TerminateAnswer::Unknown(unknown())
                } else {
                    let answer = self.terminate(now, &instance, rng);
                    if unheard { TerminateAnswer::Unknown(unknown()) } else { answer }
                };
                (News::Terminated(instance, answer), Vec::new())
            }
            Call::List if undone || unheard => (News::Listed(None), Vec::new()),
            Call::List => {
                let seen = self.machines.iter().map(|(instance, machine)| Seen {
                    instance: instance.clone(),
                    state: if machine.there(now) { SeenState::There } else { SeenState::Gone },
                });
                (News::Listed(Some(seen.collect())), Vec::new())
            }
        }
    }

    fn launch(
        &mut self,
        order: LaunchOrder,
        faults: &Faults,
        rng: &mut Rng,
    ) -> (LaunchAnswer, Vec<InstanceId>) {
        if let Some(made) = self.made.get(&order.launch) {
            return (LaunchAnswer::Accepted(made.clone()), Vec::new());
        }
        if rng.chance(faults.refusal) {
            let (class, message) = (RefusalClass::Capacity, "no capacity".to_owned());
            let back_off = Millis(rng.between(500, 2000));
            return (LaunchAnswer::Refused { class, message, back_off }, Vec::new());
        }
        let name = |n: u32| InstanceId::new(format!("i-{}-{n}", order.launch)).ok();
        let born: Vec<InstanceId> = (0..order.count).filter_map(name).collect();
        for instance in &born {
            let machine = Machine {
                launch: order.launch.clone(),
                resources: order.offering.resources.clone(),
                stillborn: rng.chance(faults.stillborn),
                gone: None,
            };
            self.machines.insert(instance.clone(), machine);
        }
        self.made.insert(order.launch, born.clone());
        (LaunchAnswer::Accepted(born.clone()), born)
    }

    fn terminate(&mut self, now: u64, id: &InstanceId, rng: &mut Rng) -> TerminateAnswer {
        let Some(machine) = self.machines.get_mut(id) else { return TerminateAnswer::Gone };
        let gone = *machine.gone.get_or_insert_with(|| now + rng.below(GOING));
        if now >= gone { TerminateAnswer::Gone } else { TerminateAnswer::Going }
    }

    /// Takes an instance away without a word.
    pub(crate) fn vanish(&mut self, now: u64, id: &InstanceId) {
        if let Some(machine) = self.machines.get_mut(id) {
            machine.gone = Some(machine.gone.map_or(now, |at| at.min(now)));
        }
    }
}
