//! Appending: a plain publish for one record, an atomic batch for more, and what the server's answers
//! mean.

use super::super::{AppendError, Entry, Fence};
use async_nats::client::{PublishErrorKind, Request};
use async_nats::connection::State;
use async_nats::{Client, HeaderMap, RequestErrorKind, header};
use bytes::Bytes;
use schema::unit::Seq;
use serde::Deserialize;
use std::time::Duration;
use tokio::time::timeout;
use uuid::Uuid;

/// A round that is not acknowledged within this is of unknown fate.
const ACK: Duration = Duration::from_secs(2);
/// Bytes for which the server is given one more second.
const BYTES_PER_SECOND: usize = 4 << 20;

/// Somebody else has appended to the fence's subject.
const WRONG_LAST_SEQUENCE: u64 = 10071;
/// The stream is another one than expected.
const WRONG_STREAM: u64 = 10060;
/// The fence's subject has a write in flight; a duplicate is being processed; a batch was abandoned;
/// the account's, the storage's or the memory's limit was met.
const TRY_AGAIN: [u64; 6] = [10164, 10158, 10176, 10002, 10047, 10028];
/// JetStream is unavailable, without a leader or offline.
const UNAVAILABLE: u16 = 503;
/// Writing failed; what that left behind is not said.
const STORE_FAILED: u64 = 10077;
const TOO_MANY_BATCHES: u64 = 10210;
/// The stream is sealed.
const SEALED: u64 = 10109;
const SUBJECT_HEADER: &str = "Nats-Expected-Last-Subject-Sequence-Subject";

/// What must hold for a round to be stored.
#[derive(Clone, Copy)]
pub(super) struct Condition<'a> {
    /// Name of the stream.
    pub(super) stream: &'a str,
    /// The last sequence of one subject.
    pub(super) fence: Option<&'a Fence>,
    /// The last sequence of the whole stream.
    pub(super) last: Option<Seq>,
}

#[derive(Deserialize)]
struct Answer {
    seq: Option<u64>,
    error: Option<ServerError>,
}

#[derive(Deserialize)]
struct ServerError {
    #[serde(default)]
    code: u16,
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

pub(super) async fn append(
    client: &Client,
    round: &[Entry],
    condition: Condition<'_>,
) -> Result<Seq, AppendError> {
    // What is handed to the client while it is cut off may be sent much later, when nobody waits.
    if client.connection_state() != State::Connected {
        return Err(AppendError::Busy("the server is out of reach".into()));
    }
    let Some((last, before)) = round.split_last() else {
        return Err(AppendError::Refused("a round of no records".into()));
    };
    let bytes: usize = round.iter().map(|entry| entry.payload.len()).sum();
    let ack = ACK + Duration::from_secs((bytes / BYTES_PER_SECOND) as u64);
    if before.is_empty() {
        return request(client, last, condition.headers(), condition.fence, ack).await;
    }
    let batch = Uuid::new_v4().simple().to_string();
    // Without its last message a batch is never stored.
    match timeout(ack, open_batch(client, &batch, before, condition)).await {
        Err(_) => return Err(AppendError::Busy("the server takes no more".into())),
        Ok(sent) => sent?,
    }
    let mut headers = batch_headers(condition.alone(), &batch, round.len());
    headers.insert(header::NATS_BATCH_COMMIT, "1");
    request(client, last, headers, condition.fence, ack).await
}

/// Sends all but the last message of a batch, without waiting for the server.
async fn open_batch(
    client: &Client,
    batch: &str,
    before: &[Entry],
    condition: Condition<'_>,
) -> Result<(), AppendError> {
    for (index, entry) in before.iter().enumerate() {
        // The check on the first message guards the whole batch.
        let guard = if index == 0 { condition } else { condition.alone() };
        let headers = batch_headers(guard, batch, index + 1);
        let Entry { subject, payload } = entry.clone();
        let sent = client.publish_with_headers(subject, headers, payload).await;
        sent.map_err(|error| match error.kind() {
            PublishErrorKind::Send => AppendError::Busy(error.to_string()),
            PublishErrorKind::MaxPayloadExceeded | PublishErrorKind::InvalidSubject => {
                AppendError::Refused(error.to_string())
            }
        })?;
    }
    Ok(())
}

impl<'a> Condition<'a> {
    /// Only the name of the stream.
    fn alone(self) -> Condition<'a> {
        Condition { stream: self.stream, fence: None, last: None }
    }

    fn headers(self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::NATS_EXPECTED_STREAM, self.stream);
        if let Some(fence) = self.fence {
            headers.insert(header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, fence.seq.to_string());
            headers.insert(SUBJECT_HEADER, fence.subject.as_str());
        }
        if let Some(last) = self.last {
            headers.insert(header::NATS_EXPECTED_LAST_SEQUENCE, last.to_string());
        }
        headers
    }
}

fn batch_headers(condition: Condition<'_>, batch: &str, number: usize) -> HeaderMap {
    let mut headers = condition.headers();
    headers.insert(header::NATS_BATCH_ID, batch);
    headers.insert(header::NATS_BATCH_SEQUENCE, number.to_string());
    headers
}

/// Sends one message and waits for the answer.
async fn request(
    client: &Client,
    entry: &Entry,
    headers: HeaderMap,
    fence: Option<&Fence>,
    ack: Duration,
) -> Result<Seq, AppendError> {
    let request = Request::new().headers(headers).payload(entry.payload.clone()).timeout(Some(ack));
    // The client bounds the wait for the answer, but not the one for room in its queue.
    let sent = timeout(2 * ack, client.send_request(entry.subject.clone(), request)).await;
    let error = match sent {
        Err(_) => return Err(AppendError::Unresolved("the server takes no more".into())),
        Ok(Ok(message)) => return answer(&message.payload, fence),
        Ok(Err(error)) => error,
    };
    Err(match error.kind() {
        RequestErrorKind::NoResponders => AppendError::Busy("no stream answers".into()),
        RequestErrorKind::InvalidSubject | RequestErrorKind::MaxPayloadExceeded => {
            AppendError::Refused(error.to_string())
        }
        RequestErrorKind::TimedOut | RequestErrorKind::Other => {
            AppendError::Unresolved(error.to_string())
        }
    })
}

fn answer(payload: &Bytes, fence: Option<&Fence>) -> Result<Seq, AppendError> {
    let answer: Answer = serde_json::from_slice(payload)
        .map_err(|e| AppendError::Unresolved(format!("an answer that is none: {e}")))?;
    match answer {
        Answer { error: Some(error), .. } => Err(refusal(error, fence)),
        Answer { seq: Some(seq), .. } => Ok(Seq(seq)),
        Answer { .. } => Err(AppendError::Unresolved("an answer without a sequence".into())),
    }
}

fn refusal(error: ServerError, fence: Option<&Fence>) -> AppendError {
    let text = format!("{} ({})", error.description, error.err_code);
    match error.err_code {
        WRONG_LAST_SEQUENCE => match fence.cloned() {
            Some(Fence { subject, seq }) => AppendError::Fenced { subject, seq },
            None => AppendError::Refused(text),
        },
        WRONG_STREAM | SEALED => AppendError::WrongLog(text),
        STORE_FAILED => AppendError::Unresolved(text),
        TOO_MANY_BATCHES => AppendError::Busy(text),
        code if TRY_AGAIN.contains(&code) => AppendError::Busy(text),
        _ if error.code == UNAVAILABLE => AppendError::Busy(text),
        _ => AppendError::Refused(text),
    }
}
