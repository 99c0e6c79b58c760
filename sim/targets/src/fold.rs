//! The fold of any messages, and the restoring of any snapshot.

use crate::history::{self, Told};
use crate::{seeds, sound};
use replay_core::author::Line;
use replay_core::{State, invariant};
use schema::unit::LogTime;

/// Most messages that are folded.
const MOST: usize = 400;

/// Messages as bytes: of each its time, the length of its subject and that, the length of its payload
/// and that; numbers with the lowest byte first, in 8, 1 and 4 bytes.
#[must_use]
pub fn frame(told: &[Told]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for Told { time, line } in told {
        bytes.extend(time.0.to_le_bytes());
        let subject = line.subject.as_bytes();
        let subject = &subject[..subject.len().min(255)];
        bytes.push(u8::try_from(subject.len()).unwrap_or(255));
        bytes.extend(subject);
        bytes.extend(u32::try_from(line.payload.len()).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend(&line.payload);
    }
    bytes
}

/// Bytes as messages. Any bytes are some: what is missing at the end is left out.
#[must_use]
pub fn unframe(mut bytes: &[u8]) -> Vec<Told> {
    let mut told = Vec::new();
    while !bytes.is_empty() && told.len() < MOST {
        let time = LogTime(u64::from_le_bytes(head(&mut bytes)));
        let [length] = head(&mut bytes);
        let subject = String::from_utf8_lossy(take(&mut bytes, usize::from(length))).into_owned();
        let length = u32::from_le_bytes(head(&mut bytes));
        let payload = take(&mut bytes, length as usize).to_vec();
        told.push(Told { time, line: Line { subject, payload } });
    }
    told
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(count.min(bytes.len()));
    *bytes = rest;
    taken
}

fn head<const N: usize>(bytes: &mut &[u8]) -> [u8; N] {
    let mut whole = [0; N];
    let taken = take(bytes, N);
    whole[..taken.len()].copy_from_slice(taken);
    whole
}

/// All that must hold of a fold holds of these messages.
pub fn fold(bytes: &[u8]) {
    let told = unframe(bytes);
    let (state, outcomes) = sound::walk(&told);
    sound::repeats(&told);
    for cut in [told.len() / 3, told.len() * 2 / 3, told.len()] {
        sound::resumes(&told, cut);
    }
    sound::ignores(&state, &told);
    sound::forgets_nothing(&state, &told, &outcomes);
}

/// Bytes are a sound state, which is written in one form alone and can be gone on from, or there is a
/// reason why not.
pub fn snapshot(bytes: &[u8]) {
    let mut state = match State::restore(bytes) {
        Ok(state) => state,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    assert_eq!(invariant::check(&state), []);
    let written = state.snapshot();
    let mut again = State::restore(&written).expect("what is written is read");
    assert_eq!(again.digest(), state.digest());
    assert_eq!(again.snapshot(), written);
    let on = history::after(state, &seeds::noise(7, 400));
    assert_eq!(invariant::check(&on), []);
}
