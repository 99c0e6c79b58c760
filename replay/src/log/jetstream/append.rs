//! Appending: a plain publish for one record, an atomic batch for more, and what the server's answers
//! mean.

use super::super::{AppendError, Entry, Fence};
use async_nats::client::Request;
use async_nats::{Client, HeaderMap, RequestErrorKind, header};
use bytes::Bytes;
use schema::unit::Seq;
use serde::Deserialize;
use std::time::Duration;
use uuid::Uuid;

/// Somebody else has appended to the fence's subject.
const WRONG_LAST_SEQUENCE: u64 = 10071;
/// The stream is another one than expected.
const WRONG_STREAM: u64 = 10060;
/// The fence's subject has a write in flight; a duplicate is being processed; JetStream is
/// temporarily unavailable; the stream is offline; too many batches are open; a batch was abandoned.
const TRY_AGAIN: [u64; 7] = [10164, 10158, 10008, 10118, 10194, 10210, 10176];
/// The stream is sealed.
const SEALED: u64 = 10109;

#[derive(Deserialize)]
struct Answer {
    seq: Option<u64>,
    error: Option<ServerError>,
}

#[derive(Deserialize)]
struct ServerError {
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

pub(super) async fn append(
    client: &Client,
    stream: &str,
    round: &[Entry],
    fence: Option<&Fence>,
    ack: Duration,
) -> Result<Seq, AppendError> {
    let batch = (round.len() > 1).then(|| Uuid::new_v4().simple().to_string());
    for (index, entry) in round.iter().enumerate() {
        // The check on the first message guards the whole batch.
        let mut headers = headers(stream, fence.filter(|_| index == 0));
        if let Some(batch) = &batch {
            headers.insert(header::NATS_BATCH_ID, batch.as_str());
            headers.insert(header::NATS_BATCH_SEQUENCE, (index + 1).to_string());
        }
        let last = index + 1 == round.len();
        if !last {
            let (subject, payload) = (entry.subject.clone(), entry.payload.clone());
            let sent = client.publish_with_headers(subject, headers, payload).await;
            // Without its last message a batch is never stored.
            sent.map_err(|e| AppendError::Busy(e.to_string()))?;
            continue;
        }
        if batch.is_some() {
            headers.insert(header::NATS_BATCH_COMMIT, "1");
        }
        return request(client, entry, headers, fence, ack).await;
    }
    Err(AppendError::Refused("a round of no records".into()))
}

fn headers(stream: &str, fence: Option<&Fence>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::NATS_EXPECTED_STREAM, stream);
    if let Some(fence) = fence {
        headers.insert(header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, fence.seq.to_string());
        headers.insert("Nats-Expected-Last-Subject-Sequence-Subject", fence.subject.as_str());
    }
    headers
}

async fn request(
    client: &Client,
    entry: &Entry,
    headers: HeaderMap,
    fence: Option<&Fence>,
    ack: Duration,
) -> Result<Seq, AppendError> {
    let request = Request::new().headers(headers).payload(entry.payload.clone()).timeout(Some(ack));
    match client.send_request(entry.subject.clone(), request).await {
        Ok(message) => answer(&message.payload, fence),
        Err(error) if error.kind() == RequestErrorKind::NoResponders => {
            Err(AppendError::Busy("no stream answers".into()))
        }
        Err(error) => Err(AppendError::Unresolved(error.to_string())),
    }
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
        code if TRY_AGAIN.contains(&code) => AppendError::Busy(text),
        _ => AppendError::Refused(text),
    }
}
