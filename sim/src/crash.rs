//! Points at which a process can die: between any two effects that somebody else can see; whose work that
//! interrupts, and what the log holds from there on.

use crate::log::Log;
use replay_core::{Message, Outcome, State, Void};
use schema::codec;
use schema::event::Event;
use schema::id::AllocId;
use schema::subject::Aggregate;
use schema::unit::Seq;
use std::collections::BTreeSet;
use std::fmt;

/// What a record or a call names: of which kind, and its id.
pub type Names = BTreeSet<(Aggregate, String)>;

/// Whose process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// A controller replica.
    Replica,
    /// An agent.
    Agent,
    /// A driver.
    Driver,
}

/// When it dies. Kinds are kinds of events; calls are `launch` and `terminate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// A round with such an event is about to leave.
    Sending(&'static str),
    /// The log has stored such an event, and its author does not know.
    Stored(&'static str),
    /// A call to the cloud is about to leave.
    Calling(&'static str),
    /// The cloud has done what it was asked, and the caller does not know.
    Called(&'static str),
    /// The caller has been told what came of it, and has written nothing.
    Heard(&'static str),
    /// The process of an exec has been started, and the agent has not heard so.
    Spawned,
    /// An agent has such an event to write, and it is not durable yet.
    Writing(&'static str),
}

/// Somebody who dies once, the first time that it comes to this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crash {
    /// Whose process.
    pub who: Who,
    /// When.
    pub at: Point,
}

/// What a crash has interrupted, and what followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct After {
    /// What each record or call names that it came to.
    pub interrupted: Vec<Names>,
    /// The records from there on, in order; none that its author had only sent twice.
    pub records: Vec<Told>,
}

/// A record, as far as crash points go by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Its kind.
    pub kind: &'static str,
    /// What it names.
    pub names: Names,
    /// Whether it had its effect.
    pub applied: bool,
}

/// What an event names: what it is about, where that is, whose, and what else it is of.
pub(crate) fn names(event: &Event) -> Names {
    let route = event.route();
    let mut names = Names::from([(route.aggregate, route.id.to_owned())]);
    names.extend(route.instance.map(|id| (Aggregate::Instance, id.to_string())));
    names.extend(route.driver.map(|id| (Aggregate::Driver, id.to_string())));
    let alloc = |id: &AllocId| (Aggregate::Alloc, id.to_string());
    match event {
        Event::LaunchRequested(e) => names.extend(e.reserved_for.iter().map(alloc)),
        Event::LaunchAccepted(e) => {
            let instance = |id: &_| (Aggregate::Instance, format!("{id}"));
            names.extend(e.instances.iter().map(instance));
        }
        Event::InstanceBooted(e) => names.extend([(Aggregate::Launch, e.launch.to_string())]),
        Event::ExecSubmitted(e) => names.extend([alloc(&e.alloc)]),
        Event::ExecKillRequested(e) => names.extend([alloc(&e.alloc)]),
        Event::ExecStarted(e) => names.extend([alloc(&e.alloc)]),
        Event::ExecOomKilled(e) => names.extend([alloc(&e.alloc)]),
        Event::ExecExited(e) => names.extend([alloc(&e.alloc)]),
        Event::ExecFailed(e) => names.extend([alloc(&e.alloc)]),
        _ => {}
    }
    names
}

/// The records after a sequence, each once.
pub(crate) fn told(log: &Log, after: Seq) -> Vec<Told> {
    let mut state = State::default();
    let mut told = |message: Message<'_>| {
        let outcome = state.apply(message);
        let record = codec::decode(message.payload).ok()?;
        let new = message.seq > after && outcome != Outcome::Void(Void::Duplicate);
        new.then(|| Told {
            kind: record.event.kind(),
            names: names(&record.event),
            applied: outcome == Outcome::Applied,
        })
    };
    log.from(Seq(1)).filter_map(&mut told).collect()
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Point::Sending(kind) => write!(f, "before {kind} is sent"),
            Point::Stored(kind) => write!(f, "once {kind} is stored"),
            Point::Calling(call) => write!(f, "before the call to {call}"),
            Point::Called(call) => write!(f, "once the cloud has done {call}"),
            Point::Heard(call) => write!(f, "once it knows what came of {call}"),
            Point::Spawned => write!(f, "once the process is started"),
            Point::Writing(kind) => write!(f, "before {kind} is durable"),
        }
    }
}
