//! Heartbeats are heard, and garbage is not.

use super::*;
use async_trait::async_trait;
use bytes::Bytes;
use replay::log::{ReadError, embedded};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

const DEADLINE: Duration = Duration::from_secs(20);

fn cluster() -> ClusterId {
    ClusterId::new("c").unwrap()
}

fn instance(name: &str) -> InstanceId {
    InstanceId::new(name).unwrap()
}

/// Telemetry that refuses its first subscriptions.
struct Deaf {
    inner: Arc<dyn Telemetry>,
    refusals: AtomicUsize,
}

fn telemetry(refusals: usize) -> Arc<dyn Telemetry> {
    let (_, inner) = embedded::temporary(&cluster()).unwrap();
    Arc::new(Deaf { inner, refusals: AtomicUsize::new(refusals) })
}

#[async_trait]
impl Telemetry for Deaf {
    async fn publish(&self, subject: &str, payload: Bytes) {
        self.inner.publish(subject, payload).await;
    }

    async fn subscribe(&self, filter: &str) -> Result<Box<dyn Listener>, ReadError> {
        let left = |n: usize| n.checked_sub(1);
        if self.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left).is_ok() {
            return Err(ReadError::Unavailable("not yet".into()));
        }
        self.inner.subscribe(filter).await
    }
}

async fn beat(telemetry: &Arc<dyn Telemetry>, id: &InstanceId) {
    let subject = subject::telemetry(&cluster(), Role::Agent, &AuthorId::from(id), HEARTBEAT);
    let beat = AgentHeartbeat { instance: id.clone(), execs: 0 };
    telemetry.publish(&subject, telemetry::encode(&beat).into()).await;
}

/// Does `say` again and again until something is heard.
async fn heard(inbox: &mut UnboundedReceiver<Beat>, mut say: impl AsyncFnMut()) -> Beat {
    let since = Instant::now();
    loop {
        assert!(since.elapsed() < DEADLINE, "waited too long");
        say().await;
        if let Ok(beat) = tokio::time::timeout(Duration::from_millis(10), inbox.recv()).await {
            return beat.expect("somebody listens");
        }
    }
}

#[tokio::test]
async fn heartbeats_are_heard_even_if_listening_failed_at_first() {
    let telemetry = telemetry(3);
    let (told, mut inbox) = unbounded_channel();
    let _ears = listen(&telemetry, &cluster(), &told);
    let loud = instance("i-loud");
    let first = heard(&mut inbox, async || beat(&telemetry, &loud).await).await;
    assert_eq!(first, Beat::Agent(loud));
    let leader = || say(telemetry.clone(), cluster(), AuthorId::new("r-1").unwrap(), Epoch(3));
    let mut next = heard(&mut inbox, async || leader().await).await;
    while let Beat::Agent(_) = next {
        next = heard(&mut inbox, async || leader().await).await;
    }
    assert_eq!(next, Beat::Leader(Epoch(3)));
}

#[tokio::test]
async fn what_is_no_heartbeat_is_not_heard() {
    let telemetry = telemetry(0);
    let (told, mut inbox) = unbounded_channel();
    let _ears = listen(&telemetry, &cluster(), &told);
    let last = instance("i-last");
    let say = async || {
        for role in [Role::Agent, Role::Ctl] {
            let author = AuthorId::new("i-bad").unwrap();
            let subject = subject::telemetry(&cluster(), role, &author, HEARTBEAT);
            for bad in [&b""[..], b"\xc1", b"\xdf\xff\xff\xff\xff", b"{}"] {
                telemetry.publish(&subject, Bytes::from_static(bad)).await;
            }
        }
        let other = ClusterId::new("other").unwrap();
        let subject = subject::telemetry(&other, Role::Agent, &AuthorId::from(&last), HEARTBEAT);
        let stranger = AgentHeartbeat { instance: instance("i-stranger"), execs: 0 };
        telemetry.publish(&subject, telemetry::encode(&stranger).into()).await;
        beat(&telemetry, &last).await;
    };
    assert_eq!(heard(&mut inbox, say).await, Beat::Agent(last));
}

#[tokio::test]
async fn nobody_listens_for_those_who_have_gone() {
    let telemetry = telemetry(0);
    let (told, inbox) = unbounded_channel::<Beat>();
    let ears = listen(&telemetry, &cluster(), &told);
    drop((ears, inbox));
    let since = Instant::now();
    while Arc::strong_count(&telemetry) > 1 {
        assert!(since.elapsed() < DEADLINE, "somebody still listens");
        tokio::task::yield_now().await;
    }
}
