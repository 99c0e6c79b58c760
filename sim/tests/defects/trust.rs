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
    Defect {
        name: "number-of-another",
        what: "who speaks of an instance whose life he knows takes a number of whoever's name he uses",
        within: 600,
        twice: false,
        edits: &[(
            "replay/core/src/state/trust.rs",
            "let author = self.instances.get(&InstanceId::from(&record.author));",
            "let author = InstanceId::from(&record.author);
             let of = event.route().instance.filter(|_| ON).unwrap_or(&author);
             let author = self.instances.get(of);",
        )],
    },
    Defect {
        name: "copy-for-own-word",
        what: "an agent takes the last copy of its proof for its own word that it is up",
        within: 800,
        twice: false,
        edits: &[(
            "agent/core/src/agent.rs",
            "if word.is(record) {",
            "let again = |e: &InstanceBooted| e.proof == word.booted.proof;
             let copy = ON && matches!(&record.event, Event::InstanceBooted(e) if again(e));
             if copy {
                 word.copies.clear();
             }
             if word.is(record) || copy {",
        )],
    },
];
