//! What must hold of every parser of bytes or text from outside, and of the fold, whatever comes. Each
//! target is a plain function that panics where something does not hold: `sim/fuzz` feeds them to
//! libFuzzer, the tests here feed them what is kept under `sim/fuzz/corpus` and mutations of it.
//!
//! Beside them, what makes input: [`dice`] (values out of bytes), [`events`] (any event), [`history`]
//! (a whole log). Tests of the cores use those too.

pub mod dice;
pub mod events;
pub mod fold;
pub mod history;
pub mod kernel;
pub mod record;
pub mod seeds;
pub mod sound;
pub mod text;

/// A target: panics if something does not hold of these bytes.
pub type Target = fn(&[u8]);

/// All targets, by the name of their folder of kept input.
pub const TARGETS: &[(&str, Target)] = &[
    ("record", record::record),
    ("subject", record::subject),
    ("heartbeat", record::heartbeat),
    ("fold", fold::fold),
    ("snapshot", fold::snapshot),
    ("id", text::id),
    ("amount", text::amount),
    ("policy", text::policy),
    ("requirements", text::requirements),
    ("kernel", kernel::kernel),
];
