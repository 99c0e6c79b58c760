//! `RunInstances` with the client token's meaning: one launch for a token, however often it is sent.
//!
//! Rules from "Ensuring idempotency in EC2 API requests": the same token with the same parameters names
//! the same instances, as they are now; with other parameters it is refused. A token counts in a zone if
//! a zone or a subnet is asked for, else in the region.

use crate::error::Error;
use crate::instances::{replayed, show_launched};
use crate::life::Fate;
use crate::request::{Parameters, Request};
use crate::rule::{Effect, Phase};
use crate::token::{Bound, Key};
use crate::work::Done;
use crate::world::{World, lock};

/// Bytes of user data that EC2 takes.
const USER_DATA: usize = 16_384;
const TOKEN: usize = 64;

pub(crate) async fn run(
    world: &World,
    request: &Request,
    zone: Option<&str>,
) -> Result<Done, Error> {
    check(request)?;
    if request.is_true("DryRun") {
        return world.pass(request).await.map(Done::said);
    }
    let Some(token) = request.get("ClientToken").filter(|token| !token.is_empty()) else {
        return launch(world, request, zone).await;
    };
    let (region, zone_name) = (request.region.clone(), zone.map(str::to_owned));
    let bound = world.tokens.of(Key { token: token.to_owned(), region, zone: zone_name });
    // Held until the launch is over: a second one with this token waits for what comes of the first.
    let mut bound = bound.lock().await;
    agree(&mut bound, request.asked_for())?;
    if let Some(ids) = &bound.launched {
        return replayed(world, &request.region, ids).await.map(Done::said);
    }
    let done = launch(world, request, zone).await?;
    bound.launched = Some(done.launched.clone());
    Ok(done)
}

/// What EC2 refuses and moto does not.
fn check(request: &Request) -> Result<(), Error> {
    let invalid = |message: String| Err(Error::new("InvalidParameterValue", message));
    let token = request.get("ClientToken").unwrap_or_default();
    if token.len() > TOKEN || !token.is_ascii() {
        return invalid("Invalid client token".to_owned());
    }
    match request.user_data() {
        Some(None) => return invalid("Invalid BASE64 encoding of user data.".to_owned()),
        Some(Some(data)) if data.len() > USER_DATA => {
            return invalid(format!("User data is limited to {USER_DATA} bytes"));
        }
        Some(Some(_)) | None => {}
    }
    let (min, max) = counts(request)?;
    if min == 0 || max < min {
        return invalid(format!("Value ({min}) for parameter minCount is invalid."));
    }
    Ok(())
}

fn counts(request: &Request) -> Result<(u64, u64), Error> {
    let count = |name: &str| {
        request.get(name).and_then(|text| text.parse().ok()).ok_or_else(|| {
            let message = format!("The request must contain the parameter {name}");
            Error::new("MissingParameter", message)
        })
    };
    Ok((count("MinCount")?, count("MaxCount")?))
}

/// Binds a token to what is asked for, or holds it against what it was bound to.
fn agree(bound: &mut Bound, asked: Parameters) -> Result<(), Error> {
    let before = bound.parameters.get_or_insert_with(|| asked.clone());
    if *before == asked {
        return Ok(());
    }
    let message = "Arguments on this idempotent request are inconsistent with arguments used in \
                   previous request(s).";
    Err(Error::new("IdempotentParameterMismatch", message))
}

/// Moto's code for a type that there is not is one of another action.
fn named_as_in_ec2(error: Error) -> Error {
    match error.code.as_str() {
        "InvalidInstanceType.NotFound" => Error::new("InvalidParameterValue", error.message),
        _ => error,
    }
}

async fn launch(world: &World, request: &Request, zone: Option<&str>) -> Result<Done, Error> {
    let effects = lock(&world.script).take(Phase::Work, request, zone);
    let (min, max) = counts(request)?;
    let (mut count, mut fate) = (max, Fate::default());
    for effect in effects {
        match effect {
            Effect::Error(failure) => return Err(failure.into()),
            Effect::Partial(some) => count = some.clamp(min, max),
            Effect::Fate(given) => fate = given,
            _ => {}
        }
    }
    // Moto launches the smallest number.
    let count = count.to_string();
    let mut passed = request.clone().with("MinCount", &count).with("MaxCount", &count);
    let asked = request.get("InstanceType").unwrap_or_default();
    let like = lock(&world.shelf).like(asked).map(str::to_owned);
    if let Some(like) = &like {
        passed = passed.with("InstanceType", like);
    }
    let mut answer = world.ask(&passed).await.map_err(named_as_in_ec2)?;
    let ids = answer.items("instancesSet").map(|item| item.at(&["instanceId"]).to_owned());
    let launched: Vec<String> = ids.collect();
    world.born(&launched, &request.region, &fate);
    if like.is_some() {
        let named = launched.iter().map(|id| (id.clone(), asked.to_owned()));
        lock(&world.invented).extend(named);
    }
    show_launched(world, &mut answer);
    Ok(Done { launched, ..Done::said(answer.render()) })
}
