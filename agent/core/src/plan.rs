//! What is left to do for the orders of an instance: from the orders alone, so that an agent that
//! comes back starts from here.

use crate::exec::KILL;
use crate::orders::{AllocOrder, ExecOrder, Orders, Progress};
use schema::event::ExecConfig;
use schema::id::{AllocId, DriverId, ExecId};
use schema::resources::Resources;
use schema::unit::Seq;
use schema::why::FailureClass;
use std::collections::BTreeSet;

/// One thing to do, and the record because of which. The same plan twice says the same things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Say that the alloc is open.
    Open(AllocId, DriverId, Seq),
    /// Run the exec, or find it again if it was started in an earlier life.
    Run(Box<Run>),
    /// Send a signal to the exec, unless it was sent already.
    Kill(ExecId, i32),
    /// Say that the exec cannot be run.
    Refuse(Box<Run>, FailureClass),
    /// Say that nothing of the alloc runs any more.
    Close(AllocId, DriverId, Seq),
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
    /// The record that asked for it.
    pub cause: Seq,
}

impl Run {
    /// What it runs in.
    #[must_use]
    pub fn runtime(&self) -> &'static str {
        if self.config.image.is_some() { "docker" } else { "process" }
    }
}

/// What is left to do. `watched` says which execs are already seen to, up to and with the writing of
/// their ends.
#[must_use]
pub fn plan(orders: &Orders, watched: impl Fn(&ExecId) -> bool) -> Vec<Action> {
    let over = |alloc: &AllocOrder| alloc.over || orders.stop;
    let mut actions = Vec::new();
    for (id, alloc) in &orders.allocs {
        if !alloc.opened && !over(alloc) {
            actions.push(Action::Open(id.clone(), alloc.driver.clone(), alloc.cause));
        }
    }
    let mut busy = BTreeSet::new();
    for (id, exec) in &orders.execs {
        busy.insert(&exec.alloc);
        let alloc = orders.allocs.get(&exec.alloc).filter(|alloc| alloc.driver == exec.driver);
        let whole = alloc.map(|alloc| &alloc.resources);
        let live = alloc.is_some_and(|alloc| !over(alloc));
        if !watched(id) {
            actions.push(begin(id, exec, whole, live));
        }
        actions.extend(signal(exec, live).map(|signal| Action::Kill(id.clone(), signal)));
    }
    for (id, alloc) in &orders.allocs {
        if over(alloc) && !busy.contains(id) {
            actions.push(Action::Close(id.clone(), alloc.driver.clone(), alloc.cause));
        }
    }
    actions
}

/// What to do with an exec that nobody sees to yet.
fn begin(id: &ExecId, exec: &ExecOrder, whole: Option<&Resources>, live: bool) -> Action {
    let whole = whole.cloned().unwrap_or_default();
    let limits = exec.config.limits.clone().unwrap_or_else(|| whole.clone());
    let shortage = whole.shortage(&limits);
    let run = Box::new(Run {
        exec: id.clone(),
        alloc: exec.alloc.clone(),
        driver: exec.driver.clone(),
        config: exec.config.clone(),
        limits,
        started: exec.progress == Progress::Started,
        cause: exec.cause,
    });
    match shortage {
        // What runs has an end of its own, and is ended like anything else that must not run.
        _ if exec.progress != Progress::Wanted => Action::Run(run),
        _ if !live => Action::Refuse(run, FailureClass::AllocEnded),
        Some(shortage) => Action::Refuse(run, FailureClass::TooLarge { shortage }),
        None => Action::Run(run),
    }
}

/// The signal that an exec must have. None before it has started: what is sent too early is lost.
fn signal(exec: &ExecOrder, live: bool) -> Option<i32> {
    match exec.progress {
        Progress::Wanted | Progress::Begun => None,
        Progress::Started if live => exec.kill,
        Progress::Started => Some(KILL),
    }
}
