//! Heartbeats are heard, garbage is not, and a leader that is stuck or deposed falls silent.

use super::*;
use async_trait::async_trait;
use bytes::Bytes;
use replay::log::{ReadError, embedded};
use std::sync::atomic::AtomicUsize;

const DEADLINE: Duration = Duration::from_secs(20);
const MOMENT: Duration = Duration::from_secs(1);

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
    _dir: tempfile::TempDir,
}

fn telemetry(refusals: usize) -> Arc<Deaf> {
    let dir = tempfile::tempdir().unwrap();
    let (_, inner) = embedded::open(dir.path(), &cluster(), true).unwrap();
    Arc::new(Deaf { inner, refusals: AtomicUsize::new(refusals), _dir: dir })
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

async fn beat(telemetry: &Deaf, id: &InstanceId) {
    let subject = subject::telemetry(&cluster(), Role::Agent, &AuthorId::from(id), HEARTBEAT);
    let beat = AgentHeartbeat { instance: id.clone(), execs: 0 };
    telemetry.publish(&subject, telemetry::encode(&beat).into()).await;
}

/// Does `step` again and again until `done`.
async fn until(mut step: impl AsyncFnMut(), mut done: impl FnMut() -> bool) {
    let since = Instant::now();
    while !done() {
        assert!(since.elapsed() < DEADLINE, "waited too long");
        step().await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn known(heard: &Heard, id: &InstanceId) -> bool {
    lock(&heard.agents).contains_key(id)
}

#[tokio::test]
async fn an_agent_is_heard_once_its_heartbeat_comes_even_if_listening_failed_at_first() {
    let telemetry = telemetry(3);
    let heard = Heard::start(telemetry.clone(), &cluster());
    let (loud, mute) = (instance("i-loud"), instance("i-mute"));
    until(async || beat(&telemetry, &loud).await, || known(&heard, &loud)).await;
    assert!(!known(&heard, &mute));
    // One that was never heard has been silent for as long as anybody listens.
    assert!(heard.silent(&mute) >= heard.silent(&loud));
    let before = heard.silent(&mute);
    heard.agent(&mute);
    assert!(heard.silent(&mute) < before + MOMENT && known(&heard, &mute));
}

#[tokio::test]
async fn what_is_no_heartbeat_is_not_heard() {
    let telemetry = telemetry(0);
    let heard = Heard::start(telemetry.clone(), &cluster());
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
    until(say, || known(&heard, &last)).await;
    assert_eq!(lock(&heard.agents).keys().collect::<Vec<_>>(), [&last]);
    assert_eq!(lock(&heard.leader).0, Epoch(0));
}

#[tokio::test]
async fn a_leader_is_heard_while_it_leads_and_its_loop_goes_round() {
    let telemetry = telemetry(0);
    let heard = Heard::start(telemetry.clone(), &cluster());
    let pulse = Pulse::start(telemetry.clone(), cluster(), AuthorId::new("r-1").unwrap());
    let epoch = || lock(&heard.leader).0;
    pulse.lead(Some(Epoch(3)));
    until(async || pulse.alive(), || epoch() == Epoch(3)).await;
    until(async || pulse.alive(), || heard.leader_silent(Epoch(3)) < BEAT).await;
    // It is stuck: others may challenge it.
    until(async || (), || heard.leader_silent(Epoch(3)) > 6 * BEAT).await;
    until(async || pulse.alive(), || heard.leader_silent(Epoch(3)) < BEAT).await;
    // It does not lead any more.
    pulse.lead(None);
    until(async || pulse.alive(), || heard.leader_silent(Epoch(3)) > 6 * BEAT).await;
}

#[tokio::test]
async fn a_deposed_leader_does_not_speak_for_the_new_one() {
    let heard = Heard::start(telemetry(0), &cluster());
    heard.leader(Epoch(2));
    assert!(heard.leader_silent(Epoch(2)) < MOMENT);
    let at = lock(&heard.leader).1;
    heard.leader(Epoch(1));
    assert_eq!(*lock(&heard.leader), (Epoch(2), at));
    // Of a term that was never heard, nothing is known but how long anybody has listened.
    assert!(heard.leader_silent(Epoch(3)) >= heard.leader_silent(Epoch(2)));
}

#[tokio::test]
async fn nobody_listens_or_beats_for_those_who_have_gone() {
    let telemetry = telemetry(0);
    let heard = Heard::start(telemetry.clone(), &cluster());
    let pulse = Pulse::start(telemetry.clone(), cluster(), AuthorId::new("r-1").unwrap());
    drop((heard, pulse));
    until(async || (), || Arc::strong_count(&telemetry) == 1).await;
}

#[tokio::test]
async fn who_does_not_even_hear_a_leader_calls_no_agent_silent() {
    let heard = Heard::start(telemetry(0), &cluster());
    let agent = instance("i-1");
    let now = Instant::now();
    let long_ago = now.checked_sub(10 * DEAF).expect("the machine is up for longer");
    lock(&heard.agents).insert(agent.clone(), long_ago);
    *lock(&heard.ear) = Ear { open: long_ago, last: now };
    assert!(heard.silent(&agent) >= 10 * DEAF);
    lock(&heard.ear).last = long_ago;
    assert_eq!(heard.silent(&agent), Duration::ZERO, "its own ears are shut");
    heard.beat();
    assert!(heard.silent(&agent) < DEAF, "silence counts from when it could hear again");
}

#[tokio::test]
async fn agents_that_are_gone_are_forgotten() {
    let heard = Heard::start(telemetry(0), &cluster());
    for n in 0..2 * SPARE {
        heard.agent(&instance(&format!("i-{n}")));
    }
    let live = BTreeSet::from([instance("i-7")]);
    heard.only(&live);
    assert_eq!(lock(&heard.agents).keys().collect::<Vec<_>>(), live.iter().collect::<Vec<_>>());
}
