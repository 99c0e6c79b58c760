//! What is launched for requests that fit nowhere, and to keep the least number of instances.

use crate::check;
use crate::world::{World, cores, gib, gpus, id, large, offering, small};
use schema::event::{
    AllocPending, AllocWithdrawn, Event, InstanceDrained, InstanceKilled, LaunchRequested,
    LaunchesThawed, TerminateRequested,
};
use schema::id::{AllocId, LaunchId};
use schema::policy::Offering;
use schema::requirements::{Market, Requirements};
use schema::resources::Resources;
use schema::unit::{Micros, Millis};
use schema::why::{LaunchWhy, PendingWhy, TerminateWhy};

fn spot(resources: Resources) -> Offering {
    Offering { market: Market::Spot, ..offering("spot", resources, 30_000) }
}

fn ask_each(w: &mut World, count: u64, sizes: &[u64]) {
    for (n, size) in (1..=count).zip(sizes.iter().cycle()) {
        w.ask(&format!("a-{n}"), cores(*size));
    }
}

#[test]
fn what_fits_nowhere_is_launched_for() {
    check(&[
        (
            "the cheapest for what is used of it",
            |w| w.ask("a-1", cores(1)),
            &["launch small for a-1", "a-1 waits: launching small"],
        ),
        (
            "a dearer one if more is used of it",
            |w| ask_each(w, 4, &[2]),
            &[
                "launch large for a-1 a-2 a-3 a-4",
                "a-1 waits: launching large",
                "a-2 waits: launching large",
                "a-3 waits: launching large",
                "a-4 waits: launching large",
            ],
        ),
        (
            "several if one is not enough",
            |w| ask_each(w, 3, &[1]),
            &[
                "launch small for a-1 a-2",
                "launch small for a-3",
                "a-1 waits: launching small",
                "a-2 waits: launching small",
                "a-3 waits: launching small",
            ],
        ),
        (
            "a later one goes where the ones before left room",
            |w| {
                w.policy(|p| p.offerings = vec![offering("three", cores(3), 100_000)]);
                ask_each(w, 3, &[2, 2, 1]);
            },
            &[
                "launch three for a-1 a-3",
                "launch three for a-2",
                "a-1 waits: launching three",
                "a-2 waits: launching three",
                "a-3 waits: launching three",
            ],
        ),
        (
            "the only one that is large enough",
            |w| w.ask("a-1", cores(3)),
            &["launch large for a-1", "a-1 waits: launching large"],
        ),
        (
            "large enough for all of its width",
            |w| w.ask_with("a-1", cores(1), |a| a.requirements.width = 3),
            &["launch large for a-1", "a-1 waits: launching large"],
        ),
        (
            "large enough for the least that is asked for",
            |w| {
                w.ask_with("a-1", cores(2), |a| {
                    a.requirements = Requirements { min: cores(2), max: cores(8), width: 1 };
                });
            },
            &["launch small for a-1", "a-1 waits: launching small"],
        ),
        (
            "with memory enough",
            |w| {
                let big = Resources { memory: gib(64), ..cores(2) };
                w.policy(|p| p.offerings.push(offering("memory", big, 900_000)));
                w.ask("a-1", Resources { memory: gib(32), ..cores(1) });
            },
            &["launch memory for a-1", "a-1 waits: launching memory"],
        ),
        (
            "with the feature",
            |w| {
                w.policy(|p| p.offerings.push(offering("gpu", gpus(1, cores(2)), 900_000)));
                w.ask("a-1", gpus(1, cores(1)));
            },
            &["launch gpu for a-1", "a-1 waits: launching gpu"],
        ),
        (
            "on the market asked for",
            |w| {
                w.policy(|p| p.offerings.push(spot(cores(2))));
                w.ask_with("a-1", cores(1), |a| a.constraint.market = Some(Market::OnDemand));
                w.ask_with("a-2", cores(1), |a| a.constraint.market = Some(Market::Spot));
                w.ask("a-3", cores(1));
            },
            &[
                "launch small for a-1",
                "launch spot for a-2 a-3",
                "a-1 waits: launching small",
                "a-2 waits: launching spot",
                "a-3 waits: launching spot",
            ],
        ),
    ]);
}

#[test]
fn nothing_is_launched_for_what_has_a_place() {
    check(&[
        (
            "what there is serves who comes first",
            |w| {
                w.up("i-1", cores(3));
                ask_each(w, 2, &[2]);
            },
            &["a-1 on i-1: best of 1", "launch small for a-2", "a-2 waits: launching small"],
        ),
        (
            "an instance is on its way, by the log",
            |w| {
                w.ask("a-1", cores(2));
                w.launch("i-1", small(), &["a-1"]);
            },
            &["a-1 waits: launching small"],
        ),
        (
            "it boots",
            |w| {
                w.ask("a-1", cores(2));
                w.launch("i-1", small(), &["a-1"]);
                w.made("i-1");
            },
            &["a-1 waits: launching small"],
        ),
        (
            "what is on its way is for those it was launched for alone",
            |w| {
                w.ask("a-1", cores(2));
                w.launch("i-1", large(), &["a-1"]);
                w.ask("a-2", cores(2));
            },
            &["launch small for a-2", "a-1 waits: launching large", "a-2 waits: launching small"],
        ),
    ]);
}

#[test]
fn a_launch_says_what_it_was_decided_on() {
    let mut w = World::new();
    w.up("i-1", cores(1));
    ask_each(&mut w, 4, &[2]);
    let events = w.round();
    let launches: Vec<&LaunchRequested> = events
        .iter()
        .filter_map(|event| match event {
            Event::LaunchRequested(e) => Some(e),
            _ => None,
        })
        .collect();
    let [launch] = launches[..] else { panic!("one launch: {events:?}") };
    let why = LaunchWhy::Demand {
        requests: 4,
        offerings: 2,
        // All eight cores are used, so this is its price by the core.
        price_per_core: Micros(45_000),
        links: Micros(0),
        committed: Micros(100_000),
    };
    let expected = LaunchRequested {
        launch: launch.launch.clone(),
        attempt: 1,
        offering: large(),
        count: 1,
        reserved_for: vec![id("a-1"), id("a-2"), id("a-3"), id("a-4")],
        why,
    };
    assert_eq!(*launch, expected);
    let (kind, price) = ("large".into(), Micros(360_000));
    let pending = AllocPending {
        alloc: id("a-4"),
        driver: id("d-1"),
        why: PendingWhy::Launching { launch: launch.launch.clone(), kind, price },
    };
    assert!(events.contains(&pending.into()), "{events:?}");
}

/// The launches that are under way, and for whom.
fn under_way(w: &World) -> Vec<(LaunchId, Vec<AllocId>)> {
    let open = w.state.index.open_launches.iter();
    open.filter_map(|id| Some((id.clone(), w.state.launches.get(id)?.reserved_for.clone())))
        .collect()
}

#[test]
fn a_refused_launch_is_made_again_with_what_does_not_rest() {
    let mut w = World::new();
    w.ask("a-1", cores(1));
    w.rounds();
    let [(launch, whom)] = &under_way(&w)[..] else { panic!("one launch") };
    assert_eq!(*whom, [id("a-1")]);
    w.refuse_launch(launch.clone(), Millis::from_secs(60));
    assert_eq!(w.rounds(), ["launch large for a-1", "a-1 waits: launching large"]);
    // Nothing of it is bought twice when the small ones may be had again.
    w.secs(60);
    assert_eq!(w.rounds(), [""; 0]);
    w.ask("a-2", cores(1));
    assert_eq!(w.rounds(), ["launch small for a-2", "a-2 waits: launching small"]);
}

#[test]
fn a_launch_that_came_to_nothing_is_made_again() {
    fn ordered(w: &mut World) {
        w.ask("a-1", cores(1));
        w.launch("i-1", small(), &["a-1"]);
        w.made("i-1");
        assert_eq!(w.rounds(), ["a-1 waits: launching small"]);
    }
    check(&[
        (
            "lost",
            |w| {
                ordered(w);
                w.gone("i-1");
            },
            &["i-1 lost", "then", "launch small for a-1", "a-1 waits: launching small"],
        ),
        (
            "not up in time: what did not boot rests",
            |w| {
                ordered(w);
                w.secs(600);
            },
            &[
                "i-1 not up in 600000ms",
                "end i-1: not up",
                "then",
                "launch large for a-1",
                "a-1 waits: launching large",
            ],
        ),
        (
            "killed",
            |w| {
                ordered(w);
                w.say(InstanceKilled { instance: id("i-1") });
            },
            &["end i-1: killed", "then", "launch small for a-1", "a-1 waits: launching small"],
        ),
        (
            "drained before it is up",
            |w| {
                ordered(w);
                w.say(InstanceDrained { instance: id("i-1") });
            },
            &["launch small for a-1", "a-1 waits: launching small"],
        ),
        (
            "but not for one that is wanted no more",
            |w| {
                ordered(w);
                w.say(AllocWithdrawn { alloc: id("a-1"), driver: id("d-1") });
                w.gone("i-1");
            },
            &["i-1 lost"],
        ),
    ]);
}

#[test]
fn the_least_number_of_instances_is_kept() {
    check(&[
        (
            "of the cheapest",
            |w| w.policy(|p| p.min_instances = 2),
            &["launch small for the least of 2", "launch small for the least of 2"],
        ),
        (
            "whoever asked for them",
            |w| {
                w.policy(|p| p.min_instances = 4);
                w.up("i-1", cores(2));
                w.booting("i-2", small());
                w.launch("i-3", small(), &[]);
                w.ask("a-1", cores(3));
            },
            &["launch large for a-1", "a-1 waits: launching large"],
        ),
        (
            "one that is up before the cloud has answered is counted once",
            |w| {
                w.policy(|p| p.min_instances = 2);
                w.launch("i-1", small(), &[]);
                w.boot("i-1", cores(2));
            },
            &["launch small for the least of 2"],
        ),
        (
            "those that drain are not counted",
            |w| {
                w.policy(|p| p.min_instances = 1);
                w.up("i-1", cores(2));
                w.give("a-1", "i-1", cores(1));
                w.say(InstanceDrained { instance: id("i-1") });
            },
            &["launch small for the least of 1"],
        ),
        (
            "those that go are not counted",
            |w| {
                w.policy(|p| p.min_instances = 1);
                w.up("i-1", cores(2));
                let why = TerminateWhy::Drained;
                w.say(TerminateRequested { instance: id("i-1"), why });
            },
            &["launch small for the least of 1"],
        ),
        (
            "the cheapest that does not rest",
            |w| {
                w.launch("i-1", small(), &[]);
                w.refuse("i-1", Millis::from_secs(60));
                w.policy(|p| p.min_instances = 1);
            },
            &["launch large for the least of 1"],
        ),
        (
            "within the budget",
            |w| {
                w.policy(|p| (p.min_instances, p.max_hourly_cost) = (3, Micros(250_000)));
            },
            &["launch small for the least of 3", "launch small for the least of 3"],
        ),
        (
            "within what may be under way at once",
            |w| w.policy(|p| (p.min_instances, p.max_pending) = (3, 1)),
            &["launch small for the least of 3"],
        ),
        (
            "not while launches are frozen",
            |w| {
                w.policy(|p| p.min_instances = 1);
                w.freeze();
            },
            &[],
        ),
        (
            "but after",
            |w| {
                w.policy(|p| p.min_instances = 1);
                w.freeze();
                w.say(LaunchesThawed {});
            },
            &["launch small for the least of 1"],
        ),
        (
            "nothing can be kept where nothing may be bought",
            |w| w.policy(|p| (p.min_instances, p.offerings) = (1, Vec::new())),
            &[],
        ),
    ]);
}
