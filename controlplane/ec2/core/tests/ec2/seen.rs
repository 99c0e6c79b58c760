//! What rows of a listing mean, written by EC2 or by anyone else.

use crate::world::{full, order, request};
use controlplane_core::cloud::SeenState;
use ec2_core::cloudinit::Flavour;
use ec2_core::refusal::Ended;
use ec2_core::seen::{Phase, Row, sight};
use ec2_core::tags::Mark;
use proptest::prelude::*;
use schema::id::{ClusterId, InstanceId, LaunchId};
use schema::requirements::Market;
use schema::unit::Epoch;
use schema::unit::Millis;

fn cluster() -> ClusterId {
    ClusterId::new("genomics").expect("an id")
}

fn row(tags: &[(&str, &str)]) -> Row {
    let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Row {
        instance: "i-0abc".into(),
        state: "running".into(),
        tags: tags.collect(),
        ..Row::default()
    }
}

#[test]
fn what_was_asked_for_is_recognised() {
    let request = request(&full(Flavour::Ubuntu), &order());
    let row = Row {
        instance: "i-0abc".into(),
        state: "running".into(),
        tags: request.tags.into_iter().collect(),
        lifecycle: Some("spot".into()),
        zone: Some("us-west-2b".into()),
        kind: Some("m7i.4xlarge".into()),
        token: Some(request.token.to_string()),
        reason: None,
        launched: Some(1_000),
    };
    let seen = sight(&cluster(), &row).expect("an instance");
    let launch = order().launch;
    assert_eq!(seen.mark, Mark::Ours { launch, attempt: 2, epoch: Some(Epoch(7)) });
    assert_eq!((seen.market, seen.phase, seen.ended), (Market::Spot, Phase::Running, None));
    let told = seen.seen(61_000).expect("ours");
    let (kind, zone) = ("m7i.4xlarge".into(), "us-west-2b".into());
    assert_eq!(
        (told.launch, told.offering),
        (Some(order().launch), Some((kind, zone, Market::Spot)))
    );
    assert_eq!(told.age, Millis::from_secs(60));
    assert_eq!(seen.zone.as_deref(), Some("us-west-2b"));
    assert_eq!(seen.token.as_deref(), Some(request.token.as_str()));
}

#[test]
fn tags_are_believed_only_as_far_as_they_can_be_read() {
    let ours = |launch: &str, epoch| Mark::Ours {
        launch: LaunchId::new(launch).expect("an id"),
        attempt: 1,
        epoch,
    };
    let (c, l, a, e) =
        ("fleetlog:cluster", "fleetlog:launch", "fleetlog:attempt", "fleetlog:epoch");
    let mine = (c, "genomics");
    let cases: [(&[(&str, &str)], Mark); 15] = [
        (&[], Mark::Stranger),
        (&[("Name", "genomics")], Mark::Stranger),
        (&[(c, "proteomics"), (l, "l-1"), (a, "1")], Mark::Stranger),
        (&[(c, "Genomics"), (l, "l-1"), (a, "1")], Mark::Stranger),
        (&[(l, "l-1"), (a, "1")], Mark::Stranger),
        (&[mine], Mark::Unnamed),
        (&[mine, (l, "l-1")], Mark::Unnamed),
        (&[mine, (a, "1")], Mark::Unnamed),
        (&[mine, (l, "l.*.>"), (a, "1")], Mark::Unnamed),
        (&[mine, (l, "l-1"), (a, "0")], Mark::Unnamed),
        (&[mine, (l, "l-1"), (a, "+1")], Mark::Unnamed),
        (&[mine, (l, "l-1"), (a, "4294967296")], Mark::Unnamed),
        (&[mine, (l, "l-1"), (a, "1")], ours("l-1", None)),
        (&[mine, (l, "l-1"), (a, "1"), (e, "x")], ours("l-1", None)),
        (&[(e, "3"), (a, "1"), (l, "l-1"), mine], ours("l-1", Some(Epoch(3)))),
    ];
    for (tags, mark) in cases {
        let seen = sight(&cluster(), &row(tags)).expect("an instance");
        assert_eq!(seen.mark, mark, "{tags:?}");
        assert_eq!(seen.seen(0).is_none(), mark == Mark::Stranger, "{tags:?}");
    }
}

#[test]
fn states_are_told_apart() {
    let cases = [
        ("pending", Phase::Pending, SeenState::There, None),
        ("running", Phase::Running, SeenState::There, None),
        ("stopping", Phase::Stopped, SeenState::There, Some(Ended::Interrupted)),
        ("stopped", Phase::Stopped, SeenState::There, Some(Ended::Interrupted)),
        ("shutting-down", Phase::Going, SeenState::There, Some(Ended::Interrupted)),
        ("terminated", Phase::Gone, SeenState::Gone, Some(Ended::Interrupted)),
        ("hibernating", Phase::Other, SeenState::There, None),
    ];
    for (name, phase, state, ended) in cases {
        let mut row = row(&[("fleetlog:cluster", "genomics")]);
        row.state = name.into();
        row.reason = Some("Server.SpotInstanceTermination".into());
        let seen = sight(&cluster(), &row).expect("an instance");
        assert_eq!((seen.phase, seen.ended), (phase, ended), "{name}");
        let instance = InstanceId::new("i-0abc").expect("an id");
        let told = seen.seen(0).expect("ours");
        assert_eq!((told.instance, told.state), (instance, state), "{name}");
        assert_eq!(told.why.is_empty(), ended.is_none(), "{name}");
    }
    let mut gone = row(&[]);
    gone.state = "terminated".into();
    assert_eq!(sight(&cluster(), &gone).expect("an instance").ended, Some(Ended::Unknown));
}

proptest! {
    #[test]
    fn no_row_breaks_it(
        instance in any::<String>(),
        state in any::<String>(),
        tags in prop::collection::vec(("fleetlog:(cluster|launch|attempt|epoch)", any::<String>()), 0..6),
        reason in any::<Option<String>>(),
    ) {
        let row = Row { instance, state, tags, reason, ..Row::default() };
        let seen = sight(&cluster(), &row);
        prop_assert_eq!(seen.is_some(), InstanceId::new(&row.instance).is_ok());
    }
}
