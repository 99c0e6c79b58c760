//! One exec that is seen to: what its runtime says of it, and what is written of that. Whatever
//! happens, one end is written.

use crate::oom::Oom;
use crate::plan::Run;
use schema::event::{Event, ExecExited, ExecFailed, ExecOomKilled, ExecStarted, LogDigest, Usage};
use schema::id::InstanceId;
use schema::resources::{Dimension, Shortage, show_bytes, show_cpu};
use schema::unit::Millis;
use schema::why::{FailureClass, OomConstraint};
use smol_str::SmolStr;

/// SIGKILL, as a signal and as an exit code.
pub const KILL: i32 = 9;
const KILLED: i32 = 137;
/// SIGKILL is sent again after this long to what is still there.
const AGAIN: Millis = Millis(1000);
/// Longest message of a failure, in bytes: what a driver asked for can be as long as a record.
const MESSAGE: usize = 2000;

/// What a runtime says of an exec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It runs, or has run.
    Started {
        /// What the runtime calls it.
        handle: SmolStr,
        /// For how long it had been running; asked of an exec with a time limit only.
        age: Millis,
    },
    /// It ended, and this is what it wrote.
    Ended(End, LogDigest),
    /// It cannot be started, or its end cannot be told.
    Failed(Failure),
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct End {
    /// Exit code; 128 + signal if a signal ended it.
    pub code: i32,
    /// From its start to its end; 0 if not known.
    pub wall: Millis,
    /// User and system time.
    pub cpu: Millis,
    /// Most memory in bytes; 0 if not known.
    pub memory_peak: u64,
    /// What of it was killed for memory.
    pub oom: Option<Oom>,
}

/// Why an exec could not be run, or its end not be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What kind of failure.
    pub class: FailureClass,
    /// What was tried, on what, and what came of it.
    pub message: String,
}

/// An exec that is seen to, until its end is written.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) run: Run,
    /// Since when.
    since: Millis,
    /// When it will have run for too long.
    limit: Option<Millis>,
    timed_out: bool,
    /// The last signal, and when it was sent.
    sent: Option<(i32, Millis)>,
}

impl Watch {
    pub(crate) fn new(now: Millis, run: Run) -> Watch {
        Watch { run, since: now, limit: None, timed_out: false, sent: None }
    }

    /// It is there, `age` old: time in earlier lives of the agent counts.
    pub(crate) fn started(&mut self, now: Millis, age: Millis) {
        let left = self.run.config.timeout.map(|limit| limit.0.saturating_sub(age.0));
        self.limit = left.map(|left| Millis(now.0.saturating_add(left)));
    }

    /// Looks at its limit; says whether it must be ended because of it.
    pub(crate) fn times_out(&mut self, now: Millis) -> bool {
        self.timed_out |= self.limit.is_some_and(|limit| now >= limit);
        self.timed_out
    }

    /// The signal to send now to an exec that must have `signal`, if it is due.
    pub(crate) fn signal(&mut self, now: Millis, signal: i32) -> Option<i32> {
        let signal = if self.timed_out { KILL } else { signal };
        let due = self.sent.is_none_or(|(last, at)| {
            last != signal || (signal == KILL && now.0.saturating_sub(at.0) > AGAIN.0)
        });
        due.then(|| {
            self.sent = Some((signal, now));
            signal
        })
    }

    /// What is written of its end, in this order.
    pub(crate) fn ended(
        &self,
        now: Millis,
        by: &InstanceId,
        end: End,
        logs: LogDigest,
    ) -> Vec<Event> {
        let run = &self.run;
        let limit = run.config.timeout.unwrap_or(Millis(u64::MAX));
        // It may have ended in time while no agent was there to hear of it.
        let overran = if end.wall == Millis(0) { self.timed_out } else { end.wall >= limit };
        // An earlier life may have killed it for its limit, and died before it could say so.
        if overran && (self.timed_out || end.code == KILLED) {
            return vec![failed(run, by, self.too_long())];
        }
        let peak = peak(run, &end);
        let oom = end.oom.map(|oom| killed(run, by, oom, peak));
        let ran = Millis(now.0.saturating_sub(self.since.0));
        let wall = if end.wall == Millis(0) { ran } else { end.wall };
        let exited = ExecExited {
            exec: run.exec.clone(),
            alloc: run.alloc.clone(),
            driver: run.driver.clone(),
            instance: by.clone(),
            code: end.code,
            usage: Usage { wall, cpu: end.cpu, memory_peak: peak },
            logs,
        };
        oom.into_iter().chain([exited.into()]).collect()
    }

    /// What is written of one that has no end of its own.
    pub(crate) fn failed(&self, by: &InstanceId, failure: Failure) -> Event {
        failed(&self.run, by, if self.timed_out { self.too_long() } else { failure })
    }

    fn too_long(&self) -> Failure {
        let (exec, limit) = (&self.run.exec, self.run.config.timeout.unwrap_or_default());
        let message = format!("{exec} ran for longer than its limit of {limit} ms");
        Failure { class: FailureClass::TimedOut, message }
    }
}

pub(crate) fn started(run: &Run, by: &InstanceId, handle: SmolStr) -> Event {
    let Run { exec, alloc, driver, .. } = run.clone();
    ExecStarted { exec, alloc, driver, instance: by.clone(), handle }.into()
}

/// What is written of an exec that is not run.
pub(crate) fn refused(run: &Run, by: &InstanceId, class: FailureClass) -> Event {
    let message = format!("{} was not run in {}: {}", run.exec, run.alloc, because(&class));
    failed(run, by, Failure { class, message })
}

fn failed(run: &Run, by: &InstanceId, failure: Failure) -> Event {
    let Run { exec, alloc, driver, .. } = run.clone();
    let Failure { class, mut message } = failure;
    message.truncate(message.floor_char_boundary(MESSAGE));
    ExecFailed { exec, alloc, driver, instance: by.clone(), class, message }.into()
}

/// The most memory that it used: the kernel kills for a limit when that is reached, which may be too quick to
/// be seen.
fn peak(run: &Run, end: &End) -> u64 {
    let reached = end.oom.as_ref().is_some_and(|oom| oom.constraint == OomConstraint::Exec);
    end.memory_peak.max(if reached { run.limits.memory } else { 0 })
}

fn killed(run: &Run, by: &InstanceId, oom: Oom, peak: u64) -> Event {
    let Run { exec, alloc, driver, limits, .. } = run.clone();
    ExecOomKilled {
        exec,
        alloc,
        driver,
        instance: by.clone(),
        limit: limits.memory,
        peak,
        victim: oom.victim,
        constraint: oom.constraint,
        process: oom.process,
        killed: oom.killed,
        sources: oom.sources,
        confidence: oom.confidence,
    }
    .into()
}

fn because(class: &FailureClass) -> String {
    match class {
        FailureClass::AllocEnded => "the alloc is not open here".into(),
        FailureClass::NoRuntime => "this instance has no runtime for it".into(),
        FailureClass::TooLarge { shortage: Shortage { dimension, asked, available } } => {
            let amount = |amount| match dimension {
                Dimension::Cpu => show_cpu(amount),
                Dimension::Memory | Dimension::Disk => show_bytes(amount),
                Dimension::Feature(_) => amount.to_string(),
            };
            let (asked, available) = (amount(*asked), amount(*available));
            format!("it asks for {dimension} {asked}, and the alloc has {available}")
        }
        _ => "it cannot be run here".into(),
    }
}
