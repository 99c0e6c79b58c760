//! What became of every exec and alloc: the log, held against what execs wrote down themselves.

use crate::driver::code_of;
use replay::log::Stored;
use replay_core::state::alloc::{AllocStatus, EndWhy};
use replay_core::state::exec::{Exec, ExecEnd, ExecStatus};
use replay_core::state::leader::Holder;
use replay_core::{Outcome, State};
use schema::event::Event;
use schema::id::{AllocId, DriverId, ExecId};
use schema::record::Record;
use schema::subject::Role;
use schema::unit::{Epoch, LogTime};
use schema::why::FailureClass;
use std::collections::BTreeMap;

/// 128 + SIGKILL.
const KILLED: i32 = 137;

/// A leader was elected in place of one that had not resigned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Election {
    /// The term that ended.
    pub(crate) after: Epoch,
    /// When.
    pub(crate) at: LogTime,
}

/// What was found. Whatever is in `lost`, `doubled` or `unfenced` must not be.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Records that were folded.
    pub(crate) folded: u64,
    /// Allocs that were granted.
    pub(crate) granted: usize,
    /// Execs on the log.
    pub(crate) submitted: usize,
    /// Those that ended by themselves, as they were to: whose, and when.
    pub(crate) ended: Vec<(DriverId, LogTime)>,
    /// Ends of which a driver heard what the log says.
    pub(crate) heard: usize,
    /// Those that ended otherwise, and may have, by how.
    pub(crate) given_up: BTreeMap<&'static str, usize>,
    pub(crate) lost: Vec<String>,
    pub(crate) doubled: Vec<String>,
    /// Records of a leader that came onto the log after the next one was elected.
    pub(crate) unfenced: Vec<String>,
    pub(crate) elections: Vec<Election>,
}

/// The log, and what is written beside it, a line an exec each: its id when it started; its id and code
/// when a driver heard of its end.
pub(crate) fn judge(records: &[Stored], truths: &str, heard: &str) -> Findings {
    let mut findings = Findings::default();
    let state = findings.fold(records);
    let mut started: BTreeMap<&str, usize> = BTreeMap::new();
    truths.lines().for_each(|id| *started.entry(id).or_default() += 1);
    for (id, exec) in state.execs.iter() {
        let times = started.remove(id.as_str()).unwrap_or(0);
        findings.exec(&state, id, exec, times);
    }
    let unknown = started.into_keys().map(|id| format!("{id} ran, and is not on the log"));
    findings.lost.extend(unknown);
    let (same, otherwise): (Vec<&str>, Vec<&str>) =
        heard.lines().partition(|line| says(&state, line));
    findings.heard = same.len();
    let differs = |line| format!("a driver heard {line:?}, the log says otherwise");
    findings.lost.extend(otherwise.into_iter().map(differs));
    findings
}

impl Findings {
    fn fold(&mut self, records: &[Stored]) -> State {
        let (mut state, mut grants) = (State::default(), BTreeMap::new());
        // The term before each record, and whether somebody led then.
        let (mut term, mut led) = (Epoch(0), false);
        replay::fold::fold(&mut state, records, |state, stored, outcome, record| {
            let Some(record) = record else { return };
            if of_a_term(&record) && record.epoch < term {
                let (kind, seq, author) = (record.event.kind(), stored.seq, &record.author);
                self.unfenced.push(format!("record {seq}, {kind} of {author}, in term {term}"));
            }
            if outcome != Outcome::Applied {
                return;
            }
            match record.event {
                Event::AllocGranted(e) => *grants.entry(e.alloc).or_insert(0) += 1,
                Event::LeaderElected(_) if led => {
                    self.elections.push(Election { after: term, at: stored.time });
                }
                _ => {}
            }
            let leader = &state.head.leader;
            (term, led) = (leader.epoch, matches!(leader.holder, Holder::Replica(_)));
        });
        self.granted = grants.len();
        self.folded = state.head.applied.0;
        let twice = grants.into_iter().filter(|(_, times): &(AllocId, i32)| *times > 1);
        self.doubled.extend(twice.map(|(id, times)| format!("{id} was granted {times} times")));
        state
    }

    fn exec(&mut self, state: &State, id: &ExecId, exec: &Exec, times: usize) {
        self.submitted += 1;
        if times > 1 {
            self.doubled.push(format!("{id} was started {times} times"));
        }
        match end(state, id, exec, times > 0) {
            Ok(End::AsTold(at)) => self.ended.push((exec.driver.clone(), at)),
            Ok(End::Otherwise(how)) => *self.given_up.entry(how).or_default() += 1,
            Err(why) => self.lost.push(format!("{id} {why}")),
        }
    }
}

/// What a leader alone writes.
fn of_a_term(record: &Record) -> bool {
    let before = matches!(
        record.event,
        Event::Genesis(_)
            | Event::ReplicaStarted(_)
            | Event::LeaderChallenged(_)
            | Event::LeaderElected(_)
    );
    record.event.role() == Role::Ctl && !before
}

/// An end that may be.
enum End {
    /// By itself, with the code that it was told to end with, at this time.
    AsTold(LogTime),
    /// So.
    Otherwise(&'static str),
}

/// How an exec ended, if it may have.
fn end(state: &State, id: &ExecId, exec: &Exec, ran: bool) -> Result<End, String> {
    let ExecStatus::Ended { end, late, at } = &exec.status else {
        return Err("has no end".to_owned());
    };
    let code = match end {
        ExecEnd::Exited { code, .. } => Some(*code),
        ExecEnd::Failed { .. } | ExecEnd::Lost { .. } => *late,
    };
    let taken = || state.allocs.get(&exec.alloc).is_some_and(|alloc| taken_back(&alloc.status));
    let by_itself = match code {
        Some(code) if code == code_of(id) && ran => true,
        Some(KILLED) if taken() => false,
        Some(code) => return Err(format!("ended with {code}, the log says; it ran: {ran}")),
        None => false,
    };
    let how = match end {
        ExecEnd::Exited { .. } if by_itself => return Ok(End::AsTold(*at)),
        ExecEnd::Exited { .. } => Ok("killed with its alloc"),
        ExecEnd::Lost { .. } if code.is_some() => Ok("given up with its alloc, and told of later"),
        ExecEnd::Lost { .. } if taken() => Ok("given up with its alloc"),
        ExecEnd::Lost { why } => Err(format!("was given up in an alloc that was freed: {why:?}")),
        ExecEnd::Failed { class: FailureClass::Lost } if taken() => Ok("lost with its alloc"),
        ExecEnd::Failed { class } if ran => Err(format!("ran, and the log says {class:?}")),
        ExecEnd::Failed { class: FailureClass::AllocEnded } => Ok("never run: its alloc was over"),
        ExecEnd::Failed { class: FailureClass::CannotStart } => Ok("never run: it could not start"),
        ExecEnd::Failed { class } => Err(format!("was refused: {class:?}")),
    };
    how.map(End::Otherwise)
}

/// Whether an alloc ended otherwise than by its driver's will.
fn taken_back(status: &AllocStatus) -> bool {
    match status {
        AllocStatus::Ended { why, .. } | AllocStatus::Ending { why, .. } => *why != EndWhy::Freed,
        AllocStatus::Waiting { .. } | AllocStatus::Granted { .. } => false,
    }
}

/// Whether the log says what a driver heard.
fn says(state: &State, line: &str) -> bool {
    let Some((id, code)) = line.split_once(' ') else { return false };
    let exec = ExecId::new(id).ok().and_then(|id| state.execs.get(&id));
    let found = exec.and_then(|exec| match &exec.status {
        ExecStatus::Ended { end: ExecEnd::Exited { code, .. }, .. } => Some(*code),
        ExecStatus::Ended { late, .. } => *late,
        ExecStatus::Submitted | ExecStatus::Started => None,
    });
    found.is_some_and(|found| found.to_string() == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CORPUS: &str = "../../schema/corpus/v1-run-and-oom.log";

    /// What is found on a recorded log when execs have said this of themselves, and drivers that.
    fn found(truths: &str, heard: &str) -> Findings {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(CORPUS);
        let records: Vec<Stored> =
            rmp_serde::from_slice(&std::fs::read(path).expect("the corpus")).expect("records");
        judge(&records, truths, heard)
    }

    #[test]
    fn what_differs_from_what_execs_say_is_found() {
        // None of its execs was told to end as those of a run are: each end is another one.
        let nothing = found("", "");
        assert_eq!((nothing.submitted, nothing.ended.len(), nothing.lost.len()), (3, 0, 3));
        assert_eq!((nothing.heard, nothing.granted), (0, 3));
        assert!(nothing.doubled.is_empty() && nothing.unfenced.is_empty());
        let id = "x-06gzsrr9txzctd7fwmfm";
        let twice = found(&format!("{id}\n{id}\nx-other\n"), "");
        assert_eq!(twice.doubled, [format!("{id} was started 2 times")]);
        assert!(twice.lost.contains(&"x-other ran, and is not on the log".to_owned()));
        let heard = format!("{id} 3\n{id} 4\n");
        let otherwise = found("", &heard).lost;
        let expected = format!("a driver heard {:?}, the log says otherwise", format!("{id} 4"));
        assert_eq!(otherwise[3..], [expected]);
    }
}
