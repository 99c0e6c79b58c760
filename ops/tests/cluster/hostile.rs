//! What does not belong on a log, put there beside a running cluster: each is counted, and nothing
//! else comes of it.

use crate::world::World;
use bytes::Bytes;
use replay::log::{AppendError, Entry, Fence};
use schema::codec;
use schema::event::{DriverJoined, Event, LeaderRenewed};
use schema::id::{AuthorId, ClusterId, DriverId};
use schema::record::Record;
use schema::subject::{self, Subject};
use schema::unit::{Epoch, Seq};
use serde_json::Value;
use uuid::Uuid;

fn cluster() -> ClusterId {
    ClusterId::new("default").expect("an id")
}

fn entry(number: u64, epoch: u64, author: &str, event: impl Into<Event>) -> Entry {
    let (author, event) = (AuthorId::new(author).expect("an id"), event.into());
    let subject = Subject::of(&cluster(), &author, &event).to_string();
    let record = Record {
        version: schema::SCHEMA_VERSION,
        author,
        incarnation: Uuid::from_u128(7),
        number,
        cause: Seq(0),
        epoch: Epoch(epoch),
        must_understand: false,
        event,
    };
    Entry { subject, payload: codec::encode(&record).expect("encodes").into() }
}

fn joined(number: u64) -> Entry {
    let driver = DriverId::new("stranger").expect("an id");
    entry(number, 0, "stranger", DriverJoined { driver, version: "1".into() })
}

/// As a build of the far future would write it.
fn of_the_future() -> Entry {
    let mut entry = joined(1);
    let version = [0xa1, b'v', 0x01];
    let at = entry.payload.windows(3).position(|bytes| bytes == version).expect("its version");
    let mut payload = entry.payload.to_vec();
    payload[at + 2] = 0x7f;
    entry.payload = payload.into();
    entry
}

fn voids(world: &World) -> Value {
    let (code, out, err) = world.fleetlog(&["state"]);
    assert_eq!(code, 0, "{err}");
    let state: Value = serde_json::from_str(&out).expect("JSON");
    state["voids"].clone()
}

#[test]
fn what_does_not_belong_is_counted_and_changes_nothing() {
    let world = World::start(2, 1);
    let garbage = Entry { payload: Bytes::from_static(b"\xc1\xff not a record"), ..joined(1) };
    let elsewhere = Entry { subject: entry(1, 0, "other", LeaderRenewed {}).subject, ..joined(1) };
    world.block_on(async {
        let log = world.log().await.expect("opens");
        let odd = [
            garbage,
            of_the_future(),
            elsewhere,
            joined(1),
            joined(1),
            joined(5),
            entry(1, 1, "r-pretender", LeaderRenewed {}),
        ];
        for entry in odd {
            log.append(&[entry], None).await.expect("a log takes any bytes");
        }
        let stale = Fence { subject: subject::election(&cluster()), seq: Seq(1) };
        let renewal = entry(2, 1, "r-pretender", LeaderRenewed {});
        let refused = log.append(&[renewal], Some(&stale)).await;
        assert!(matches!(refused, Err(AppendError::Fenced { .. })), "{refused:?}");
    });
    let voids = voids(&world);
    for reason in
        ["garbage", "newer-schema", "wrong-subject", "duplicate", "number-gap", "not-leader"]
    {
        assert_eq!(voids[reason], 1, "{reason}: {voids}");
    }
    let (code, out, err) = world.fleetlog(&["run", "--", "echo", "still here"]);
    assert_eq!((code, out.as_str()), (0, "still here\n"), "{err}");
    world.audit();
}
