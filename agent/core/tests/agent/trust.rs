//! An agent that has to prove itself: until the leader says that it did, nothing that it writes counts.

use crate::check;
use crate::world::{World, id};
use schema::event::{AllocClosed, ExecConfig, Interruption};
use schema::unit::{Millis, Seq};

fn booted(w: &mut World) {
    w.proving();
    w.boot();
    w.land();
}

/// It has said that it is up, is trusted, and has `x-1` running.
fn running(w: &mut World) {
    booted(w);
    w.verify(1);
    w.running();
}

#[test]
fn what_happens_before_it_is_trusted_is_written_after() {
    check(&[
        ("it has not joined by what it says of itself", booted, &["- up"]),
        (
            "but by what the leader says",
            |w| {
                booted(w);
                w.verify(1);
            },
            &["- up", "joined"],
        ),
        (
            "and not by what it says of another record",
            |w| {
                booted(w);
                w.verify_by(1, Seq(7));
            },
            &["- up"],
        ),
        (
            "and by what it says of the first of two copies",
            |w| {
                booted(w);
                let first = w.again();
                w.verify_by(1, first);
            },
            &["- up", "joined"],
        ),
        (
            "a notice waits",
            |w| {
                booted(w);
                w.agent.interrupted(Interruption::Spot, Millis(5));
                w.step();
                w.wanted.push("then".into());
                w.verify(1);
            },
            &["- up", "then", "- 5 ms left", "joined"],
        ),
        (
            "and does for good where another life is trusted",
            |w| {
                booted(w);
                w.agent.interrupted(Interruption::Spot, Millis(5));
                w.verify(2);
            },
            &["- up"],
        ),
    ]);
}

#[test]
fn what_others_say_in_its_name_is_of_no_use() {
    let closed = || AllocClosed { alloc: id("a-1"), driver: id("d-1"), instance: id("i-1") };
    let mut w = World::new();
    running(&mut w);
    let before = w.agent.orders().ignored;
    w.forge(closed());
    assert_eq!(w.agent.orders().ignored, before + 1);
    w.submit("x-2", ExecConfig::default());
    assert_eq!(w.wanted, ["start x-2"], "a-1 is open still");
}

#[test]
fn one_that_comes_back_knows_its_own_records_from_forged_ones() {
    let closed = || AllocClosed { alloc: id("a-1"), driver: id("d-1"), instance: id("i-1") };
    let mut w = World::new();
    running(&mut w);
    w.forge(closed());
    w.exited("x-1", 0);
    w.land();
    w.wanted.clear();
    w.crash(true, &["x-1"]);
    w.boot();
    // It is trusted in this life, and x-1 has ended in it: it is not run again.
    assert_eq!(w.wanted, ["clear x-1", "- up"]);
}

#[test]
fn one_that_lost_its_journal_is_trusted_anew() {
    let mut w = World::new();
    running(&mut w);
    w.reborn(2);
    w.boot();
    w.ended("x-1", Default::default());
    assert_eq!(w.wanted, ["- up", "find x-1"]);
    w.land();
    w.verify(2);
    assert_eq!(w.wanted, ["- up", "find x-1", "- x-1 exited 0 after 0", "joined"]);
}

/// Whoever reads the log has its proof as well, and may say it again: as it was, or in other words.
#[test]
fn who_repeats_its_word_does_not_keep_it_from_joining() {
    for (what, number, address) in [
        ("as another record", 2, ""),
        ("in other words", 1, "http://forged"),
        ("as another record and in other words", 2, "http://forged"),
    ] {
        let mut w = World::new();
        booted(&mut w);
        let own = w.repeat(number, address);
        w.verify_by(1, own);
        assert_eq!(w.wanted, ["- up", "joined"], "{what}");
    }
}
