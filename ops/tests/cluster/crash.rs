//! Every step of a launch and of an exec at which a process can be killed, with real processes: it is
//! held at the very record, killed there, and what the others do next is looked at.

use super::gate::{Gate, Hold, Trap};
use super::world::World;
use replay_core::state::exec::{ExecEnd, ExecStatus};
use std::io::Write;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);
const CODE: i32 = 7;

/// Who dies where, and what comes next, in words.
type Row = (Trap, &'static str);

const fn row(role: &'static str, kind: &'static str, hold: Hold, then: &'static str) -> Row {
    (Trap { role, kind, hold }, then)
}

const LAUNCH: &[Row] = &[
    row("ctl", "launch-requested", Hold::Before, "the next leader decides the launch anew"),
    row("ctl", "launch-requested", Hold::After, "the next leader makes the call for that intent"),
    row(
        "ctl",
        "launch-accepted",
        Hold::Before,
        "the next leader repeats the call: no second instance",
    ),
    row("ctl", "launch-accepted", Hold::After, "the next leader grants"),
];

const EXEC: &[Row] = &[
    row("agent", "alloc-opened", Hold::Before, "the next agent opens the alloc and runs the exec"),
    row("agent", "exec-started", Hold::Before, "the next agent finds the process, and says so"),
    row("agent", "exec-started", Hold::After, "the next agent finds the process, and says no more"),
    row("agent", "exec-exited", Hold::Before, "the next agent tells the end, as it was"),
    row("agent", "exec-exited", Hold::After, "the next agent has nothing left to tell"),
];

/// Runs one exec on an empty fleet while somebody is killed at a record; it must run once and end as
/// it should.
fn check((trap, then): &Row) {
    let mut gate = None;
    let world = World::behind(2, 0, |url| {
        let made = gate.insert(Gate::before(url, *trap));
        made.url.clone()
    });
    let gate = gate.expect("it was opened");
    let ran = world.path("ran");
    let script = format!("echo once >> {}; exit {CODE}", ran.display());
    let run = world.begin(&["run", "--cpu", "1", "--", "sh", "-c", &script]);
    let author = gate.caught(PATIENCE).unwrap_or_else(|| panic!("{trap:?}: nobody came there"));
    match trap.hold {
        Hold::Before => assert_eq!(world.count(trap.kind), 0, "{trap:?}: it is on the log"),
        Hold::After => world.until(|| world.count(trap.kind) == 1),
    }
    match trap.role {
        "ctl" => world.kill_controller(&author),
        _ => world.kill_agent(),
    }
    let output = run.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(CODE), "{trap:?}: {output:?}");
    world.audit();
    let state = world.state();
    assert_eq!(std::fs::read_to_string(&ran).unwrap_or_default(), "once\n", "{trap:?}");
    let ends: Vec<_> = state.execs.iter().map(|(_, exec)| &exec.status).collect();
    let [ExecStatus::Ended { end: ExecEnd::Exited { code: CODE, .. }, late: None, .. }] = ends[..]
    else {
        panic!("{trap:?}: {ends:?}");
    };
    assert_eq!((state.launches.len(), state.instances.len()), (1, 1), "{trap:?}");
    let again = state.head.leader.epoch.0 > 1;
    assert_eq!(again, trap.role == "ctl", "{trap:?}: term {}", state.head.leader.epoch);
    let Trap { role, kind, hold } = trap;
    let _ = writeln!(std::io::stdout(), "{role} killed, {hold:?} {kind}: {then}");
}

fn all(rows: &[Row]) {
    std::thread::scope(|scope| rows.iter().for_each(|row| drop(scope.spawn(|| check(row)))));
}

#[test]
fn a_controller_may_be_killed_at_each_step_of_a_launch() {
    all(LAUNCH);
}

#[test]
fn an_agent_may_be_killed_at_each_step_of_an_exec() {
    all(EXEC);
}
