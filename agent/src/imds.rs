//! What an EC2 instance knows of itself: its metadata service, IMDSv2.
//!
//! ```text
//! PUT /latest/api/token ──▶ token ──GET /latest/meta-data/instance-id──▶ i-0123456789abcdef0
//! ```
//!
//! Nothing is asked of it without a token, nothing is sent through a proxy, and no redirect is followed:
//! what answers is the instance's own.

pub mod notice;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::{RequestBuilder, Response, StatusCode, header, redirect};
use schema::id::{IdError, InstanceId};
use std::time::{Duration, Instant};

/// Where it answers on every instance.
pub const ENDPOINT: &str = "http://169.254.169.254";
/// How long one question may take.
const ANSWER: Duration = Duration::from_secs(2);
/// How long it is asked again: an instance that has just started may not have it yet.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(500);
/// How long a token is good for: the most that there is, six hours.
const TOKEN_TTL: Duration = Duration::from_secs(6 * 3600);

/// The metadata service does not say what it should.
#[derive(Debug, thiserror::Error)]
pub enum ImdsError {
    /// No answer, or none that will do.
    #[error("no answer from the instance's metadata service")]
    Ask(#[from] reqwest::Error),
    /// An answer that says no.
    #[error("the instance's metadata service answers {0}")]
    Status(StatusCode),
    /// It has nothing of what every instance has.
    #[error("the metadata service has no {0}")]
    Nothing(&'static str),
    /// What it calls the instance is no id.
    #[error("the metadata service's instance id is none")]
    Id(#[from] IdError),
    /// What should announce an interruption is not understood.
    #[error("the metadata service announces what is no notice: {0}")]
    Notice(String),
}

/// The metadata service of this instance.
pub struct Imds {
    client: reqwest::Client,
    endpoint: String,
    /// What it gave last to show, and when that was asked for.
    token: Option<(String, Instant)>,
}

/// What it says.
struct Said {
    text: String,
    /// What time it is there.
    now: Option<Timestamp>,
}

impl Imds {
    /// The one at this endpoint, such as [`ENDPOINT`].
    ///
    /// # Errors
    /// There can be no client.
    pub fn new(endpoint: &str) -> Result<Imds, ImdsError> {
        let builder = reqwest::Client::builder().no_proxy().redirect(redirect::Policy::none());
        let client = builder.timeout(ANSWER).build()?;
        Ok(Imds { client, endpoint: endpoint.trim_end_matches('/').to_owned(), token: None })
    }

    /// The id of this instance. What does not answer, or answers that it cannot, is asked again for
    /// half a minute.
    ///
    /// # Errors
    /// [`ImdsError`]: the last one.
    pub async fn instance(&mut self) -> Result<InstanceId, ImdsError> {
        let since = Instant::now();
        loop {
            let error = match self.get("instance-id").await {
                Ok(Some(said)) => return Ok(InstanceId::new(said.text.trim())?),
                Ok(None) => ImdsError::Nothing("instance id"),
                Err(error) => error,
            };
            if since.elapsed() > PATIENCE {
                return Err(error);
            }
            tracing::debug!(%error, "the metadata service is asked again");
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// What it says of this, if there is anything. Whatever is wrong with an answer, the next question has
    /// a new token: it may have been that.
    async fn get(&mut self, what: &str) -> Result<Option<Said>, ImdsError> {
        let (token, since) = match self.token.take() {
            Some(token) if token.1.elapsed() < TOKEN_TTL / 2 => token,
            _ => (self.new_token().await?, Instant::now()),
        };
        let asked = self.client.get(format!("{}/latest/meta-data/{what}", self.endpoint));
        let said = said(asked.header("X-aws-ec2-metadata-token", &token)).await?;
        self.token = Some((token, since));
        Ok(said)
    }

    async fn new_token(&self) -> Result<String, ImdsError> {
        let asked = self.client.put(format!("{}/latest/api/token", self.endpoint));
        let ttl = TOKEN_TTL.as_secs();
        let said = said(asked.header("X-aws-ec2-metadata-token-ttl-seconds", ttl)).await?;
        said.map(|said| said.text).ok_or(ImdsError::Nothing("token"))
    }
}

/// A redirect is no answer either.
async fn said(asked: RequestBuilder) -> Result<Option<Said>, ImdsError> {
    let answer = asked.send().await?;
    match answer.status() {
        StatusCode::NOT_FOUND => Ok(None),
        status if !status.is_success() => Err(ImdsError::Status(status)),
        _ => {
            let now = date(&answer);
            Ok(Some(Said { text: answer.text().await?, now }))
        }
    }
}

fn date(answer: &Response) -> Option<Timestamp> {
    let date = answer.headers().get(header::DATE)?.to_str().ok()?;
    rfc2822::DateTimeParser::new().parse_timestamp(date).ok()
}
