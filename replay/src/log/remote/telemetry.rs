//! Telemetry of another process.

use super::super::{Listener, ReadError, Telemetry};
use super::TelemetryQuery;
use super::client::Http;
use super::frame::Frames;
use async_trait::async_trait;
use bytes::Bytes;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long saying something may take.
const LONGEST: Duration = Duration::from_millis(500);
const RECONNECT: Duration = Duration::from_millis(100);

pub(super) struct RemoteTelemetry {
    http: Http,
}

impl RemoteTelemetry {
    pub(super) fn new(http: Http) -> RemoteTelemetry {
        RemoteTelemetry { http }
    }
}

#[async_trait]
impl Telemetry for RemoteTelemetry {
    async fn publish(&self, subject: &str, payload: Bytes) {
        let query = TelemetryQuery { subject: subject.to_owned() };
        let request = self.http.post("telemetry").query(&query).timeout(LONGEST).body(payload);
        if let Err(error) = request.send().await {
            tracing::debug!(%error, "telemetry was dropped");
        }
    }

    async fn subscribe(&self, filter: &str) -> Result<Box<dyn Listener>, ReadError> {
        let query = TelemetryQuery { subject: filter.to_owned() };
        // Opened at once: what is said from now on is heard.
        let frames = Frames::open(self.http.get("telemetry").query(&query)).await?;
        Ok(Box::new(RemoteListener { http: self.http.clone(), query, frames: Some(frames) }))
    }
}

struct RemoteListener {
    http: Http,
    query: TelemetryQuery,
    frames: Option<Frames>,
}

impl RemoteListener {
    async fn step(&mut self) -> Result<Option<(String, Bytes)>, ReadError> {
        if self.frames.is_none() {
            self.frames = Some(Frames::open(self.http.get("telemetry").query(&self.query)).await?);
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
