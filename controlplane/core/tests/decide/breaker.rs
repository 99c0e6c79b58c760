//! When nothing boots, whatever it is: launches are held back, tried one at a time, and free again once
//! something boots.

use crate::check;
use crate::world::{World, cores, id, small};
use replay_core::snapshot::FOLD_VERSION;
use schema::event::{
    BreakerTripped, Event, InstanceKilled, LaunchesThawed, LeaderElected, LeaderResigned,
};
use schema::unit::{Epoch, Millis};
use schema::why::{RefusalClass, RefusalScope};

const BOOT: Millis = Millis(600_000);

/// A breaker of two, and so many instances that did not boot, each ended and gone.
fn unborn(w: &mut World, count: u32) {
    w.policy(|p| p.breaker = 2);
    for n in 0..count {
        w.booting(&format!("i-{n}"), small());
    }
    w.pass(BOOT);
    w.rounds();
    for n in 0..count {
        w.ended(&format!("i-{n}"));
    }
}

/// What the leader asks the cloud for.
fn launches(w: &mut World) -> usize {
    let launched = |event: &Event| matches!(event, Event::LaunchRequested(_));
    w.round().iter().filter(|event| launched(event)).count()
}

#[test]
fn it_trips_when_too_many_in_a_row_did_not_boot() {
    check(&[
        (
            "one more than one",
            |w| {
                w.policy(|p| p.breaker = 2);
                w.booting("i-1", small());
                w.booting("i-2", small());
                w.pass(BOOT);
                w.ask("a-1", cores(8));
            },
            &[
                "i-1 not up in 600000ms",
                "end i-1: not up",
                "i-2 not up in 600000ms",
                "end i-2: not up",
                "launch large for a-1",
                "a-1 waits: launching large",
                "then",
                "breaker: 2 did not boot",
            ],
        ),
        (
            "then nothing is launched, not even what the policy keeps",
            |w| {
                unborn(w, 2);
                w.policy(|p| p.min_instances = 1);
                w.ask("a-1", cores(8));
            },
            &["a-1 waits: 2 did not boot"],
        ),
        (
            "what was under way does not make it longer",
            |w| {
                unborn(w, 2);
                w.secs(30);
                w.ask("a-1", cores(8));
            },
            &["a-1 waits: 2 did not boot"],
        ),
        (
            "one that is lost before it boots is one of them",
            |w| {
                w.policy(|p| p.breaker = 1);
                w.booting("i-1", small());
                w.gone("i-1");
            },
            &["i-1 lost", "then", "breaker: 1 did not boot"],
        ),
        (
            "one that an operator ended is not",
            |w| {
                w.policy(|p| p.breaker = 1);
                w.booting("i-1", small());
                w.say(InstanceKilled { instance: id("i-1") });
            },
            &["end i-1: killed"],
        ),
        (
            "none of nothing",
            |w| {
                w.policy(|p| p.breaker = 0);
                w.booting("i-1", small());
                w.booting("i-2", small());
                w.pass(BOOT);
            },
            &[
                "i-1 not up in 600000ms",
                "end i-1: not up",
                "i-2 not up in 600000ms",
                "end i-2: not up",
            ],
        ),
    ]);
}

#[test]
fn what_boots_between_starts_the_count_again() {
    let mut w = World::new();
    w.policy(|p| p.breaker = 2);
    for n in 0..6 {
        let instance = format!("i-{n}");
        w.booting(&instance, small());
        if n % 2 == 0 {
            w.pass(BOOT);
            let told = w.rounds();
            assert!(told.iter().all(|told| !told.starts_with("breaker")), "{told:?}");
        } else {
            w.boot(&instance, cores(2));
        }
    }
}

#[test]
fn then_one_at_a_time_is_tried_and_each_failure_doubles_the_rest() {
    let mut w = World::new();
    unborn(&mut w, 2);
    w.ask("a-1", cores(2));
    w.ask("a-2", cores(8));
    for (turn, rest) in [60, 120, 240, 480, 600, 600].into_iter().enumerate() {
        w.secs(rest - 1);
        assert_eq!(launches(&mut w), 0, "too early, turn {turn}");
        w.secs(1);
        assert_eq!(launches(&mut w), 1, "turn {turn}");
        assert_eq!(launches(&mut w), 0, "another beside the trial, turn {turn}");
        w.accept_all();
        w.pass(BOOT);
        w.rounds();
        w.end_all();
    }
}

#[test]
fn all_is_as_before_once_one_boots_or_an_operator_says_so() {
    let mends: [fn(&mut World); 2] = [
        |w| {
            w.secs(60);
            assert_eq!(launches(w), 1);
            w.accept_all();
            w.boot_all();
        },
        |w| w.say(LaunchesThawed {}),
    ];
    for mend in mends {
        let mut w = World::new();
        unborn(&mut w, 2);
        w.ask("a-1", cores(8));
        w.ask("a-2", cores(8));
        assert_eq!(launches(&mut w), 0);
        mend(&mut w);
        w.round();
        assert_eq!((w.state.head.unborn, w.state.head.breaker), (0, None));
        assert!(w.state.launches.len() > 2);
        w.ask("a-3", cores(8));
        w.ask("a-4", cores(8));
        assert_eq!(launches(&mut w), 2);
    }
}

#[test]
fn it_does_not_trip_where_something_booted_since_it_was_decided() {
    let tripped = |w: &World| {
        let until = w.state.head.time + Millis::from_secs(60);
        BreakerTripped { failures: 2, until }
    };
    let mut w = World::new();
    w.booting("i-1", small());
    assert!(w.void(tripped(&w)));
    w.booting("i-2", small());
    w.gone("i-2");
    w.rounds();
    assert!(!w.void(tripped(&w)));
}

/// The first launch was refused for this, as far as this; what is launched once it has been thawed, of two who
/// wait.
fn thawed(fold: u32, class: RefusalClass, scope: RefusalScope) -> usize {
    let mut w = World::new();
    w.say(LeaderResigned {});
    w.say(LeaderElected { replica: id("r-1"), epoch: Epoch(2), fold });
    w.policy(|p| p.offerings.truncate(1));
    w.launch("i-1", small(), &[]);
    w.refuse_as("i-1", class, scope, Millis::from_secs(600));
    w.ask("a-1", cores(2));
    w.ask("a-2", cores(2));
    assert_eq!(launches(&mut w), 0, "it rests");
    w.say(LaunchesThawed {});
    launches(&mut w)
}

/// An operator who has mended what was refused has it tried at once, by one launch: it may not be mended.
#[test]
fn thaw_lifts_what_a_person_had_to_mend() {
    use RefusalClass::{Authorisation, Capacity, Configuration, Quota};
    use RefusalScope::{Account, Offering, QuotaGroup, Zone};
    for (class, scope, tried) in [
        (Authorisation, Account, 1),
        (Configuration, Account, 1),
        (Configuration, Zone, 1),
        (Capacity, Offering, 0),
        (Quota, QuotaGroup, 0),
        (Quota, Account, 0),
    ] {
        assert_eq!(thawed(FOLD_VERSION, class.clone(), scope), tried, "{class:?} {scope:?}");
        assert_eq!(thawed(9, class, scope), 0, "in a term of an older leader");
    }
}
