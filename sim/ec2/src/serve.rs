//! The proxy's side of HTTP: EC2's query protocol, JSON for those who name a target, and under `/_` what
//! steers the proxy.

use crate::control;
use crate::request::{Request, Service};
use crate::work::Reply;
use crate::world::World;
use bytes::Bytes;
use futures::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// The connection is closed, with no more said.
#[derive(Debug, thiserror::Error)]
#[error("the script says that this connection is lost")]
pub(crate) struct Lost;

type Response = hyper::Response<BoxBody<Bytes, Lost>>;

/// Serves until dropped, and with it every connection.
pub(crate) async fn serve(listener: TcpListener, world: Arc<World>) {
    let mut open = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let world = world.clone();
        open.spawn(async move {
            let service = service_fn(|request| respond(world.clone(), request));
            // An error is what was to be, or the other side's going away.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
        while open.try_join_next().is_some() {}
    }
}

async fn respond(world: Arc<World>, request: hyper::Request<Incoming>) -> Result<Response, Lost> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Lost)?.to_bytes();
    if let Some(what) = head.uri.path().strip_prefix("/_") {
        let (status, text) = control::steer(&world, &head.method, what, &body).await;
        return Ok(response(status, "application/json", whole(text)));
    }
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let (signed, target) = (header("authorization"), header("x-amz-target"));
    let asked = match target {
        Some(target) => Request::of_json(target, &body, signed),
        None => Request::parse(head.uri.query().unwrap_or_default(), &body, signed),
    };
    let kind = match asked.service {
        Service::Ec2 | Service::Iam => "text/xml;charset=UTF-8",
        Service::Pricing => "application/x-amz-json-1.1",
    };
    // In a task of its own: EC2 goes on with what it has begun, also if whoever asked goes away.
    let handled = tokio::spawn(async move { world.handle(asked).await });
    match handled.await.map_err(|_| Lost)? {
        Reply::Whole(status, text) => Ok(response(status, kind, whole(text))),
        Reply::Half(status, text) => Ok(response(status, kind, half(&text))),
        Reply::Nothing => Err(Lost),
    }
}

fn response(status: u16, kind: &str, body: BoxBody<Bytes, Lost>) -> Response {
    let built = hyper::Response::builder().status(status).header("content-type", kind).body(body);
    built.expect("a status that is known and a kind without blanks")
}

fn whole(text: String) -> BoxBody<Bytes, Lost> {
    Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed()
}

fn half(text: &str) -> BoxBody<Bytes, Lost> {
    let half = Bytes::copy_from_slice(&text.as_bytes()[..text.len() / 2]);
    let frames = [Ok(Frame::data(half)), Err(Lost)];
    BoxBody::new(StreamBody::new(stream::iter(frames)))
}
