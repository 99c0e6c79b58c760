//! The data plane: output of execs and metrics of the node, over HTTP on loopback. It never travels on the log.
//!
//! `GET /v1/health`: `ok`.
//! `GET /v1/execs/{exec}`: whether it is running, and how much it has written so far.
//! `GET /v1/execs/{exec}/{stdout|stderr}?offset=N&follow=true`: bytes from `offset` on; with
//! `follow`, until the exec has ended.
//! `GET /v1/node/metrics`: what the node's exporter tells, as it tells it; 502 and why, if it does not.

use crate::logs::{self, Output};
use crate::metrics::Exporter;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use schema::id::ExecId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::net::TcpListener;
use tokio::sync::watch;

const CHUNK: usize = 64 << 10;
/// How often a file that is followed is looked at again.
const POLL: Duration = Duration::from_millis(20);

/// Execs whose output may still grow.
pub(crate) type Growing = watch::Sender<BTreeSet<ExecId>>;

#[derive(Clone)]
struct Served {
    dir: Arc<PathBuf>,
    growing: watch::Receiver<BTreeSet<ExecId>>,
    exporter: Exporter,
}

#[derive(Deserialize)]
struct Range {
    #[serde(default)]
    offset: u64,
    #[serde(default)]
    follow: bool,
}

/// Serves until dropped; returns the address.
pub(crate) async fn serve(
    dir: PathBuf,
    growing: &Growing,
    exporter: Exporter,
) -> io::Result<(String, impl Future<Output = io::Result<()>> + use<>)> {
    let listener = bind(&dir.join("port")).await?;
    let address = format!("http://{}", listener.local_addr()?);
    let served = Served { dir: Arc::new(dir), growing: growing.subscribe(), exporter };
    let router = Router::new()
        .route("/v1/health", get(async || "ok"))
        .route("/v1/execs/{exec}", get(status))
        .route("/v1/execs/{exec}/{output}", get(output))
        .route("/v1/node/metrics", get(node_metrics))
        .with_state(served);
    Ok((address, async move { axum::serve(listener, router).await }))
}

/// Takes the port that an earlier life of this agent had, if it is free: drivers know it by that.
async fn bind(noted: &std::path::Path) -> io::Result<TcpListener> {
    let before = std::fs::read_to_string(noted).ok().and_then(|text| text.trim().parse().ok());
    let again = TcpListener::bind(("127.0.0.1", before.unwrap_or(0))).await;
    let listener = match again {
        Ok(listener) => listener,
        Err(_) => TcpListener::bind("127.0.0.1:0").await?,
    };
    std::fs::write(noted, listener.local_addr()?.port().to_string())?;
    Ok(listener)
}

async fn node_metrics(State(served): State<Served>) -> Response {
    served.exporter.tell().await
}

/// How far an exec is, as JSON.
#[derive(Serialize)]
struct Status {
    exec: ExecId,
    running: bool,
    stdout_bytes: u64,
    stderr_bytes: u64,
}

async fn status(State(served): State<Served>, Path(exec): Path<String>) -> Response {
    let Ok(exec) = ExecId::new(&exec) else {
        return (StatusCode::BAD_REQUEST, "no such exec").into_response();
    };
    let running = served.growing.borrow().contains(&exec);
    let size = async |output| {
        tokio::fs::metadata(logs::file(&served.dir, &exec, output)).await.map(|file| file.len())
    };
    match (size(Output::Stdout).await, size(Output::Stderr).await) {
        (Err(_), Err(_)) if !running => {
            (StatusCode::NOT_FOUND, "no such exec here").into_response()
        }
        (stdout, stderr) => {
            let (stdout_bytes, stderr_bytes) = (stdout.unwrap_or(0), stderr.unwrap_or(0));
            Json(Status { exec, running, stdout_bytes, stderr_bytes }).into_response()
        }
    }
}

async fn output(
    State(served): State<Served>,
    Path((exec, output)): Path<(String, String)>,
    Query(range): Query<Range>,
) -> Response {
    let (Ok(exec), Some(output)) = (ExecId::new(&exec), parse(&output)) else {
        return (StatusCode::BAD_REQUEST, "no such output").into_response();
    };
    let path = logs::file(&served.dir, &exec, output);
    let mut growing = served.growing.clone();
    let open = range.follow && growing.borrow_and_update().contains(&exec);
    let file = match File::open(&path).await {
        Ok(file) => Some(file),
        Err(_) if open => None,
        Err(_) => return (StatusCode::NOT_FOUND, "no output of that exec here").into_response(),
    };
    let follow = Follow { path, file, offset: range.offset, exec, growing, follow: range.follow };
    Body::from_stream(futures::stream::unfold(follow, Follow::next)).into_response()
}

fn parse(text: &str) -> Option<Output> {
    match text {
        "stdout" => Some(Output::Stdout),
        "stderr" => Some(Output::Stderr),
        _ => None,
    }
}

struct Follow {
    path: PathBuf,
    file: Option<File>,
    offset: u64,
    exec: ExecId,
    growing: watch::Receiver<BTreeSet<ExecId>>,
    follow: bool,
}

impl Follow {
    async fn next(mut self) -> Option<(io::Result<Bytes>, Follow)> {
        loop {
            // Looked at before reading: what is written before the end is read after it.
            let over = !self.follow || !self.growing.borrow_and_update().contains(&self.exec);
            match self.read().await {
                Ok(bytes) if bytes.is_empty() && over => return None,
                Ok(bytes) if bytes.is_empty() => {
                    let changed = tokio::time::timeout(POLL, self.growing.changed()).await;
                    if let Ok(Err(_)) = changed {
                        // Broken off, not ended: whoever follows takes it up again at its offset.
                        let gone = io::Error::other("the agent is gone");
                        return Some((Err(gone), Follow { follow: false, ..self }));
                    }
                }
                Ok(bytes) => {
                    self.offset += bytes.len() as u64;
                    return Some((Ok(bytes), self));
                }
                Err(error) => return Some((Err(error), Follow { follow: false, ..self })),
            }
        }
    }

    async fn read(&mut self) -> io::Result<Bytes> {
        if self.file.is_none() {
            self.file = File::open(&self.path).await.ok();
        }
        let Some(file) = &mut self.file else { return Ok(Bytes::new()) };
        file.seek(io::SeekFrom::Start(self.offset)).await?;
        let mut bytes = vec![0; CHUNK];
        let count = file.read(&mut bytes).await?;
        bytes.truncate(count);
        Ok(bytes.into())
    }
}
