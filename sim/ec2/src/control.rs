//! What steers the proxy over HTTP, in JSON: what a test in the same process does by calls.
//!
//! `GET /_faults`, `POST /_faults` (a list of rules, added to those there are), `DELETE /_faults`.
//! `POST /_deaths {"instance", "after_ms", "code", "message", "vanishes"}`: an instance ends.
//! `POST /_time {"advance_ms"}`, `PUT /_throttle true|false`, `PUT /_market {"scores", "prices"}`,
//! `PUT /_shelf {"types", "gone", "products"}`.
//! `GET /_calls`, `GET /_truth`: what was called, and what there is according to moto.

use crate::bucket::Buckets;
use crate::life::Death;
use crate::record::Ledger;
use crate::rule::{Applied, Rule};
use crate::world::{World, lock};
use hyper::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_ms: u64,
}

#[derive(Deserialize)]
struct Order {
    instance: String,
}

type Steered = Result<Value, String>;

/// A status and what it says.
pub(crate) async fn steer(
    world: &World,
    method: &Method,
    what: &str,
    body: &[u8],
) -> (u16, String) {
    let steered = match (method.as_str(), what) {
        ("GET", "truth") => match world.truth().await {
            Ok(truth) => shown(&truth),
            Err(error) => Err(error.to_string()),
        },
        (method, what) => at_once(world, method, what, body),
    };
    match steered {
        Ok(value) => (200, value.to_string()),
        Err(error) => (400, json!({ "error": error }).to_string()),
    }
}

fn at_once(world: &World, method: &str, what: &str, body: &[u8]) -> Steered {
    match (method, what) {
        ("GET", "faults") => shown(&lock(&world.script).0),
        ("POST", "faults") => {
            read::<Vec<Rule>>(body)?.into_iter().for_each(|rule| add(world, rule));
            Ok(Value::Null)
        }
        ("DELETE", "faults") => {
            lock(&world.script).0.clear();
            Ok(Value::Null)
        }
        ("POST", "deaths") => order(world, body),
        ("POST", "time") => {
            world.clock.advance(read::<Advance>(body)?.advance_ms);
            Ok(json!({ "now_ms": world.clock.now_ms() }))
        }
        ("PUT", "throttle") => {
            throttle(world, read(body)?);
            Ok(Value::Null)
        }
        ("PUT", "market") => {
            *lock(&world.market) = read(body)?;
            Ok(Value::Null)
        }
        ("PUT", "shelf") => {
            *lock(&world.shelf) = read(body)?;
            Ok(Value::Null)
        }
        ("GET", "calls") => shown(&Ledger { calls: lock(&world.calls).clone() }),
        _ => Err(format!("there is no {method} /_{what}")),
    }
}

fn read<T: for<'a> Deserialize<'a>>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

fn shown(value: &impl Serialize) -> Steered {
    serde_json::to_value(value).map_err(|error| error.to_string())
}

pub(crate) fn add(world: &World, rule: Rule) {
    lock(&world.script).0.push(Applied { rule, met: 0, applied: 0 });
}

/// Full buckets, or none.
pub(crate) fn throttle(world: &World, on: bool) {
    *lock(&world.buckets) = on.then(Buckets::default);
}

fn order(world: &World, body: &[u8]) -> Steered {
    let mut order: Value = read(body)?;
    let Order { instance } =
        Order::deserialize(&order).map_err(|error| format!("whose death: {error}"))?;
    if let Some(fields) = order.as_object_mut() {
        fields.remove("instance");
    }
    let death = Death::deserialize(order).map_err(|error| error.to_string())?;
    match world.kill(&instance, &death, false) {
        true => Ok(Value::Null),
        false => Err(format!("{instance} was not launched here")),
    }
}
