//! Who is taken for the agent of an instance where launches ask for proof, and what comes of the others.

use crate::world::{World, cores, id, small};
use controlplane_core::credential::{ClusterKey, Credential};
use replay_core::state::instance::Phase;
use replay_core::state::trust::Trust;
use replay_core::{Message, Outcome, State, Void};
use schema::codec;
use schema::event::{
    AllocClosed, CloudConfigured, Event, InstanceBooted, InstanceLost, LaunchRequested,
};
use schema::id::AuthorId;
use schema::record::Record;
use schema::subject::Subject;
use schema::unit::{Epoch, Millis, Seq};
use schema::why::{DistrustWhy, LaunchWhy};
use uuid::Uuid;

/// How long after the log has it an instance may join.
const IN_TIME: Millis = Millis::from_secs(60);
/// Newer than any life that an agent comes to by itself.
pub(crate) const MADE_UP: u128 = u128::MAX;

pub(crate) fn key() -> ClusterKey {
    ClusterKey::new([7; 32])
}

/// A cluster whose instances prove themselves.
fn proving() -> World {
    let mut w = World::new();
    let fingerprint = Some(key().fingerprint(&id("test")));
    w.say(CloudConfigured { settings: "s".into(), fingerprint });
    w.sight.key = Some(key());
    w
}

/// The same, with `i-1` launched for `a-1`, which waits.
pub(crate) fn launched() -> World {
    let mut w = proving();
    w.ask("a-1", cores(1));
    w.launch("i-1", small(), &["a-1"]);
    assert_eq!(w.rounds(), ["a-1 waits: launching small"]);
    w
}

pub(crate) fn booted(instance: &str, launch: &str) -> InstanceBooted {
    InstanceBooted {
        instance: id(instance),
        launch: id(launch),
        resources: cores(2),
        address: format!("http://{instance}"),
        version: "0".into(),
        boot: Millis(1),
        runtimes: Vec::new(),
        proof: None,
    }
}

/// What was told to the instances of a launch.
pub(crate) fn credential(key: &ClusterKey, launch: &str, attempt: u32) -> Credential {
    Credential::of(key, &id("test"), &id(launch), attempt, IN_TIME)
}

/// What the agent of an instance of `l-1` says first in this life.
pub(crate) fn genuine(instance: &str, life: u128) -> InstanceBooted {
    genuine_as(instance, life, 1)
}

/// What it says as its record of this number.
fn genuine_as(instance: &str, life: u128, number: u64) -> InstanceBooted {
    let bearer = credential(&key(), "l-1", 1).bearer(&id(instance));
    bearer.prove(&id("test"), (Uuid::from_u128(life), number), booted(instance, "l-1"))
}

/// Somebody writes this in the name of an instance: in this life, as its record of this number.
pub(crate) fn says(w: &mut World, life: u128, number: u64, event: impl Into<Event>) -> Outcome {
    let event = event.into();
    let author = event.route().instance.expect("it names an instance").to_string();
    says_as(w, &author, life, number, event)
}

/// The same, signed with this name.
pub(crate) fn says_as(
    w: &mut World,
    author: &str,
    life: u128,
    number: u64,
    event: impl Into<Event>,
) -> Outcome {
    let (author, event): (AuthorId, Event) = (id(author), event.into());
    let subject = Subject::of(&id("test"), &author, &event).to_string();
    let record = Record {
        version: schema::SCHEMA_VERSION,
        author,
        incarnation: Uuid::from_u128(life),
        number,
        cause: Seq(0),
        epoch: Epoch(0),
        must_understand: false,
        event,
    };
    let payload = codec::encode(&record).expect("encodes");
    let (seq, time) = (w.state.head.applied.next(), w.state.head.time);
    w.state.apply(Message { seq, time, subject: &subject, payload: &payload })
}

pub(crate) fn phase(w: &World, instance: &str) -> Option<Phase> {
    w.state.instances.get(&id(instance)).map(|instance| instance.phase.clone())
}

#[test]
fn who_proves_himself_serves_in_the_round_after() {
    let mut w = launched();
    w.made("i-1");
    let said = genuine("i-1", 1);
    assert_eq!(says(&mut w, 1, 1, said), Outcome::Applied);
    assert_eq!(phase(&w, "i-1"), Some(Phase::Booting), "it is not taken at its word");
    assert_eq!(w.rounds(), ["i-1 verified", "then", "a-1 on i-1: kept for it"]);
    assert!(w.state.claims.is_empty());
}

/// What it says is read before the cloud's answer.
#[test]
fn who_proves_himself_is_of_his_launch() {
    let mut w = launched();
    says(&mut w, 1, 1, genuine("i-1", 1));
    assert_eq!(phase(&w, "i-1"), None);
    assert_eq!(w.rounds(), ["i-1 verified", "then", "a-1 on i-1: kept for it"]);
    w.made("i-1");
    assert_eq!(w.rounds(), [""; 0]);
}

/// An agent that lost its journal is another life: it counts once it has proved itself, and from then on
/// the one before does not.
#[test]
fn another_life_counts_once_it_is_proved() {
    let mut w = launched();
    w.made("i-1");
    let said = genuine("i-1", 5);
    says(&mut w, 5, 1, said);
    w.rounds();
    let said = genuine("i-1", 4);
    assert_eq!(says(&mut w, 4, 1, said), Outcome::Void(Void::RetiredIncarnation));
    // Long after nobody could join any more.
    w.secs(3600);
    w.keep("a-1", Millis::from_secs(60));
    let moved = InstanceBooted { address: "http://moved".into(), ..booted("i-1", "l-1") };
    let bearer = credential(&key(), "l-1", 1).bearer(&id("i-1"));
    let moved = bearer.prove(&id("test"), (Uuid::from_u128(6), 1), moved);
    says(&mut w, 6, 1, moved);
    assert_eq!(w.state.instances.get(&id("i-1")).expect("there").address, "http://i-1");
    assert!(w.rounds().contains(&"i-1 verified".to_owned()));
    let instance = w.state.instances.get(&id("i-1")).expect("there");
    assert_eq!(instance.address, "http://moved");
    assert_eq!(instance.trust, Trust::Proven { life: Uuid::from_u128(6) });
    let closed = || AllocClosed { alloc: id("a-1"), driver: id("d-1"), instance: id("i-1") };
    assert_eq!(says(&mut w, 5, 2, closed()), Outcome::Void(Void::Unproven));
    assert_eq!(says(&mut w, 6, 2, closed()), Outcome::Applied);
}

/// One that comes back in the same life proves what it says anew; what others say there changes nothing.
#[test]
fn what_is_said_again_is_proved_again() {
    let mut w = launched();
    w.made("i-1");
    let said = genuine("i-1", 1);
    says(&mut w, 1, 1, said.clone());
    w.rounds();
    let elsewhere = InstanceBooted { address: "http://10.0.0.1".into(), ..said.clone() };
    says(&mut w, 1, 2, elsewhere);
    assert_eq!(w.rounds(), ["i-1 distrusted: Forged"]);
    assert_eq!(w.state.instances.get(&id("i-1")).expect("there").address, "http://i-1");
    let said = genuine_as("i-1", 1, 3);
    assert_eq!(says(&mut w, 1, 3, said), Outcome::Applied);
    assert_eq!(w.rounds(), ["i-1 verified"]);
}

/// What an earlier life said arrives after what the next one did, and one round finds both.
#[test]
fn a_life_that_is_over_is_not_judged_beside_the_one_after_it() {
    let mut w = launched();
    w.made("i-1");
    for life in [6, 5] {
        let said = genuine("i-1", life);
        assert_eq!(says(&mut w, life, 1, said), Outcome::Applied, "{life}");
    }
    says(&mut w, 4, 1, booted("i-1", "l-1"));
    assert_eq!(w.rounds(), ["i-1 verified", "then", "a-1 on i-1: kept for it"]);
    assert!(w.state.claims.is_empty());
}

/// Who has the credential and comes too late: nobody can join by it any more.
#[test]
fn who_comes_too_late_is_ended_at_once() {
    let mut w = launched();
    w.made("i-1");
    w.policy(|policy| policy.boot_timeout = Millis::from_secs(3600));
    w.freeze();
    let joins_until = w.state.head.time + IN_TIME;
    w.secs(61);
    let (said, came) = (genuine("i-1", 1), w.state.head.time);
    says(&mut w, 1, 1, said);
    let why = DistrustWhy::Expired { joins_until, came };
    let told = w.rounds();
    assert_eq!(told[0], format!("i-1 distrusted: {why:?}"));
    assert!(told.contains(&format!("end i-1: distrusted: {why:?}")), "{told:?}");
}

/// Its time begins when the log has it, not when it was asked for.
#[test]
fn however_long_a_launch_has_waited_its_instance_joins() {
    let mut w = launched();
    w.secs(3600);
    w.made("i-1");
    says(&mut w, 1, 1, genuine("i-1", 1));
    assert_eq!(w.rounds(), ["i-1 verified", "then", "a-1 on i-1: kept for it"]);
}

/// In time is who has written in time, however late he is judged, and by whom.
#[test]
fn a_leader_that_comes_later_finds_who_waits() {
    let mut w = launched();
    w.made("i-1");
    says(&mut w, 1, 1, genuine("i-1", 1));
    w.secs(61);
    w.state = State::restore(&w.state.snapshot()).expect("a snapshot");
    assert_eq!(w.rounds(), ["i-1 verified", "then", "a-1 on i-1: kept for it"]);
}

/// A leader that comes late finds both at once: who has come in time, and that the time is over, or that too
/// many before him have not come.
#[test]
fn who_came_in_time_is_not_given_up_for_being_looked_at_late() {
    let mut w = launched();
    w.made("i-1");
    w.policy(|policy| policy.breaker = 1);
    w.booting("i-2", small());
    w.say(InstanceLost { instance: id("i-2"), message: String::new() });
    says(&mut w, 1, 1, genuine("i-1", 1));
    w.pass(w.state.head.policy.boot_timeout);
    assert_eq!(w.rounds(), ["i-1 verified", "then", "a-1 on i-1: kept for it"]);
}

/// A leader that cannot tell says nothing.
#[test]
fn without_the_secret_nobody_is_judged() {
    for key in [None, Some(ClusterKey::new([8; 32]))] {
        let mut w = launched();
        w.made("i-1");
        let said = genuine("i-1", 1);
        says(&mut w, 1, 1, said);
        says(&mut w, 2, 1, booted("i-1", "l-1"));
        w.sight.key = key;
        assert_eq!(w.rounds(), [""; 0]);
        assert_eq!(w.state.claims.len(), 2, "who has it judges them");
    }
}

/// What was launched before the log said that there is a secret is taken at its word, as it was.
#[test]
fn a_launch_goes_by_what_was_so_when_it_was_made() {
    let mut w = World::new();
    w.launch("i-1", small(), &[]);
    let fingerprint = Some(key().fingerprint(&id("test")));
    w.say(CloudConfigured { settings: "s".into(), fingerprint });
    w.sight.key = Some(key());
    let (offering, why) = (small(), LaunchWhy::MinInstances { floor: 0 });
    let (attempt, count, reserved_for) = (1, 1, Vec::new());
    let launch = id("l-2");
    w.say(LaunchRequested { launch, attempt, offering, count, reserved_for, why });
    assert_eq!(says(&mut w, 1, 1, booted("i-1", "l-1")), Outcome::Applied);
    assert_eq!(phase(&w, "i-1"), Some(Phase::Up));
    says(&mut w, 1, 1, booted("i-2", "l-2"));
    assert_eq!(phase(&w, "i-2"), None);
}
