//! Events in a few words, with their figures.

use crate::cli::reasons::distrusted;
use replay_core::State;
use schema::event::{Event, ExecOomKilled, Scored, TerminateRequested, TypeSeen};
use schema::resources::{Resources, show_bytes, show_cpu};
use schema::unit::Micros;
use schema::why::{GrantWhy, LaunchWhy, TerminateWhy};
use serde_json::Value;

/// What an event says.
pub(super) fn of(event: &Event) -> String {
    match event {
        Event::AllocRequested(e) => {
            format!("{} asks for {}", e.alloc, amount(&e.requirements.floor()))
        }
        Event::AllocPending(e) => format!("{} {}", e.alloc, driver::describe::pending(&e.why)),
        Event::AllocRefused(e) => {
            format!("{} is refused: {}", e.alloc, driver::describe::refused(&e.why))
        }
        Event::AllocGranted(e) => {
            let why = granted(&e.why);
            format!("{} is granted {} on {}: {why}", e.alloc, amount(&e.resources), e.instance)
        }
        Event::AllocPreempted(e) => format!(
            "{} (priority {}) is to give way to {} (priority {}), and has {} s for it",
            e.alloc,
            e.priority,
            e.by,
            e.over,
            e.notice.0.div_ceil(1000)
        ),
        Event::AllocSpared(e) => format!("{} is spared: it stays where it is", e.alloc),
        Event::AllocRevoked(e) => {
            format!("{} is taken back: {}", e.alloc, driver::describe::revoked(&e.why))
        }
        Event::PriceSeen(e) => format!(
            "prices seen in {}: {} new, {} not sold any more{}{}",
            e.zone,
            e.offerings.len(),
            e.withdrawn.len(),
            scored(&e.scores),
            told(&e.types)
        ),
        Event::CloudConfigured(e) => {
            let size = show_bytes(e.settings.len() as u64);
            let proof = e.fingerprint.as_ref().map(|by| {
                format!("; what is launched by them proves itself by the secret known by {by}")
            });
            format!("the cloud has new settings, {size}{}", proof.unwrap_or_default())
        }
        Event::InstanceVerified(e) => {
            format!("{} has proved in record {} that it was launched", e.instance, e.boot)
        }
        Event::InstanceDistrusted(e) => format!(
            "{}: who says in record {} to be its agent is not trusted: {}",
            e.instance,
            e.boot,
            distrusted(&e.why)
        ),
        Event::TerminateRequested(TerminateRequested {
            instance,
            why: TerminateWhy::Distrusted { reason },
        }) => format!(
            "{instance} is to be ended: nobody has proved to be its agent: {}",
            distrusted(reason)
        ),
        Event::OrphanFound(e) => format!(
            "{} ({}, {}/h) is this cluster's by its tags, and nothing accounts for it",
            e.instance,
            e.kind,
            e.price.dollars()
        ),
        Event::BreakerTripped(e) => format!(
            "the last {} instances did not boot: nothing is launched for now, and then one at a time",
            e.failures
        ),
        Event::ConsoleSeen(e) => {
            format!("{} wrote on its console:{}", e.instance, lines(&e.text))
        }
        Event::ProbeDone(e) => format!(
            "{} was probed on {}: up after {} ms, an exec had run after {} ms; it has {}",
            e.kind,
            e.instance,
            e.booted,
            e.usable,
            amount(&e.resources)
        ),
        Event::LaunchRefused(e) => {
            let why = driver::describe::refusal(&e.class);
            format!("{}, attempt {}: the cloud refuses: {why}: {}", e.launch, e.attempt, e.message)
        }
        Event::LaunchUnanswered(e) => {
            let why = driver::describe::doubt(&e.class);
            let (launch, attempt, said) = (&e.launch, e.attempt, &e.message);
            format!("{launch}, attempt {attempt}: nobody knows what came of it: {why}: {said}")
        }
        Event::LaunchRequested(e) => format!(
            "{}, attempt {}: launch {} x {}, {}/h: {}",
            e.launch,
            e.attempt,
            e.count,
            e.offering.kind,
            e.offering.price.dollars(),
            launched(&e.why)
        ),
        Event::ExecSubmitted(e) => {
            format!("{} is to run {} in {}", e.exec, e.config.command.join(" "), e.alloc)
        }
        Event::ExecExited(e) => format!("{} exited with {}", e.exec, e.code),
        Event::ExecFailed(e) => {
            format!("{} failed: {}", e.exec, driver::describe::failure(&e.class, &e.message))
        }
        Event::ExecOomKilled(e) => oom_killed(e),
        event => plainly(event),
    }
}

fn oom_killed(e: &ExecOomKilled) -> String {
    let what = driver::describe::killed_for_memory(e.constraint, e.limit, e.peak);
    let of = e.process.as_ref().map_or(String::new(), |process| {
        let others = e.killed.saturating_sub(1);
        let others = if others > 0 { format!(" and {others} more") } else { String::new() };
        format!(" ({}, pid {}{others})", process.name, process.pid)
    });
    format!("{} was {what}{of}", e.exec)
}

/// What the state after it tells beside: of an instance that has less than was promised, how much less.
pub(super) fn note(state: &State, event: &Event) -> Option<String> {
    let Event::InstanceBooted(e) = event else { return None };
    let offering = &state.instances.get(&e.instance)?.offering;
    let shortage = e.resources.shortage(&offering.resources)?;
    let less = driver::describe::shortage(&shortage);
    Some(format!("less than promised ({less}): that is what counts of {} now", offering.kind))
}

/// The last lines of a text, each further in than what stands before it.
fn lines(text: &str) -> String {
    const MOST: usize = 40;
    let all: Vec<&str> = text.lines().collect();
    let from = all.len().saturating_sub(MOST);
    all[from..].iter().map(|line| format!("\n{:32}| {line}", "")).collect()
}

fn granted(why: &GrantWhy) -> String {
    match why {
        GrantWhy::Reserved { launch } => format!("{launch} was for it"),
        GrantWhy::BestFit { candidates: 1, left, .. } => {
            format!("the only one with room; {} stay free", amount(left))
        }
        GrantWhy::BestFit { candidates, left, emptying: 0 } => {
            format!("the tightest of {candidates} with room; {} stay free", amount(left))
        }
        GrantWhy::BestFit { candidates, left, emptying } => format!(
            "of {candidates} with room; {} stay free, less on {emptying} that may become empty and go",
            amount(left)
        ),
        GrantWhy::Named => "it was asked for by name".to_owned(),
        GrantWhy::Unknown => "for a reason that a newer version knows".to_owned(),
    }
}

/// Why something is launched.
pub(crate) fn launched(why: &LaunchWhy) -> String {
    match why {
        LaunchWhy::Demand { requests, offerings, price_per_core, links, committed } => format!(
            "for {requests} waiting; the cheapest of {offerings} that would do{}, {}/h for each core in use; {}/h committed before",
            counted(*links),
            price_per_core.dollars(),
            committed.dollars()
        ),
        LaunchWhy::Replacement { instance } => {
            format!("{instance} will be taken away, and nothing has room for what it holds")
        }
        LaunchWhy::MinInstances { floor } => format!("at least {floor} are to be there"),
        LaunchWhy::Unknown => "for a reason that a newer version knows".to_owned(),
    }
}

/// What was taken off its price for the rank.
fn counted(links: Micros) -> String {
    match links {
        Micros(0) => String::new(),
        links => format!(" once its network and EBS throughput count for {}/h", links.dollars()),
    }
}

fn amount(resources: &Resources) -> String {
    let mut text = format!("{} cpu, {}", show_cpu(resources.cpu), show_bytes(resources.memory));
    if resources.disk > 0 {
        text = format!("{text}, disk {}", show_bytes(resources.disk));
    }
    for (name, count) in &resources.features {
        text = format!("{text}, {name} {count}");
    }
    text
}

/// Placement scores, if there are any.
fn scored(scores: &[Scored]) -> String {
    let told: Vec<String> = scores.iter().map(|s| format!("{} {}", s.class, s.score)).collect();
    if told.is_empty() { String::new() } else { format!("; scores {}", told.join(", ")) }
}

/// What the cloud says of types, if it says anything.
fn told(types: &[TypeSeen]) -> String {
    let gone = types.iter().filter(|seen| !seen.sold).count();
    match types.len() {
        0 => String::new(),
        all => format!("; told of {all} types, {gone} of them not sold there"),
    }
}

/// The kind, what it is about, and what else fits into a word.
fn plainly(event: &Event) -> String {
    let (kind, id) = (event.kind(), event.route().id);
    let body = serde_json::to_value(event).unwrap_or_default();
    let fields = body.as_object().into_iter().flatten();
    let short = fields.filter_map(|(name, value)| match value {
        Value::String(text) if text == id || text.is_empty() => None,
        // The line above says which.
        Value::String(_) if matches!(name.as_str(), "alloc" | "driver" | "instance") => None,
        Value::String(text) => Some(format!("{name} {text}")),
        Value::Number(number) => Some(format!("{name} {number}")),
        Value::Object(why) if name == "why" => {
            let word = why.get("why").and_then(Value::as_str)?;
            Some(format!("why {word}"))
        }
        _ => None,
    });
    let words: Vec<String> = short.collect();
    if words.is_empty() {
        format!("{kind} {id}")
    } else {
        format!("{kind} {id} ({})", words.join(", "))
    }
}
