//! What truly became of the execs of an instance, whatever its agent says of them.

use super::Agent;
use schema::id::ExecId;
use schema::why::FailureClass;

/// What truly became of an exec on its machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Fate {
    /// How often a process was started for it.
    pub(crate) starts: u32,
    /// How its process ends, or has ended.
    pub(crate) code: i32,
    /// How long its process has run by its end, in milliseconds.
    pub(crate) ran: u64,
    /// Something of it was killed for memory.
    pub(crate) oom: bool,
    /// Nobody saw how it ended.
    pub(crate) unseen: bool,
    /// Why it could not be started, when that was last tried in vain.
    pub(crate) refused: Option<FailureClass>,
}

impl Agent {
    /// What became of an exec here; nothing, if its machine has never heard of it.
    pub(crate) fn fate(&self, exec: &ExecId) -> Fate {
        self.fates.get(exec).cloned().unwrap_or_default()
    }

    /// The machine does something with an exec.
    pub(super) fn fate_of(&mut self, exec: &ExecId) -> &mut Fate {
        self.fates.entry(exec.clone()).or_default()
    }
}
