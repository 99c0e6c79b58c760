//! The metadata service, as a server that behaves as EC2's does.

use agent::imds::Imds;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, put};
use schema::id::InstanceId;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::net::TcpListener;

const TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const TOKEN: &str = "x-aws-ec2-metadata-token";

/// How many tokens were given, and how many more times it has none yet.
#[derive(Default)]
struct Service {
    given: AtomicU32,
    early: AtomicU32,
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

async fn id(State(service): State<Arc<Service>>, headers: HeaderMap) -> Result<String, StatusCode> {
    let last = format!("token-{}", service.given.load(Ordering::SeqCst));
    let known = headers.get(TOKEN).is_some_and(|token| token.as_bytes() == last.as_bytes());
    if known { Ok("i-0123456789abcdef0".to_owned()) } else { Err(StatusCode::UNAUTHORIZED) }
}

async fn serve(service: Arc<Service>) -> String {
    let app = Router::new()
        .route("/latest/api/token", put(token))
        .route("/latest/meta-data/instance-id", get(id))
        .with_state(service);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

#[tokio::test]
async fn an_instance_is_told_its_id_for_a_token() {
    let service = Arc::new(Service::default());
    let imds = Imds::new(&serve(service.clone()).await).expect("a client");
    let id = imds.instance().await.expect("an id");
    assert_eq!(id, InstanceId::new("i-0123456789abcdef0").expect("an id"));
    assert_eq!(service.given.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_service_that_is_not_there_yet_is_asked_again() {
    let service = Arc::new(Service { early: AtomicU32::new(2), ..Service::default() });
    let imds = Imds::new(&serve(service.clone()).await).expect("a client");
    imds.instance().await.expect("an id");
    assert_eq!(service.early.load(Ordering::SeqCst), 0);
}
