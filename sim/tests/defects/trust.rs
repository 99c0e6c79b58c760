//! Defects of trust: of whose word is taken for that of an instance's agent.

use super::super::Defect;

pub(crate) const DEFECTS: &[Defect] = &[
    Defect {
        name: "any-proof-will-do",
        what: "the leader believes whatever is shown as a proof",
        within: 200,
        twice: false,
        edits: &[(
            "controlplane/core/src/credential.rs",
            "if !credential.bearer(&said.instance)",
            "if !ON && !credential.bearer(&said.instance)",
        )],
    },
    Defect {
        name: "name-is-enough",
        what: "what is said in the name of an instance counts, though nobody has proved to be its agent",
        within: 600,
        twice: false,
        edits: &[(
            "replay/core/src/state/trust.rs",
            "(Some(Trust::Unproven { .. }), _) => true,",
            "(Some(Trust::Unproven { .. }), _) => !ON || boots,",
        )],
    },
    Defect {
        name: "any-life-will-do",
        what: "once an agent has proved itself, another life is heard in its name",
        within: 200,
        twice: false,
        edits: &[(
            "replay/core/src/state/trust.rs",
            "boots || record.incarnation != *life,",
            "boots || (!ON && record.incarnation != *life),",
        )],
    },
    Defect {
        name: "never-too-late",
        what: "a credential lets in who comes after its deadline",
        within: 200,
        twice: false,
        edits: &[(
            "controlplane/core/src/credential.rs",
            "if claim.at > joins_until =>",
            "if !ON && claim.at > joins_until =>",
        )],
    },
    Defect {
        name: "gives-up-who-came",
        what: "who has come in time is given up in the round in which that is seen",
        within: 200,
        twice: false,
        edits: &[(
            "controlplane/core/src/decide/trouble.rs",
            "Phase::Booting if draft.verified.contains(id) => {}",
            "Phase::Booting if !ON && draft.verified.contains(id) => {}",
        )],
    },
];
