//! What was decided before something else came first: a leader writes by what it had read (`cause`), and
//! whoever sees but a part of the log takes it at its word.

use replay_core::state::alloc::AllocStatus;
use replay_core::{Message, Outcome, State, Void};
use schema::codec;
use schema::event::{
    AllocGranted, AllocRequested, DriverBudgetSet, DriverJoined, Event, Genesis, InstanceBooted,
    InstanceHeld, Interruption, InterruptionNoticed, LaunchRequested, LeaderElected, PolicySet,
};
use schema::id::AuthorId;
use schema::policy::worth::Links;
use schema::policy::{Offering, Policy};
use schema::record::Record;
use schema::requirements::{Constraint, Market, Requirements};
use schema::resources::Resources;
use schema::subject::Subject;
use schema::unit::{Epoch, LogTime, Micros, Millis, Seq};
use schema::why::{GrantWhy, LaunchWhy};
use std::collections::BTreeMap;
use std::str::FromStr;
use uuid::Uuid;

struct World {
    state: State,
    numbers: BTreeMap<AuthorId, u64>,
}

fn id<T: FromStr<Err = schema::id::IdError>>(text: &str) -> T {
    text.parse().expect("an id")
}

fn amount() -> Resources {
    Resources { cpu: 1000, memory: 1 << 30, ..Resources::default() }
}

impl World {
    /// One instance that is up, and one request that waits.
    fn new() -> World {
        let mut world = World { state: State::default(), numbers: BTreeMap::new() };
        let (kind, zone, market) = ("large".into(), "z".into(), Market::OnDemand);
        let offering = Offering {
            kind,
            zone,
            market,
            price: Micros(1),
            cap: None,
            resources: amount(),
            links: Links::default(),
        };
        let policy = Policy { offerings: vec![offering.clone()], ..Policy::default() };
        world.say("r", 0, Genesis { cluster: id("c"), generation: 1, policy, previous: None });
        world.say("r", 1, LeaderElected { replica: id("r"), epoch: Epoch(1), fold: 0 });
        let (launch, why) = (id("l-1"), LaunchWhy::MinInstances { floor: 1 });
        let (attempt, count, reserved_for) = (1, 1, Vec::new());
        world.say("r", 1, LaunchRequested { launch, attempt, offering, count, reserved_for, why });
        let booted = InstanceBooted {
            instance: id("i-1"),
            launch: id("l-1"),
            resources: amount(),
            address: "here".into(),
            version: "1".into(),
            boot: Millis(1),
            runtimes: Vec::new(),
            proof: None,
        };
        world.say("i-1", 0, booted);
        world.say("d-1", 0, DriverJoined { driver: id("d-1"), version: "1".into() });
        let requested = AllocRequested {
            alloc: id("a-1"),
            driver: id("d-1"),
            requirements: Requirements::exactly(amount()),
            constraint: Constraint::default(),
            priority: 0,
            labels: BTreeMap::new(),
            lease: None,
        };
        world.say("d-1", 0, requested);
        world
    }

    fn read(&self) -> Seq {
        self.state.head.applied
    }

    fn say(&mut self, author: &str, epoch: u64, event: impl Into<Event>) {
        let outcome = self.say_after(Seq(0), author, epoch, event);
        assert_eq!(outcome, Outcome::Applied);
    }

    fn say_after(
        &mut self,
        cause: Seq,
        author: &str,
        epoch: u64,
        event: impl Into<Event>,
    ) -> Outcome {
        let (author, event): (AuthorId, Event) = (id(author), event.into());
        let number = self.numbers.entry(author.clone()).or_default();
        *number += 1;
        let record = Record {
            version: 1,
            author: author.clone(),
            incarnation: Uuid::from_u128(1),
            number: *number,
            cause,
            epoch: Epoch(epoch),
            must_understand: false,
            event,
        };
        let subject = Subject::of(&id("c"), &author, &record.event).to_string();
        let payload = codec::encode(&record).expect("encodes");
        let seq = self.read().next();
        self.state.apply(Message {
            seq,
            time: LogTime(seq.0),
            subject: &subject,
            payload: &payload,
        })
    }

    fn grant(&mut self, cause: Seq) -> Outcome {
        self.grant_for(Millis(1000), cause)
    }

    fn grant_for(&mut self, lease: Millis, cause: Seq) -> Outcome {
        let granted = AllocGranted {
            alloc: id("a-1"),
            driver: id("d-1"),
            instance: id("i-1"),
            resources: amount(),
            lease,
            grace: AllocGranted::GRACE,
            address: "here".into(),
            why: GrantWhy::Named,
        };
        self.say_after(cause, "r", 1, granted)
    }

    fn is_granted(&self) -> bool {
        let alloc = self.state.allocs.get(&id("a-1")).expect("known");
        matches!(alloc.status, AllocStatus::Granted { .. })
    }
}

/// The agent and the driver see the grant, but not both of them what came before it: were it void, they
/// would go on with an alloc that nobody else knows of.
#[test]
fn a_grant_that_was_decided_before_its_instance_was_closed_counts() {
    let notice = |world: &mut World| {
        let (instance, interruption) = (id("i-1"), Interruption::Spot);
        world.say("i-1", 0, InterruptionNoticed { instance, interruption, left: Millis(9000) });
    };
    let held = |world: &mut World| world.say("me", 0, InstanceHeld { instance: id("i-1") });
    for close in [notice, held] {
        let mut world = World::new();
        let read = world.read();
        close(&mut world);
        assert_eq!(world.grant(read), Outcome::Applied);
        assert!(world.is_granted());

        let mut world = World::new();
        close(&mut world);
        let read = world.read();
        assert_eq!(world.grant(read), Outcome::Void(Void::NotAccepting), "it knew");
        assert!(!world.is_granted());
    }
}

/// As above: agent and driver do not read of policies at all.
#[test]
fn a_grant_that_was_decided_before_leases_were_cut_counts() {
    let mut world = World::new();
    let (read, lease) = (world.read(), world.state.head.policy.lease);
    let policy = Policy { max_lease: Millis(1), ..world.state.head.policy.clone() };
    world.say("me", 0, PolicySet { policy });
    let longer = Millis(lease.0 + 1);
    assert_eq!(world.grant_for(longer, read), Outcome::Void(Void::Invalid), "nobody asked for it");
    assert_eq!(world.grant_for(lease, read), Outcome::Applied);
    assert!(world.is_granted());
}

/// As above: nor do they read of budgets.
#[test]
fn a_grant_that_was_decided_before_a_budget_was_cut_counts() {
    let cut = |world: &mut World| {
        let max_hourly_cost = Some(Micros(0));
        world.say("me", 0, DriverBudgetSet { driver: id("d-1"), max_hourly_cost });
    };
    let mut world = World::new();
    let read = world.read();
    cut(&mut world);
    assert_eq!(world.grant(read), Outcome::Applied);
    assert!(world.is_granted());

    let mut world = World::new();
    cut(&mut world);
    let read = world.read();
    assert_eq!(world.grant(read), Outcome::Void(Void::OverBudget), "it knew");
}
