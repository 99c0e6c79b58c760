//! What is ordered is done, or refused with a reason.

use crate::check;
use crate::world::{World, id};
use schema::event::{Event, ExecConfig};
use schema::resources::Resources;
use schema::unit::Seq;

fn limits(memory: u64) -> ExecConfig {
    let limits = Some(Resources { memory, ..Resources::default() });
    ExecConfig { limits, ..ExecConfig::default() }
}

fn image() -> ExecConfig {
    ExecConfig { image: Some("any".into()), ..ExecConfig::default() }
}

#[test]
fn allocs_open_once_and_close_when_nothing_of_them_is_left() {
    check(&[
        ("granted", |w| w.grant("a-1"), &["- a-1 opened"]),
        (
            "said once, though it has not landed",
            |w| {
                w.grant("a-1");
                w.pass(1000);
            },
            &["- a-1 opened"],
        ),
        (
            "freed, with nothing in it",
            |w| {
                w.open();
                w.free("a-1");
            },
            &["- a-1 closed"],
        ),
        (
            "freed, with an exec in it: closed after its end",
            |w| {
                w.running();
                w.free("a-1");
                w.exited("x-1", 137);
            },
            &["signal x-1 9", "- x-1 exited 137 after 0", "- a-1 closed"],
        ),
        (
            "freed while an exec is being started: nothing is sent that could come too early",
            |w| {
                w.open();
                w.submit("x-1", ExecConfig::default());
                w.free("a-1");
                w.started("x-1");
            },
            &["start x-1", "- x-1 started as 1", "signal x-1 9"],
        ),
    ]);
}

#[test]
fn execs_run_where_they_may() {
    check(&[
        (
            "in an alloc",
            |w| {
                w.open();
                w.submit("x-1", ExecConfig::default());
                w.pass(1000);
            },
            &["start x-1"],
        ),
        (
            "in none",
            |w| w.submit("x-1", ExecConfig::default()),
            &["- x-1 failed: x-1 was not run in a-1: the alloc is not open here"],
        ),
        (
            "of what is not here",
            |w| {
                w.open();
                w.submit("x-1", image());
            },
            &["- x-1 failed: x-1 was not run in a-1: this instance has no runtime for it"],
        ),
        (
            "with all of the alloc",
            |w| {
                w.open();
                w.submit("x-1", limits(1 << 30));
            },
            &["start x-1"],
        ),
        (
            "with more than the alloc",
            |w| {
                w.open();
                w.submit("x-1", limits(2 << 30));
            },
            &[
                "- x-1 failed: x-1 was not run in a-1: it asks for memory 2GiB, and the alloc has 1GiB",
            ],
        ),
        (
            "and not again once ended",
            |w| {
                w.running();
                w.exited("x-1", 0);
                w.land();
                w.submit("x-1", ExecConfig::default());
            },
            &["- x-1 exited 0 after 0", "forget x-1"],
        ),
    ]);
}

#[test]
fn signals_are_sent_once_and_sigkill_again_each_second() {
    check(&[
        (
            "one that its driver wants",
            |w| {
                w.running();
                w.kill("x-1", 15);
                w.pass(60_000);
            },
            &["signal x-1 15"],
        ),
        (
            "one that came before the start",
            |w| {
                w.open();
                w.submit("x-1", ExecConfig::default());
                w.kill("x-1", 15);
                w.started("x-1");
            },
            &["start x-1", "- x-1 started as 1", "signal x-1 15"],
        ),
        (
            "SIGKILL after a second",
            |w| {
                w.running();
                w.kill("x-1", 9);
                w.pass(1000);
                w.pass(1);
            },
            &["signal x-1 9", "signal x-1 9"],
        ),
        (
            "the alloc's end goes before what the driver wants",
            |w| {
                w.running();
                w.kill("x-1", 15);
                w.free("a-1");
                w.pass(10);
            },
            &["signal x-1 15", "signal x-1 9"],
        ),
        (
            "none once it has ended",
            |w| {
                w.running();
                w.exited("x-1", 0);
                w.kill("x-1", 9);
            },
            &["- x-1 exited 0 after 0"],
        ),
    ]);
}

#[test]
fn each_event_names_the_record_that_caused_it() {
    let mut world = World::new();
    world.grant("a-1");
    world.submit("x-1", ExecConfig::default());
    world.agent.heard(schema::unit::Millis(0), &id("x-1"), said());
    let causes = world.agent.step(schema::unit::Millis(0)).into_iter().filter_map(|wanted| {
        let agent_core::agent::Do::Write(event, cause) = wanted else { return None };
        matches!(*event, Event::ExecStarted(_)).then_some(cause)
    });
    assert_eq!(causes.collect::<Vec<_>>(), [Seq(2)]);
}

fn said() -> agent_core::exec::Said {
    agent_core::exec::Said::Started { handle: "1".into(), age: schema::unit::Millis(0) }
}

#[test]
fn garbage_is_skipped_and_counted() {
    let mut world = World::new();
    assert!(!world.agent.fold(Seq(1), "any", b"none"));
    assert_eq!(world.agent.orders().ignored, 1);
}
