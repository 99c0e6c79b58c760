//! The metadata service, as a server that behaves as EC2's does.

use super::world::{PATIENCE, eventually};
use agent::Notice;
use agent::imds::{Imds, notice};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::routing::{get, put};
use schema::event::Interruption;
use schema::id::InstanceId;
use schema::unit::Millis;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

const TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const TOKEN: &str = "x-aws-ec2-metadata-token";

/// What time it is there: it is not what this machine's clock says.
const NOW: &str = "Mon, 05 Jan 2015 18:00:00 GMT";
const ENDS: &str = "spot/instance-action";
const AT_RISK: &str = "events/recommendations/rebalance";
const EVERY: Duration = Duration::from_millis(5);

/// How many tokens were given, the last of which is good, how many more times it has none yet, how often
/// it was asked anything, and what it says.
#[derive(Default)]
struct Service {
    given: AtomicU32,
    early: AtomicU32,
    asked: AtomicU32,
    says: Mutex<BTreeMap<&'static str, String>>,
}

impl Service {
    fn new() -> Arc<Service> {
        let service = Service::default();
        service.says("instance-id", "i-0123456789abcdef0");
        Arc::new(service)
    }

    fn says(&self, what: &'static str, said: &str) {
        self.says.lock().expect("whole").insert(what, said.to_owned());
    }

    /// Waits until it has been asked so many times more.
    async fn asked_again(&self, times: u32) {
        let enough = self.asked.load(Ordering::SeqCst) + times;
        eventually("it is asked", || self.asked.load(Ordering::SeqCst) >= enough).await;
    }
}

async fn watched(service: &Arc<Service>) -> watch::Receiver<Option<Notice>> {
    let imds = Imds::new(&serve(service.clone()).await).expect("a client");
    notice::watch(imds, EVERY)
}

/// The next notice that is heard.
async fn heard(notices: &mut watch::Receiver<Option<Notice>>) -> Notice {
    let changed = tokio::time::timeout(PATIENCE, notices.changed()).await;
    changed.expect("in time").expect("it is looked for");
    notices.borrow_and_update().expect("a notice")
}

async fn token(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
) -> Result<String, StatusCode> {
    let ttl = headers.get(TTL).and_then(|ttl| ttl.to_str().ok()?.parse::<u32>().ok());
    if !ttl.is_some_and(|ttl| (1..=21_600).contains(&ttl)) {
        return Err(StatusCode::BAD_REQUEST);
    }
    let less = |early: u32| early.checked_sub(1);
    if service.early.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok() {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    Ok(format!("token-{}", service.given.fetch_add(1, Ordering::SeqCst) + 1))
}

/// What it says of this to whoever shows the token that is good now.
async fn told(
    State(service): State<Arc<Service>>,
    Path(what): Path<String>,
    headers: HeaderMap,
) -> Result<([(HeaderName, &'static str); 1], String), StatusCode> {
    service.asked.fetch_add(1, Ordering::SeqCst);
    let good = format!("token-{}", service.given.load(Ordering::SeqCst));
    if headers.get(TOKEN).is_none_or(|token| token.as_bytes() != good.as_bytes()) {
        return Err(StatusCode::UNAUTHORIZED);
    }
    let said = service.says.lock().expect("whole").get(what.as_str()).cloned();
    Ok(([(header::DATE, NOW)], said.ok_or(StatusCode::NOT_FOUND)?))
}

async fn serve(service: Arc<Service>) -> String {
    let app = Router::new()
        .route("/latest/api/token", put(token))
        .route("/latest/meta-data/{*what}", get(told))
        .with_state(service);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

#[tokio::test]
async fn an_instance_is_told_its_id_for_a_token() {
    let service = Service::new();
    let mut imds = Imds::new(&serve(service.clone()).await).expect("a client");
    let id = imds.instance().await.expect("an id");
    assert_eq!(id, InstanceId::new("i-0123456789abcdef0").expect("an id"));
    assert_eq!(service.given.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_service_that_is_not_there_yet_is_asked_again() {
    let service = Service::new();
    service.early.store(2, Ordering::SeqCst);
    let mut imds = Imds::new(&serve(service.clone()).await).expect("a client");
    imds.instance().await.expect("an id");
    assert_eq!(service.early.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_notice_is_heard_once_with_what_is_left_by_the_clock_of_who_gives_it() {
    let service = Service::new();
    let mut notices = watched(&service).await;
    service.asked_again(4).await;
    assert_eq!(*notices.borrow(), None, "what is not found is none");
    service.says(AT_RISK, r#"{"noticeTime": "2015-01-05T17:59:30Z"}"#);
    assert_eq!(heard(&mut notices).await, (Interruption::Rebalance, Millis(0)));
    service.asked_again(4).await;
    assert!(!notices.has_changed().expect("it is looked for"), "it was heard");
    service.says(ENDS, r#"{"action": "terminate", "time": "2015-01-05T18:02:00Z"}"#);
    assert_eq!(heard(&mut notices).await, (Interruption::Spot, Millis::from_secs(120)));
    assert_eq!(service.given.load(Ordering::SeqCst), 1, "one token for all of it");
}

#[tokio::test]
async fn a_notice_whose_time_has_come_leaves_nothing() {
    let service = Service::new();
    service.says(ENDS, r#"{"action": "stop", "time": "2015-01-05T17:59:59Z"}"#);
    let mut notices = watched(&service).await;
    assert_eq!(heard(&mut notices).await, (Interruption::Spot, Millis(0)));
}

#[tokio::test]
async fn a_service_that_fails_is_asked_again_and_with_a_new_token() {
    let service = Service::new();
    service.early.store(3, Ordering::SeqCst);
    service.says(ENDS, "not now");
    let mut notices = watched(&service).await;
    service.asked_again(2).await;
    assert_eq!(*notices.borrow(), None, "what is no notice is none");
    // The token that was given is good no more.
    service.given.fetch_add(7, Ordering::SeqCst);
    service.says(ENDS, r#"{"action": "terminate", "time": "2015-01-05T18:01:30Z"}"#);
    assert_eq!(heard(&mut notices).await, (Interruption::Spot, Millis::from_secs(90)));
}
