//! Leases that lapse, instances that go.

use crate::check;
use crate::world::{GRACE, LEASE, World};
use schema::event::{ExecConfig, Interruption};
use schema::unit::Millis;

#[test]
fn a_lease_and_grace_out_of_reach_end_an_alloc() {
    check(&[
        (
            "after both",
            |w| {
                w.running();
                w.cut_off(LEASE.0 + GRACE.0);
                w.cut_off(1);
            },
            &["signal x-1 9"],
        ),
        (
            "for good, whatever comes back",
            |w| {
                w.open();
                w.cut_off(LEASE.0 + GRACE.0 + 1);
                w.pass(1);
                w.submit("x-1", ExecConfig::default());
            },
            &["- a-1 closed", "- x-1 failed: x-1 was not run in a-1: the alloc is not open here"],
        ),
        (
            "each by the grace that came with it",
            |w| {
                w.open();
                w.grant_with("a-2", Millis(GRACE.0 + 2));
                w.land();
                w.wanted.clear();
                w.cut_off(LEASE.0 + GRACE.0 + 2);
                w.cut_off(1);
            },
            &["- a-1 closed", "- a-2 closed"],
        ),
        (
            "counted from the last contact",
            |w| {
                w.running();
                w.cut_off(LEASE.0);
                w.pass(1);
                w.cut_off(LEASE.0);
            },
            &[],
        ),
    ]);
}

#[test]
fn an_instance_that_must_go_ends_everything_and_leaves() {
    check(&[
        (
            "once the log has all of it",
            |w| {
                w.running();
                w.terminate();
                w.exited("x-1", 137);
                w.pass(1000);
                w.land();
            },
            &["signal x-1 9", "- x-1 exited 137 after 0", "- a-1 closed", "forget x-1", "leave 0"],
        ),
        (
            "or has been out of reach for long",
            |w| {
                w.open();
                w.terminate();
                w.cut_off(10_000);
                w.cut_off(1);
            },
            &["- a-1 closed", "leave 1"],
        ),
        (
            "with what an earlier life left behind",
            |w| {
                w.open();
                w.free("a-1");
                w.crash(true, &[]);
                w.terminate();
                w.pass(1);
                w.land();
            },
            &["- a-1 closed", "leave 0"],
        ),
        (
            "not while something runs",
            |w| {
                w.running();
                w.terminate();
                w.pass(1000);
            },
            &["signal x-1 9"],
        ),
        ("at once with nothing to do", World::terminate, &["leave 0"]),
    ]);
}

#[test]
fn what_happens_to_the_instance_is_said() {
    check(&[
        ("it is up", World::boot, &["- up"]),
        (
            "it has joined once the log has that, and what an earlier life left behind before it",
            |w| {
                w.open();
                w.submit("x-1", ExecConfig::default());
                w.started("x-1");
                w.wanted.clear();
                w.crash(true, &["x-1"]);
                w.boot();
                w.agent.landed(1);
                w.step();
                w.wanted.push("its word lands".to_owned());
                w.agent.landed(1);
                w.step();
                w.step();
            },
            &["find x-1", "- up", "its word lands", "joined"],
        ),
        (
            "not when it must go",
            |w| {
                w.terminate();
                w.boot();
            },
            &["leave 0", "leave 0"],
        ),
        (
            "it will be taken away",
            |w| {
                w.agent.interrupted(Interruption::Spot, Millis(120_000));
                w.step();
            },
            &["- 120000 ms left"],
        ),
        (
            "each kind of notice once, whatever life hears of it",
            |w| {
                w.agent.interrupted(Interruption::Rebalance, Millis(0));
                w.agent.interrupted(Interruption::Rebalance, Millis(0));
                w.step();
                w.agent.interrupted(Interruption::Spot, Millis(120_000));
                w.step();
                w.crash(true, &[]);
                w.agent.interrupted(Interruption::Spot, Millis(100_000));
                w.land();
                w.crash(true, &[]);
                w.agent.interrupted(Interruption::Spot, Millis(90_000));
                w.agent.interrupted(Interruption::Rebalance, Millis(0));
                w.step();
            },
            &["- 0 ms left", "- 120000 ms left"],
        ),
        (
            "no risk of what is certain",
            |w| {
                w.agent.interrupted(Interruption::Spot, Millis(120_000));
                w.agent.interrupted(Interruption::Rebalance, Millis(0));
                w.step();
            },
            &["- 120000 ms left"],
        ),
        (
            "it goes by itself",
            |w| {
                w.running();
                w.agent.stop("so it was told".into());
                w.step();
                w.exited("x-1", 137);
                w.land();
            },
            &[
                "- stopping: so it was told",
                "signal x-1 9",
                "- x-1 exited 137 after 0",
                "- a-1 closed",
                "forget x-1",
                "leave 0",
            ],
        ),
    ]);
}
