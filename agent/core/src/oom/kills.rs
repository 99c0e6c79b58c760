//! Kills, each out of the several records in which the kernel tells it.

use super::line::{Constraint, Context, Killed, Line};
use super::record::Record;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// How many contexts wait for their kills, and how many kills are remembered.
const WAITING: usize = 64;
/// The first of a group is told twice; within so many microseconds one process is not killed again.
const AGAIN: u64 = 10_000_000;

/// A process that the kernel killed for memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kill {
    /// The number of the record that says so.
    pub sequence: u64,
    /// Microseconds since the machine was started.
    pub at: u64,
    /// The victim, by its id outside of all namespaces.
    pub pid: u32,
    /// Its name.
    pub name: String,
    /// Whose it was.
    pub uid: Option<u32>,
    /// Its cgroup, from the root of the hierarchy; none if that was not said, or is lost.
    pub task_cgroup: Option<String>,
    /// The cgroup whose limit was reached.
    pub limit_cgroup: Option<String>,
    /// The cpuset of who asked for memory: often it is named as the cgroup is.
    pub cpuset: Option<String>,
    /// What limited the memory.
    pub constraint: Constraint,
    /// Bytes of its address space.
    pub total: u64,
    /// Resident bytes: its own, of files, and of shared memory.
    pub rss: u64,
}

/// Puts kills together from records in their order.
#[derive(Debug, Default)]
pub struct Kills {
    /// The number of the last record.
    last: Option<u64>,
    lost: u64,
    /// The time of the first record that nothing is missing after.
    whole_since: u64,
    /// The last line of the kernel, for the records that go on with it.
    text: String,
    contexts: VecDeque<Context>,
    /// A context that does not name its victim yet.
    open: Option<Context>,
    /// The cgroup that is killed as a whole, and the kill that it began with.
    group: Option<(String, Option<Kill>)>,
    told: VecDeque<Kill>,
}

impl Kills {
    /// Takes the next record as it was read. One that was taken before is left out.
    pub fn record(&mut self, bytes: &[u8]) -> Option<Kill> {
        let record = Record::parse(bytes)?;
        if self.last.is_some_and(|last| record.sequence <= last) {
            return None;
        }
        let next = self.last.map(|last| last.saturating_add(1));
        let gap = next.map_or(0, |next| record.sequence.saturating_sub(next));
        if gap > 0 || (next.is_none() && record.sequence > 0) {
            self.lost = self.lost.saturating_add(gap);
            self.whole_since = record.at;
            self.forget();
        }
        self.last = Some(record.sequence);
        if !record.of_kernel() {
            return None;
        }
        let goes_on = record.continues && !self.text.is_empty();
        self.text = if goes_on { self.text.clone() + &record.text } else { record.text.clone() };
        let line = Line::parse(&self.text)?;
        self.line(&record, line)
    }

    /// How many records were never seen.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Since when all that the kernel has said was seen, in microseconds since the machine was started: what
    /// has not been said since then has not happened.
    #[must_use]
    pub fn whole_since(&self) -> u64 {
        self.whole_since
    }

    /// The number of the last record that was taken.
    #[must_use]
    pub fn last(&self) -> Option<u64> {
        self.last
    }

    /// What holds only from one record to the next.
    fn forget(&mut self) {
        (self.open, self.group) = (None, None);
        self.text.clear();
    }

    fn line(&mut self, record: &Record, line: Line) -> Option<Kill> {
        match line {
            Line::Invoked { .. } => self.forget(),
            Line::Context(context) => {
                self.group = None;
                self.context(context);
            }
            Line::Rest(rest) => {
                let begun = self.open.take();
                let constraint = begun.as_ref().map_or(rest.constraint, |begun| begun.constraint);
                let (nodemask, cpuset) =
                    begun.map_or((None, None), |begun| (begun.nodemask, begun.cpuset));
                self.context(Context { constraint, nodemask, cpuset, ..rest });
            }
            Line::Limited { task, limit } => {
                self.open = Some(Context {
                    constraint: Constraint::Cgroup,
                    nodemask: None,
                    cpuset: None,
                    limit_cgroup: Some(limit),
                    task_cgroup: Some(task),
                    pid: None,
                });
            }
            Line::Selected { constraint, .. } => {
                if self.open.is_none() {
                    self.open = Some(bare(constraint));
                }
            }
            Line::Killed(killed) => return self.killed(record, killed),
            Line::Group { cgroup } => self.group = Some((cgroup, self.told.back().cloned())),
            Line::Reaped { .. } => {}
        }
        None
    }

    fn context(&mut self, context: Context) {
        if context.pid.is_none() {
            self.open = Some(context);
            return;
        }
        if self.contexts.len() == WAITING {
            self.contexts.pop_front();
        }
        self.contexts.push_back(context);
    }

    fn killed(&mut self, record: &Record, killed: Killed) -> Option<Kill> {
        let (pid, now) = (killed.pid, record.at);
        if self.told.iter().any(|told| told.pid == pid && now.saturating_sub(told.at) < AGAIN) {
            return None;
        }
        let context = self.context_of(&killed);
        let constraint = match killed.constraint {
            Constraint::Unknown => context.constraint,
            // A part of the machine has run out, not all of it.
            Constraint::Node if context.constraint == Constraint::Part => Constraint::Part,
            said => said,
        };
        let kill = Kill {
            sequence: record.sequence,
            at: now,
            pid,
            name: killed.name,
            uid: killed.uid,
            task_cgroup: context.task_cgroup,
            limit_cgroup: context.limit_cgroup,
            cpuset: context.cpuset,
            constraint,
            total: killed.total,
            rss: killed.anon.saturating_add(killed.file).saturating_add(killed.shmem),
        };
        if self.told.len() == WAITING {
            self.told.pop_front();
        }
        self.told.push_back(kill.clone());
        Some(kill)
    }

    /// The context that names the victim; else the one just before, of a kernel that names none; else that
    /// of the group which it goes with.
    fn context_of(&mut self, killed: &Killed) -> Context {
        let named = self.contexts.iter().position(|context| context.pid == Some(killed.pid));
        let named = named.and_then(|at| self.contexts.remove(at));
        if let Some(context) = named.or_else(|| self.open.take()) {
            return context;
        }
        let Some((cgroup, first)) = &self.group else { return bare(Constraint::Unknown) };
        let task_cgroup = Some(cgroup.clone());
        match first {
            Some(kill) => Context {
                limit_cgroup: kill.limit_cgroup.clone(),
                task_cgroup,
                ..bare(kill.constraint)
            },
            None => Context { task_cgroup, ..bare(Constraint::Cgroup) },
        }
    }
}

fn bare(constraint: Constraint) -> Context {
    Context {
        constraint,
        nodemask: None,
        cpuset: None,
        limit_cgroup: None,
        task_cgroup: None,
        pid: None,
    }
}
