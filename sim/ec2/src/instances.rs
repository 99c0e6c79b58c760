//! Looks at instances, and their end: moto's answers, changed to what EC2 would show.

use crate::error::Error;
use crate::life::{Death, Life, Reason, Seen};
use crate::page;
use crate::request::{Filter, Request};
use crate::rule::Effect;
use crate::work::Done;
use crate::world::{Row, World, lock};
use crate::xml::Element;
use std::collections::BTreeSet;

/// Filters that the proxy answers: moto lacks them, or knows other states.
const OWN: [(&str, &[&str]); 6] = [
    ("client-token", &["clientToken"]),
    ("instance-lifecycle", &["instanceLifecycle"]),
    ("instance-state-code", &["instanceState", "code"]),
    ("instance-state-name", &["instanceState", "name"]),
    ("state-reason-code", &["stateReason", "code"]),
    ("state-reason-message", &["stateReason", "message"]),
];
/// The fewest that a page of instances may hold.
const SMALLEST: usize = 5;

/// Answers `DescribeInstances` and `DescribeInstanceStatus`.
pub(crate) async fn look(
    world: &World,
    request: &Request,
    effects: &[Effect],
) -> Result<Element, Error> {
    world.settle().await?;
    let stale = effects.iter().find_map(|effect| match effect {
        Effect::Stale(ms) => Some(*ms),
        _ => None,
    });
    // `None` is before the proxy began.
    let at_ms = world.clock.now_ms().checked_sub(stale.unwrap_or(0));
    let size = page::size(request, SMALLEST)?;
    if size.is_some() && !request.list("InstanceId").is_empty() {
        let message = "The parameter instancesSet cannot be used with the parameter maxResults";
        return Err(Error::new("InvalidParameterCombination", message));
    }
    let rest = lock(&world.pages).rest(request)?;
    let mut rows = match rest {
        Some(names) => world.rows(named(request, &names)).await?,
        None => found(world, request, at_ms).await?,
    };
    rows.retain_mut(|row| show(world, row, at_ms));
    let filters = own(request);
    let first = request.get("NextToken").is_none_or(str::is_empty);
    rows.retain(|row| !first || filters.iter().all(|filter| holds(filter, &row.item)));
    let names = rows.iter().map(|row| row.id().to_owned()).collect();
    let (names, token) = lock(&world.pages).turn(names, size);
    let names: BTreeSet<String> = names.into_iter().collect();
    rows.retain(|row| names.contains(row.id()));
    Ok(answer(request, rows, token))
}

fn named(request: &Request, names: &[String]) -> Request {
    let asked = Request::new(&request.action, &request.region).with("IncludeAllInstances", "true");
    asked.with_list("InstanceId", names)
}

/// All that moto finds for a request, on however many pages.
async fn found(world: &World, request: &Request, at_ms: Option<u64>) -> Result<Vec<Row>, Error> {
    world.known(request, at_ms)?;
    let theirs: Vec<Filter> =
        request.filters().into_iter().filter(|filter| path(&filter.name).is_none()).collect();
    let mut asked = request.clone().with_filters(&theirs).with("IncludeAllInstances", "true");
    asked.parameters.remove("NextToken");
    asked.parameters.remove("MaxResults");
    if asked.list("InstanceId").is_empty() {
        asked = asked.with("MaxResults", "1000");
    }
    world.rows(asked).await
}

fn path(filter: &str) -> Option<&'static [&'static str]> {
    OWN.iter().find(|(name, _)| *name == filter).map(|(_, path)| *path)
}

fn own(request: &Request) -> Vec<Filter> {
    let mut filters = request.filters();
    filters.retain(|filter| path(&filter.name).is_some());
    let status = request.action == "DescribeInstanceStatus";
    if status && !request.is_true("IncludeAllInstances") {
        let values = vec!["running".to_owned()];
        filters.push(Filter { name: "instance-state-name".to_owned(), values });
    }
    filters
}

fn holds(filter: &Filter, item: &Element) -> bool {
    path(&filter.name).is_some_and(|path| filter.admits(item.at(path)))
}

/// Makes an instance look as it did at a time; `false` if there was nothing to be seen of it.
fn show(world: &World, row: &mut Row, at_ms: Option<u64>) -> bool {
    let Some(seen) = world.seen(row.id(), at_ms) else { return true };
    put_state(&mut row.item, &seen);
    seen != Seen::Unknown
}

fn put_state(item: &mut Element, seen: &Seen) {
    let over = ["shutting-down", "terminated"].contains(&item.at(&["instanceState", "name"]));
    let (code, name, reason) = match seen {
        Seen::Pending => (0, "pending", None),
        Seen::ShuttingDown(reason) => (32, "shutting-down", Some(reason)),
        Seen::Terminated(reason) => (48, "terminated", Some(reason)),
        // Moto's answer may come from after the end, and the look from before it.
        Seen::Alive if over => (16, "running", None),
        Seen::Alive | Seen::Unknown => return tidy(item),
    };
    item.put(Element::new("instanceState").leaf("code", &code.to_string()).leaf("name", name));
    item.remove("stateReason");
    match (reason, seen) {
        (Some(reason), _) => put_reason(item, reason),
        (None, Seen::Pending) => {
            let reason = Reason { code: "pending".to_owned(), message: "pending".to_owned() };
            put_reason(item, &reason);
        }
        (None, _) => {}
    }
}

/// Only instances have a reason, not their statuses.
fn put_reason(item: &mut Element, reason: &Reason) {
    if item.child("instanceType").is_some() {
        let code = Element::new("stateReason").leaf("code", &reason.code);
        item.put(code.leaf("message", &reason.message));
    }
}

/// Moto has an empty reason where EC2 has none.
fn tidy(item: &mut Element) {
    if item.at(&["stateReason", "code"]).is_empty() {
        item.remove("stateReason");
    }
}

fn answer(request: &Request, rows: Vec<Row>, token: Option<String>) -> Element {
    let mut root = Element::answer(&request.action);
    if request.action == "DescribeInstanceStatus" {
        let mut set = Element::new("instanceStatusSet");
        set.children = rows.into_iter().map(|row| row.item).collect();
        root = root.with(set);
    } else {
        let mut set = Element::new("reservationSet");
        set.children = reservations(rows);
        root = root.with(set);
    }
    match token {
        Some(token) => root.leaf("nextToken", &token),
        None => root,
    }
}

/// Instances of one reservation stand together.
fn reservations(rows: Vec<Row>) -> Vec<Element> {
    let mut found: Vec<Element> = Vec::new();
    for row in rows {
        let id = row.shell.at(&["reservationId"]);
        let same = found.last_mut().filter(|last| last.at(&["reservationId"]) == id);
        let set = same.and_then(|last| last.children.last_mut());
        match set {
            Some(set) => set.children.push(row.item),
            None => found.push(row.shell.with(Element::new("instancesSet").with(row.item))),
        }
    }
    found
}

/// The answer to a launch that has been: the same instances, as they are now, also if they have ended
/// and no other call knows them any more.
pub(crate) async fn replayed(world: &World, region: &str, ids: &[String]) -> Result<String, Error> {
    world.settle().await?;
    let now_ms = world.clock.now_ms();
    let mut rows = world.rows(named(&Request::new("DescribeInstances", region), ids)).await?;
    for row in &mut rows {
        let seen = world.life(row.id()).map_or(Seen::Alive, |life: Life| life.known(now_ms));
        put_state(&mut row.item, &seen);
    }
    let mut root = Element::answer("RunInstances");
    root.children.extend(reservations(rows).into_iter().flat_map(|found| found.children));
    Ok(root.render())
}

/// Moto's answer to a launch, in which all instances are pending.
pub(crate) fn show_launched(world: &World, answer: &mut Element) {
    let set = answer.children.iter_mut().find(|child| child.name == "instancesSet");
    for item in set.into_iter().flat_map(|set| &mut set.children) {
        put_state(item, &Seen::Pending);
        world.call(item);
    }
}

/// Answers `TerminateInstances`: all that are named, or none if one of them is unknown.
pub(crate) async fn end(world: &World, request: &Request) -> Result<Done, Error> {
    world.settle().await?;
    world.known(request, Some(world.clock.now_ms()))?;
    let text = world.pass(request).await?;
    let terminated = request.instances();
    for id in &terminated {
        world.kill(id, &Death::new("Client.UserInitiatedShutdown", 0), true);
    }
    Ok(Done { terminated, ..Done::said(text) })
}
