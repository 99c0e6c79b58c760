//! Which ways things may go: for each table of the state, every step from one status to another that a
//! record may make. A step that is not here must never be seen; one that is here should be. The fold takes
//! an exec's end before its start; agents write the start first, so that this is no step here.

use crate::coverage::Coverage;
use replay_core::State;
use replay_core::state::alloc::AllocStatus;
use replay_core::state::exec::{ExecEnd, ExecStatus};
use replay_core::state::instance::{Instance, Phase, Reach, Service};
use replay_core::state::launch::LaunchStatus;
use replay_core::state::leader::Holder;
use schema::id::{AllocId, DriverId, ExecId, InstanceId, LaunchId};
use std::fmt::Display;

/// Not there: not yet, or not any more.
const NONE: &str = "-";

type Step = (&'static str, &'static str);

macro_rules! steps {
    ($name:ident: $($from:literal -> $to:literal),* $(,)?) => {
        const $name: &[(Step, &str)] = &[$((($from, $to), concat!($from, " -> ", $to))),*];
    };
}

steps!(LEADER:
    "nobody" -> "held", "held" -> "challenged", "challenged" -> "held", "held" -> "resigned",
    "challenged" -> "resigned", "resigned" -> "held",
);
steps!(DRIVER: "-" -> "there", "there" -> "left", "left" -> "there", "left" -> "-");
steps!(LAUNCH:
    "-" -> "requested", "requested" -> "accepted", "requested" -> "refused", "refused" -> "-",
    "accepted" -> "-",
);
steps!(PHASE:
    "-" -> "booting", "-" -> "up", "booting" -> "up", "booting" -> "terminating",
    "booting" -> "gone", "up" -> "terminating", "up" -> "gone", "terminating" -> "gone",
    "gone" -> "-",
);
steps!(SERVICE:
    "open" -> "held", "open" -> "draining", "held" -> "open", "held" -> "draining",
    "draining" -> "open", "draining" -> "held",
);
steps!(REACH: "heard" -> "silent", "silent" -> "heard");
steps!(ALLOC:
    "-" -> "waiting", "waiting" -> "granted", "waiting" -> "ended", "granted" -> "ending",
    "granted" -> "ended", "ending" -> "ended", "ended" -> "-",
);
steps!(EXEC:
    "-" -> "submitted", "submitted" -> "started", "submitted" -> "failed", "submitted" -> "lost",
    "started" -> "exited", "started" -> "failed", "started" -> "lost",
    "lost" -> "lost-late", "exited" -> "-", "failed" -> "-", "lost" -> "-", "lost-late" -> "-",
);

const TABLES: &[(&str, &[(Step, &str)])] = &[
    ("leader", LEADER),
    ("driver", DRIVER),
    ("launch-status", LAUNCH),
    ("instance", PHASE),
    ("service", SERVICE),
    ("reach", REACH),
    ("alloc", ALLOC),
    ("exec", EXEC),
];

/// All steps, by table.
pub(crate) fn expected() -> Vec<(&'static str, Vec<&'static str>)> {
    let texts = |steps: &[(Step, &'static str)]| steps.iter().map(|(_, text)| *text).collect();
    TABLES.iter().map(|(table, steps)| (*table, texts(steps))).collect()
}

/// Where everything was after the last record.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    leader: Rows<&'static str>,
    drivers: Rows<DriverId>,
    launches: Rows<LaunchId>,
    phases: Rows<InstanceId>,
    services: Rows<InstanceId>,
    reaches: Rows<InstanceId>,
    allocs: Rows<AllocId>,
    execs: Rows<ExecId>,
}

impl Watch {
    /// Compares with where everything is now: counts each step, and tells of those that must not be.
    pub(crate) fn look(&mut self, state: &State, coverage: &mut Coverage) -> Vec<String> {
        let mut tell = Tell { coverage, wrong: Vec::new() };
        self.leader.follow(&mut tell, "leader", std::iter::once((&"", leader(state))));
        let there = |left: bool| if left { "left" } else { "there" };
        let drivers = state.drivers.iter().map(|(id, d)| (id, there(d.left.is_some())));
        self.drivers.follow(&mut tell, "driver", drivers);
        let launches = state.launches.iter().map(|(id, l)| (id, launch(&l.status)));
        self.launches.follow(&mut tell, "launch-status", launches);
        let instances = || state.instances.iter();
        self.phases.follow(&mut tell, "instance", instances().map(|(id, i)| (id, phase(i))));
        self.services.follow(&mut tell, "service", instances().map(|(id, i)| (id, service(i))));
        self.reaches.follow(&mut tell, "reach", instances().map(|(id, i)| (id, reach(i))));
        let allocs = state.allocs.iter().map(|(id, a)| (id, alloc(&a.status)));
        self.allocs.follow(&mut tell, "alloc", allocs);
        self.execs.follow(
            &mut tell,
            "exec",
            state.execs.iter().map(|(id, e)| (id, exec(&e.status))),
        );
        tell.wrong
    }
}

/// One table, in order of its keys.
#[derive(Debug)]
struct Rows<K>(Vec<(K, &'static str)>);

impl<K> Default for Rows<K> {
    fn default() -> Rows<K> {
        Rows(Vec::new())
    }
}

struct Tell<'a> {
    coverage: &'a mut Coverage,
    wrong: Vec<String>,
}

impl<K: Ord + Clone + Display> Rows<K> {
    fn follow<'a>(
        &mut self,
        tell: &mut Tell<'_>,
        table: &'static str,
        now: impl Iterator<Item = (&'a K, &'static str)>,
    ) where
        K: 'a,
    {
        let (mut at, mut moved) = (0, false);
        let mut rows = Vec::new();
        for (id, status) in now {
            while self.0.get(at).is_some_and(|(before, _)| before < id) {
                tell.step(table, &self.0[at].0, self.0[at].1, last(table, self.0[at].1));
                (at, moved) = (at + 1, true);
            }
            let known = self.0.get(at).filter(|(before, _)| before == id);
            let was = known.map_or(first(table), |(_, was)| was);
            moved |= known.is_none() || was != status;
            at += usize::from(known.is_some());
            tell.step(table, id, was, status);
            rows.push((id, status));
        }
        for (id, was) in &self.0[at..] {
            tell.step(table, id, was, last(table, was));
            moved = true;
        }
        if moved {
            self.0 = rows.into_iter().map(|(id, status)| (id.clone(), status)).collect();
        }
    }
}

impl Tell<'_> {
    fn step(
        &mut self,
        table: &'static str,
        id: &impl Display,
        from: &'static str,
        to: &'static str,
    ) {
        if from == to {
            return;
        }
        let steps = TABLES.iter().find(|(name, _)| *name == table).map_or(&[][..], |(_, s)| s);
        match steps.iter().find(|(step, _)| *step == (from, to)) {
            Some((_, text)) => self.coverage.count(table, *text),
            None => self.wrong.push(format!("{table} {id} went from {from} to {to}")),
        }
    }
}

/// What is true of something that nobody has spoken of yet.
fn first(table: &str) -> &'static str {
    match table {
        "leader" => "nobody",
        "service" => "open",
        "reach" => "heard",
        _ => NONE,
    }
}

/// What is true of something that the state has forgotten.
fn last(table: &str, was: &'static str) -> &'static str {
    if matches!(table, "service" | "reach") { was } else { NONE }
}

fn leader(state: &State) -> &'static str {
    match (&state.head.leader.holder, &state.head.leader.challenge) {
        (Holder::Nobody, _) => "nobody",
        (Holder::Resigned, _) => "resigned",
        (Holder::Replica(_), None) => "held",
        (Holder::Replica(_), Some(_)) => "challenged",
    }
}

fn launch(status: &LaunchStatus) -> &'static str {
    match status {
        LaunchStatus::Requested => "requested",
        LaunchStatus::Accepted => "accepted",
        LaunchStatus::Refused { .. } => "refused",
    }
}

fn phase(instance: &Instance) -> &'static str {
    match instance.phase {
        Phase::Booting => "booting",
        Phase::Up => "up",
        Phase::Terminating { .. } => "terminating",
        Phase::Gone { .. } => "gone",
    }
}

fn service(instance: &Instance) -> &'static str {
    match instance.service {
        Service::Open => "open",
        Service::Held => "held",
        Service::Draining { .. } => "draining",
    }
}

fn reach(instance: &Instance) -> &'static str {
    match instance.reach {
        Reach::Heard => "heard",
        Reach::Silent { .. } => "silent",
    }
}

fn alloc(status: &AllocStatus) -> &'static str {
    match status {
        AllocStatus::Waiting { .. } => "waiting",
        AllocStatus::Granted { .. } => "granted",
        AllocStatus::Ending { .. } => "ending",
        AllocStatus::Ended { .. } => "ended",
    }
}

fn exec(status: &ExecStatus) -> &'static str {
    match status {
        ExecStatus::Submitted => "submitted",
        ExecStatus::Started => "started",
        ExecStatus::Ended { end: ExecEnd::Exited { .. }, .. } => "exited",
        ExecStatus::Ended { end: ExecEnd::Failed { .. }, .. } => "failed",
        ExecStatus::Ended { end: ExecEnd::Lost { .. }, late: None, .. } => "lost",
        ExecStatus::Ended { end: ExecEnd::Lost { .. }, late: Some(_), .. } => "lost-late",
    }
}
