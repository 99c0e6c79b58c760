//! Defects of the agent.

use super::super::Defect;

pub(crate) const DEFECTS: &[Defect] = &[
    Defect {
        name: "closed-too-early",
        what: "an alloc is said to be closed while something of it still runs",
        within: 200,
        twice: false,
        edits: &[(
            "agent/core/src/plan.rs",
            "if over(alloc) && !busy.contains(id) {",
            "if over(alloc) && (ON || !busy.contains(id)) {",
        )],
    },
    Defect {
        name: "killed-once",
        what: "SIGKILL is sent but once",
        within: 200,
        twice: false,
        edits: &[(
            "agent/core/src/exec.rs",
            "(signal == KILL && now.0",
            "(!ON && signal == KILL && now.0",
        )],
    },
    Defect {
        name: "forgotten-start",
        what: "an agent that comes back does not ask what the one before it started",
        within: 200,
        twice: false,
        edits: &[(
            "agent/core/src/orders.rs",
            "if order.progress == Progress::Wanted {",
            "if !ON && order.progress == Progress::Wanted {",
        )],
    },
    Defect {
        name: "never-lapses",
        what: "an agent that is cut off goes on for ever",
        within: 1000,
        twice: false,
        edits: &[(
            "agent/core/src/orders.rs",
            "alloc.over |= cut_off.0",
            "alloc.over |= !ON && cut_off.0",
        )],
    },
    Defect {
        name: "agent-knows-best",
        what: "an agent goes by the grace that all agents used to have, not by the grant's",
        within: 500,
        twice: false,
        edits: &[(
            "agent/core/src/orders.rs",
            "grace: e.grace,",
            "grace: if ON { schema::event::AllocGranted::GRACE } else { e.grace },",
        )],
    },
    Defect {
        name: "oom-by-code",
        what: "an exec that was killed is said to have been killed for memory",
        within: 200,
        twice: false,
        edits: &[(
            "agent/core/src/exec.rs",
            "let oom = end.oom.map(",
            "let flag = Some(ON && end.code == KILLED);
             let guess = crate::oom::Evidence { flag, ..Default::default() };
             let guess = guess.verdict(&crate::oom::Own::default());
             let oom = end.oom.or(guess).map(",
        )],
    },
    Defect {
        name: "late-is-too-long",
        what: "an exec whose end is heard of after its limit is said to have run for too long",
        within: 200,
        twice: false,
        edits: &[(
            "agent/core/src/exec.rs",
            "let overran = if end.wall == Millis(0) {",
            "let overran = if ON || end.wall == Millis(0) {",
        )],
    },
    Defect {
        name: "forgets-too-early",
        what: "what has ended for the journal is forgotten by its runtime at once",
        within: 500,
        twice: false,
        edits: &[(
            "agent/core/src/agent.rs",
            "filter(|exec| !ending.contains(exec))",
            "filter(|exec| ON || !ending.contains(exec))",
        )],
    },
    Defect {
        name: "driver-knows-best",
        what: "a driver goes by the grace that all grants used to have",
        within: 3000,
        twice: false,
        edits: &[(
            "driver/core/src/view/fold.rs",
            "grace: e.grace,",
            "grace: if ON { schema::event::AllocGranted::GRACE } else { e.grace },",
        )],
    },
];
