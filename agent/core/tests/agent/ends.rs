//! Each exec has one end, whatever its runtime says.

use crate::check;
use crate::world::World;
use agent_core::exec::End;
use agent_core::oom::{Evidence, Own};
use schema::event::ExecConfig;
use schema::unit::Millis;
use schema::why::FailureClass;

fn timed(w: &mut World) {
    w.open();
    let timeout = Some(Millis(500));
    w.submit("x-1", ExecConfig { timeout, ..ExecConfig::default() });
    w.wanted.clear();
}

fn killed(wall: u64) -> End {
    End { code: 137, wall: Millis(wall), ..End::default() }
}

fn oom(code: i32) -> End {
    let evidence = Evidence { code, flag: Some(true), ..Evidence::default() };
    let oom = evidence.verdict(&Own::default());
    assert!(oom.is_some(), "the flag is up");
    End { code, oom, wall: Millis(7), ..End::default() }
}

#[test]
fn an_end_is_told_as_it_was() {
    check(&[
        (
            "by itself; its time is the agent's where the runtime has none",
            |w| {
                w.running();
                w.pass(250);
                w.exited("x-1", 3);
            },
            &["- x-1 exited 3 after 250"],
        ),
        (
            "killed for memory",
            |w| {
                w.running();
                w.ended("x-1", oom(137));
            },
            &["- x-1 oom Unspecified at 1073741824", "- x-1 exited 137 after 7"],
        ),
        (
            "something of it killed for memory",
            |w| {
                w.running();
                w.ended("x-1", oom(1));
            },
            &["- x-1 oom Child at 1073741824", "- x-1 exited 1 after 7"],
        ),
        (
            "it cannot be started",
            |w| {
                w.open();
                w.submit("x-1", ExecConfig::default());
                w.failed("x-1", FailureClass::CannotStart, "no such program");
                w.land();
            },
            &["start x-1", "- x-1 failed: no such program", "forget x-1"],
        ),
        (
            "it was lost",
            |w| {
                w.running();
                w.failed("x-1", FailureClass::Lost, "gone");
                w.exited("x-1", 0);
            },
            &["- x-1 failed: gone"],
        ),
    ]);
}

#[test]
fn a_runtime_forgets_what_the_log_has() {
    check(&[
        (
            "not before",
            |w| {
                w.running();
                w.exited("x-1", 0);
                w.pass(60_000);
            },
            &["- x-1 exited 0 after 0"],
        ),
        (
            "each when its own end has landed",
            |w| {
                w.running();
                w.submit("x-2", ExecConfig::default());
                w.exited("x-1", 0);
                w.land();
                w.ended("x-2", oom(1));
                w.land();
            },
            &[
                "start x-2",
                "- x-1 exited 0 after 0",
                "forget x-1",
                "- x-2 oom Child at 1073741824",
                "- x-2 exited 1 after 7",
                "forget x-2",
            ],
        ),
    ]);
}

#[test]
fn time_limits_end_what_takes_longer() {
    const TOO_LONG: &str = "- x-1 failed: x-1 ran for longer than its limit of 500 ms";
    check(&[
        (
            "counted from its start; killed until it is gone",
            |w| {
                timed(w);
                w.pass(10_000);
                w.started("x-1");
                w.pass(499);
                w.pass(1);
                w.pass(1001);
                w.ended("x-1", killed(1501));
            },
            &["- x-1 started as 1", "signal x-1 9", "signal x-1 9", TOO_LONG],
        ),
        (
            "counted across lives",
            |w| {
                timed(w);
                w.aged("x-1", 300);
                w.pass(199);
                w.pass(1);
            },
            &["- x-1 started as 1", "signal x-1 9"],
        ),
        (
            "whatever else its driver wants",
            |w| {
                timed(w);
                w.started("x-1");
                w.kill("x-1", 15);
                w.pass(500);
                w.pass(100);
            },
            &["- x-1 started as 1", "signal x-1 15", "signal x-1 9"],
        ),
        (
            "an earlier life has killed it for that, and could not say so",
            |w| {
                timed(w);
                w.aged("x-1", 0);
                w.ended("x-1", killed(500));
            },
            &["- x-1 started as 1", TOO_LONG],
        ),
        (
            "killed by others before",
            |w| {
                timed(w);
                w.started("x-1");
                w.ended("x-1", killed(499));
            },
            &["- x-1 started as 1", "- x-1 exited 137 after 499"],
        ),
        (
            "it had ended in time, by itself or not, while nobody looked",
            |w| {
                timed(w);
                w.aged("x-1", 8000);
                w.ended("x-1", End { code: 3, wall: Millis(300), ..End::default() });
                w.submit("x-2", ExecConfig { timeout: Some(Millis(500)), ..ExecConfig::default() });
                w.aged("x-2", 8000);
                w.ended("x-2", killed(300));
            },
            &[
                "- x-1 started as 1",
                "signal x-1 9",
                "- x-1 exited 3 after 300",
                "start x-2",
                "- x-2 started as 1",
                "signal x-2 9",
                "- x-2 exited 137 after 300",
            ],
        ),
        (
            "killed for its limit, and lost",
            |w| {
                timed(w);
                w.started("x-1");
                w.pass(500);
                w.failed("x-1", FailureClass::Lost, "gone");
            },
            &["- x-1 started as 1", "signal x-1 9", TOO_LONG],
        ),
    ]);
}

#[test]
fn a_long_message_is_cut_between_letters() {
    let mut world = World::new();
    world.open();
    world.submit("x-1", ExecConfig::default());
    world.failed("x-1", FailureClass::CannotStart, &format!("a{}", "é".repeat(2000)));
    let told = world.wanted.last().expect("an end");
    assert_eq!(told.len(), "- x-1 failed: ".len() + 1999);
}
