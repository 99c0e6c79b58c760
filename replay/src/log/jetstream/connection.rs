//! Connecting: which servers will do, and how a lost connection is noticed.

use super::super::OpenError;
use super::address::{self, Address};
use super::{broken, trust};
use async_nats::Event;
use async_nats::jetstream::{self, Context};
use std::time::Duration;
use tokio::sync::watch;

/// The oldest nats-server with sound fences and atomic rounds.
pub const OLDEST_SERVER: (u64, u64, u64) = (2, 14, 4);

const CONNECT: Duration = Duration::from_secs(5);
/// Dead connections are noticed within two of these.
const PING: Duration = Duration::from_secs(2);
/// Messages that may wait in this process: more than a consumer sends ahead, as others are dropped.
const WAITING: usize = 1 << 17;

/// Connects to servers that will do, as [`super::open`] does: for what is beside the log.
///
/// # Errors
/// [`OpenError`]: out of reach, not to be trusted, or too old.
pub async fn connect(url: &str) -> Result<Context, OpenError> {
    Ok(open(url, &address::parse(url)?).await?.context)
}

/// A connection that tells when it was made again.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) context: Context,
    /// Counts how often it was made.
    pub(super) made: watch::Receiver<u64>,
}

impl Connection {
    /// Returns once the connection is made again.
    pub(super) fn made_again(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut made = self.made.clone();
        made.mark_unchanged();
        changed(made)
    }
}

/// Returns once this has changed since it was looked at.
pub(super) async fn changed(mut made: watch::Receiver<u64>) {
    if made.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// A refused permission is told nowhere else: to whoever asked it looks like silence.
fn tell(event: &Event) {
    if matches!(event, Event::Connected | Event::Disconnected | Event::Draining | Event::Closed) {
        tracing::debug!(%event, "nats");
    } else {
        tracing::warn!(%event, "nats");
    }
}

pub(super) async fn open(url: &str, address: &Address) -> Result<Connection, OpenError> {
    let ca = address.ca.as_deref();
    let unreachable = |reason: String| OpenError::Unreachable { url: url.to_owned(), reason };
    let (count, mut made) = watch::channel(0);
    let mut options = async_nats::ConnectOptions::new()
        .connection_timeout(CONNECT)
        .ping_interval(PING)
        .subscription_capacity(WAITING)
        .event_callback(move |event| {
            if event == Event::Connected {
                count.send_modify(|made| *made += 1);
            }
            tell(&event);
            std::future::ready(())
        });
    if let Some(ca) = ca {
        trust::check(ca).await.map_err(|reason| broken(url, reason))?;
        // Read again at each connection. Without TLS there is none, whatever the URL begins with.
        options = options.add_root_certificates(ca.to_owned()).require_tls(true);
    }
    let connected = options.connect(&address.servers).await;
    let client = connected.map_err(|error| unreachable(trust::reason(&error, ca)))?;
    let info = client.server_info();
    let (found, jetstream) = (info.version, info.jetstream);
    if !new_enough(&found) {
        let (major, minor, patch) = OLDEST_SERVER;
        let needed = format!("{major}.{minor}.{patch}");
        return Err(OpenError::TooOld { url: url.to_owned(), found, needed });
    }
    if !jetstream {
        let reason = "this nats-server has no JetStream; start it with `jetstream { store_dir: DIR, sync_interval: always }`";
        return Err(OpenError::Broken { url: url.to_owned(), reason: reason.to_owned() });
    }
    // Events come a little later: the first one is not to be taken for a reconnection.
    let _ = tokio::time::timeout(CONNECT, made.changed()).await;
    let mut context = jetstream::new(client);
    context.set_timeout(CONNECT);
    Ok(Connection { context, made })
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
