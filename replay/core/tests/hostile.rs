//! The fold takes whatever a log may hold: garbage, other schemas, wrong numbers, old terms.

use proptest::prelude::*;
use replay_core::{Message, Outcome, State, Void};
use schema::codec;
use schema::event::{DriverJoined, Event, Genesis, LeaderElected, LeaderRenewed};
use schema::id::{AuthorId, ClusterId, DriverId};
use schema::policy::Policy;
use schema::record::Record;
use schema::subject::Subject;
use schema::unit::{Epoch, LogTime, Seq};
use uuid::Uuid;

struct World {
    state: State,
}

impl World {
    fn new() -> World {
        let mut world = World { state: State::default() };
        let cluster = ClusterId::new("c").expect("an id");
        let genesis = Genesis { cluster, generation: 1, policy: Policy::default(), previous: None };
        assert_eq!(world.say("r", 1, 1, 0, genesis), Outcome::Applied);
        world
    }

    fn put(&mut self, subject: &str, payload: &[u8]) -> Outcome {
        let seq = self.state.head.applied.next();
        self.state.apply(Message { seq, time: LogTime(seq.0), subject, payload })
    }

    fn say(
        &mut self,
        author: &str,
        inc: u128,
        number: u64,
        epoch: u64,
        event: impl Into<Event>,
    ) -> Outcome {
        let (cluster, name) =
            (ClusterId::new("c").expect("an id"), AuthorId::new(author).expect("an id"));
        let event = event.into();
        let subject = Subject::of(&cluster, &name, &event).to_string();
        let payload = self.payload(author, inc, number, epoch, event);
        self.put(&subject, &payload)
    }

    fn payload(
        &self,
        author: &str,
        inc: u128,
        number: u64,
        epoch: u64,
        event: impl Into<Event>,
    ) -> Vec<u8> {
        let record = Record {
            version: 1,
            author: AuthorId::new(author).expect("an id"),
            incarnation: Uuid::from_u128(inc),
            number,
            cause: Seq(0),
            epoch: Epoch(epoch),
            must_understand: false,
            event: event.into(),
        };
        codec::encode(&record).expect("encodes")
    }

    fn joined(&mut self, inc: u128, number: u64) -> Outcome {
        let driver = DriverId::new("d").expect("an id");
        self.say("d", inc, number, 0, DriverJoined { driver, version: "1".into() })
    }
}

#[test]
fn numbers_count_once_and_in_order() {
    let mut world = World::new();
    for (inc, number, expected) in [
        (5, 2, Outcome::Void(Void::NumberGap)),
        (5, 1, Outcome::Applied),
        (5, 1, Outcome::Void(Void::Duplicate)),
        (5, 3, Outcome::Void(Void::NumberGap)),
        (5, 2, Outcome::Applied),
        (4, 1, Outcome::Void(Void::RetiredIncarnation)),
        (6, 2, Outcome::Void(Void::NumberGap)),
        (6, 1, Outcome::Applied),
        (5, 3, Outcome::Void(Void::RetiredIncarnation)),
    ] {
        assert_eq!(world.joined(inc, number), expected, "{inc} {number}");
    }
    assert_eq!(world.state.head.voids.values().sum::<u64>(), 6);
}

#[test]
fn only_the_leader_of_the_current_term_is_heard() {
    let mut world = World::new();
    let elected = |replica: &str, epoch| LeaderElected {
        replica: AuthorId::new(replica).expect("an id"),
        epoch: Epoch(epoch),
        fold: 0,
    };
    assert_eq!(world.say("a", 1, 1, 1, LeaderRenewed {}), Outcome::Void(Void::OldEpoch));
    assert_eq!(world.say("a", 1, 2, 1, elected("a", 1)), Outcome::Applied);
    assert_eq!(world.say("a", 1, 3, 1, LeaderRenewed {}), Outcome::Applied);
    assert_eq!(world.say("b", 1, 1, 1, LeaderRenewed {}), Outcome::Void(Void::NotLeader));
    assert_eq!(world.say("b", 1, 2, 2, elected("b", 2)), Outcome::Void(Void::ElectionNotDue));
    assert_eq!(world.say("b", 1, 3, 3, elected("b", 3)), Outcome::Void(Void::OldEpoch));
    assert_eq!(world.say("a", 1, 4, 0, LeaderRenewed {}), Outcome::Void(Void::OldEpoch));
    assert_eq!(world.state.head.leader.election, Seq(7), "void elections move the fence too");
}

#[test]
fn the_fence_is_whatever_came_last_on_the_subject_of_elections() {
    let mut world = World::new();
    let elected =
        LeaderElected { replica: AuthorId::new("a").expect("an id"), epoch: Epoch(1), fold: 0 };
    assert_eq!(world.say("a", 1, 1, 1, elected.clone()), Outcome::Applied);
    let fence = |world: &World| world.state.head.leader.election;
    assert_eq!(fence(&world), Seq(2));
    let payload = world.payload("b", 1, 1, 1, elected);
    let elsewhere = "fl.c.log.driver.d._.d.driver.d";
    assert_eq!(world.put(elsewhere, &payload), Outcome::Void(Void::WrongSubject));
    assert_eq!(fence(&world), Seq(2), "an election under another subject moves no fence");
    let cluster = ClusterId::new("c").expect("an id");
    let subject = schema::subject::election(&cluster);
    assert_eq!(world.put(&subject, b"nonsense"), Outcome::Void(Void::Garbage));
    assert_eq!(fence(&world), Seq(4), "nonsense on the subject of elections moves it");
}

#[test]
fn nobody_speaks_for_another() {
    let mut world = World::new();
    let driver = DriverId::new("other").expect("an id");
    let outcome = world.say("d", 1, 1, 0, DriverJoined { driver, version: "1".into() });
    assert_eq!(outcome, Outcome::Void(Void::NotItself));
}

proptest! {
    #[test]
    fn garbage_is_void_and_counted(
        subject in ".{0,60}",
        payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..100), 1..20),
    ) {
        let mut world = World::new();
        for payload in &payloads {
            let outcome = world.put(&subject, payload);
            prop_assert!(matches!(outcome, Outcome::Void(_)));
        }
        let counted: u64 = world.state.head.voids.values().sum();
        prop_assert_eq!(counted, payloads.len() as u64);
        prop_assert_eq!(world.joined(1, 1), Outcome::Applied);
    }
}
