//! The nats-servers: one that stands alone, or three that replicate the log.

use anyhow::{Context as _, bail};
use bytes::Bytes;
use replay::testing::{NatsCluster, NatsServer};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Requests to the servers themselves.
const ASK: Duration = Duration::from_secs(5);

pub(crate) struct Servers {
    all: Vec<Arc<Mutex<NatsServer>>>,
    pub(crate) url: String,
    stream: String,
}

impl Servers {
    /// Starts one, or three.
    ///
    /// # Errors
    /// There is no nats-server, or it does not come up.
    pub(crate) fn start(dir: &Path, count: usize, stream: &str) -> anyhow::Result<Servers> {
        let (all, url) = if count == 1 {
            let server = NatsServer::start(dir)?;
            let url = server.url();
            (vec![server], url)
        } else {
            let cluster = NatsCluster::start(dir)?;
            let url = cluster.url();
            (cluster.servers, url)
        };
        let all = all.into_iter().map(|server| Arc::new(Mutex::new(server))).collect();
        Ok(Servers { all, url, stream: stream.to_owned() })
    }

    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }

    /// Kills one (SIGKILL), and starts it again after a while; returns once it is healthy.
    ///
    /// # Errors
    /// It does not come up again.
    pub(crate) async fn kill(&self, index: usize, down: Duration) -> anyhow::Result<()> {
        let server = self.all.get(index).context("no such server")?.clone();
        let again = move || {
            let mut server = server.lock().unwrap_or_else(PoisonError::into_inner);
            server.kill();
            std::thread::sleep(down);
            server.up()
        };
        Ok(tokio::task::spawn_blocking(again).await??)
    }

    /// Which one leads the log's stream: they are called n0, n1, n2.
    ///
    /// # Errors
    /// None does now.
    pub(crate) async fn leading(&self) -> anyhow::Result<usize> {
        let context = replay::log::jetstream::connect(&self.url).await?;
        let stream = context.get_stream(&self.stream).await?;
        let leader = stream.cached_info().cluster.as_ref().and_then(|c| c.leader.as_deref());
        let index = leader.and_then(|name| name.strip_prefix('n')?.parse().ok());
        index.context("the log's stream has no leader now")
    }

    /// How many records the log's stream holds, by the servers' own account.
    ///
    /// # Errors
    /// They do not answer.
    pub(crate) async fn holds(&self) -> anyhow::Result<u64> {
        let context = replay::log::jetstream::connect(&self.url).await?;
        let stream = context.get_stream(&self.stream).await?;
        Ok(stream.cached_info().state.messages)
    }

    /// Gives the log's stream another leader.
    ///
    /// # Errors
    /// The servers refuse, or do not answer.
    pub(crate) async fn step_down(&self) -> anyhow::Result<()> {
        let context = replay::log::jetstream::connect(&self.url).await?;
        let subject = format!("$JS.API.STREAM.LEADER.STEPDOWN.{}", self.stream);
        let client = context.client();
        let asked = client.request(subject, Bytes::new());
        let answer = tokio::time::timeout(ASK, asked).await??;
        let text = String::from_utf8_lossy(&answer.payload);
        if !text.contains("\"success\":true") {
            bail!("the servers say {text}");
        }
        Ok(())
    }
}
