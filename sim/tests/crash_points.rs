//! Every step at which a process can die, one row each: it is killed exactly there, once, while nothing
//! else goes wrong, and what the log holds from there on says what the system did next. All that must
//! hold of any history is checked as well: nothing is lost, doubled or leaked.

use sim::Point::{Called, Calling, Heard, Sending, Spawned, Stored, Writing};
use sim::Who::{Agent, Driver, Replica};
use sim::{Case, Crash, Hit, Point, Who};
use std::collections::BTreeSet;
use std::io::Write;

/// Somebody dies at a point; then, in this order, among others, these kinds are written.
struct Row {
    who: Who,
    at: Point,
    then: &'static [&'static str],
}

const fn row(who: Who, at: Point, then: &'static [&'static str]) -> Row {
    Row { who, at, then }
}

const ELECTED: &str = "leader-elected";

/// The leader dies while it launches. The intent is decided again if it was not stored; once it is,
/// whoever leads next repeats the call under the same token until it has the same answer.
const LAUNCH: &[Row] = &[
    row(Replica, Sending("launch-requested"), &[ELECTED, "launch-requested", "launch-accepted"]),
    row(Replica, Stored("launch-requested"), &[ELECTED, "launch-accepted", "alloc-granted"]),
    row(Replica, Calling("launch"), &[ELECTED, "launch-accepted", "alloc-granted"]),
    row(Replica, Called("launch"), &[ELECTED, "launch-accepted", "alloc-granted"]),
    row(Replica, Heard("launch"), &[ELECTED, "launch-accepted", "alloc-granted"]),
    row(Replica, Sending("launch-accepted"), &[ELECTED, "launch-accepted", "alloc-granted"]),
    row(Replica, Stored("launch-accepted"), &[ELECTED, "alloc-granted"]),
];

/// The leader dies while it ends an instance.
const TERMINATE: &[Row] = &[
    row(Replica, Sending("terminate-requested"), &[ELECTED, "terminate-requested"]),
    row(Replica, Stored("terminate-requested"), &[ELECTED, "instance-terminated"]),
    row(Replica, Calling("terminate"), &[ELECTED, "instance-terminated"]),
    row(Replica, Called("terminate"), &[ELECTED, "instance-terminated"]),
    row(Replica, Heard("terminate"), &[ELECTED, "instance-terminated"]),
    row(Replica, Sending("instance-terminated"), &[ELECTED, "instance-terminated"]),
    row(Replica, Stored("instance-terminated"), &[ELECTED]),
];

/// The leader dies while it grants; whoever leads next decides from the state alone.
const GRANT: &[Row] = &[
    row(Replica, Sending("alloc-granted"), &[ELECTED, "alloc-granted", "alloc-opened"]),
    row(Replica, Stored("alloc-granted"), &["alloc-opened", ELECTED]),
];

/// The leader dies while it ends a lease whose driver is out of reach.
const EXPIRE: &[Row] = &[
    row(Replica, Sending("alloc-expired"), &[ELECTED, "alloc-expired", "alloc-closed"]),
    row(Replica, Stored("alloc-expired"), &["alloc-closed", ELECTED]),
];

/// The agent dies while it opens an alloc and starts an exec. What its machine has started is found
/// again, and not started a second time.
const START: &[Row] = &[
    row(Agent, Writing("alloc-opened"), &["instance-booted", "alloc-opened", "exec-started"]),
    row(Agent, Sending("alloc-opened"), &["instance-booted", "exec-started"]),
    row(Agent, Stored("alloc-opened"), &["instance-booted", "exec-started"]),
    row(Agent, Spawned, &["instance-booted", "exec-started", "exec-exited"]),
    row(Agent, Writing("exec-started"), &["instance-booted", "exec-started", "exec-exited"]),
    row(Agent, Sending("exec-started"), &["exec-started", "instance-booted", "exec-exited"]),
    row(Agent, Stored("exec-started"), &["instance-booted", "exec-exited"]),
];

/// The agent dies while it tells of an end: that is told once, as it was.
const END: &[Row] = &[
    row(Agent, Writing("exec-exited"), &["instance-booted", "exec-exited", "alloc-freed"]),
    row(Agent, Sending("exec-exited"), &["exec-exited", "instance-booted", "alloc-freed"]),
    row(Agent, Stored("exec-exited"), &["instance-booted", "alloc-freed"]),
    row(Agent, Writing("alloc-closed"), &["instance-booted", "alloc-closed"]),
    row(Agent, Sending("alloc-closed"), &["alloc-closed", "instance-booted"]),
    row(Agent, Stored("alloc-closed"), &["instance-booted"]),
];

/// The driver dies, and comes back under its id: what is on the log it goes on with.
const DRIVER: &[Row] = &[
    row(Driver, Sending("driver-joined"), &["driver-joined", "alloc-requested"]),
    row(Driver, Stored("driver-joined"), &["driver-joined", "alloc-requested"]),
    row(Driver, Sending("alloc-requested"), &["driver-joined", "alloc-requested"]),
    row(Driver, Stored("alloc-requested"), &["driver-joined"]),
    row(Driver, Sending("exec-submitted"), &["driver-joined", "exec-submitted", "exec-exited"]),
    row(Driver, Stored("exec-submitted"), &["driver-joined", "exec-exited", "alloc-freed"]),
    row(Driver, Sending("alloc-freed"), &["driver-joined", "alloc-freed", "alloc-closed"]),
    row(Driver, Stored("alloc-freed"), &["driver-joined"]),
    row(Driver, Sending("driver-left"), &["driver-joined", "driver-left"]),
    row(Driver, Stored("driver-left"), &["driver-joined", "driver-left"]),
];

/// In these seeds, with nothing going wrong.
const SEEDS: std::ops::Range<u64> = 0..4;
/// In this seed, with this alone going wrong, a driver is out of reach until its leases have run out.
const OUT_OF_REACH: (u64, &str) = (5, "cut#11");

/// Whether these kinds follow in this order, whatever is between them.
fn follows(then: &[&str], after: &[&str]) -> bool {
    let mut rest = after.iter();
    then.iter().all(|kind| rest.any(|next| next == kind))
}

fn check(rows: &[Row], cases: &[Case]) {
    let mut out = std::io::stdout();
    for Row { who, at, then } in rows {
        let mut reached = 0;
        for case in cases {
            let crash = Some(Crash { who: *who, at: *at });
            let report = Case { crash, ..case.clone() }.run();
            let (seed, found) = (case.seed, &report.found);
            assert!(found.is_empty(), "{who:?} dies {at}, seed {seed}: {found:#?}");
            let Some(after) = report.after else { continue };
            reached += 1;
            assert!(follows(then, &after), "{who:?} dies {at}, seed {seed}: then {after:?}");
        }
        assert!(reached > 0, "nobody ever dies {at}");
        let then = then.join(", ");
        let _ = writeln!(out, "{who:?} dies {at}: then {then} ({reached} times)");
    }
}

fn calm() -> Vec<Case> {
    SEEDS.map(|seed| Case { only: Some(BTreeSet::new()), ..Case::of(seed) }).collect()
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
    let (seed, hit) = OUT_OF_REACH;
    let hit: Hit = hit.parse().expect("a hit");
    check(EXPIRE, &[Case { only: Some(BTreeSet::from([hit])), ..Case::of(seed) }]);
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
