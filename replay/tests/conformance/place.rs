//! A log, and all that must live as long as it.

use crate::support::{cluster, poll};
use replay::log::{Log, Telemetry, embedded, open, remote};
use replay::testing::{NatsCluster, NatsServer};
use std::any::Any;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) struct Place {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) telemetry: Arc<dyn Telemetry>,
    pub(crate) url: String,
    _keep: Box<dyn Any + Send + Sync>,
}

pub(crate) fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

/// Opens a log, waiting for servers that are electing a leader.
pub(crate) async fn opened(url: &str) -> Arc<dyn Log> {
    both(url).await.0
}

async fn both(url: &str) -> (Arc<dyn Log>, Arc<dyn Telemetry>) {
    let since = Instant::now();
    loop {
        match open(url, &cluster(), true).await {
            Ok(opened) => return opened,
            Err(error) if since.elapsed() > Duration::from_secs(30) => panic!("{error}"),
            Err(_) => poll().await,
        }
    }
}

/// A process that serves an embedded log, as far as others can tell: its connections die with it.
pub(crate) struct Server {
    runtime: Option<tokio::runtime::Runtime>,
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Serves an embedded log on loopback; returns where.
pub(crate) async fn served(dir: &Path, port: u16) -> (String, Server) {
    let (log, telemetry) = embedded::open(dir, &cluster(), true).expect("opens");
    let since = Instant::now();
    let listener = loop {
        match tokio::net::TcpListener::bind(("127.0.0.1", port)).await {
            Ok(listener) => break listener.into_std().expect("a listener"),
            Err(error) if since.elapsed() > Duration::from_secs(10) => panic!("{error}"),
            Err(_) => poll().await,
        }
    };
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.spawn(async move {
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        remote::serve(log, telemetry, listener).await.expect("serves");
    });
    (url, Server { runtime: Some(runtime) })
}

impl Place {
    async fn at(url: String, keep: impl Any + Send + Sync) -> Place {
        let (log, telemetry) = both(&url).await;
        Place { log, telemetry, url, _keep: Box::new(keep) }
    }

    pub(crate) fn embedded() -> Place {
        let dir = directory();
        let (log, telemetry) = embedded::open(dir.path(), &cluster(), true).expect("opens");
        let url = format!("file://{}", dir.path().display());
        Place { log, telemetry, url, _keep: Box::new(dir) }
    }

    pub(crate) async fn remote() -> Place {
        let dir = directory();
        let (url, server) = served(dir.path(), 0).await;
        Place::at(url, (server, dir)).await
    }

    pub(crate) async fn jetstream() -> Place {
        let dir = directory();
        let server = NatsServer::start(dir.path()).expect("a nats-server");
        Place::at(server.url(), (server, dir)).await
    }

    pub(crate) async fn replicated() -> Place {
        let dir = directory();
        let servers = NatsCluster::start(dir.path()).expect("three nats-servers");
        Place::at(servers.url(), (servers, dir)).await
    }
}
