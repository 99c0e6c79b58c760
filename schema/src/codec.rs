//! Records to bytes and back: MessagePack with named fields. Total on any bytes: whatever comes,
//! the answer is a record or a reason, never a panic.
//!
//! The body is a byte string of its own inside the envelope, decoded by `kind`, so that a reader
//! gets past a kind that it does not know (rmp-serde fails on unknown variants with a payload).

use crate::SCHEMA_VERSION;
use crate::event::Event;
use crate::id::{AuthorId, ClusterId};
use crate::record::Record;
use crate::subject;
use crate::unit::{Epoch, Seq};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Largest encoded record in bytes.
pub const MAX_RECORD: usize = 1_000_000;

/// How deep what is read may be nested; what is written here comes to less than ten. Each level takes
/// stack, and a sender must not be able to use it up.
const DEEPEST: usize = 64;

/// Why bytes are no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not an envelope at all.
    #[error("not a record: {0}")]
    Garbage(String),
    /// Written under a schema that this build does not know.
    #[error("written under schema {0}; this build reads up to {SCHEMA_VERSION}")]
    Version(u32),
    /// A kind that this build does not know, which may be skipped.
    #[error("kind {0:?} is not known here")]
    UnknownKind(String),
    /// A kind that this build does not know, which must not be skipped.
    #[error("kind {0:?} is not known here and must be understood")]
    MustUnderstand(String),
    /// The envelope is fine, the body is not.
    #[error("the body of a {kind} is not readable: {reason}")]
    Body {
        /// The kind.
        kind: &'static str,
        /// What is wrong.
        reason: String,
    },
}

/// Why a record cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The record is too long.
    #[error("a {kind} of {bytes} bytes is too long for the log; at most {MAX_RECORD} are allowed")]
    TooLong {
        /// The kind.
        kind: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// MessagePack failed.
    #[error("a {kind} cannot be encoded: {reason}")]
    Encode {
        /// The kind.
        kind: &'static str,
        /// What is wrong.
        reason: String,
    },
}

#[derive(Serialize, Deserialize)]
struct Envelope<'a> {
    v: u32,
    kind: &'a str,
    author: AuthorId,
    #[serde(with = "uuid::serde::compact")]
    inc: Uuid,
    n: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    cause: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    epoch: u64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    must: bool,
    #[serde(with = "serde_bytes")]
    body: &'a [u8],
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A record as bytes.
///
/// # Errors
/// [`EncodeError`] if it is too long.
pub fn encode(record: &Record) -> Result<Vec<u8>, EncodeError> {
    let kind = record.event.kind();
    let failed =
        |error: rmp_serde::encode::Error| EncodeError::Encode { kind, reason: error.to_string() };
    let body = record.event.encode_body().map_err(failed)?;
    let envelope = Envelope {
        v: record.version,
        kind,
        author: record.author.clone(),
        inc: record.incarnation,
        n: record.number,
        cause: record.cause.0,
        epoch: record.epoch.0,
        must: record.must_understand,
        body: &body,
    };
    let bytes = rmp_serde::to_vec_named(&envelope).map_err(failed)?;
    if bytes.len() > MAX_RECORD {
        return Err(EncodeError::TooLong { kind, bytes: bytes.len() });
    }
    Ok(bytes)
}

/// Bytes as a record.
///
/// # Errors
/// [`DecodeError`] says why they are none.
pub fn decode(bytes: &[u8]) -> Result<Record, DecodeError> {
    let envelope: Envelope<'_> =
        whole(bytes).map_err(|error| DecodeError::Garbage(error.to_string()))?;
    if envelope.v > SCHEMA_VERSION {
        return Err(DecodeError::Version(envelope.v));
    }
    let event = match Event::decode_body(envelope.kind, envelope.body) {
        Some(Ok(event)) => event,
        Some(Err(error)) => {
            let kind =
                Event::KINDS.iter().find(|kind| **kind == envelope.kind).unwrap_or(&"record");
            return Err(DecodeError::Body { kind, reason: error.to_string() });
        }
        None if envelope.must => return Err(DecodeError::MustUnderstand(envelope.kind.to_owned())),
        None => return Err(DecodeError::UnknownKind(envelope.kind.to_owned())),
    };
    Ok(Record {
        version: envelope.v,
        author: envelope.author,
        incarnation: envelope.inc,
        number: envelope.n,
        cause: Seq(envelope.cause),
        epoch: Epoch(envelope.epoch),
        must_understand: envelope.must,
        event,
    })
}

/// A record as those take it who read only a part of a cluster's log: nothing if the bytes are none, or
/// stand under a subject where they do not belong.
#[must_use]
pub fn decode_at(cluster: &ClusterId, subject: &str, bytes: &[u8]) -> Option<Record> {
    let fits =
        |record: &Record| subject::fits(subject, Some(cluster), &record.author, &record.event);
    decode(bytes).ok().filter(fits)
}

/// Decodes all of `bytes`, refusing trailing ones (rmp-serde alone ignores them) and nesting that would
/// use up the stack: for whatever comes from outside.
///
/// # Errors
/// They are no such value, or more than one.
pub fn whole<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, rmp_serde::decode::Error> {
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes);
    deserializer.set_max_depth(DEEPEST);
    let value = T::deserialize(&mut deserializer)?;
    match IgnoredAny::deserialize(&mut deserializer) {
        Err(rmp_serde::decode::Error::InvalidMarkerRead(_)) => Ok(value),
        _ => Err(serde::de::Error::custom("bytes follow the end")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{DriverLeft, LeaderRenewed};
    use crate::id::DriverId;

    fn record(event: impl Into<Event>) -> Record {
        Record {
            version: SCHEMA_VERSION,
            author: AuthorId::new("me").expect("an id"),
            incarnation: Uuid::from_u128(7),
            number: 1,
            cause: Seq(3),
            epoch: Epoch(2),
            must_understand: false,
            event: event.into(),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for record in [
            record(LeaderRenewed {}),
            record(DriverLeft { driver: DriverId::new("d").expect("an id") }),
        ] {
            let bytes = encode(&record).expect("encodes");
            assert_eq!(decode(&bytes), Ok(record));
        }
    }

    #[test]
    fn trailing_bytes_are_refused() {
        let mut bytes = encode(&record(LeaderRenewed {})).expect("encodes");
        bytes.push(0xc0);
        assert!(matches!(decode(&bytes), Err(DecodeError::Garbage(_))));
    }

    #[test]
    fn unknown_kinds_and_versions_say_so() {
        let envelope = |v, kind, must| {
            rmp_serde::to_vec_named(&Envelope {
                v,
                kind,
                author: AuthorId::new("me").expect("an id"),
                inc: Uuid::nil(),
                n: 1,
                cause: 0,
                epoch: 0,
                must,
                body: &[0x80],
            })
            .expect("encodes")
        };
        assert_eq!(decode(&envelope(9, "leader-renewed", false)), Err(DecodeError::Version(9)));
        assert_eq!(decode(&envelope(1, "x", false)), Err(DecodeError::UnknownKind("x".into())));
        assert_eq!(decode(&envelope(1, "x", true)), Err(DecodeError::MustUnderstand("x".into())));
        assert!(matches!(decode(&envelope(1, "driver-left", true)), Err(DecodeError::Body { .. })));
    }
}
