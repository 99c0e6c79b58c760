//! A driver that has work to do: it asks for what each job needs, runs it there, and asks again where it
//! did not come to its end.

use super::Driver;
use crate::scenario::Job;
use driver_core::view::{AllocView, ExecEnd};
use schema::event::{AllocFreed, AllocRequested, ExecConfig, ExecSubmitted};
use schema::id::{AllocId, ExecId};
use schema::requirements::{Constraint, Requirements};
use std::collections::BTreeMap;

/// A job, and how far it is.
pub(super) struct Task {
    job: Job,
    at: At,
    /// All execs that were submitted for it.
    execs: Vec<ExecId>,
}

/// How far a job is.
#[derive(Clone)]
enum At {
    /// Nothing has been asked for.
    Wanted,
    Asked(AllocId),
    Running(AllocId, ExecId),
    Done,
}

impl Task {
    pub(super) fn new(job: Job) -> Task {
        Task { job, at: At::Wanted, execs: Vec::new() }
    }
}

impl Driver {
    /// All execs that were submitted for each of its jobs.
    pub(crate) fn tried(&self) -> impl Iterator<Item = &[ExecId]> {
        self.tasks.iter().map(|task| task.execs.as_slice())
    }

    /// Does the next thing for each job; leaves once all are done.
    pub(super) fn work(&mut self) {
        for n in 0..self.tasks.len() {
            let next = match self.tasks[n].at.clone() {
                At::Wanted => self.ask_for(n),
                At::Asked(alloc) => self.begin(n, alloc),
                At::Running(alloc, exec) => self.look_after(alloc, exec),
                At::Done => At::Done,
            };
            self.tasks[n].at = next;
        }
        let done = self.tasks.iter().all(|task| matches!(task.at, At::Done));
        if done && self.writer.is_empty() {
            self.leave();
        }
    }

    fn ask_for(&mut self, n: usize) -> At {
        let alloc = AllocId::made(self.rng.draw() >> 20, self.rng.draw());
        let job = &self.tasks[n].job;
        let requested = AllocRequested {
            alloc: alloc.clone(),
            driver: self.id.clone(),
            requirements: Requirements::exactly(job.needs.clone()),
            constraint: Constraint::default(),
            priority: job.priority,
            labels: BTreeMap::new(),
            lease: Some(self.lease),
        };
        self.write(requested);
        At::Asked(alloc)
    }

    fn begin(&mut self, n: usize, alloc: AllocId) -> At {
        let given = match self.core.view().allocs.get(&alloc) {
            None | Some(AllocView::Waiting(_)) => return At::Asked(alloc),
            Some(AllocView::Refused(why)) => {
                self.broken.push(format!("{alloc} was refused: {why:?}"));
                return At::Done;
            }
            Some(AllocView::Over(_)) => return At::Wanted,
            Some(AllocView::Granted(given)) => given.clone(),
        };
        let exec = ExecId::made(self.rng.draw() >> 20, self.rng.draw());
        let code = u8::from(self.rng.chance(self.crashes));
        let command = vec![self.tasks[n].job.length.to_string(), code.to_string()];
        let config = ExecConfig { command, ..ExecConfig::default() };
        let (driver, instance) = (self.id.clone(), given.instance);
        let (id, of) = (exec.clone(), alloc.clone());
        self.write(ExecSubmitted { exec: id, alloc: of, driver, instance, config });
        self.tasks[n].execs.push(exec.clone());
        At::Running(alloc, exec)
    }

    fn look_after(&mut self, alloc: AllocId, exec: ExecId) -> At {
        let view = self.core.view();
        let over = matches!(view.allocs.get(&alloc), Some(AllocView::Over(_)));
        let end = view.execs.get(&exec).map(|exec| exec.end.clone());
        let end = match end {
            None | Some(None) if !over => return At::Running(alloc, exec),
            None | Some(None) => None,
            Some(end) => end,
        };
        let instance = view.given.get(&alloc).map(|given| given.instance.clone());
        if let Some(instance) = instance.filter(|_| !over) {
            self.write(AllocFreed { alloc, driver: self.id.clone(), instance });
        }
        match end {
            Some(ExecEnd::Exited { code: 0, .. }) => At::Done,
            Some(ExecEnd::Exited { .. } | ExecEnd::Failed { .. } | ExecEnd::Lost(_)) | None => {
                At::Wanted
            }
        }
    }
}
