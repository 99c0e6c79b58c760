//! Telemetry over core NATS; a small stream keeps the last value of each subject for a while.

use super::super::{Listener, ReadError, Telemetry};
use async_nats::connection::State;
use async_nats::{Client, Subscriber};
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use std::time::Duration;

/// How long saying something may take.
const LONGEST: Duration = Duration::from_millis(100);

pub(super) struct NatsTelemetry {
    client: Client,
}

impl NatsTelemetry {
    pub(super) fn new(client: Client) -> NatsTelemetry {
        NatsTelemetry { client }
    }
}

#[async_trait]
impl Telemetry for NatsTelemetry {
    async fn publish(&self, subject: &str, payload: Bytes) {
        // What is said while cut off is not worth saying later.
        if self.client.connection_state() != State::Connected {
            return;
        }
        let publish = self.client.publish(subject.to_owned(), payload);
        if !matches!(tokio::time::timeout(LONGEST, publish).await, Ok(Ok(()))) {
            tracing::debug!(subject, "telemetry was dropped");
        }
    }

    async fn subscribe(&self, filter: &str) -> Result<Box<dyn Listener>, ReadError> {
        let subscriber = self.client.subscribe(filter.to_owned()).await;
        let subscriber = subscriber.map_err(|e| ReadError::Unavailable(e.to_string()))?;
        Ok(Box::new(NatsListener { subscriber }))
    }
}

struct NatsListener {
    subscriber: Subscriber,
}

#[async_trait]
impl Listener for NatsListener {
    async fn next(&mut self, wait: Duration) -> Option<(String, Bytes)> {
        let message = tokio::time::timeout(wait, self.subscriber.next()).await.ok()??;
        Some((message.subject.to_string(), message.payload))
    }
}
