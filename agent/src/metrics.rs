//! The node's metrics: what its exporter tells on loopback, passed on as it is, so that nobody has to
//! reach every instance by another way.

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use std::time::Duration;

/// Where an exporter answers, unless the agent is told otherwise.
pub const EXPORTER: &str = "127.0.0.1:9100";
/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most bytes of its answer that are passed on: a node exporter tells some 100 kB.
pub(crate) const MOST: usize = 8 << 20;

/// An exporter, and how it is asked.
#[derive(Clone)]
pub(crate) struct Exporter {
    url: String,
    client: reqwest::Client,
}

/// Why there are no metrics of the node.
#[derive(Debug, thiserror::Error)]
enum Missing {
    #[error("no node exporter answers at {url}: {reason}")]
    Silent { url: String, reason: String },
    #[error("the node exporter at {url} answers with {status}")]
    Refuses { url: String, status: StatusCode },
    #[error("the node exporter at {url} tells more than {MOST} bytes")]
    TooMuch { url: String },
}

impl Exporter {
    /// The one at this address: a host and a port.
    pub(crate) fn at(address: &str) -> Result<Exporter, reqwest::Error> {
        // What is on loopback is reached without a proxy, and sends nobody elsewhere.
        let client = reqwest::Client::builder().timeout(PATIENCE).no_proxy();
        let client = client.redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Exporter { url: format!("http://{address}/metrics"), client })
    }

    /// What it tells now.
    pub(crate) async fn tell(&self) -> Response {
        match self.ask().await {
            Ok((kind, body)) => ([(CONTENT_TYPE, kind)], body).into_response(),
            Err(missing) => (StatusCode::BAD_GATEWAY, format!("{missing}\n")).into_response(),
        }
    }

    async fn ask(&self) -> Result<(HeaderValue, Vec<u8>), Missing> {
        let url = || self.url.clone();
        let silent = |error: &reqwest::Error| {
            let reason = if error.is_timeout() {
                format!("nothing within {} s", PATIENCE.as_secs())
            } else {
                let source = std::error::Error::source(error);
                source.map_or_else(|| error.to_string(), ToString::to_string)
            };
            Missing::Silent { url: url(), reason }
        };
        let mut answer = self.client.get(&self.url).send().await.map_err(|e| silent(&e))?;
        let status = answer.status();
        if !status.is_success() {
            return Err(Missing::Refuses { url: url(), status });
        }
        let kind = answer.headers().get(CONTENT_TYPE).cloned();
        let kind = kind.unwrap_or_else(|| HeaderValue::from_static("text/plain; version=0.0.4"));
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|e| silent(&e))? {
            if body.len() + chunk.len() > MOST {
                return Err(Missing::TooMuch { url: url() });
            }
            body.extend_from_slice(&chunk);
        }
        Ok((kind, body))
    }
}
