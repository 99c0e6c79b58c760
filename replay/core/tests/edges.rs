//! The edges of the fold: what only an unlucky or a hostile log comes to.

use replay_core::snapshot::SnapshotError;
use replay_core::{Outcome, State, Void, invariant};
use schema::event::{
    AllocClosed, AllocFreed, AllocGranted, AllocRequested, DriverJoined, DriverLeft, Event,
    Genesis, InstanceBooted, InstanceLost, LaunchAccepted, LaunchRefused, LaunchRequested,
    LeaderElected, LeaderRenewed, MAX_PRICES, PolicySet, Previous, PriceSeen, PriceSource, Scored,
    Withdrawn,
};
use schema::id::{AuthorId, IdError};
use schema::policy::worth::Links;
use schema::policy::{Offering, Policy};
use schema::requirements::{Constraint, Market, Requirements};
use schema::resources::Resources;
use schema::unit::{Epoch, LogTime, Micros, Millis};
use schema::why::{GrantWhy, LaunchWhy, RefusalClass};
use std::collections::BTreeMap;
use std::str::FromStr;
use targets::history::said;

const KEPT: Millis = Millis::from_secs(60);
const HALF: Millis = Millis::from_secs(30);
const SOON: Millis = Millis(1);

fn id<T: FromStr<Err = IdError>>(text: &str) -> T {
    text.parse().expect("an id")
}

fn amount() -> Resources {
    Resources { cpu: 1000, memory: 1 << 30, ..Resources::default() }
}

fn offering(price: Micros) -> Offering {
    let (kind, zone, market) = ("large".into(), "z".into(), Market::OnDemand);
    Offering { kind, zone, market, price, cap: None, resources: amount(), links: Links::default() }
}

fn launch(name: &str, price: Micros, count: u32) -> LaunchRequested {
    LaunchRequested {
        launch: id(name),
        attempt: 1,
        offering: offering(price),
        count,
        reserved_for: Vec::new(),
        why: LaunchWhy::MinInstances { floor: 1 },
    }
}

fn booted(instance: &str) -> InstanceBooted {
    InstanceBooted {
        instance: id(instance),
        launch: id("l-1"),
        resources: amount(),
        address: "here".into(),
        version: "1".into(),
        boot: Millis(1),
        runtimes: Vec::new(),
        proof: None,
    }
}

struct World {
    state: State,
    time: LogTime,
}

impl World {
    /// A leader, and a driver.
    fn new(policy: Policy) -> World {
        let mut world = World { state: State::default(), time: LogTime(1) };
        world.said("r", Genesis { cluster: id("c"), generation: 1, policy, previous: None });
        world.said("r", LeaderElected { replica: id("r"), epoch: Epoch(1), fold: 0 });
        world.said("d", DriverJoined { driver: id("d"), version: "1".into() });
        world
    }

    fn say(&mut self, author: &str, event: impl Into<Event>) -> Outcome {
        let mut told = said(&self.state, id::<AuthorId>(author), event.into());
        told.time = self.time;
        let outcome = told.next(&mut self.state);
        assert_eq!(invariant::check(&self.state), []);
        outcome
    }

    fn said(&mut self, author: &str, event: impl Into<Event>) {
        assert_eq!(self.say(author, event), Outcome::Applied);
    }

    /// So much later, restored or not: the leader's next record drops what is over for long.
    fn prunes_alike(&mut self, later: Millis) {
        let mut restored =
            World { state: State::restore(&self.state.snapshot()).expect("sound"), ..*self };
        for world in [&mut *self, &mut restored] {
            world.time = world.time + later;
            world.said("r", LeaderRenewed {});
        }
        assert_eq!(restored.state.digest(), self.state.digest());
        assert_eq!(restored.state.index, self.state.index);
    }
}

#[test]
fn sums_that_do_not_fit_are_over_their_limit() {
    let policy = Policy {
        max_hourly_cost: Micros(u64::MAX),
        max_pending: u32::MAX,
        max_instances: u32::MAX,
        ..Policy::default()
    };
    let mut world = World::new(policy);
    world.said("r", launch("l-1", Micros(u64::MAX), 1));
    let outcome = world.say("r", launch("l-2", Micros(1), 1));
    assert_eq!(outcome, Outcome::Void(Void::OverBudget));
    let outcome = world.say("r", launch("l-2", Micros(u64::MAX), 2));
    assert_eq!(outcome, Outcome::Void(Void::OverBudget));
    let outcome = world.say("r", launch("l-2", Micros(0), u32::MAX));
    assert_eq!(outcome, Outcome::Void(Void::OverCount));
}

/// What spot is taken to cost is less than what it can cost: the latter is what the budget must bear,
/// from the intent until the instance is gone.
#[test]
fn what_a_launch_can_cost_at_most_is_committed() {
    let mut world = World::new(Policy { max_hourly_cost: Micros(20), ..Policy::default() });
    let capped = |name| {
        let mut wanted = launch(name, Micros(3), 2);
        wanted.offering.cap = Some(Micros(10));
        wanted
    };
    world.said("r", capped("l-1"));
    assert_eq!(world.state.head.committed, Micros(20));
    assert_eq!(world.say("r", capped("l-2")), Outcome::Void(Void::OverBudget));
    world.said("i-1", booted("i-1"));
    let (launch, instances) = (id("l-1"), vec![id("i-1")]);
    world.said("r", LaunchAccepted { launch, attempt: 1, instances });
    assert_eq!(world.state.head.committed, Micros(10));
    let message = String::new();
    world.said("r", InstanceLost { instance: id("i-1"), message });
    assert_eq!(world.state.head.committed, Micros(0));
}

/// What the answer does not name was given back with it, and nobody would count it.
#[test]
fn an_answered_launch_has_no_more_instances_than_its_answer() {
    let mut world = World::new(Policy::default());
    world.said("r", launch("l-1", Micros(7), 2));
    world.said("i-1", booted("i-1"));
    let (launch, instances) = (id("l-1"), vec![id("i-1")]);
    world.said("r", LaunchAccepted { launch, attempt: 1, instances });
    assert_eq!(world.say("i-2", booted("i-2")), Outcome::Void(Void::WrongState));
    assert_eq!(world.state.head.committed, Micros(7));
}

/// Of many launches that are under way at once all may come to nothing: that is once in a row.
#[test]
fn launches_that_fail_at_once_are_one_refusal() {
    let mut world = World::new(Policy { max_pending: 9, ..Policy::default() });
    let refused = |world: &World, name: &str, rest: Millis| LaunchRefused {
        launch: id(name),
        attempt: 1,
        class: RefusalClass::Capacity,
        message: String::new(),
        until: world.time + rest,
        scope: None,
    };
    let rests = |world: &World| world.state.backoffs.iter().map(|(_, b)| b.clone()).next();
    for name in ["l-1", "l-2", "l-3"] {
        world.said("r", launch(name, Micros(1), 1));
    }
    for (name, rest) in [("l-1", KEPT), ("l-2", HALF)] {
        world.said("r", refused(&world, name, rest));
    }
    let rest = rests(&world).expect("it rests");
    assert_eq!(rest.refusals, 1);
    assert!(rest.until >= LogTime(1) + KEPT, "a shorter rest ends no longer one");
    world.time = rest.until;
    world.said("r", refused(&world, "l-3", HALF));
    assert_eq!(rests(&world).map(|rest| rest.refusals), Some(2));
}

#[test]
fn a_refused_launch_is_dropped_alike_from_a_snapshot() {
    let mut world = World::new(Policy { retention: KEPT, ..Policy::default() });
    world.said("r", launch("l-1", Micros(7), 1));
    world.time = world.time + SOON;
    let (class, until) = (RefusalClass::Capacity, LogTime(0));
    world.said(
        "r",
        LaunchRefused {
            launch: id("l-1"),
            attempt: 1,
            class,
            message: "".into(),
            until,
            scope: None,
        },
    );
    world.prunes_alike(HALF);
    world.prunes_alike(HALF);
    assert!(world.state.launches.is_empty());
}

#[test]
fn a_driver_that_left_is_dropped_alike_from_a_snapshot() {
    let mut world = World::new(Policy { retention: KEPT, ..Policy::default() });
    world.said("r", launch("l-1", Micros(7), 1));
    world.said("i-1", booted("i-1"));
    let (alloc, driver) = (id("a"), id("d"));
    let requirements = Requirements::exactly(amount());
    let (constraint, labels) = (Constraint::default(), BTreeMap::new());
    let lease = Millis::from_secs(300);
    world.said(
        "d",
        AllocRequested {
            alloc,
            driver,
            requirements,
            constraint,
            priority: 0,
            labels,
            lease: Some(lease),
        },
    );
    let (resources, address, why) = (amount(), "here".into(), GrantWhy::Named);
    let (alloc, driver, instance) = (id("a"), id("d"), id("i-1"));
    let grace = AllocGranted::GRACE;
    let granted = AllocGranted { alloc, driver, instance, resources, lease, grace, address, why };
    world.said("r", granted);
    world.said("d", DriverLeft { driver: id("d") });
    world.prunes_alike(KEPT);
    let (alloc, driver, instance) = (id("a"), id("d"), id("i-1"));
    world.said("d", AllocFreed { alloc, driver, instance });
    let (alloc, driver, instance) = (id("a"), id("d"), id("i-1"));
    world.said("i-1", AllocClosed { alloc, driver, instance });
    world.prunes_alike(SOON);
    assert!(world.state.drivers.is_empty());
}

#[test]
fn a_driver_that_came_back_is_kept_from_when_it_left_again() {
    let mut world = World::new(Policy { retention: KEPT, ..Policy::default() });
    world.said("d", DriverLeft { driver: id("d") });
    world.said("d", DriverJoined { driver: id("d"), version: "1".into() });
    world.prunes_alike(HALF);
    world.said("d", DriverLeft { driver: id("d") });
    world.prunes_alike(HALF);
    assert_eq!(world.state.drivers.len(), 1);
    world.prunes_alike(HALF);
    assert!(world.state.drivers.is_empty());
}

/// Whoever writes a genesis could else make a state that no log comes to, and in which the fold does
/// what it never does.
#[test]
fn a_snapshot_of_no_sound_state_is_refused() {
    let mut world = World::new(Policy::default());
    world.said("r", launch("l-1", Micros(7), 1));
    world.said("i-1", booted("i-1"));
    let spoil: [fn(&mut State); 4] = [
        |state| state.head.committed = Micros(1),
        |state| state.instances.get_mut(&id("i-1")).expect("there").allocs = u32::MAX,
        |state| state.drivers.get_mut(&id("d")).expect("there").allocs = 1,
        |state| state.launches.get_mut(&id("l-1")).expect("there").count = 0,
    ];
    for spoil in spoil {
        let mut state = world.state.clone();
        spoil(&mut state);
        let refused = State::restore(&state.snapshot()).expect_err("it is not sound");
        assert!(matches!(refused, SnapshotError::Unsound { .. }), "{refused}");
    }
    let mut state = world.state.clone();
    let number = &mut state.authors.get_mut(&(schema::subject::Role::Driver, id("d")));
    number.as_mut().expect("there").number = u64::MAX;
    let mut world = World { state: State::restore(&state.snapshot()).expect("sound"), ..world };
    let outcome = world.say("d", DriverLeft { driver: id("d") });
    assert_eq!(outcome, Outcome::Void(Void::Duplicate), "there is no number after the last");
}

#[test]
fn a_snapshot_is_all_of_its_bytes_and_not_nested_without_end() {
    let mut bytes = World::new(Policy::default()).state.snapshot();
    bytes.push(0xc0);
    assert!(matches!(State::restore(&bytes), Err(SnapshotError::Garbage(_))));
    let deep = [&[0x81, 0xa1, b'x'][..], &[0x91; 400_000]].concat();
    assert!(matches!(State::restore(&deep), Err(SnapshotError::Garbage(_))));
}

/// An operator may be there before any controller: what it wants is not replaced by what a controller
/// would begin with.
#[test]
fn a_policy_that_was_set_before_the_log_begins_stands() {
    let policy = |max_instances| Policy { max_instances, ..Policy::default() };
    let genesis = || {
        let (cluster, policy) = (id("c"), policy(7));
        Genesis { cluster, generation: 1, policy, previous: None }
    };
    for set in [None, Some(9), Some(Policy::default().max_instances)] {
        let mut world = World { state: State::default(), time: LogTime(1) };
        if let Some(most) = set {
            world.said("o", PolicySet { policy: policy(most) });
        }
        world.said("r", genesis());
        assert_eq!(world.state.head.policy.max_instances, set.unwrap_or(7));
        world.said("o", PolicySet { policy: policy(8) });
        assert_eq!(world.state.head.policy.max_instances, 8);
    }
}

/// A driver that finds a stream to which no controller has written yet does not know that: it goes by its
/// own records, and waits for a grant.
#[test]
fn who_speaks_before_the_log_begins_counts_and_keeps_nobody_from_beginning_it() {
    let mut world = World { state: State::default(), time: LogTime(1) };
    world.said("d", DriverJoined { driver: id("d"), version: "1".into() });
    let early = world.say("r", LeaderElected { replica: id("r"), epoch: Epoch(1), fold: 0 });
    assert_eq!(early, Outcome::Void(Void::Genesis), "nobody leads before there is a cluster");
    let genesis = |cluster| {
        let policy = Policy { max_instances: 7, ..Policy::default() };
        Genesis { cluster: id(cluster), generation: 1, policy, previous: None }
    };
    world.said("r", genesis("c"));
    assert_eq!(world.say("r", genesis("other")), Outcome::Void(Void::Genesis), "it begins once");
    world.said("r", LeaderElected { replica: id("r"), epoch: Epoch(1), fold: 0 });
    assert_eq!(world.state.head.policy.max_instances, 7);
    assert_eq!(world.state.head.cluster, Some(id("c")));
    assert!(world.state.drivers.contains(&id("d")), "it has joined");
}

/// What came before is the state that a later generation begins with, and nothing else.
#[test]
fn a_later_generation_begins_with_its_first_record() {
    let mut before = World::new(Policy::default()).state;
    let previous = Previous {
        stream: "FLEETLOG_c_G1".into(),
        seq: before.head.applied,
        digest: before.digest().0.to_vec(),
        snapshot: before.snapshot(),
    };
    let mut world = World { state: State::default(), time: LogTime(1) };
    world.said("d", DriverJoined { driver: id("d"), version: "1".into() });
    let policy = Policy::default();
    let late = Genesis { cluster: id("c"), generation: 2, policy, previous: Some(previous) };
    assert_eq!(world.say("r", late), Outcome::Void(Void::Genesis));
}

fn priced(name: &str, price: u64) -> Offering {
    Offering { kind: name.into(), ..offering(Micros(price)) }
}

fn seen(zone: &str, offerings: Vec<Offering>, withdrawn: &[&str]) -> PriceSeen {
    let gone = |name: &&str| Withdrawn { kind: (*name).into(), market: Market::OnDemand };
    let withdrawn = withdrawn.iter().map(gone).collect();
    let (source, scores, types) = (PriceSource::Api, Vec::new(), Vec::new());
    PriceSeen { source, zone: zone.into(), offerings, withdrawn, scores, types }
}

/// What may be bought is what was seen last, in a snapshot too; a state without prices digests as before
/// there were any.
#[test]
fn the_newest_price_counts() {
    let mut world = World::new(Policy::default());
    let before = world.state.digest();
    let mut none = world.state.clone();
    none.market = replay_core::table::Table::default();
    assert_eq!(none.digest(), before);
    world.said("r", seen("z", vec![priced("a", 1), priced("b", 2)], &[]));
    world.said("r", seen("z", vec![priced("a", 3)], &["b", "never"]));
    let rows: Vec<_> = world.state.market.iter().map(|(_, seen)| seen.offering.clone()).collect();
    assert_eq!(rows, [priced("a", 3)]);
    assert_ne!(world.state.digest(), before);
    world.prunes_alike(KEPT);
    let nothing = seen("y", vec![priced("a", 9)], &[]);
    assert_eq!(world.say("r", nothing), Outcome::Void(Void::Invalid), "of another zone");
    let many = (0..=MAX_PRICES).map(|n| priced(&n.to_string(), 1)).collect();
    assert_eq!(world.say("r", seen("z", many, &[])), Outcome::Void(Void::Invalid));
    for (score, outcome) in [
        (0, Outcome::Void(Void::Invalid)),
        (1, Outcome::Applied),
        (10, Outcome::Applied),
        (11, Outcome::Void(Void::Invalid)),
    ] {
        let scores = vec![Scored { class: "m".into(), score }];
        let told = PriceSeen { scores, ..seen("z", Vec::new(), &[]) };
        assert_eq!(world.say("r", told), outcome, "{score}");
    }
    let mut empty = priced("c", 1);
    empty.resources.cpu = 0;
    let partly = seen("z", vec![priced("d", 1), empty], &["a"]);
    assert_eq!(world.say("r", partly), Outcome::Void(Void::Invalid));
    assert_eq!(world.state.market.len(), 1);
}
