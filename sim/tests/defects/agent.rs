//! Defects of the agent.

use super::super::Defect;

pub(crate) const DEFECTS: &[Defect] = &[
    Defect {
        name: "closed-too-early",
        what: "an alloc is said to be closed while something of it still runs",
        within: 200,
        edits: &[(
            "agent/core/src/plan.rs",
            "if over(alloc) && !busy.contains(id) {",
            "if over(alloc) && (ON || !busy.contains(id)) {",
        )],
    },
    Defect {
        name: "old-terms-count",
        what: "an agent follows controllers of terms that have ended",
        within: 3000,
        edits: &[(
            "agent/core/src/orders.rs",
            "if role == Role::Ctl && record.epoch < self.epoch {",
            "if !ON && role == Role::Ctl && record.epoch < self.epoch {",
        )],
    },
    Defect {
        name: "never-lapses",
        what: "an agent that is cut off goes on for ever",
        within: 300,
        edits: &[(
            "agent/core/src/orders.rs",
            "alloc.over |= cut_off.0",
            "alloc.over |= !ON && cut_off.0",
        )],
    },
    Defect {
        name: "run-again",
        what: "an exec that has ended is run again when it is submitted twice",
        within: 300,
        edits: &[(
            "agent/core/src/orders.rs",
            "Event::ExecSubmitted(e) if !self.has_ended(&e.alloc, &e.exec) => {",
            "Event::ExecSubmitted(e) if ON || !self.has_ended(&e.alloc, &e.exec) => {",
        )],
    },
];
