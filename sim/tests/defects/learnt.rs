//! Seeds that are kept for what they taught.

/// Seeds that have failed, each with the defect that it shows when that is put back, and the lesson.
/// `defects.rs` demands that each still shows it: where histories are drawn in another way, it says which
/// seed does.
pub(crate) const LEARNT: &[(u64, &str, &str)] = &[
    (26, "killed-in-silence", "a request that an operator kills has a driver that must be told"),
    (
        1,
        "forgotten-when",
        "when something is over must follow from the tables, or a snapshot forgets it at another time",
    ),
    (
        1,
        "forgotten-start",
        "what an agent has started and not written down is there all the same when it comes back",
    ),
    (
        43,
        "never-lapses",
        "an agent may be heard and yet be cut off from the log: its leases lapse all the same",
    ),
    (
        43,
        "agent-knows-best",
        "what drivers are told of an agent must come to the agent with the grant, not by another way",
    ),
    (
        249,
        "fence-by-event",
        "a fence follows the subject of elections, not whatever record looks like an election",
    ),
    (
        32,
        "forgets-too-early",
        "an end that is in the journal alone is known to the runtime alone once the journal is lost",
    ),
    (
        7,
        "any-proof-will-do",
        "who can write in an instance's name can show a proof that is no proof",
    ),
    (76, "any-life-will-do", "once somebody is trusted, others still speak in his name"),
    (
        549,
        "number-of-another",
        "whose number a record takes goes by its author, not by whom it speaks of",
    ),
    (
        750,
        "copy-for-own-word",
        "a copy of one's own words under another number is not one's own word",
    ),
    (549, "name-is-enough", "before anybody is trusted, whoever has the name is nobody"),
    (
        125,
        "never-too-late",
        "a genuine credential has a deadline, and who comes late is seldom seen",
    ),
];
