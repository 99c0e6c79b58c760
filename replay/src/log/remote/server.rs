//! Serving a log to other processes on this machine.

use super::super::{Listener, Log, MAX_PAYLOAD, MAX_ROUND, Reader, Telemetry};
use super::{Append, Appended, ReadQuery, TelemetryQuery, frame};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use schema::unit::Seq;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// Longest silence on a stream of records: readers learn from it that they have caught up.
const BEAT: Duration = Duration::from_millis(500);
/// Most bytes of one append.
const LARGEST: usize = MAX_ROUND * (MAX_PAYLOAD / 8);

#[derive(Clone)]
struct Served {
    log: Arc<dyn Log>,
    telemetry: Arc<dyn Telemetry>,
}

/// Serves until the listener fails. Only on a loopback address: there is no authentication here.
///
/// # Errors
/// The listener's, or that its address is not a loopback one.
pub async fn serve(
    log: Arc<dyn Log>,
    telemetry: Arc<dyn Telemetry>,
    listener: TcpListener,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("a log is served on loopback only, not on {address}"),
        ));
    }
    let router = Router::new()
        .route("/v1/append", post(append))
        .route("/v1/read", get(read))
        .route("/v1/last", get(last))
        .route("/v1/identity", get(identity))
        .route("/v1/telemetry", post(say).get(hear))
        .layer(DefaultBodyLimit::max(LARGEST))
        .with_state(Served { log, telemetry });
    axum::serve(listener, router).await
}

async fn append(State(served): State<Served>, body: Bytes) -> Response {
    let Ok(Append { round, fence }) = rmp_serde::from_slice(&body) else {
        return (StatusCode::BAD_REQUEST, "not an append").into_response();
    };
    // On a task of its own: a client that hangs up must not leave half of what it asked for undone.
    let log = served.log.clone();
    let done = tokio::spawn(async move { log.append(&round, fence.as_ref()).await });
    match done.await {
        Ok(appended) => packed::<Appended>(&appended),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn read(State(served): State<Served>, Query(query): Query<ReadQuery>) -> Response {
    match served.log.read(Seq(query.from), query.filter.as_deref()).await {
        Ok(reader) => {
            let frames = futures::stream::unfold(Some(reader), next_frame);
            Body::from_stream(frames).into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}

type Frame<T> = Option<(Result<Bytes, io::Error>, Option<T>)>;

async fn next_frame(reader: Option<Box<dyn Reader>>) -> Frame<Box<dyn Reader>> {
    let mut reader = reader?;
    match reader.next_batch(BEAT).await {
        Ok(batch) => Some((frame::encode(&batch).map_err(io::Error::other), Some(reader))),
        Err(error) => Some((Err(io::Error::other(error)), None)),
    }
}

async fn last(State(served): State<Served>) -> Response {
    match served.log.last_seq().await {
        Ok(seq) => packed(&seq),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response(),
    }
}

async fn identity(State(served): State<Served>) -> Response {
    packed(served.log.identity())
}

async fn say(
    State(served): State<Served>,
    Query(query): Query<TelemetryQuery>,
    body: Bytes,
) -> StatusCode {
    served.telemetry.publish(&query.subject, body).await;
    StatusCode::NO_CONTENT
}

async fn hear(State(served): State<Served>, Query(query): Query<TelemetryQuery>) -> Response {
    match served.telemetry.subscribe(&query.subject).await {
        Ok(listener) => {
            Body::from_stream(futures::stream::unfold(Some(listener), next_message)).into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}

async fn next_message(listener: Option<Box<dyn Listener>>) -> Frame<Box<dyn Listener>> {
    let mut listener = listener?;
    let message = listener.next(BEAT).await;
    Some((frame::encode(&message).map_err(io::Error::other), Some(listener)))
}

fn packed<T: serde::Serialize>(value: &T) -> Response {
    match rmp_serde::to_vec_named(value) {
        Ok(bytes) => bytes.into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
