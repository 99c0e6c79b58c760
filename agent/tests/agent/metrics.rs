//! The node's metrics through the data plane, from a real server in the exporter's place.

use crate::world::World;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use schema::event::Event;
use tokio::net::TcpListener;

const TOLD: &str = "# TYPE node_load1 gauge\nnode_load1 0.5\n";

/// Serves this as an exporter does; where.
async fn exporter(app: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// What an agent tells whose node has this exporter: the status, the text, and of what type it is.
async fn told_by(address: &str) -> (u16, String, String) {
    let mut world = World::new();
    world.place.metrics = address.to_owned();
    let agent = world.agent();
    world.until(|event| matches!(event, Event::InstanceBooted(_))).await;
    let url = format!("{}/v1/node/metrics", world.address().await);
    let answer = reqwest::get(url).await.expect("an answer");
    let kind = answer.headers().get("content-type").and_then(|kind| kind.to_str().ok());
    let (status, kind) = (answer.status().as_u16(), kind.unwrap_or_default().to_owned());
    let text = answer.text().await.expect("text");
    crate::world::crash(agent).await;
    (status, text, kind)
}

#[tokio::test]
async fn metrics_of_the_node_are_passed_on_as_they_are() {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    let app = Router::new()
        .route("/metrics", get(move || async move { ([("content-type", kind)], TOLD) }));
    let address = exporter(app).await;
    assert_eq!(told_by(&address).await, (200, TOLD.to_owned(), kind.to_owned()));
}

#[tokio::test]
async fn where_none_are_told_it_says_what_is_missing() {
    let (status, text, _) = told_by("127.0.0.1:1").await;
    let missing = "no node exporter answers at http://127.0.0.1:1/metrics: ";
    assert!(status == 502 && text.starts_with(missing), "{status} {text}");

    let broken = || async { (StatusCode::INTERNAL_SERVER_ERROR, "no") };
    let address = exporter(Router::new().route("/metrics", get(broken))).await;
    let (status, text, _) = told_by(&address).await;
    let found = format!(
        "the node exporter at http://{address}/metrics answers with 500 Internal Server Error\n"
    );
    assert_eq!((status, text), (502, found));
}

#[tokio::test]
async fn no_more_is_waited_for_or_passed_on_than_an_exporter_has_to_tell() {
    let endless = || async { vec![b'#'; (8 << 20) + 1] };
    let address = exporter(Router::new().route("/metrics", get(endless))).await;
    let (status, text, _) = told_by(&address).await;
    let found =
        format!("the node exporter at http://{address}/metrics tells more than 8388608 bytes\n");
    assert_eq!((status, text), (502, found));

    let hangs = || async { std::future::pending::<&str>().await };
    let address = exporter(Router::new().route("/metrics", get(hangs))).await;
    let (status, text, _) = told_by(&address).await;
    assert_eq!(status, 502);
    assert!(text.ends_with("/metrics: nothing within 5 s\n"), "{text}");
}
