//! A log in another process, as a [`Log`].

use super::super::{
    AppendError, Batch, Entry, Fence, Identity, Listener, Log, OpenError, ReadError, Reader,
    Telemetry,
};
use super::{Append, Appended, frame};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::BoxStream;
use schema::id::ClusterId;
use schema::unit::Seq;
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

const CONNECT: Duration = Duration::from_secs(2);
/// A round that takes longer is of unknown fate.
const APPEND: Duration = Duration::from_secs(10);
const RECONNECT: Duration = Duration::from_millis(100);
/// The server says something at least every half second.
const SILENCE: Duration = Duration::from_secs(5);

pub(super) struct RemoteLog {
    http: reqwest::Client,
    url: String,
    identity: Identity,
}

impl RemoteLog {
    pub(super) async fn open(url: &str, cluster: &ClusterId) -> Result<RemoteLog, OpenError> {
        let url = url.trim_end_matches('/').to_owned();
        let unreachable = |reason: String| OpenError::Unreachable { url: url.clone(), reason };
        let http =
            reqwest::Client::builder().connect_timeout(CONNECT).read_timeout(SILENCE).build();
        let http = http.map_err(|e| unreachable(e.to_string()))?;
        let identity: Identity = fetch(&http, &format!("{url}/v1/identity"))
            .await
            .map_err(|e| unreachable(e.to_string()))?;
        if !identity.stream.starts_with(&format!("FLEETLOG_{cluster}_G")) {
            let cluster = cluster.to_string();
            return Err(OpenError::Missing { cluster, url });
        }
        Ok(RemoteLog { http, url, identity })
    }

    pub(super) fn telemetry(&self) -> RemoteTelemetry {
        RemoteTelemetry { http: self.http.clone(), url: self.url.clone() }
    }
}

#[async_trait]
impl Log for RemoteLog {
    async fn append(&self, round: &[Entry], fence: Option<&Fence>) -> Result<Seq, AppendError> {
        let ask = Append { round: round.to_vec(), fence: fence.cloned() };
        let refused = |e: rmp_serde::encode::Error| AppendError::Refused(e.to_string());
        let body = rmp_serde::to_vec_named(&ask).map_err(refused)?;
        let request = self.http.post(format!("{}/v1/append", self.url)).timeout(APPEND).body(body);
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) if error.is_connect() => return Err(AppendError::Busy(error.to_string())),
            Err(error) => return Err(AppendError::Unresolved(error.to_string())),
        };
        if response.status().is_client_error() {
            return Err(AppendError::Refused(response.text().await.unwrap_or_default()));
        }
        let bytes = response.bytes().await.map_err(|e| AppendError::Unresolved(e.to_string()))?;
        rmp_serde::from_slice::<Appended>(&bytes)
            .map_err(|e| AppendError::Unresolved(e.to_string()))?
    }

    async fn read(&self, from: Seq, filter: Option<&str>) -> Result<Box<dyn Reader>, ReadError> {
        Ok(Box::new(RemoteReader {
            http: self.http.clone(),
            url: self.url.clone(),
            identity: self.identity.clone(),
            next: from,
            filter: filter.map(str::to_owned),
            frames: None,
            pending: 1,
        }))
    }

    async fn last_seq(&self) -> Result<Seq, ReadError> {
        fetch(&self.http, &format!("{}/v1/last", self.url)).await
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }

    async fn roll_over(&self, _: &Entry) -> Result<Box<dyn Log>, OpenError> {
        let reason = "a log is rolled over where it is, not from another process".to_owned();
        Err(OpenError::Broken { url: self.url.clone(), reason })
    }
}

async fn fetch<T: DeserializeOwned>(http: &reqwest::Client, url: &str) -> Result<T, ReadError> {
    let unavailable = |e: reqwest::Error| ReadError::Unavailable(e.to_string());
    let response = http.get(url).timeout(SILENCE).send().await.map_err(unavailable)?;
    let bytes =
        response.error_for_status().map_err(unavailable)?.bytes().await.map_err(unavailable)?;
    rmp_serde::from_slice(&bytes).map_err(|e| ReadError::Refused(e.to_string()))
}

/// A stream of frames, and what of it is not yet a whole frame.
struct Frames {
    body: BoxStream<'static, reqwest::Result<Bytes>>,
    buffer: BytesMut,
}

impl Frames {
    async fn open(
        http: &reqwest::Client,
        url: String,
        query: &[(&str, String)],
    ) -> Result<Frames, ReadError> {
        let unavailable = |e: reqwest::Error| ReadError::Unavailable(e.to_string());
        let response = http.get(url).query(query).send().await.map_err(unavailable)?;
        let response = response.error_for_status().map_err(unavailable)?;
        Ok(Frames { body: response.bytes_stream().boxed(), buffer: BytesMut::new() })
    }

    /// The next frame; cancel-safe.
    async fn next<T: DeserializeOwned>(&mut self) -> Result<T, ReadError> {
        loop {
            if let Some(value) = frame::take(&mut self.buffer).map_err(ReadError::Refused)? {
                return Ok(value);
            }
            match self.body.next().await {
                Some(Ok(bytes)) => self.buffer.extend_from_slice(&bytes),
                Some(Err(error)) => return Err(ReadError::Unavailable(error.to_string())),
                None => return Err(ReadError::Unavailable("the stream ended".into())),
            }
        }
    }
}

struct RemoteReader {
    http: reqwest::Client,
    url: String,
    identity: Identity,
    next: Seq,
    filter: Option<String>,
    frames: Option<Frames>,
    /// What the last frame said of it; more than nothing as long as there was none.
    pending: u64,
}

impl RemoteReader {
    /// Connects, and makes sure that it is still the same log.
    async fn connect(&mut self) -> Result<(), ReadError> {
        let found: Identity = fetch(&self.http, &format!("{}/v1/identity", self.url)).await?;
        let last: Seq = fetch(&self.http, &format!("{}/v1/last", self.url)).await?;
        if found != self.identity || last.next() < self.next {
            let reason = format!("{} was made anew or cut short", self.identity.stream);
            return Err(ReadError::WrongLog(reason));
        }
        let mut query = vec![("from", self.next.0.to_string())];
        query.extend(self.filter.clone().map(|filter| ("filter", filter)));
        let frames = Frames::open(&self.http, format!("{}/v1/read", self.url), &query).await?;
        self.frames = Some(frames);
        Ok(())
    }

    fn nothing(&self) -> Batch {
        Batch { records: Vec::new(), pending: self.pending }
    }

    async fn step(&mut self) -> Result<Batch, ReadError> {
        if self.frames.is_none() {
            self.connect().await?;
        }
        let Some(frames) = &mut self.frames else { return Ok(Batch::default()) };
        let mut batch: Batch = frames.next().await?;
        batch.records.retain(|record| record.seq >= self.next);
        self.pending = batch.pending;
        if let Some(last) = batch.records.last() {
            self.next = last.seq.next();
        }
        Ok(batch)
    }
}

#[async_trait]
impl Reader for RemoteReader {
    async fn next_batch(&mut self, wait: Duration) -> Result<Batch, ReadError> {
        let deadline = Instant::now() + wait;
        loop {
            match timeout_at(deadline, self.step()).await {
                Err(_) => return Ok(self.nothing()),
                Ok(Ok(batch)) => return Ok(batch),
                Ok(Err(ReadError::Unavailable(reason))) => {
                    tracing::debug!(reason, "reconnecting to the log");
                    (self.frames, self.pending) = (None, 1);
                    let pause = tokio::time::sleep(RECONNECT);
                    if timeout_at(deadline, pause).await.is_err() {
                        return Ok(self.nothing());
                    }
                }
                Ok(Err(error)) => return Err(error),
            }
        }
    }
}

pub(super) struct RemoteTelemetry {
    http: reqwest::Client,
    url: String,
}

#[async_trait]
impl Telemetry for RemoteTelemetry {
    async fn publish(&self, subject: &str, payload: Bytes) {
        let request = self.http.post(format!("{}/v1/telemetry", self.url));
        let request = request.query(&[("subject", subject)]).timeout(CONNECT).body(payload);
        if let Err(error) = request.send().await {
            tracing::debug!(%error, "telemetry was dropped");
        }
    }

    async fn subscribe(&self, filter: &str) -> Result<Box<dyn Listener>, ReadError> {
        Ok(Box::new(RemoteListener {
            http: self.http.clone(),
            url: self.url.clone(),
            filter: filter.to_owned(),
            frames: None,
        }))
    }
}

struct RemoteListener {
    http: reqwest::Client,
    url: String,
    filter: String,
    frames: Option<Frames>,
}

impl RemoteListener {
    async fn step(&mut self) -> Result<Option<(String, Bytes)>, ReadError> {
        if self.frames.is_none() {
            let url = format!("{}/v1/telemetry", self.url);
            let query = [("subject", self.filter.clone())];
            self.frames = Some(Frames::open(&self.http, url, &query).await?);
        }
        match &mut self.frames {
            Some(frames) => frames.next().await,
            None => Ok(None),
        }
    }
}

#[async_trait]
impl Listener for RemoteListener {
    async fn next(&mut self, wait: Duration) -> Option<(String, Bytes)> {
        let deadline = Instant::now() + wait;
        loop {
            match timeout_at(deadline, self.step()).await {
                Err(_) => return None,
                Ok(Ok(Some(message))) => return Some(message),
                Ok(Ok(None)) => {}
                Ok(Err(_)) => {
                    self.frames = None;
                    timeout_at(deadline, tokio::time::sleep(RECONNECT)).await.ok()?;
                }
            }
        }
    }
}
