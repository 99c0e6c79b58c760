//! The log on NATS JetStream: one stream a cluster and generation, every append fenced by the server,
//! every round one atomic batch.
//!
//! Traps that this module keeps clear of: `Nats-Expected-Last-Msg-Id` can freeze a replicated stream
//! and is never sent; `Nats-Msg-Id` is never relied on; fences are literal subjects, since wildcards
//! are unsound on replicated streams; a timed-out publish may still land, so it is unresolved and
//! never taken as refused.

mod address;
mod append;
mod connection;
mod consumer;
mod reader;
mod stream;
mod telemetry;
mod trust;

use super::{AppendError, Entry, Fence, Identity, Log, OpenError, ReadError, Reader, Telemetry};
use append::Condition;
use async_nats::jetstream::Context;
use async_trait::async_trait;
use connection::Connection;
use schema::id::ClusterId;
use schema::unit::Seq;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use stream::{Lost, Shape};

pub use address::trusting;
pub use connection::{OLDEST_SERVER, connect, new_enough};

/// How long a rollover tries to write the first record of the next generation.
const GENESIS: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_millis(50);

/// One generation of a log on JetStream.
pub struct JetStreamLog {
    connection: Connection,
    url: String,
    cluster: ClusterId,
    shape: Shape,
    identity: Identity,
    /// The last sequence that the server acknowledged to this process.
    acknowledged: AtomicU64,
}

/// Opens the newest generation of the log of this cluster; makes the first one if `create` and there
/// is none. Several servers are named with commas; `?replicas=3` asks for a replicated stream, `?ca=FILE`
/// for TLS with certificates that are signed by who is in that file alone.
///
/// # Errors
/// [`OpenError`]: out of reach, not to be trusted, too old, missing, or a stream with other settings.
pub async fn open(
    url: &str,
    cluster: &ClusterId,
    create: bool,
) -> Result<(Arc<dyn Log>, Arc<dyn Telemetry>), OpenError> {
    let address = address::parse(url)?;
    let connection = connection::open(url, &address).await?;
    let context = connection.context.clone();
    let newest = stream::newest(&context, cluster).await.map_err(|reason| broken(url, reason))?;
    if newest == 0 && !create {
        return Err(OpenError::Missing { cluster: cluster.to_string(), url: url.to_owned() });
    }
    let log = JetStreamLog::at(connection, url, cluster, address.shape, newest.max(1)).await?;
    stream::telemetry(&context, cluster).await.map_err(|reason| broken(url, reason))?;
    let telemetry = telemetry::NatsTelemetry::new(context.client());
    Ok((Arc::new(log), Arc::new(telemetry)))
}

fn broken(url: &str, reason: impl ToString) -> OpenError {
    OpenError::Broken { url: url.to_owned(), reason: reason.to_string() }
}

impl JetStreamLog {
    async fn at(
        connection: Connection,
        url: &str,
        cluster: &ClusterId,
        shape: Shape,
        generation: u32,
    ) -> Result<JetStreamLog, OpenError> {
        let identity = stream::open(&connection.context, url, cluster, generation, shape).await?;
        let acknowledged = AtomicU64::new(0);
        let (url, cluster) = (url.to_owned(), cluster.clone());
        Ok(JetStreamLog { connection, url, cluster, shape, identity, acknowledged })
    }

    fn context(&self) -> &Context {
        &self.connection.context
    }

    async fn generation(&self, generation: u32) -> Result<JetStreamLog, OpenError> {
        let JetStreamLog { connection, url, cluster, shape, .. } = self;
        JetStreamLog::at(connection.clone(), url, cluster, *shape, generation).await
    }

    async fn send(
        &self,
        round: &[Entry],
        fence: Option<&Fence>,
        last: Option<Seq>,
    ) -> Result<Seq, AppendError> {
        let condition = Condition { stream: &self.identity.stream, fence, last };
        let client = self.context().client();
        let made_again = self.connection.made_again();
        let stored = tokio::select! {
            biased;
            stored = append::append(&client, round, condition) => stored?,
            // The answer went to the connection that is no more.
            () = made_again => {
                return Err(AppendError::Unresolved("the connection was lost meanwhile".into()));
            }
        };
        self.acknowledged.fetch_max(stored.0, Ordering::SeqCst);
        Ok(stored)
    }

    /// Makes sure that this generation has a first record, and only one.
    async fn begin(&self, genesis: &Entry) -> Result<(), String> {
        let since = Instant::now();
        loop {
            if matches!(self.last_seq().await, Ok(last) if last > Seq(0)) {
                return Ok(());
            }
            let first = self.send(std::slice::from_ref(genesis), None, Some(Seq(0)));
            match first.await {
                Ok(_) => return Ok(()),
                Err(error) if since.elapsed() > GENESIS => return Err(error.to_string()),
                Err(_) => tokio::time::sleep(RETRY).await,
            }
        }
    }
}

#[async_trait]
impl Log for JetStreamLog {
    async fn append(&self, round: &[Entry], fence: Option<&Fence>) -> Result<Seq, AppendError> {
        super::check_round(round, fence)?;
        self.send(round, fence, None).await
    }

    async fn read(&self, from: Seq, filter: Option<&str>) -> Result<Box<dyn Reader>, ReadError> {
        super::check_filter(filter)?;
        let source = consumer::Source {
            context: self.context().clone(),
            made: self.connection.made.clone(),
            identity: self.identity.clone(),
            filter: filter.map(str::to_owned),
        };
        Ok(Box::new(reader::JetStreamReader::new(source, from)))
    }

    async fn last_seq(&self) -> Result<Seq, ReadError> {
        let known = stream::known(self.context(), &self.identity).await;
        let stream = known.map_err(|lost| match lost {
            Lost::Unavailable(reason) | Lost::Missing(reason) => ReadError::Unavailable(reason),
            Lost::Another(reason) => ReadError::WrongLog(reason),
        })?;
        // A leader that has just been cut off from the others may answer with the past.
        let acknowledged = self.acknowledged.load(Ordering::SeqCst);
        Ok(Seq(stream.cached_info().state.last_sequence.max(acknowledged)))
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }

    async fn roll_over(&self, genesis: &Entry) -> Result<Box<dyn Log>, OpenError> {
        let generation = self.identity.generation;
        let failed = |reason: String| broken(&self.url, reason);
        // A stream of the same subjects can only be made once the old one has let go of them.
        stream::let_go(self.context(), &self.cluster, generation).await.map_err(failed)?;
        let next = self.generation(generation + 1).await?;
        next.begin(genesis).await.map_err(failed)?;
        stream::seal(self.context(), &self.cluster, generation).await.map_err(failed)?;
        Ok(Box::new(next))
    }

    async fn successor(&self) -> Result<Option<Box<dyn Log>>, OpenError> {
        let next = self.identity.generation + 1;
        let found = stream::find(self.context(), &self.cluster, next).await;
        match found.map_err(|reason| broken(&self.url, reason))? {
            Some(stream) if stream.cached_info().state.last_sequence > 0 => {
                Ok(Some(Box::new(self.generation(next).await?)))
            }
            _ => Ok(None),
        }
    }
}
