//! A log in another process, as a [`Log`].

use super::super::{
    AppendError, Entry, Fence, Identity, Log, OpenError, ReadError, Reader, check_filter,
    check_round,
};
use super::reader::RemoteReader;
use super::{Append, MESSAGE_PACK, RollOver, Which};
use async_trait::async_trait;
use schema::codec;
use schema::id::ClusterId;
use schema::unit::Seq;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

const CONNECT: Duration = Duration::from_secs(2);
/// A round that takes longer is of unknown fate.
const APPEND: Duration = Duration::from_secs(10);
/// The server says something at least every half second.
const SILENCE: Duration = Duration::from_secs(5);

/// Where a log is served.
#[derive(Clone)]
pub(super) struct Http {
    client: reqwest::Client,
    pub(super) url: String,
}

impl Http {
    pub(super) fn new(url: &str) -> Result<Http, OpenError> {
        let url = url.trim_end_matches('/').to_owned();
        // A proxy named in the environment has no business on loopback.
        let builder = reqwest::Client::builder().no_proxy().connect_timeout(CONNECT);
        let client = builder.read_timeout(SILENCE).build();
        let client = client.map_err(|e| unreachable(&url, &e))?;
        Ok(Http { client, url })
    }

    pub(super) fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.get(format!("{}/v1/{path}", self.url))
    }

    pub(super) fn post(&self, path: &str) -> reqwest::RequestBuilder {
        let request = self.client.post(format!("{}/v1/{path}", self.url));
        request.header(reqwest::header::CONTENT_TYPE, MESSAGE_PACK)
    }
}

fn unreachable(url: &str, reason: &dyn std::error::Error) -> OpenError {
    OpenError::Unreachable { url: url.to_owned(), reason: reason.to_string() }
}

/// Sends a request that changes nothing, and takes the answer apart.
pub(super) async fn fetch<T: DeserializeOwned>(
    request: reqwest::RequestBuilder,
) -> Result<T, ReadError> {
    let unavailable = |e: reqwest::Error| ReadError::Unavailable(e.to_string());
    let response = request.timeout(SILENCE).send().await.map_err(unavailable)?;
    let response = response.error_for_status().map_err(unavailable)?;
    let bytes = response.bytes().await.map_err(unavailable)?;
    codec::whole(&bytes).map_err(|e| ReadError::Refused(e.to_string()))
}

pub(super) struct RemoteLog {
    http: Http,
    identity: Identity,
}

impl RemoteLog {
    pub(super) async fn open(http: Http, cluster: &ClusterId) -> Result<RemoteLog, OpenError> {
        let found: Result<Identity, ReadError> = fetch(http.get("identity")).await;
        let identity = found.map_err(|e| unreachable(&http.url, &e))?;
        if !identity.stream.starts_with(&format!("FLEETLOG_{cluster}_G")) {
            let (cluster, url) = (cluster.to_string(), http.url);
            return Err(OpenError::Missing { cluster, url });
        }
        Ok(RemoteLog { http, identity })
    }

    fn at(&self, identity: Identity) -> Box<dyn Log> {
        Box::new(RemoteLog { http: self.http.clone(), identity })
    }

    fn which(&self) -> Which {
        Which::from(&self.identity)
    }

    fn broken(&self, reason: &dyn std::error::Error) -> OpenError {
        OpenError::Broken { url: self.http.url.clone(), reason: reason.to_string() }
    }
}

fn pack<T: Serialize>(body: &T) -> Result<Vec<u8>, rmp_serde::encode::Error> {
    rmp_serde::to_vec_named(body)
}

#[async_trait]
impl Log for RemoteLog {
    async fn append(&self, round: &[Entry], fence: Option<&Fence>) -> Result<Seq, AppendError> {
        check_round(round, fence)?;
        let append = Append { which: self.which(), round: round.to_vec(), fence: fence.cloned() };
        let body = pack(&append).map_err(|e| AppendError::Refused(e.to_string()))?;
        let response = match self.http.post("append").timeout(APPEND).body(body).send().await {
            Ok(response) => response,
            Err(error) if error.is_connect() => return Err(AppendError::Busy(error.to_string())),
            Err(error) => return Err(AppendError::Unresolved(error.to_string())),
        };
        if response.status().is_client_error() {
            return Err(AppendError::Refused(response.text().await.unwrap_or_default()));
        }
        let bytes = response.bytes().await.map_err(|e| AppendError::Unresolved(e.to_string()))?;
        codec::whole::<Result<Seq, AppendError>>(&bytes)
            .map_err(|e| AppendError::Unresolved(e.to_string()))?
    }

    async fn read(&self, from: Seq, filter: Option<&str>) -> Result<Box<dyn Reader>, ReadError> {
        check_filter(filter)?;
        let filter = filter.map(str::to_owned);
        Ok(Box::new(RemoteReader::new(self.http.clone(), self.which(), from, filter)))
    }

    async fn last_seq(&self) -> Result<Seq, ReadError> {
        fetch::<Result<Seq, ReadError>>(self.http.get("last").query(&self.which())).await?
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }

    async fn roll_over(&self, genesis: &Entry) -> Result<Box<dyn Log>, OpenError> {
        let ask = RollOver { which: self.which(), genesis: genesis.clone() };
        let request = self.http.post("roll_over").body(pack(&ask).map_err(|e| self.broken(&e))?);
        let next: Result<Identity, OpenError> =
            fetch(request).await.map_err(|e| self.broken(&e))?;
        Ok(self.at(next?))
    }

    async fn successor(&self) -> Result<Option<Box<dyn Log>>, OpenError> {
        let request = self.http.get("successor").query(&self.which());
        let next: Result<Option<Identity>, OpenError> =
            fetch(request).await.map_err(|e| self.broken(&e))?;
        Ok(next?.map(|identity| self.at(identity)))
    }
}
