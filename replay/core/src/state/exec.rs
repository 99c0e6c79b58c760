//! Execs.
//!
//! ```text
//! submitted ──started──▶ started ──exited, failed──▶ ended
//!     │                     └── alloc over without an end ──▶ ended (lost) ──exited──▶ ended (lost, late)
//!     └── exited, failed, alloc over ───────────────▶ ended
//! ```
//!
//! An exec ends once. What an agent reports of an exec that was given up is kept beside that end.

use super::State;
use super::alloc::AllocStatus;
use crate::void::Void;
use schema::event::{ExecExited, ExecFailed, ExecOomKilled, ExecStarted, ExecSubmitted, Usage};
use schema::id::{AllocId, DriverId, ExecId, InstanceId};
use schema::unit::LogTime;
use schema::why::{FailureClass, LostWhy};
use serde::{Deserialize, Serialize};

/// One run of a container or process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exec {
    /// Where it runs.
    pub alloc: AllocId,
    /// Whose it is.
    pub driver: DriverId,
    /// On which instance.
    pub instance: InstanceId,
    /// When it was submitted.
    pub submitted: LogTime,
    /// When it started.
    pub started: Option<LogTime>,
    /// The memory limit at which something of it was killed, in bytes, and the peak.
    pub oom: Option<(u64, u64)>,
    /// Where it is in its life.
    pub status: ExecStatus,
}

/// Where an exec is in its life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExecStatus {
    /// Asked for.
    Submitted,
    /// Running.
    Started,
    /// Over.
    Ended {
        /// How.
        end: ExecEnd,
        /// When.
        at: LogTime,
        /// The exit code that an agent reported after the exec had been given up.
        late: Option<i32>,
    },
}

/// How an exec ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExecEnd {
    /// By itself, or by a signal (128 + signal).
    Exited {
        /// Exit code.
        code: i32,
        /// What it used.
        usage: Usage,
    },
    /// It did not run, or its end cannot be known.
    Failed {
        /// What kind of failure.
        class: FailureClass,
    },
    /// Its alloc was over before anyone reported an end.
    Lost {
        /// Why.
        why: LostWhy,
    },
}

impl Exec {
    /// Whether it has an end.
    #[must_use]
    pub fn ended(&self) -> bool {
        matches!(self.status, ExecStatus::Ended { .. })
    }
}

impl State {
    pub(crate) fn submitted(&mut self, e: &ExecSubmitted) -> Result<(), Void> {
        let place = self.execs.vacant(e.exec.clone()).ok_or(Void::Exists)?;
        let alloc = self.allocs.get(&e.alloc).ok_or(Void::Unknown)?;
        let AllocStatus::Granted { grant, .. } = &alloc.status else {
            return Err(Void::WrongState);
        };
        if alloc.driver != e.driver || grant.instance != e.instance {
            return Err(Void::NotOwner);
        }
        let exec = Exec {
            alloc: e.alloc.clone(),
            driver: e.driver.clone(),
            instance: e.instance.clone(),
            submitted: self.head.time,
            started: None,
            oom: None,
            status: ExecStatus::Submitted,
        };
        place.insert(exec);
        self.index.submitted(&e.alloc, &e.exec);
        Ok(())
    }

    fn reported(&mut self, id: &ExecId, by: &InstanceId) -> Result<&mut Exec, Void> {
        let exec = self.execs.get_mut(id).ok_or(Void::Unknown)?;
        if exec.instance == *by { Ok(exec) } else { Err(Void::NotOwner) }
    }

    pub(crate) fn exec_started(&mut self, e: &ExecStarted) -> Result<(), Void> {
        let time = self.head.time;
        let exec = self.reported(&e.exec, &e.instance)?;
        match exec.status {
            ExecStatus::Submitted => {
                exec.status = ExecStatus::Started;
                exec.started = Some(time);
                Ok(())
            }
            ExecStatus::Started => Err(Void::WrongState),
            ExecStatus::Ended { .. } => Err(Void::Ended),
        }
    }

    pub(crate) fn exec_exited(&mut self, e: &ExecExited) -> Result<(), Void> {
        let end = ExecEnd::Exited { code: e.code, usage: e.usage.clone() };
        self.end_exec(&e.exec, &e.instance, end, Some(e.code))
    }

    pub(crate) fn exec_failed(&mut self, e: &ExecFailed) -> Result<(), Void> {
        self.end_exec(&e.exec, &e.instance, ExecEnd::Failed { class: e.class.clone() }, None)
    }

    fn end_exec(
        &mut self,
        id: &ExecId,
        by: &InstanceId,
        end: ExecEnd,
        code: Option<i32>,
    ) -> Result<(), Void> {
        let at = self.head.time;
        let exec = self.reported(id, by)?;
        match &mut exec.status {
            ExecStatus::Submitted | ExecStatus::Started => {
                exec.status = ExecStatus::Ended { end, at, late: None };
                let alloc = exec.alloc.clone();
                self.index.ended(&alloc);
                Ok(())
            }
            ExecStatus::Ended { end: ExecEnd::Lost { .. }, late: late @ None, .. }
                if code.is_some() =>
            {
                *late = code;
                Ok(())
            }
            ExecStatus::Ended { .. } => Err(Void::Ended),
        }
    }

    pub(crate) fn exec_oom(&mut self, e: &ExecOomKilled) -> Result<(), Void> {
        let exec = self.reported(&e.exec, &e.instance)?;
        if matches!(exec.status, ExecStatus::Ended { end: ExecEnd::Exited { .. }, .. }) {
            return Err(Void::Ended);
        }
        exec.oom = Some((e.limit, e.peak));
        Ok(())
    }

    pub(crate) fn kill_requested(
        &mut self,
        id: &ExecId,
        alloc: &AllocId,
        driver: &DriverId,
    ) -> Result<(), Void> {
        let exec = self.execs.get(id).ok_or(Void::Unknown)?;
        if exec.driver != *driver || exec.alloc != *alloc {
            return Err(Void::NotOwner);
        }
        if matches!(exec.status, ExecStatus::Ended { .. }) { Err(Void::Ended) } else { Ok(()) }
    }

    /// Gives an exec an end that nobody reported.
    pub(crate) fn lose_exec(&mut self, id: &ExecId, instance: &InstanceId) {
        let at = self.head.time;
        let why = match self.execs.get(id).map(|exec| &exec.status) {
            Some(ExecStatus::Submitted) => LostWhy::NeverStarted { exec: id.clone() },
            Some(ExecStatus::Started) => LostWhy::InstanceGone { instance: instance.clone() },
            Some(ExecStatus::Ended { .. }) | None => return,
        };
        let Some(exec) = self.execs.get_mut(id) else { return };
        exec.status = ExecStatus::Ended { end: ExecEnd::Lost { why }, at, late: None };
        self.index.ended(&exec.alloc);
    }
}
