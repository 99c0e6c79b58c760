//! What comes of those who say that they are the agent of an instance and are not.

use crate::trust::{MADE_UP, booted, credential, genuine, key, launched, phase, says, says_as};
use crate::world::{World, cores, id, small};
use controlplane_core::credential::ClusterKey;
use replay_core::state::instance::Phase;
use replay_core::{Outcome, Void};
use schema::event::{AllocClosed, InstanceBooted, InstanceStopping};
use schema::id::InstanceId;
use schema::subject::Role;
use schema::unit::Millis;
use schema::why::DistrustWhy;
use uuid::Uuid;

/// A way to be no agent of `i-1`: what he says, and what is found wrong with it.
type Forgery = (&'static str, fn() -> InstanceBooted, DistrustWhy);

const FORGERIES: &[Forgery] = &[
    ("without a proof", || booted("i-1", "l-1"), DistrustWhy::Unproven),
    (
        "by a secret of his own",
        || {
            let own = credential(&ClusterKey::new([8; 32]), "l-1", 1).bearer(&id("i-1"));
            own.prove(&id("test"), (Uuid::from_u128(1), 1), booted("i-1", "l-1"))
        },
        DistrustWhy::Forged,
    ),
    (
        "with more than was proved",
        || InstanceBooted { resources: cores(64), ..genuine("i-1", 1) },
        DistrustWhy::Forged,
    ),
    (
        "with an address of his own",
        || InstanceBooted { address: "http://10.0.0.1".into(), ..genuine("i-1", 1) },
        DistrustWhy::Forged,
    ),
    (
        "with what another instance has proved",
        || InstanceBooted { proof: genuine("i-2", 1).proof, ..booted("i-1", "l-1") },
        DistrustWhy::Forged,
    ),
    ("with what another life has proved", || genuine("i-1", 2), DistrustWhy::Forged),
    (
        "with the credential of another attempt",
        || {
            let bearer = credential(&key(), "l-1", 2).bearer(&id("i-1"));
            bearer.prove(&id("test"), (Uuid::from_u128(1), 1), booted("i-1", "l-1"))
        },
        DistrustWhy::OtherAttempt { shown: 2, made: 1 },
    ),
    (
        "with a longer time to join",
        || {
            let mut said = genuine("i-1", 1);
            said.proof.iter_mut().for_each(|proof| proof.joins_within = Millis(u64::MAX));
            said
        },
        DistrustWhy::Forged,
    ),
];

#[test]
fn who_does_not_prove_himself_gets_nothing_and_is_ended_in_time() {
    for (words, forged, why) in FORGERIES {
        let mut w = launched();
        w.made("i-1");
        says(&mut w, 1, 1, forged());
        assert_eq!(w.rounds(), [format!("i-1 distrusted: {why:?}")], "{words}");
        assert_eq!(phase(&w, "i-1"), Some(Phase::Booting), "{words}");
        w.freeze();
        w.pass(w.state.head.policy.boot_timeout);
        let told = w.rounds();
        assert!(told.contains(&format!("end i-1: distrusted: {why:?}")), "{words}: {told:?}");
    }
}

/// Whoever comes first, and whatever life he says that it is: the agent is kept out by nobody.
#[test]
fn a_forger_keeps_nobody_out() {
    for (words, forged, _) in FORGERIES {
        for life in [1, MADE_UP] {
            for judged in [false, true] {
                let mut w = launched();
                says(&mut w, life, 1, forged());
                if judged {
                    w.round();
                }
                w.made("i-1");
                let said = genuine("i-1", 1);
                assert_eq!(says(&mut w, 1, 1, said), Outcome::Applied, "{words} as {life}");
                says(&mut w, 1, 2, forged());
                w.rounds();
                assert_eq!(phase(&w, "i-1"), Some(Phase::Up), "{words} as {life}, {judged}");
                let on = w.state.allocs.get(&id("a-1")).and_then(|alloc| alloc.grant());
                assert_eq!(on.map(|grant| grant.instance.as_str()), Some("i-1"), "{words}");
                // The number that he has used is still the agent's.
                let closed =
                    AllocClosed { alloc: id("a-9"), driver: id("d-1"), instance: id("i-1") };
                assert_eq!(says(&mut w, 1, 2, closed), Outcome::Void(Void::Unknown), "{words}");
                assert_eq!(w.state.next_number(Role::Agent, &id("i-1"), Uuid::from_u128(1)), 3);
                // What is said in other lives is void from then on, or changes nothing.
                says(&mut w, MADE_UP, 9, forged());
                w.rounds();
                assert_eq!(phase(&w, "i-1"), Some(Phase::Up), "{words} as {life}, afterwards");
            }
        }
    }
}

/// No forged instance takes the place of the one that the cloud makes.
#[test]
fn a_forged_instance_is_none() {
    let mut w = launched();
    says(&mut w, 1, 1, booted("i-9", "l-1"));
    assert_eq!(w.rounds(), ["i-9 distrusted: Unproven"]);
    w.made("i-1");
    assert_eq!(w.state.instances.len(), 1);
    let said = booted("i-9", "l-1");
    assert_eq!(says(&mut w, 1, 2, said), Outcome::Void(Void::WrongState), "all of it is made");
    // One with the credential, that the cloud's answer does not have.
    let mut w = launched();
    let said = genuine("i-9", 1);
    says(&mut w, 1, 1, said);
    w.made("i-1");
    assert_eq!(w.rounds(), ["i-9 distrusted: Stranger"]);
}

#[test]
fn what_is_said_by_who_has_proved_nothing_is_void() {
    let stopping = |life, number, w: &mut World| {
        let instance: InstanceId = id("i-1");
        says(w, life, number, InstanceStopping { instance, reason: String::new() })
    };
    let mut w = launched();
    assert_eq!(stopping(1, 1, &mut w), Outcome::Void(Void::Unproven), "of nobody that is known");
    w.made("i-1");
    assert_eq!(stopping(1, 1, &mut w), Outcome::Void(Void::Unproven), "before");
    let said = genuine("i-1", 1);
    says(&mut w, 1, 1, said.clone());
    assert_eq!(says(&mut w, 1, 1, said), Outcome::Void(Void::Duplicate), "the same again");
    w.rounds();
    for life in [0, 2, MADE_UP] {
        assert_eq!(stopping(life, 1, &mut w), Outcome::Void(Void::Unproven), "as {life}");
    }
    let closed = AllocClosed { alloc: id("a-1"), driver: id("d-1"), instance: id("i-1") };
    assert_eq!(says(&mut w, MADE_UP, 1, closed), Outcome::Void(Void::Unproven));
    assert_eq!(stopping(1, 2, &mut w), Outcome::Applied, "its own next one counts");
}

/// Who writes in the name of one instance as another that is up takes no number of the first.
#[test]
fn who_speaks_for_another_keeps_nobody_from_being_heard() {
    let mut w = launched();
    w.made("i-1");
    let said = genuine("i-1", 1);
    says(&mut w, 1, 1, said);
    w.launch("i-2", small(), &[]);
    w.made("i-2");
    let other = credential(&key(), "l-2", 1).bearer(&id("i-2"));
    let said = other.prove(&id("test"), (Uuid::from_u128(9), 1), booted("i-2", "l-2"));
    says(&mut w, 9, 1, said);
    w.rounds();
    let closed = |at: &str| AllocClosed { alloc: id("a-9"), driver: id("d-1"), instance: id(at) };
    // The life that counts of i-2 is newer than that of i-1.
    for author in ["i-1", "i-3"] {
        let outcome = says_as(&mut w, author, 9, 1, closed("i-2"));
        assert_eq!(outcome, Outcome::Void(Void::NotItself), "{author}");
    }
    let own = Uuid::from_u128(1);
    assert_eq!(w.state.next_number(Role::Agent, &id("i-1"), own), 2);
    assert!(!w.state.authors.contains(&(Role::Agent, id("i-3"))), "nothing is kept of nobody");
    let outcome = says(&mut w, 1, 2, closed("i-1"));
    assert_eq!(outcome, Outcome::Void(Void::Unknown), "it is heard as before");
}

/// Whoever has a launch's credential can prove to be any instance of it that is not known yet.
#[test]
fn no_more_are_believed_than_a_launch_has_places() {
    let mut w = launched();
    for (life, instance) in [(5, "i-8"), (6, "i-9")] {
        let said = genuine(instance, life);
        assert_eq!(says(&mut w, life, 1, said), Outcome::Applied, "{instance}");
    }
    let told = ["i-8 verified", "then", "i-9 distrusted: Stranger", "a-1 on i-8: kept for it"];
    assert_eq!(w.rounds(), told);
}

/// A number that is taken by what was said again would be missing to the agent.
#[test]
fn what_is_said_again_under_another_number_is_nobodys() {
    let mut w = launched();
    w.made("i-1");
    let said = genuine("i-1", 1);
    says(&mut w, 1, 1, said.clone());
    says(&mut w, 1, 3, said);
    let forged = DistrustWhy::Forged;
    let told = ["i-1 verified", "then", &format!("i-1 distrusted: {forged:?}")];
    assert_eq!(w.rounds()[..3], told);
    assert_eq!(w.state.next_number(Role::Agent, &id("i-1"), Uuid::from_u128(1)), 2);
}
