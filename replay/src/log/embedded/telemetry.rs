//! Telemetry within one process.

use super::super::{Listener, ReadError, Telemetry, matches};
use async_trait::async_trait;
use bytes::Bytes;
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

const KEPT: usize = 4096;

pub(super) struct Local {
    said: broadcast::Sender<(String, Bytes)>,
}

impl Default for Local {
    fn default() -> Local {
        Local { said: broadcast::Sender::new(KEPT) }
    }
}

#[async_trait]
impl Telemetry for Local {
    async fn publish(&self, subject: &str, payload: Bytes) {
        let _ = self.said.send((subject.to_owned(), payload));
    }

    async fn subscribe(&self, filter: &str) -> Result<Box<dyn Listener>, ReadError> {
        Ok(Box::new(LocalListener { filter: filter.to_owned(), heard: self.said.subscribe() }))
    }
}

struct LocalListener {
    filter: String,
    heard: broadcast::Receiver<(String, Bytes)>,
}

#[async_trait]
impl Listener for LocalListener {
    async fn next(&mut self, wait: Duration) -> Option<(String, Bytes)> {
        let deadline = tokio::time::Instant::now() + wait;
        loop {
            match tokio::time::timeout_at(deadline, self.heard.recv()).await {
                Ok(Ok((subject, payload))) if matches(&self.filter, &subject) => {
                    return Some((subject, payload));
                }
                Ok(Ok(_) | Err(RecvError::Lagged(_))) => {}
                Ok(Err(RecvError::Closed)) | Err(_) => return None,
            }
        }
    }
}
