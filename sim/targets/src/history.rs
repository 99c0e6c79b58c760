//! Histories out of dice: every kind of event, mostly by who may write it, as the next of its records
//! and in the current term; some repeated, spoilt, or by somebody else.

use crate::dice::{Dice, Place};
use crate::events::{event_at, policy};
use replay_core::author::Line;
use replay_core::state::leader::Holder;
use replay_core::{Message, Outcome, State};
use schema::SCHEMA_VERSION;
use schema::event::{Event, Genesis, Previous};
use schema::id::{AuthorId, ClusterId};
use schema::policy::Policy;
use schema::record::Record;
use schema::subject::Role;
use schema::unit::{Epoch, LogTime, Micros, Millis, Seq};
use uuid::Uuid;

/// What moves an alloc on, in about the numbers that it takes.
const ONWARD: [&str; 12] = [
    "driver-joined",
    "alloc-requested",
    "alloc-requested",
    "launch-requested",
    "launch-accepted",
    "instance-booted",
    "alloc-granted",
    "alloc-granted",
    "alloc-opened",
    "exec-submitted",
    "exec-submitted",
    "exec-started",
];
/// What names things that are not there yet.
const BEGINNINGS: [&str; 5] =
    ["driver-joined", "alloc-requested", "launch-requested", "launch-accepted", "instance-booted"];

/// A message as the log keeps it; its sequence is its place among the others, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The log's clock.
    pub time: LogTime,
    /// Subject and payload.
    pub line: Line,
}

impl Told {
    /// Folds this as what comes next.
    pub fn next(&self, state: &mut State) -> Outcome {
        self.at(state.head.applied.next(), state)
    }

    /// Folds this as the message at `seq`.
    pub fn at(&self, seq: Seq, state: &mut State) -> Outcome {
        let Line { subject, payload } = &self.line;
        state.apply(Message { seq, time: self.time, subject, payload })
    }
}

/// What this author says next, as far as this state knows, at the state's own time.
#[must_use]
pub fn said(state: &State, author: AuthorId, event: Event) -> Told {
    let line = line(state, &record(state, author, event)).expect("it is short");
    Told { time: state.head.time, line }
}

fn line(state: &State, record: &Record) -> Option<Line> {
    let cluster = state.head.cluster.clone().unwrap_or_else(|| Dice::tame(&[]).cluster());
    Line::of(&cluster, record).ok()
}

/// The next record of this author about this.
fn record(state: &State, author: AuthorId, event: Event) -> Record {
    let role = event.role();
    let last = state.authors.get(&(role, author.clone()));
    let incarnation = last.map_or(Uuid::from_u128(2), |last| last.incarnation);
    let number = state.next_number(role, &author, incarnation);
    let epoch = if role == Role::Ctl { state.head.leader.epoch } else { Epoch(0) };
    let (version, cause, must_understand) = (SCHEMA_VERSION, state.head.applied, false);
    Record { version, author, incarnation, number, cause, epoch, must_understand, event }
}

/// The state that these fold to.
#[must_use]
pub fn fold(mut state: State, told: &[Told]) -> State {
    for one in told {
        one.next(&mut state);
    }
    state
}

/// A history of one generation; of a second one that goes on where a first has ended, if the first byte
/// says so.
#[must_use]
pub fn history(bytes: &[u8]) -> Vec<Told> {
    let mut dice = Dice::tame(bytes);
    let second = dice.rarely(4);
    let mut author = Writer::begin(first(&mut dice), LogTime(1));
    if second {
        for _ in 0..40 {
            author.step(&mut dice);
        }
        author = Writer::begin(next(&mut author.state), author.time);
    }
    while !dice.is_empty() {
        author.step(&mut dice);
    }
    author.told
}

/// What a state comes to when more is written out of these bytes.
#[must_use]
pub fn after(state: State, bytes: &[u8]) -> State {
    let time = state.head.time;
    let mut writer = Writer { told: Vec::new(), state, time };
    let mut dice = Dice::tame(bytes);
    while !dice.is_empty() {
        writer.step(&mut dice);
    }
    writer.state
}

fn first(dice: &mut Dice<'_>) -> Genesis {
    // Room enough for most of what will be asked for.
    let policy = Policy { max_hourly_cost: Micros(1 << 30), max_pending: 9, ..policy(dice) };
    let policy = Policy { max_instances: 99, retention: dice.millis(), ..policy };
    Genesis { cluster: dice.cluster(), generation: 1, policy, previous: None }
}

fn next(before: &mut State) -> Genesis {
    let previous = Previous {
        stream: "before".into(),
        seq: before.head.applied,
        digest: before.digest().0.to_vec(),
        snapshot: before.snapshot(),
    };
    let cluster = before.head.cluster.clone().unwrap_or_else(ClusterId::lowest);
    let (generation, policy) = (before.head.generation.saturating_add(1), Policy::default());
    Genesis { cluster, generation, policy, previous: Some(previous) }
}

struct Writer {
    told: Vec<Told>,
    state: State,
    time: LogTime,
}

impl Writer {
    fn begin(genesis: Genesis, time: LogTime) -> Writer {
        let mut writer = Writer { told: Vec::new(), state: State::default(), time };
        let author = AuthorId::new("r-0").unwrap_or_else(|_| AuthorId::lowest());
        let record = record(&writer.state, author, genesis.into());
        writer.put(line(&writer.state, &record));
        writer
    }

    fn put(&mut self, line: Option<Line>) {
        let Some(line) = line else { return };
        let told = Told { time: self.time, line };
        told.next(&mut self.state);
        self.told.push(told);
    }

    fn step(&mut self, dice: &mut Dice<'_>) {
        let pause = match dice.below(32) {
            0..=24 => Millis(u64::from(dice.byte()) * 10),
            25..=30 => Millis(0),
            _ => Millis::from_secs(3600),
        };
        self.time = self.time + pause;
        if dice.rarely(24) {
            let again = self.told.get(usize::from(dice.byte()) % self.told.len().max(1));
            return self.put(again.map(|told| told.line.clone()));
        }
        let kind = self.kind(dice);
        let place = self.place(kind, dice);
        let Some(event) = event_at(kind, place, dice) else { return };
        let event = self.fitting(event, dice);
        let mut record = record(&self.state, self.speaker(&event, dice), event);
        spoil(&mut record, dice);
        self.put(line(&self.state, &record).map(|line| damaged(line, dice)));
    }

    /// Mostly what is there already, but for what begins something.
    fn place(&self, kind: &str, dice: &mut Dice<'_>) -> Place {
        let (mut place, nth) = (dice.place(), usize::from(dice.byte()));
        if BEGINNINGS.contains(&kind) || dice.rarely(8) {
            return place;
        }
        let State { allocs, instances, index, .. } = &self.state;
        if let Some(instance) = index.live_instances.iter().nth(nth % 3) {
            place.instance = instance.clone();
        }
        if let Some((id, alloc)) = allocs.iter().nth(nth % allocs.len().max(1)) {
            (place.alloc, place.driver) = (id.clone(), alloc.driver.clone());
            if let Some(grant) = alloc.grant() {
                place.instance = grant.instance.clone();
            }
        }
        if let Some(instance) = instances.get(&place.instance) {
            place.launch = instance.launch.clone();
        }
        let execs = index.execs.get(&place.alloc).map(|of| &of.all);
        let exec = execs.and_then(|all| all.iter().nth(nth % all.len().max(1)));
        if let Some(exec) = exec.filter(|_| kind != "exec-submitted") {
            place.exec = exec.clone();
        }
        place
    }

    /// Often what moves an alloc on; somebody leads most of the time, and a generation ends rarely.
    fn kind(&self, dice: &mut Dice<'_>) -> &'static str {
        let leaderless = !matches!(self.state.head.leader.holder, Holder::Replica(_));
        if leaderless && dice.rarely(2) {
            return "leader-elected";
        }
        // What there is seldom has to be used while it is there.
        if !self.state.index.notices.is_empty() && dice.rarely(4) {
            return "alloc-spared";
        }
        if !self.state.claims.is_empty() && dice.rarely(4) {
            return "instance-verified";
        }
        let nth = usize::from(dice.byte());
        if nth >= 128 {
            return ONWARD[nth % ONWARD.len()];
        }
        match Event::KINDS[nth % Event::KINDS.len()] {
            "rolled-over" | "leader-resigned" if !dice.rarely(8) => "leader-renewed",
            "policy-set" | "launches-frozen" if !dice.rarely(4) => "launches-thawed",
            kind => kind,
        }
    }

    /// The event with what only the state knows, as its author would have taken it from there.
    fn fitting(&self, event: Event, dice: &mut Dice<'_>) -> Event {
        let epoch = self.state.head.leader.epoch;
        let fits = !dice.rarely(8);
        match event {
            Event::LeaderElected(mut e) if fits => {
                e.epoch = epoch.next();
                e.into()
            }
            Event::LeaderChallenged(mut e) if fits => {
                e.epoch = epoch;
                e.into()
            }
            Event::AllocGranted(mut e) => {
                if let Some(alloc) = self.state.allocs.get(&e.alloc).filter(|_| fits) {
                    e.lease = alloc.lease;
                }
                e.into()
            }
            Event::AllocSpared(mut e) if fits => {
                if let Some((_, alloc)) = self.state.index.notices.iter().next() {
                    let held = self.state.allocs.get(alloc).and_then(|held| held.grant());
                    e.instance = held.map_or(e.instance, |grant| grant.instance.clone());
                    e.alloc = alloc.clone();
                    let of = self.state.allocs.get(alloc).map(|held| held.driver.clone());
                    e.driver = of.unwrap_or(e.driver);
                }
                e.into()
            }
            Event::InstanceVerified(mut e) if fits => {
                if let Some(((instance, boot), claim)) = self.state.claims.iter().next() {
                    (e.instance, e.boot, e.life) = (instance.clone(), *boot, claim.life);
                }
                e.into()
            }
            Event::InstanceDistrusted(mut e) if fits => {
                if let Some(((instance, boot), claim)) = self.state.claims.iter().next() {
                    (e.instance, e.boot, e.life) = (instance.clone(), *boot, claim.life);
                }
                e.into()
            }
            Event::SchemaActivated(mut e) if fits => {
                e.version = SCHEMA_VERSION;
                e.into()
            }
            Event::Checkpoint(mut e) => match self.state.marks.back() {
                Some((seq, digest)) if fits => {
                    (e.seq, e.digest) = (*seq, digest.0.to_vec());
                    e.into()
                }
                _ => e.into(),
            },
            event => event,
        }
    }

    /// Who may say this; rarely somebody else.
    fn speaker(&self, event: &Event, dice: &mut Dice<'_>) -> AuthorId {
        let route = event.route();
        let itself = match (event, event.role()) {
            _ if dice.rarely(24) => None,
            (Event::ReplicaStarted(e), _) => Some(e.replica.clone()),
            (Event::LeaderElected(e), _) => Some(e.replica.clone()),
            (Event::LeaderChallenged(e), _) => Some(e.replica.clone()),
            (_, Role::Driver) => route.driver.map(AuthorId::from),
            (_, Role::Agent) => route.instance.map(AuthorId::from),
            (_, Role::Ctl) => match &self.state.head.leader.holder {
                Holder::Replica(leader) => Some(leader.clone()),
                Holder::Nobody | Holder::Resigned => None,
            },
            (_, Role::Ops) => None,
        };
        itself.unwrap_or_else(|| dice.replica())
    }
}

/// Rarely: another number, life, term or schema, or a reason that is long past.
fn spoil(record: &mut Record, dice: &mut Dice<'_>) {
    match dice.below(64) {
        1 => record.number = dice.number(),
        2 => record.number = record.number.saturating_sub(1),
        3 => record.incarnation = Uuid::from_u128(1),
        4 => (record.incarnation, record.number) = (Uuid::from_u128(dice.number().into()), 1),
        5 => record.epoch = Epoch(dice.number()),
        6 => record.version = SCHEMA_VERSION + 1,
        7..=12 => record.cause = Seq(dice.number()),
        _ => {}
    }
}

/// Rarely: another subject, a kind that nobody knows, or bytes that are no record.
fn damaged(mut line: Line, dice: &mut Dice<'_>) -> Line {
    match dice.below(64) {
        1 => line.subject.push_str(&dice.text()),
        2 => line.payload.truncate(usize::from(dice.byte())),
        3 => line.payload.push(dice.byte()),
        4 => {
            // The key, the length of the name, the name.
            let key = line.payload.windows(4).position(|bytes| bytes == b"kind");
            if let Some(first) = key.and_then(|at| line.payload.get_mut(at + 5)) {
                *first = b'z';
            }
        }
        _ => {}
    }
    line
}
