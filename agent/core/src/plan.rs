//! What is left to do for the orders of an instance: from the orders alone, so that an agent that
//! comes back starts from here.

use crate::orders::{AllocOrder, ExecOrder, Orders, Progress};
use schema::event::ExecConfig;
use schema::id::{AllocId, DriverId, ExecId};
use schema::resources::Resources;
use schema::unit::Millis;
use schema::why::FailureClass;

/// One thing to do. The same plan twice says the same things; whoever carries it out skips what is
/// under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Say that the alloc is open.
    Open(AllocId, DriverId),
    /// Run the exec, or find it again if it runs already.
    Run(Box<Run>),
    /// Send a signal to the exec.
    Kill(ExecId, i32),
    /// Say that the exec cannot be run.
    Refuse(Box<Run>, FailureClass),
    /// Say that nothing of the alloc runs any more.
    Close(AllocId, DriverId),
}

/// An exec and all that is needed to run it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The exec.
    pub exec: ExecId,
    /// Its alloc.
    pub alloc: AllocId,
    /// Whose it is.
    pub driver: DriverId,
    /// What to run.
    pub config: ExecConfig,
    /// What it may use.
    pub limits: Resources,
    /// Whether its start has been written.
    pub started: bool,
}

/// SIGKILL: what ends execs of an alloc that is over.
const KILL: i32 = 9;

/// What is left to do. `cut_off` is how long the log has been out of reach, by the agent's monotonic
/// clock: an alloc whose lease and grace have passed in that time is over, whatever the log says by
/// now, because the lease is a promise to others too.
#[must_use]
pub fn plan(orders: &Orders, cut_off: Millis, grace: Millis) -> Vec<Action> {
    let lapsed = |alloc: &AllocOrder| cut_off.0 > alloc.lease.0.saturating_add(grace.0);
    let over = |alloc: &AllocOrder| alloc.over || orders.stop || lapsed(alloc);
    let mut actions = Vec::new();
    for (id, alloc) in &orders.allocs {
        if !alloc.opened && !over(alloc) {
            actions.push(Action::Open(id.clone(), alloc.driver.clone()));
        }
    }
    for (id, exec) in &orders.execs {
        if exec.progress != Progress::Ended {
            let alloc = orders.allocs.get(&exec.alloc);
            let live = alloc.filter(|alloc| !over(alloc));
            actions.extend(for_exec(id, exec, alloc, live));
        }
    }
    for (id, alloc) in &orders.allocs {
        let busy = |exec: &ExecOrder| exec.alloc == *id && exec.progress != Progress::Ended;
        if over(alloc) && !orders.execs.values().any(busy) {
            actions.push(Action::Close(id.clone(), alloc.driver.clone()));
        }
    }
    actions
}

fn for_exec(
    id: &ExecId,
    exec: &ExecOrder,
    alloc: Option<&AllocOrder>,
    live: Option<&AllocOrder>,
) -> Vec<Action> {
    let started = exec.progress == Progress::Started;
    let whole = alloc.map(|alloc| alloc.resources.clone()).unwrap_or_default();
    let run = Box::new(Run {
        exec: id.clone(),
        alloc: exec.alloc.clone(),
        driver: exec.driver.clone(),
        config: exec.config.clone(),
        limits: exec.config.limits.clone().unwrap_or_else(|| whole.clone()),
        started,
    });
    match live {
        None if started => vec![Action::Run(run), Action::Kill(id.clone(), KILL)],
        None => vec![Action::Refuse(run, FailureClass::AllocEnded)],
        Some(alloc) if alloc.driver != exec.driver => {
            vec![Action::Refuse(run, FailureClass::AllocEnded)]
        }
        Some(_) => match whole.shortage(&run.limits) {
            Some(shortage) => vec![Action::Refuse(run, FailureClass::TooLarge { shortage })],
            None => {
                let kill = exec.kill.map(|signal| Action::Kill(id.clone(), signal));
                std::iter::once(Action::Run(run)).chain(kill).collect()
            }
        },
    }
}
