//! A replica that begins from a snapshot: what was under way in it comes to its end.

use crate::world::{World, cores, id};
use controlplane_core::Moment;
use controlplane_core::replica::{Do, Replica};
use controlplane_core::round::{Answer, Me};
use replay_core::author::Line;
use replay_core::{Message, State};
use schema::codec;
use schema::event::{Event, Genesis, LeaderResigned, Previous, RolledOver};
use schema::policy::Policy;
use schema::record::Record;
use schema::unit::{Epoch, LogTime, Seq};
use uuid::Uuid;

const LEASE: u64 = 120_000;

/// A cluster without a leader, in which a lease of 120 s runs.
fn leased() -> World {
    let mut w = World::new();
    w.up("i-1", cores(8));
    w.give("a-1", "i-1", cores(1));
    w
}

fn me() -> Me {
    Me { cluster: id("test"), replica: id("r-2"), incarnation: Uuid::from_u128(2) }
}

/// When this replica writes that the lease has run out, in seconds, if it does within ten minutes; it
/// alone is there, and the log takes all that it writes.
fn expires(mut replica: Replica) -> Option<u64> {
    for now in (0..600_000).step_by(100) {
        let wanted = replica.step(Moment(now), now).expect("it goes on");
        let appends = wanted.into_iter().filter_map(|wanted| match wanted {
            Do::Append(append) => Some(append),
            _ => None,
        });
        for append in appends {
            for line in append.lines.iter() {
                let decoded = codec::decode(&line.payload);
                if let Ok(Record { event: Event::AllocExpired(_), .. }) = &decoded {
                    return Some(now / 1000);
                }
                let seq = replica.state().head.applied.next();
                let time = LogTime(2_000_000_000_000_000 + now * 1_000_000);
                let Line { subject, payload } = line;
                replica.fold(Moment(now), Message { seq, time, subject, payload }, decoded);
            }
            replica.folded(0);
            replica.answered(Moment(now), Answer::Stored(replica.state().head.applied));
        }
        replica.folded(0);
    }
    None
}

#[test]
fn a_lease_that_is_older_than_the_snapshot_runs_out() {
    let mut w = leased();
    w.say(LeaderResigned {});
    let state = State::restore(&w.state.snapshot()).expect("a snapshot");
    let replica = Replica::resume(Moment(0), me(), Policy::default(), state);
    let at = expires(replica).expect("it runs out");
    assert!((LEASE / 1000..LEASE / 1000 + 5).contains(&at), "after {at} s");
}

#[test]
fn a_lease_that_is_older_than_the_generation_runs_out() {
    let mut w = leased();
    w.say(RolledOver { next: 2 });
    let previous = Previous {
        stream: "G1".into(),
        seq: w.state.head.applied,
        digest: w.state.digest().0.to_vec(),
        snapshot: w.state.snapshot(),
    };
    let (cluster, policy) = (id("test"), w.state.head.policy.clone());
    let event = Genesis { cluster, generation: 2, policy, previous: Some(previous) }.into();
    let record = Record {
        version: schema::SCHEMA_VERSION,
        author: id("r-1"),
        incarnation: Uuid::from_u128(3),
        number: 1,
        cause: Seq(0),
        epoch: Epoch(0),
        must_understand: false,
        event,
    };
    let Line { subject, payload } = Line::of(&id("test"), &record).expect("a line");
    let (seq, time) = (Seq(1), LogTime(2_000_000_000_000_000));
    let genesis = Message { seq, time, subject: &subject, payload: &payload };
    let mut replica = Replica::new(Moment(0), me(), Policy::default());
    replica.fold(Moment(0), genesis, Ok(record));
    replica.folded(0);
    let at = expires(replica).expect("it runs out");
    assert!((LEASE / 1000..LEASE / 1000 + 5).contains(&at), "after {at} s");
}
