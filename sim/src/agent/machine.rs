//! The processes of an instance, and the runtime that starts, watches and kills them. Processes live
//! on when the agent dies; what was under way for it does not.

use super::Agent;
use agent_core::exec::{End, Failure, Said};
use agent_core::oom::{Evidence, Own};
use agent_core::plan::Run;
use schema::event::LogDigest;
use schema::id::{AllocId, ExecId};
use schema::unit::Millis;
use schema::why::FailureClass;

const KILLED: i32 = 137;
/// Longest time until a process is there, and until the agent hears of it, in milliseconds.
const SLOW: u64 = 300;
/// How many of a thousand cannot be started, run out of memory, and how many signals of a thousand are
/// lost.
const UNSTARTABLE: u64 = 10;
const OUT_OF_MEMORY: u64 = 20;
const LOST_SIGNAL: u64 = 100;
/// Most signals that get lost in a row.
const MOST_LOST: u32 = 2;

/// A process, running or ended.
pub(super) struct Process {
    alloc: AllocId,
    began: u64,
    ends: u64,
    code: i32,
    /// Something of it was killed for memory.
    oom: bool,
    /// Nobody was left to see how it ended.
    unseen: bool,
    /// Signals in a row that were lost.
    missed: u32,
}

impl Process {
    pub(super) fn runs_in(&self, alloc: &AllocId, now: u64) -> bool {
        self.running(now) == Some(alloc)
    }

    /// The alloc that it is of, while it runs.
    pub(super) fn running(&self, now: u64) -> Option<&AllocId> {
        (self.ends > now).then_some(&self.alloc)
    }
}

/// How far the runtime has got with an exec, for the agent that asked.
pub(super) enum Stage {
    /// The process will be there then.
    Starting(u64),
    /// It cannot be; the agent hears so then.
    Failing(u64),
    /// The process is there; the agent hears so then.
    Telling(u64),
    /// The agent hears when it ends.
    Waiting,
}

impl Agent {
    /// Starts an exec; one that was started before is only found.
    pub(super) fn start_exec(&mut self, now: u64, run: Run) {
        let then = now + self.rng.below(SLOW);
        let stage = match () {
            () if self.processes.contains_key(&run.exec) => Stage::Telling(then),
            () if self.rng.chance(UNSTARTABLE) => Stage::Failing(then),
            () => Stage::Starting(then),
        };
        self.watched.insert(run.exec.clone(), (run, stage));
    }

    pub(super) fn find_exec(&mut self, now: u64, run: Run) {
        let then = now + self.rng.below(SLOW);
        self.watched.insert(run.exec.clone(), (run, Stage::Telling(then)));
    }

    /// SIGKILL, which may get lost.
    pub(super) fn signal(&mut self, now: u64, exec: &ExecId) {
        let lost = self.rng.chance(LOST_SIGNAL);
        if let Some(process) = self.processes.get_mut(exec)
            && lost
            && process.missed < MOST_LOST
        {
            process.missed += 1;
            return;
        }
        self.kill(now, exec);
    }

    pub(super) fn kill(&mut self, now: u64, exec: &ExecId) {
        if let Some(process) = self.processes.get_mut(exec).filter(|process| process.ends > now) {
            (process.ends, process.code) = (now, KILLED);
            let ran = now - process.began;
            let fate = self.fate_of(exec);
            (fate.code, fate.ran) = (KILLED, ran);
        }
    }

    /// The instance reboots: nothing runs any more, and of some processes nobody saw the end. That they
    /// were started stands on the disk.
    pub(super) fn reboot(&mut self, now: u64) {
        for exec in self.processes.keys().cloned().collect::<Vec<_>>() {
            self.kill(now, &exec);
            let unseen = self.rng.chance(500);
            if let Some(process) = self.processes.get_mut(&exec) {
                process.unseen |= unseen;
            }
            self.fate_of(&exec).unseen |= unseen;
        }
    }

    /// Goes on; returns what the agent hears of it. Of each exec one thing at a time: the agent may die
    /// before the next.
    pub(super) fn machine(&mut self, now: u64) -> Vec<(ExecId, Said)> {
        let mut heard = Vec::new();
        for exec in self.watched.keys().cloned().collect::<Vec<_>>() {
            let Some((run, stage)) = self.watched.remove(&exec) else { continue };
            let (stage, said) = self.go_on(now, &run, stage);
            heard.extend(said.map(|said| (exec.clone(), said)));
            if let Some(stage) = stage {
                self.watched.insert(exec, (run, stage));
            }
        }
        heard
    }

    fn go_on(&mut self, now: u64, run: &Run, stage: Stage) -> (Option<Stage>, Option<Said>) {
        match stage {
            Stage::Starting(then) | Stage::Failing(then) | Stage::Telling(then) if now < then => {
                (Some(stage), None)
            }
            Stage::Starting(_) => {
                self.begin(now, run);
                (Some(Stage::Telling(now + self.rng.below(SLOW))), None)
            }
            Stage::Failing(_) => {
                let class = match self.rng.below(3) {
                    0 => FailureClass::ImageMissing { image: "image".into() },
                    1 => FailureClass::Agent,
                    _ => FailureClass::CannotStart,
                };
                self.fate_of(&run.exec).refused = Some(class.clone());
                (None, Some(failed(class)))
            }
            Stage::Telling(_) => match self.processes.get(&run.exec).filter(|p| !p.unseen) {
                Some(process) => {
                    let age = Millis(now - process.began);
                    (Some(Stage::Waiting), Some(Said::Started { handle: "1".into(), age }))
                }
                None => (None, Some(failed(FailureClass::Lost))),
            },
            Stage::Waiting => match self.processes.get(&run.exec) {
                Some(process) if process.ends > now => (Some(stage), None),
                Some(process) => (None, Some(ended(process))),
                None => (None, Some(failed(FailureClass::Lost))),
            },
        }
    }

    /// How long it takes, and how it ends: as its command says.
    fn begin(&mut self, now: u64, run: &Run) {
        let command = &run.config.command;
        let number = |index: usize| command.get(index).and_then(|text| text.parse().ok());
        let (length, code) = (number(0).unwrap_or(100), number(1).unwrap_or(0));
        let code = i32::try_from(code).unwrap_or(0);
        let oom = self.rng.chance(OUT_OF_MEMORY);
        let (alloc, ends, unseen) = (run.alloc.clone(), now + length, false);
        let process = Process { alloc, began: now, ends, code, oom, unseen, missed: 0 };
        let fate = self.fate_of(&run.exec);
        fate.starts += 1;
        (fate.code, fate.ran, fate.oom) = (code, length, oom);
        self.processes.insert(run.exec.clone(), process);
    }
}

fn ended(process: &Process) -> Said {
    let wall = Millis(process.ends - process.began);
    let evidence = Evidence { code: process.code, flag: Some(process.oom), ..Evidence::default() };
    let oom = evidence.verdict(&Own::default());
    let end = End { code: process.code, wall, oom, ..End::default() };
    Said::Ended(end, LogDigest::default())
}

fn failed(class: FailureClass) -> Said {
    Said::Failed(Failure { class, message: "as was drawn".to_owned() })
}
