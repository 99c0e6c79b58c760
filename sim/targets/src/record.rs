//! Records, where they stand, and heartbeats.

use schema::SCHEMA_VERSION;
use schema::codec::{EncodeError, decode, decode_at, encode};
use schema::id::check;
use schema::subject::{Subject, fits};
use schema::telemetry::{self, AgentHeartbeat, LeaderHeartbeat};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

/// Bytes are a record, which is written in one form alone, or there is a reason why not.
pub fn record(bytes: &[u8]) {
    let record = match decode(bytes) {
        Ok(record) => record,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    assert!(record.version <= SCHEMA_VERSION);
    assert!(schema::event::Event::KINDS.contains(&record.event.kind()));
    assert_eq!(check(record.event.route().id), Ok(()), "an id that is none");
    let again = match encode(&record) {
        Ok(again) => again,
        Err(EncodeError::TooLong { .. }) => return,
        Err(error) => panic!("what was read cannot be written: {error}"),
    };
    assert_eq!(decode(&again).as_ref(), Ok(&record), "what is written is read");
    assert_eq!(encode(&record), Ok(again), "and written the same again");
}

/// A line of text is a subject, which prints as it was, or there is a reason why not; the record after
/// the line is taken if it belongs there, and only then.
pub fn subject(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (line, payload) = (&bytes[..end], bytes.get(end + 1..).unwrap_or_default());
    let line = String::from_utf8_lossy(line);
    let parsed = Subject::parse(&line);
    match &parsed {
        Ok(subject) => assert_eq!(subject.to_string(), line),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let Ok(record) = decode(payload) else { return };
    let (author, event) = (&record.author, &record.event);
    if !fits(&line, None, author, event) {
        return;
    }
    // The cluster alone was not looked at.
    let cluster = line.split('.').nth(1).map(str::parse);
    let Some(Ok(cluster)) = cluster else { return assert!(parsed.is_err()) };
    assert_eq!(parsed, Ok(Subject::of(&cluster, author, event)));
    assert!(fits(&line, Some(&cluster), author, event));
    assert_eq!(decode_at(&cluster, &line, payload).as_ref(), Some(&record));
    let other = format!("{cluster}x").parse();
    assert!(
        other.is_ok_and(|other| decode_at(&other, &line, payload).is_none()) || line.len() > 64
    );
}

/// Bytes are a heartbeat, which is read as it was written, or nothing.
pub fn heartbeat(bytes: &[u8]) {
    beats::<AgentHeartbeat>(bytes);
    beats::<LeaderHeartbeat>(bytes);
}

fn beats<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) {
    let Some(beat) = telemetry::decode::<T>(bytes) else { return };
    let again = telemetry::encode(&beat);
    assert_eq!(telemetry::decode::<T>(&again).as_ref(), Some(&beat));
}
