//! The log on NATS JetStream: one stream a cluster and generation, every append fenced by the server,
//! every round one atomic batch.
//!
//! Traps that this module keeps clear of: `Nats-Expected-Last-Msg-Id` can freeze a replicated stream
//! and is never sent; `Nats-Msg-Id` is never relied on; fences are literal subjects, since wildcards
//! are unsound on replicated streams; a timed-out publish may still land, so it is unresolved and
//! never taken as refused.

mod append;
mod reader;
mod stream;
mod telemetry;

use super::{AppendError, Entry, Fence, Identity, Log, OpenError, ReadError, Reader, Telemetry};
use async_nats::jetstream::{self, Context};
use async_trait::async_trait;
use schema::id::ClusterId;
use schema::unit::Seq;
use std::sync::Arc;
use std::time::Duration;
use stream::Shape;

/// The oldest nats-server with sound fences and atomic rounds.
pub const OLDEST_SERVER: (u64, u64, u64) = (2, 14, 4);

const CONNECT: Duration = Duration::from_secs(5);
/// Dead connections are noticed within two of these.
const PING: Duration = Duration::from_secs(2);
/// A round that is not acknowledged within this is of unknown fate.
const ACK: Duration = Duration::from_secs(2);

/// One generation of a log on JetStream.
pub struct JetStreamLog {
    context: Context,
    url: String,
    cluster: ClusterId,
    shape: Shape,
    identity: Identity,
}

/// Opens the newest generation of the log of this cluster; makes the first one if `create` and there
/// is none. Several servers are named with commas; `?replicas=3` asks for a replicated stream.
///
/// # Errors
/// [`OpenError`]: out of reach, too old, missing, or a stream with other settings.
pub async fn open(
    url: &str,
    cluster: &ClusterId,
    create: bool,
) -> Result<(Arc<dyn Log>, Arc<dyn Telemetry>), OpenError> {
    let (servers, shape) = stream::parse(url)?;
    let context = connect(url, &servers).await?;
    let log = JetStreamLog::newest(context.clone(), url, cluster, shape, create).await?;
    stream::telemetry(&context, cluster).await.map_err(|reason| broken(url, reason))?;
    let telemetry = telemetry::NatsTelemetry::new(context.client());
    Ok((Arc::new(log), Arc::new(telemetry)))
}

fn broken(url: &str, reason: impl ToString) -> OpenError {
    OpenError::Broken { url: url.to_owned(), reason: reason.to_string() }
}

async fn connect(url: &str, servers: &[String]) -> Result<Context, OpenError> {
    let unreachable = |reason: String| OpenError::Unreachable { url: url.to_owned(), reason };
    let options = async_nats::ConnectOptions::new()
        .connection_timeout(CONNECT)
        .ping_interval(PING)
        .subscription_capacity(1 << 17)
        .event_callback(async |event| tracing::debug!(%event, "nats"));
    let client = options.connect(servers).await.map_err(|e| unreachable(e.to_string()))?;
    let found = client.server_info().version;
    if !new_enough(&found) {
        let (major, minor, patch) = OLDEST_SERVER;
        let needed = format!("{major}.{minor}.{patch}");
        return Err(OpenError::TooOld { url: url.to_owned(), found, needed });
    }
    let mut context = jetstream::new(client);
    context.set_timeout(CONNECT);
    Ok(context)
}

/// Whether a server of this version will do. A version that cannot be read will not.
#[must_use]
pub fn new_enough(version: &str) -> bool {
    let plain = version.split(['-', '+']).next().unwrap_or_default();
    let mut parts = plain.split('.').map(str::parse::<u64>);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor)), Some(Ok(patch))) => {
            (major, minor, patch) >= OLDEST_SERVER
        }
        _ => false,
    }
}

impl JetStreamLog {
    async fn newest(
        context: Context,
        url: &str,
        cluster: &ClusterId,
        shape: Shape,
        create: bool,
    ) -> Result<JetStreamLog, OpenError> {
        let mut generation = 0;
        while stream::exists(&context, cluster, generation + 1).await.map_err(|e| broken(url, e))? {
            generation += 1;
        }
        if generation == 0 && !create {
            return Err(OpenError::Missing { cluster: cluster.to_string(), url: url.to_owned() });
        }
        JetStreamLog::at(context, url, cluster, shape, generation.max(1)).await
    }

    async fn at(
        context: Context,
        url: &str,
        cluster: &ClusterId,
        shape: Shape,
        generation: u32,
    ) -> Result<JetStreamLog, OpenError> {
        let identity = stream::open(&context, url, cluster, generation, shape).await?;
        Ok(JetStreamLog { context, url: url.into(), cluster: cluster.clone(), shape, identity })
    }
}

#[async_trait]
impl Log for JetStreamLog {
    async fn append(&self, round: &[Entry], fence: Option<&Fence>) -> Result<Seq, AppendError> {
        super::check_round(round, fence)?;
        append::append(&self.context.client(), &self.identity.stream, round, fence, ACK).await
    }

    async fn read(&self, from: Seq, filter: Option<&str>) -> Result<Box<dyn Reader>, ReadError> {
        let filter = filter.map(str::to_owned);
        Ok(Box::new(reader::JetStreamReader::new(
            self.context.clone(),
            self.identity.clone(),
            from,
            filter,
        )))
    }

    async fn last_seq(&self) -> Result<Seq, ReadError> {
        let info = stream::info(&self.context, &self.identity).await?;
        Ok(Seq(info.state.last_sequence))
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }

    async fn roll_over(&self, genesis: &Entry) -> Result<Box<dyn Log>, OpenError> {
        let generation = self.identity.generation;
        let failed = |reason: String| broken(&self.url, reason);
        // A stream of the same subjects can only be made once the old one has let go of them.
        stream::retire(&self.context, &self.cluster, generation).await.map_err(failed)?;
        let next = JetStreamLog::at(
            self.context.clone(),
            &self.url,
            &self.cluster,
            self.shape,
            generation + 1,
        )
        .await?;
        if next.last_seq().await.map_err(|e| failed(e.to_string()))? == Seq(0) {
            let first = std::slice::from_ref(genesis);
            let fence = Fence { subject: genesis.subject.clone(), seq: Seq(0) };
            match next.append(first, Some(&fence)).await {
                Ok(_) | Err(AppendError::Fenced { .. }) => {}
                Err(error) => return Err(failed(error.to_string())),
            }
        }
        stream::seal(&self.context, &self.cluster, generation).await.map_err(failed)?;
        Ok(Box::new(next))
    }
}
