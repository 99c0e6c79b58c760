//! What an EC2 instance knows of itself: its metadata service, IMDSv2.
//!
//! ```text
//! PUT /latest/api/token ──▶ token ──GET /latest/meta-data/instance-id──▶ i-0123456789abcdef0
//! ```
//!
//! Nothing is asked of it without a token, nothing is sent through a proxy, and no redirect is followed:
//! what answers is the instance's own.

use reqwest::{RequestBuilder, redirect};
use schema::id::{IdError, InstanceId};
use std::time::{Duration, Instant};

/// Where it answers on every instance.
pub const ENDPOINT: &str = "http://169.254.169.254";
/// How long one question may take.
const ANSWER: Duration = Duration::from_secs(2);
/// How long it is asked again: an instance that has just started may not have it yet.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(500);
/// How long a token is good for, in seconds. Each question has one of its own.
const TOKEN_TTL: &str = "60";

/// The metadata service does not say what it should.
#[derive(Debug, thiserror::Error)]
pub enum ImdsError {
    /// No answer, or none that will do.
    #[error("no answer from the instance's metadata service")]
    Ask(#[from] reqwest::Error),
    /// What it calls the instance is no id.
    #[error("the metadata service's instance id is none")]
    Id(#[from] IdError),
}

/// The metadata service of this instance.
pub struct Imds {
    client: reqwest::Client,
    endpoint: String,
}

impl Imds {
    /// The one at this endpoint, such as [`ENDPOINT`].
    ///
    /// # Errors
    /// There can be no client.
    pub fn new(endpoint: &str) -> Result<Imds, ImdsError> {
        let builder = reqwest::Client::builder().no_proxy().redirect(redirect::Policy::none());
        let client = builder.timeout(ANSWER).build()?;
        Ok(Imds { client, endpoint: endpoint.trim_end_matches('/').to_owned() })
    }

    /// The id of this instance. What does not answer, or answers that it cannot, is asked again for
    /// half a minute.
    ///
    /// # Errors
    /// [`ImdsError`]: the last one.
    pub async fn instance(&self) -> Result<InstanceId, ImdsError> {
        let since = Instant::now();
        loop {
            match self.get("instance-id").await {
                Ok(text) => return Ok(InstanceId::new(text.trim())?),
                Err(error) if since.elapsed() > PATIENCE => return Err(error),
                Err(error) => tracing::debug!(%error, "the metadata service is asked again"),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn get(&self, what: &str) -> Result<String, ImdsError> {
        let token = self.client.put(format!("{}/latest/api/token", self.endpoint));
        let token = said(token.header("X-aws-ec2-metadata-token-ttl-seconds", TOKEN_TTL)).await?;
        let asked = self.client.get(format!("{}/latest/meta-data/{what}", self.endpoint));
        said(asked.header("X-aws-ec2-metadata-token", token)).await
    }
}

/// A redirect is no answer either.
async fn said(asked: RequestBuilder) -> Result<String, ImdsError> {
    let answer = asked.send().await?.error_for_status()?;
    Ok(answer.text().await?)
}
