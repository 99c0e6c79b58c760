//! An agent that dies at any moment goes on where it was: from the log, its journal and its runtimes.

use crate::check;
use schema::event::ExecConfig;

#[test]
fn execs_go_on() {
    check(&[
        (
            "one that runs is found, not started",
            |w| {
                w.running();
                w.crash(true, &["x-1"]);
                w.started("x-1");
                w.exited("x-1", 4);
            },
            &["find x-1", "- x-1 exited 4 after 0"],
        ),
        (
            "one whose start is in the journal alone is found as well",
            |w| {
                w.open();
                w.submit("x-1", ExecConfig::default());
                w.started("x-1");
                w.wanted.clear();
                w.crash(true, &["x-1"]);
            },
            &["find x-1"],
        ),
        (
            "one whose start was not durable is started: its runtime knows better",
            |w| {
                w.open();
                w.submit("x-1", ExecConfig::default());
                w.started("x-1");
                w.wanted.clear();
                w.crash(false, &["x-1"]);
                w.started("x-1");
            },
            &["start x-1", "- x-1 started as 1"],
        ),
        (
            "one that nobody had started is",
            |w| {
                w.open();
                w.submit("x-1", ExecConfig::default());
                w.crash(true, &[]);
            },
            &["start x-1", "start x-1"],
        ),
    ]);
}

#[test]
fn nothing_outlives_its_alloc() {
    check(&[
        (
            "what runs, and is not known to have started, is found, and its true end told",
            |w| {
                w.open();
                w.submit("x-1", ExecConfig::default());
                w.wanted.clear();
                w.free("a-1");
                w.crash(false, &["x-1"]);
                w.started("x-1");
                w.exited("x-1", 137);
            },
            &[
                "start x-1",
                "- x-1 started as 1",
                "signal x-1 9",
                "- x-1 exited 137 after 0",
                "- a-1 closed",
            ],
        ),
        (
            "what was not begun is refused",
            |w| {
                w.open();
                w.submit("x-1", ExecConfig::default());
                w.wanted.clear();
                w.free("a-1");
                w.crash(false, &[]);
                w.pass(1);
            },
            &["- x-1 failed: x-1 was not run in a-1: the alloc is not open here", "- a-1 closed"],
        ),
    ]);
}

#[test]
fn ends_are_told_once() {
    check(&[
        (
            "in the journal: its runtime may forget it once that has landed, for a journal may be lost",
            |w| {
                w.running();
                w.exited("x-1", 0);
                w.crash(true, &["x-1"]);
                w.crash(true, &["x-1"]);
                w.pass(1);
                w.land();
            },
            &["- x-1 exited 0 after 0", "forget x-1"],
        ),
        (
            "in a journal that is lost: its runtime tells it again",
            |w| {
                w.running();
                w.exited("x-1", 0);
                w.crash(true, &["x-1"]);
                w.crash(false, &["x-1"]);
                w.exited("x-1", 0);
            },
            &["- x-1 exited 0 after 0", "find x-1", "- x-1 exited 0 after 0"],
        ),
        (
            "on the log: its runtime is rid of it",
            |w| {
                w.running();
                w.exited("x-1", 0);
                w.land();
                w.crash(true, &["x-1"]);
            },
            &["- x-1 exited 0 after 0", "forget x-1", "clear x-1"],
        ),
        (
            "not even there: its runtime tells it again",
            |w| {
                w.running();
                w.exited("x-1", 0);
                w.crash(false, &["x-1"]);
                w.exited("x-1", 0);
            },
            &["- x-1 exited 0 after 0", "find x-1", "- x-1 exited 0 after 0"],
        ),
        (
            "of an alloc that is gone",
            |w| {
                w.running();
                w.exited("x-1", 0);
                w.free("a-1");
                w.land();
                w.crash(true, &["x-1"]);
            },
            &["- x-1 exited 0 after 0", "- a-1 closed", "forget x-1", "clear x-1"],
        ),
    ]);
}
