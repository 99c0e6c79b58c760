//! Serving a log to other processes on this machine.
//!
//! There is no authentication: whoever may connect to loopback may write. What may not is a web page
//! in a browser here, so requests must name a loopback host, and bodies their type.

use super::super::{
    AppendError, Batch, Identity, Listener, Log, MAX_ROUND_BYTES, OpenError, ReadError, Reader,
    Telemetry,
};
use super::{Append, MESSAGE_PACK, ReadQuery, RollOver, TelemetryQuery, Which, frame};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Query, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use schema::codec;
use schema::unit::Seq;
use serde::Serialize;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;

/// Longest silence on a stream of records: readers learn from it that they have caught up.
const BEAT: Duration = Duration::from_millis(500);
/// Most bytes of one append, subjects and framing included.
const LARGEST: usize = MAX_ROUND_BYTES + (8 << 20);

#[derive(Clone)]
struct Served {
    /// Generations that were asked for, the newest last.
    logs: Arc<Mutex<Vec<Arc<dyn Log>>>>,
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
        .route("/v1/identity", get(identity))
        .route("/v1/append", post(append))
        .route("/v1/read", get(read))
        .route("/v1/last", get(last))
        .route("/v1/roll_over", post(roll_over))
        .route("/v1/successor", get(successor))
        .route("/v1/telemetry", post(say).get(hear))
        .layer(DefaultBodyLimit::max(LARGEST))
        .layer(middleware::from_fn(from_here))
        .with_state(Served { logs: Arc::new(Mutex::new(vec![log])), telemetry });
    axum::serve(listener, router).await
}

/// Lets through what a program on this machine sent, not a web page that it was shown.
async fn from_here(request: Request, next: Next) -> Response {
    if proper(request.method(), request.headers()) {
        return next.run(request).await;
    }
    let reason = format!("name a loopback host, and {MESSAGE_PACK} as the type of a body");
    (StatusCode::FORBIDDEN, reason).into_response()
}

fn proper(method: &Method, headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST).unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let local = matches!(name, "127.0.0.1" | "localhost" | "[::1]");
    local && (method == Method::GET || text(header::CONTENT_TYPE) == Some(MESSAGE_PACK))
}

impl Served {
    fn find(&self, which: &Which) -> Result<Arc<dyn Log>, String> {
        let logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        let found = logs.iter().find(|log| Which::from(log.identity()) == *which);
        found.cloned().ok_or_else(|| format!("{} as it was is not served here", which.stream))
    }

    /// Keeps a generation for those who will ask for it.
    fn keep(&self, log: Box<dyn Log>) -> Identity {
        let identity = log.identity().clone();
        if self.find(&Which::from(&identity)).is_err() {
            let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
            logs.push(log.into());
        }
        identity
    }

    /// Whoever rolls the log over in this process does not tell: it is looked for.
    async fn newest(&self) -> Result<Identity, OpenError> {
        loop {
            let newest = self.logs.lock().unwrap_or_else(PoisonError::into_inner).last().cloned();
            let Some(newest) = newest else {
                let (url, reason) = ("here".into(), "no log is served".into());
                return Err(OpenError::Broken { url, reason });
            };
            match newest.successor().await? {
                None => return Ok(newest.identity().clone()),
                Some(next) => drop(self.keep(next)),
            }
        }
    }
}

async fn identity(State(served): State<Served>) -> Response {
    match served.newest().await {
        Ok(identity) => packed(&identity),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response(),
    }
}

async fn append(State(served): State<Served>, body: Bytes) -> Response {
    let Ok(Append { which, round, fence }) = codec::whole(&body) else {
        return (StatusCode::BAD_REQUEST, "not an append").into_response();
    };
    let log = match served.find(&which) {
        Ok(log) => log,
        Err(reason) => return packed::<Result<Seq, _>>(&Err(AppendError::WrongLog(reason))),
    };
    // On a task of its own: a client that hangs up must not leave half of what it asked for undone.
    let done = tokio::spawn(async move { log.append(&round, fence.as_ref()).await });
    match done.await {
        Ok(appended) => packed(&appended),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn last(State(served): State<Served>, Query(which): Query<Which>) -> Response {
    match served.find(&which) {
        Ok(log) => packed(&log.last_seq().await),
        Err(reason) => packed::<Result<Seq, _>>(&Err(ReadError::WrongLog(reason))),
    }
}

async fn roll_over(State(served): State<Served>, body: Bytes) -> Response {
    let Ok(RollOver { which, genesis }) = codec::whole(&body) else {
        return (StatusCode::BAD_REQUEST, "not a rollover").into_response();
    };
    let rolled = match served.find(&which) {
        Ok(log) => log.roll_over(&genesis).await.map(|next| served.keep(next)),
        Err(reason) => Err(OpenError::Broken { url: which.stream, reason }),
    };
    packed(&rolled)
}

async fn successor(State(served): State<Served>, Query(which): Query<Which>) -> Response {
    let found = match served.find(&which) {
        Ok(log) => log.successor().await.map(|next| next.map(|next| served.keep(next))),
        Err(reason) => Err(OpenError::Broken { url: which.stream, reason }),
    };
    packed(&found)
}

async fn read(State(served): State<Served>, Query(query): Query<ReadQuery>) -> Response {
    let which = Which { stream: query.stream, created: query.created };
    let opened = match served.find(&which) {
        Ok(log) => log.read(Seq(query.from), query.filter.as_deref()).await,
        Err(reason) => Err(ReadError::WrongLog(reason)),
    };
    match opened {
        Ok(reader) => streamed(Some(reader), next_batch),
        Err(error) => match frame::encode(&Err::<Batch, _>(error)) {
            Ok(frame) => frame.into_response(),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error).into_response(),
        },
    }
}

type Frame<T> = Option<(Result<Bytes, io::Error>, Option<T>)>;

fn streamed<T, F>(state: Option<T>, next: impl FnMut(Option<T>) -> F + Send + 'static) -> Response
where
    T: Send + 'static,
    F: Future<Output = Frame<T>> + Send + 'static,
{
    Body::from_stream(futures::stream::unfold(state, next)).into_response()
}

async fn next_batch(reader: Option<Box<dyn Reader>>) -> Frame<Box<dyn Reader>> {
    let mut reader = reader?;
    let batch = reader.next_batch(BEAT).await;
    let reader = batch.is_ok().then_some(reader);
    Some((frame::encode(&batch).map_err(io::Error::other), reader))
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
        Ok(listener) => streamed(Some(listener), next_message),
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}

async fn next_message(listener: Option<Box<dyn Listener>>) -> Frame<Box<dyn Listener>> {
    let mut listener = listener?;
    let message = listener.next(BEAT).await;
    Some((frame::encode(&message).map_err(io::Error::other), Some(listener)))
}

fn packed<T: Serialize>(value: &T) -> Response {
    match rmp_serde::to_vec_named(value) {
        Ok(bytes) => bytes.into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
