//! A log as lines that a person can read.

use crate::log::Log;
use replay_core::{Message, Outcome, State};
use schema::codec;
use schema::subject::Subject;
use schema::unit::Seq;

/// How many of the last records are told.
const TAIL: u64 = 40;

/// The last records: sequence, log time, author, kind, what it is about, its cause, its content with
/// the why of it, and why it had no effect if it had none.
pub(crate) fn tail(log: &Log) -> Vec<String> {
    let from = Seq(log.end().0.saturating_sub(TAIL));
    let mut state = State::default();
    let mut lines = Vec::new();
    for message in log.from(Seq(1)) {
        let outcome = state.apply(message);
        if message.seq > from {
            lines.push(line(message, outcome));
        }
    }
    lines
}

fn line(message: Message<'_>, outcome: Outcome) -> String {
    let seconds = message.time.0 / 1_000_000;
    let (whole, rest) = (seconds / 1000, seconds % 1000);
    let at = format!("{:>6} {whole:>4}.{rest:03}s", message.seq);
    let void = match outcome {
        Outcome::Void(void) => format!("  ✗ {void}"),
        Outcome::Applied | Outcome::Ignored => String::new(),
    };
    match codec::decode(message.payload) {
        Ok(record) => {
            let about =
                Subject::parse(message.subject).map(|subject| subject.id).unwrap_or_default();
            let body = serde_json::to_string(&record.event).unwrap_or_default();
            let (author, kind, cause) = (&record.author, record.event.kind(), record.cause);
            format!("{at} {author} {kind} {about} because of {cause}: {body}{void}")
        }
        Err(error) => format!("{at} {}: {error}{void}", message.subject),
    }
}
