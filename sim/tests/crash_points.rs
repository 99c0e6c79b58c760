//! Every step at which a process can die, one row each: it is killed exactly there, once, while nothing
//! else goes wrong, and what the log holds from there on says what the system did next with the very
//! launch, instance, alloc or exec that was interrupted, and what it did not. All that must hold of any
//! history is checked as well: nothing is lost, doubled or leaked.

use schema::subject::Aggregate;
use sim::Point::{Called, Calling, Heard, Sending, Spawned, Stored, Writing};
use sim::Who::{Agent, Driver, Replica};
use sim::{Case, Crash, Fault, Hit, Names, Point, Who};
use std::collections::BTreeSet;
use std::io::Write;

/// A kind of record (or one of several, with `|` between them), and what of the interrupted it names:
/// anything, if nothing is said.
type Told = (&'static str, Option<Aggregate>);

/// Somebody dies at a point; then these are written and have their effect, in this order, others among
/// them; and beside them none of those is written, whether or not it has an effect.
struct Row {
    who: Who,
    at: Point,
    then: &'static [Told],
    never: &'static [Told],
}

const fn row(who: Who, at: Point, then: &'static [Told], never: &'static [Told]) -> Row {
    Row { who, at, then, never }
}

const ELECTED: Told = ("leader-elected", None);

/// These kinds of records, about the launch, instance, alloc, exec or driver that was interrupted.
const fn launch(kind: &'static str) -> Told {
    (kind, Some(Aggregate::Launch))
}
const fn instance(kind: &'static str) -> Told {
    (kind, Some(Aggregate::Instance))
}
const fn alloc(kind: &'static str) -> Told {
    (kind, Some(Aggregate::Alloc))
}
const fn exec(kind: &'static str) -> Told {
    (kind, Some(Aggregate::Exec))
}
const fn driver(kind: &'static str) -> Told {
    (kind, Some(Aggregate::Driver))
}

const UP: Told = instance("instance-booted");
const JOINED: Told = driver("driver-joined");
/// Whatever is written of an exec by its agent.
const ANY_EXEC: &str = "exec-started|exec-exited|exec-failed|exec-oom-killed";
const ENDED: &str = "exec-exited|exec-failed";

/// What may not follow a launch that is on the log: another intent, or another answer.
const ONE_LAUNCH: &[Told] = &[launch("launch-requested|launch-accepted|launch-refused")];
/// The leader dies while it launches. The intent is decided again if it was not stored, for the same
/// request under a new id; once it is, whoever leads next repeats the call under the same token until
/// it has the same answer.
const LAUNCHED: &[Told] = &[ELECTED, launch("launch-accepted"), alloc("alloc-granted")];
const ACCEPTED: &[Told] = &[ELECTED, launch("launch-accepted")];
const GRANTED: &[Told] = &[ELECTED, alloc("alloc-granted")];
const LAUNCH: &[Row] = &[
    row(
        Replica,
        Sending("launch-requested"),
        &[ELECTED, alloc("launch-requested"), alloc("alloc-granted")],
        &[launch("launch-requested|launch-accepted|launch-refused|instance-booted")],
    ),
    row(Replica, Stored("launch-requested"), LAUNCHED, ONE_LAUNCH),
    row(Replica, Calling("launch"), LAUNCHED, ONE_LAUNCH),
    // Its agent may be up, and take its allocs, before anybody knows what came of the call.
    row(Replica, Called("launch"), ACCEPTED, ONE_LAUNCH),
    row(Replica, Called("launch"), GRANTED, &[launch("launch-requested|launch-refused")]),
    row(Replica, Heard("launch"), ACCEPTED, ONE_LAUNCH),
    row(Replica, Heard("launch"), GRANTED, &[launch("launch-requested|launch-refused")]),
    row(Replica, Sending("launch-accepted"), ACCEPTED, ONE_LAUNCH),
    row(Replica, Stored("launch-accepted"), &[ELECTED, instance("alloc-granted")], ONE_LAUNCH),
];

/// The leader dies while it ends an instance: that is meant once, and is said to be gone once.
const ONE_END: &[Told] =
    &[instance("terminate-requested|instance-terminated|instance-lost|alloc-granted")];
const GONE: &[Told] = &[ELECTED, instance("instance-terminated")];
const TERMINATE: &[Row] = &[
    row(
        Replica,
        Sending("terminate-requested"),
        &[ELECTED, instance("terminate-requested"), instance("instance-terminated")],
        &[instance("terminate-requested|instance-terminated|instance-lost")],
    ),
    row(Replica, Stored("terminate-requested"), GONE, ONE_END),
    row(Replica, Calling("terminate"), GONE, ONE_END),
    row(Replica, Called("terminate"), GONE, ONE_END),
    row(Replica, Heard("terminate"), GONE, ONE_END),
    row(Replica, Sending("instance-terminated"), GONE, ONE_END),
    row(Replica, Stored("instance-terminated"), &[ELECTED], ONE_END),
];

/// The leader dies while it grants; whoever leads next decides from the state alone.
const ONE_GRANT: &[Told] = &[alloc("alloc-granted|alloc-opened|alloc-refused|alloc-withdrawn")];
const GRANT: &[Row] = &[
    row(
        Replica,
        Sending("alloc-granted"),
        &[ELECTED, alloc("alloc-granted"), alloc("alloc-opened")],
        ONE_GRANT,
    ),
    row(Replica, Stored("alloc-granted"), &[alloc("alloc-opened"), ELECTED], ONE_GRANT),
];

/// The leader dies while it ends a lease whose driver is out of reach.
const ONE_EXPIRY: &[Told] =
    &[alloc("alloc-expired|alloc-revoked|alloc-closed|alloc-granted|exec-started")];
const EXPIRE: &[Row] = &[
    row(
        Replica,
        Sending("alloc-expired"),
        &[ELECTED, alloc("alloc-expired"), alloc("alloc-closed")],
        ONE_EXPIRY,
    ),
    row(Replica, Stored("alloc-expired"), &[alloc("alloc-closed"), ELECTED], ONE_EXPIRY),
];

/// The agent dies while it opens an alloc and starts an exec. What its machine has started is found
/// again, and not started a second time.
const ONE_OPENING: &[Told] = &[alloc("alloc-opened")];
const ONE_RUN: &[Told] = &[exec("exec-started|exec-exited|exec-failed")];
const START: &[Row] = &[
    row(
        Agent,
        Writing("alloc-opened"),
        &[UP, alloc("alloc-opened"), alloc("exec-started")],
        ONE_OPENING,
    ),
    row(
        Agent,
        Sending("alloc-opened"),
        &[alloc("alloc-opened"), UP, alloc("exec-started")],
        ONE_OPENING,
    ),
    row(Agent, Stored("alloc-opened"), &[UP, alloc("exec-started")], ONE_OPENING),
    row(Agent, Spawned, &[UP, exec("exec-started"), exec(ENDED)], ONE_RUN),
    row(Agent, Writing("exec-started"), &[UP, exec("exec-started"), exec(ENDED)], ONE_RUN),
    row(Agent, Sending("exec-started"), &[exec("exec-started"), UP, exec(ENDED)], ONE_RUN),
    row(Agent, Stored("exec-started"), &[UP, exec(ENDED)], ONE_RUN),
];

/// The agent dies while it tells of an end: that is told once, as it was.
const AS_IT_WAS: &[Told] = &[exec("exec-started|exec-exited|exec-failed")];
const ONE_CLOSING: &[Told] = &[alloc("alloc-closed|alloc-opened|exec-started")];
const END: &[Row] = &[
    row(
        Agent,
        Writing("exec-exited"),
        &[UP, exec("exec-exited"), alloc("alloc-closed")],
        AS_IT_WAS,
    ),
    row(Agent, Sending("exec-exited"), &[exec("exec-exited"), UP], AS_IT_WAS),
    row(Agent, Stored("exec-exited"), &[UP], AS_IT_WAS),
    row(Agent, Writing("alloc-closed"), &[UP, alloc("alloc-closed")], ONE_CLOSING),
    row(Agent, Sending("alloc-closed"), &[alloc("alloc-closed"), UP], ONE_CLOSING),
    row(Agent, Stored("alloc-closed"), &[UP], ONE_CLOSING),
];

/// The driver dies, and comes back under its id: what is on the log it goes on with, what is not it
/// has never asked for.
const UNHEARD: &[Told] = &[alloc("alloc-requested|alloc-granted|alloc-pending|alloc-refused")];
const ANSWERED: &[Told] = &[alloc("alloc-granted|alloc-refused")];
const DRIVER: &[Row] = &[
    row(Driver, Sending("driver-joined"), &[JOINED, driver("alloc-requested")], &[JOINED]),
    row(Driver, Stored("driver-joined"), &[JOINED, driver("alloc-requested")], &[JOINED]),
    row(Driver, Sending("alloc-requested"), &[JOINED, driver("alloc-requested")], UNHEARD),
    // What it has on the log goes on while it is away.
    row(Driver, Stored("alloc-requested"), &[JOINED], &[alloc("alloc-requested")]),
    row(Driver, Stored("alloc-requested"), ANSWERED, ANSWERED),
    row(
        Driver,
        Sending("exec-submitted"),
        &[JOINED, alloc("exec-submitted"), alloc(ENDED), alloc("alloc-closed")],
        &[exec("exec-submitted"), exec(ANY_EXEC)],
    ),
    row(
        Driver,
        Stored("exec-submitted"),
        &[JOINED, alloc("alloc-closed")],
        &[exec("exec-submitted")],
    ),
    row(Driver, Stored("exec-submitted"), &[exec(ENDED)], &[exec(ENDED)]),
    row(
        Driver,
        Sending("alloc-freed"),
        &[JOINED, alloc("alloc-freed"), alloc("alloc-closed")],
        &[alloc("alloc-freed|alloc-requested|exec-submitted")],
    ),
    row(
        Driver,
        Stored("alloc-freed"),
        &[JOINED],
        &[alloc("alloc-freed|alloc-requested|exec-submitted")],
    ),
    row(Driver, Sending("driver-left"), &[JOINED, driver("driver-left")], &[JOINED]),
    row(Driver, Stored("driver-left"), &[JOINED, driver("driver-left")], &[JOINED]),
];

/// In these seeds, with nothing going wrong; no driver takes back there what is interrupted.
const SEEDS: std::ops::Range<u64> = 70..75;

/// Whether a record is such a one, of what was interrupted.
fn is_such(record: &sim::Told, (kinds, of): &Told, interrupted: &Names) -> bool {
    let of_it = |aggregate| {
        let mut ids = interrupted.iter().filter(|(what, _)| *what == aggregate).peekable();
        assert!(ids.peek().is_some(), "{kinds}: no {aggregate} was interrupted: {interrupted:?}");
        ids.any(|id| record.names.contains(id))
    };
    kinds.split('|').any(|kind| kind == record.kind) && of.is_none_or(of_it)
}

/// Checks what followed for one thing that was interrupted.
fn follows(row: &Row, interrupted: &Names, records: &[sim::Told]) -> Result<(), String> {
    let mut then = row.then.iter().peekable();
    for record in records {
        if record.applied && then.next_if(|next| is_such(record, next, interrupted)).is_some() {
            continue;
        }
        if row.never.iter().any(|never| is_such(record, never, interrupted)) {
            return Err(format!("this must not follow: {record:?}"));
        }
    }
    then.next().map_or(Ok(()), |missing| Err(format!("{missing:?} never follows")))
}

fn check(rows: &[Row], cases: &[Case]) {
    let mut out = std::io::stdout();
    for row @ Row { who, at, then, .. } in rows {
        let mut reached = 0;
        for case in cases {
            let crash = Some(Crash { who: *who, at: *at });
            let report = Case { crash, ..case.clone() }.run();
            let (seed, found) = (case.seed, &report.found);
            assert!(found.is_empty(), "{who:?} dies {at}, seed {seed}: {found:#?}");
            let Some(after) = report.after else { continue };
            reached += 1;
            assert!(!after.interrupted.is_empty(), "{who:?} dies {at}, and of what, is not known");
            for interrupted in &after.interrupted {
                if let Err(wrong) = follows(row, interrupted, &after.records) {
                    panic!("{who:?} dies {at}, seed {seed}, with {interrupted:?}: {wrong}");
                }
            }
        }
        assert!(reached > 0, "nobody ever dies {at}");
        let then: Vec<&str> = then.iter().map(|(kind, _)| *kind).collect();
        let then = then.join(", ");
        let _ = writeln!(out, "{who:?} dies {at}: then {then} ({reached} times)");
    }
}

fn calm() -> Vec<Case> {
    SEEDS.map(|seed| Case { only: Some(BTreeSet::new()), ..Case::of(seed) }).collect()
}

/// A history in which nothing goes wrong but that a driver dies for good, and its leases run out.
fn bereaved() -> Option<Case> {
    let lost = |seed, nth| {
        let hit = Hit { fault: Fault::LoseDriver, nth };
        Case { only: Some(BTreeSet::from([hit])), ..Case::of(seed) }
    };
    let mut cases = (0..20).flat_map(|seed| (0..20).map(move |nth| lost(seed, nth)));
    cases.find(|case| case.run().coverage.seen("event", "alloc-expired") > 0)
}

#[test]
fn a_leader_may_die_at_each_step_of_a_launch() {
    check(LAUNCH, &calm());
}

#[test]
fn a_leader_may_die_at_each_step_of_a_termination() {
    check(TERMINATE, &calm());
}

#[test]
fn a_leader_may_die_as_it_grants() {
    check(GRANT, &calm());
}

#[test]
fn a_leader_may_die_as_a_lease_ends() {
    check(EXPIRE, &[bereaved().expect("some driver dies while it holds something")]);
}

#[test]
fn an_agent_may_die_at_each_step_of_a_start() {
    check(START, &calm());
}

#[test]
fn an_agent_may_die_at_each_step_of_an_end() {
    check(END, &calm());
}

#[test]
fn a_driver_may_die_at_each_step() {
    check(DRIVER, &calm());
}
