//! What drivers and labels may cost, and how many instances a zone may have: a record that would take
//! them further is void, and the sums are what the tables say, whatever happens.

use replay_core::{Outcome, State, Void, invariant};
use schema::event::{
    AllocClosed, AllocFreed, AllocGranted, AllocRequested, AllocWithdrawn, DriverBudgetSet,
    DriverJoined, Event, Genesis, InstanceBooted, LaunchAccepted, LaunchRefused, LaunchRequested,
    LeaderElected, LeaderRenewed, PolicySet,
};
use schema::id::{AuthorId, IdError};
use schema::policy::worth::Links;
use schema::policy::{Offering, Policy};
use schema::requirements::{Constraint, Market, Requirements};
use schema::resources::Resources;
use schema::unit::{Epoch, LogTime, Micros, Millis};
use schema::why::{GrantWhy, LaunchWhy, RefusalClass};
use std::str::FromStr;
use targets::history::said;

fn id<T: FromStr<Err = IdError>>(text: &str) -> T {
    text.parse().expect("an id")
}

fn cores(count: u64) -> Resources {
    Resources { cpu: 1000 * count, memory: count << 20, ..Resources::default() }
}

/// Three cores in a zone, for a price that three does not divide.
fn offering(zone: &str, price: u64) -> Offering {
    let (kind, market, price) = ("three".into(), Market::OnDemand, Micros(price));
    Offering {
        kind,
        zone: zone.into(),
        market,
        price,
        cap: None,
        resources: cores(3),
        links: Links::default(),
    }
}

fn launch(name: &str, offering: Offering, reserved_for: &[&str]) -> LaunchRequested {
    let reserved_for = reserved_for.iter().map(|alloc| id(alloc)).collect();
    let (launch, why) = (id(name), LaunchWhy::MinInstances { floor: 1 });
    LaunchRequested { launch, attempt: 1, offering, count: 1, reserved_for, why }
}

fn grant(alloc: &str, count: u64) -> AllocGranted {
    AllocGranted {
        alloc: id(alloc),
        driver: id("d"),
        instance: id("i-1"),
        resources: cores(count),
        lease: Millis(1000),
        grace: AllocGranted::GRACE,
        address: "here".into(),
        why: GrantWhy::Named,
    }
}

struct World(State);

impl World {
    /// A leader, and a driver with a limit on what it costs.
    fn new(limit: u64, policy: Policy) -> World {
        let mut world = World(State::default());
        world.said("r", Genesis { cluster: id("c"), generation: 1, policy, previous: None });
        world.said("r", LeaderElected { replica: id("r"), epoch: Epoch(1), fold: 0 });
        world.said("d", DriverJoined { driver: id("d"), version: "1".into() });
        let max_hourly_cost = Some(Micros(limit));
        world.said("o", DriverBudgetSet { driver: id("d"), max_hourly_cost });
        world
    }

    fn say(&mut self, author: &str, event: impl Into<Event>) -> Outcome {
        let outcome = said(&self.0, id::<AuthorId>(author), event.into()).next(&mut self.0);
        assert_eq!(invariant::check(&self.0), []);
        let restored = State::restore(&self.0.snapshot()).expect("sound");
        assert_eq!(restored.index, self.0.index);
        outcome
    }

    fn said(&mut self, author: &str, event: impl Into<Event>) {
        assert_eq!(self.say(author, event), Outcome::Applied);
    }

    /// A request for one core.
    fn asks(&mut self, alloc: &str) {
        self.said(
            "d",
            AllocRequested {
                alloc: id(alloc),
                driver: id("d"),
                requirements: Requirements::exactly(cores(1)),
                constraint: Constraint::default(),
                priority: 0,
                labels: [("team".into(), "x".into())].into(),
                lease: Some(Millis(1000)),
            },
        );
    }

    fn boots(&mut self, resources: Resources) {
        self.said(
            "i-1",
            InstanceBooted {
                instance: id("i-1"),
                launch: id("l-1"),
                resources,
                address: "here".into(),
                version: "1".into(),
                boot: Millis(1),
                runtimes: Vec::new(),
                proof: None,
            },
        );
    }

    fn cost(&self) -> i128 {
        let costs = &self.0.index.costs;
        assert_eq!(costs.of_label("team=x"), costs.of_driver(&id("d")), "all of it is labelled");
        costs.of_driver(&id("d"))
    }
}

#[test]
fn an_alloc_costs_its_part_from_the_intent_until_it_has_ended() {
    let mut world = World::new(1000, Policy::default());
    ["a-1", "a-2"].into_iter().for_each(|alloc| world.asks(alloc));
    assert_eq!(world.cost(), 0, "who waits for nothing");
    world.said("r", launch("l-1", offering("z", 100), &["a-1", "a-2", "a-2", "a-9"]));
    assert_eq!(world.cost(), 68, "a third each, rounded up");
    // Half of what was bought: the parts are of what was bought all the same.
    world.boots(Resources { memory: 3 << 19, ..cores(3) });
    world.said("r", grant("a-1", 1));
    assert_eq!(world.cost(), 68);
    world.said("d", AllocWithdrawn { driver: id("d"), alloc: id("a-2") });
    assert_eq!(world.cost(), 34);
    let (alloc, driver, instance) = (id("a-1"), id("d"), id("i-1"));
    world.said("d", AllocFreed { alloc, driver, instance });
    assert_eq!(world.cost(), 34, "until its agent has closed it");
    let (alloc, driver, instance) = (id("a-1"), id("d"), id("i-1"));
    world.said("i-1", AllocClosed { alloc, driver, instance });
    assert_eq!(world.cost(), 0);
}

#[test]
fn what_takes_a_driver_over_its_budget_is_void() {
    let mut world = World::new(67, Policy::default());
    ["a-1", "a-2"].into_iter().for_each(|alloc| world.asks(alloc));
    let both = launch("l-1", offering("z", 100), &["a-1", "a-2"]);
    assert_eq!(world.say("r", both), Outcome::Void(Void::OverBudget));
    assert_eq!(world.cost(), 0);
    world.said("r", launch("l-1", offering("z", 100), &["a-1"]));
    world.boots(cores(3));
    assert_eq!(world.say("r", grant("a-1", 3)), Outcome::Void(Void::OverBudget));
    assert_eq!(world.say("r", grant("a-2", 1)), Outcome::Void(Void::OverBudget));
    world.said("r", grant("a-1", 1));
    let refused = launch("l-2", offering("z", 99), &["a-2"]);
    world.said("r", refused);
    assert_eq!(world.cost(), 67, "all of it may be used");
    let (class, message, until) = (RefusalClass::Capacity, String::new(), LogTime(0));
    world.said(
        "r",
        LaunchRefused { launch: id("l-2"), attempt: 1, class, message, until, scope: None },
    );
    assert_eq!(world.cost(), 34);
}

#[test]
fn a_lower_limit_ends_nothing_and_adds_nothing() {
    let mut world = World::new(1000, Policy::default());
    ["a-1", "a-2"].into_iter().for_each(|alloc| world.asks(alloc));
    world.said("r", launch("l-1", offering("z", 90), &["a-1"]));
    world.boots(cores(3));
    world.said("o", DriverBudgetSet { driver: id("d"), max_hourly_cost: Some(Micros(1)) });
    world.said("r", grant("a-1", 1));
    assert_eq!(world.cost(), 30);
    assert_eq!(world.say("r", grant("a-2", 1)), Outcome::Void(Void::OverBudget));
    world.said("o", DriverBudgetSet { driver: id("d"), max_hourly_cost: None });
    world.said("r", grant("a-2", 1));
    assert!(world.0.head.budgets.is_empty());
}

#[test]
fn what_takes_a_label_over_its_budget_is_void() {
    let label_budgets = [("team=x".into(), Micros(50))].into();
    let mut world = World::new(1000, Policy { label_budgets, ..Policy::default() });
    ["a-1", "a-2"].into_iter().for_each(|alloc| world.asks(alloc));
    world.said("r", launch("l-1", offering("z", 100), &["a-1"]));
    let more = || launch("l-2", offering("z", 100), &["a-2"]);
    assert_eq!(world.say("r", more()), Outcome::Void(Void::OverBudget));
    let label_budgets = [("team=y".into(), Micros(0))].into();
    world.said("o", PolicySet { policy: Policy { label_budgets, ..Policy::default() } });
    world.said("r", more());
}

#[test]
fn the_largest_figures_are_summed_and_not_cut_off() {
    let (max, policy) =
        (u64::MAX, Policy { max_hourly_cost: Micros(u64::MAX), ..Policy::default() });
    let mut world = World::new(max, policy);
    for alloc in ["a-1", "a-2", "a-3", "a-4"] {
        world.asks(alloc);
    }
    let all = launch("l-1", offering("z", max), &["a-1", "a-2", "a-3", "a-4"]);
    assert_eq!(world.say("r", all), Outcome::Void(Void::OverBudget));
    world.said("o", DriverBudgetSet { driver: id("d"), max_hourly_cost: None });
    world.said("r", launch("l-1", offering("z", max), &["a-1", "a-2", "a-3", "a-4"]));
    assert_eq!(world.cost(), 4 * i128::from(max / 3));
}

#[test]
fn a_launch_that_came_to_nothing_costs_nothing_once_it_is_forgotten() {
    let mut world = World::new(1000, Policy { retention: Millis(0), ..Policy::default() });
    world.asks("a-1");
    world.said("r", launch("l-1", offering("z", 90), &["a-1"]));
    world.said("r", LaunchAccepted { launch: id("l-1"), attempt: 1, instances: Vec::new() });
    world.said("r", LeaderRenewed {});
    assert!(world.0.launches.is_empty());
    assert_eq!(world.cost(), 0);
    // Another one of that name is not for those for whom the first one was.
    world.said("r", launch("l-1", offering("z", 60), &[]));
    assert_eq!(world.cost(), 0);
}

#[test]
fn one_more_instance_than_a_zone_may_have_is_void() {
    let mut world = World::new(0, Policy { max_per_zone: Some(1), ..Policy::default() });
    world.said("r", launch("l-1", offering("z", 1), &[]));
    let more = |name| launch(name, offering("z", 1), &[]);
    assert_eq!(world.say("r", more("l-2")), Outcome::Void(Void::OverCount));
    world.said("r", launch("l-3", offering("y", 1), &[]));
    let (class, message, until) = (RefusalClass::Capacity, String::new(), LogTime(0));
    world.said(
        "r",
        LaunchRefused { launch: id("l-1"), attempt: 1, class, message, until, scope: None },
    );
    world.said("r", more("l-4"));
}
