//! What is said of what has not happened: `fleet plan` and `why-not`.

use super::{World, corpus};
use replay::log::Stored;
use replay_core::author::Line;
use schema::SCHEMA_VERSION;
use schema::codec;
use schema::event::{AllocPending, AllocRequested, DriverJoined, Event, InstanceHeld, PolicySet};
use schema::id::{AuthorId, ClusterId, IdError};
use schema::policy::Policy;
use schema::record::Record;
use schema::requirements::{Constraint, Requirements};
use schema::resources::Resources;
use schema::unit::{Epoch, Micros, Seq};
use schema::why::PendingWhy;
use std::collections::BTreeMap;
use std::str::FromStr;
use uuid::Uuid;

fn id<T: FromStr<Err = IdError>>(text: &str) -> T {
    text.parse().expect("an id")
}

/// Puts an event on the log, at the time of its last record, as the first of a new author.
fn add(records: &mut Vec<Stored>, author: &str, event: impl Into<Event>) {
    let (event, author): (Event, AuthorId) = (event.into(), id(author));
    let last = records.last().expect("a record").clone();
    let number = records.iter().filter_map(|stored| codec::decode(&stored.payload).ok());
    let number = number.filter(|record| record.author == author).count() as u64 + 1;
    let record = Record {
        version: SCHEMA_VERSION,
        author,
        incarnation: Uuid::from_u128(1),
        number,
        cause: Seq(0),
        epoch: Epoch(0),
        must_understand: false,
        event,
    };
    let line = Line::of(&id::<ClusterId>("default"), &record).expect("a line");
    let (subject, payload) = (line.subject, line.payload.into());
    records.push(Stored { seq: last.seq.next(), subject, payload, ..last });
}

fn ask(records: &mut Vec<Stored>, alloc: &str, cpu: u64) {
    let amount = Resources { cpu, memory: 64 << 20, ..Resources::default() };
    let event = AllocRequested {
        alloc: id(alloc),
        driver: id("someone"),
        requirements: Requirements::exactly(amount),
        constraint: Constraint::default(),
        priority: 0,
        labels: BTreeMap::new(),
        lease: None,
    };
    add(records, "someone", event);
}

/// The recorded cluster while its leader leads, and the record with which it steps down.
fn led() -> (Vec<Stored>, Stored) {
    let mut records = corpus();
    let resigned = |stored: &Stored| {
        let record = codec::decode(&stored.payload);
        record.is_ok_and(|record| matches!(record.event, Event::LeaderResigned(_)))
    };
    let last = records.iter().rposition(resigned).expect("its leader steps down");
    let resigns = records[last].clone();
    records.truncate(last);
    (records, resigns)
}

/// The same with less money, and somebody who asks for more than that buys.
fn poor(mut records: Vec<Stored>) -> Vec<Stored> {
    let mut state = replay_core::State::default();
    replay::fold::fold(&mut state, &records, |_, _, _, _| {});
    let policy = Policy { max_hourly_cost: Micros(30_000), ..state.head.policy.clone() };
    add(&mut records, "operator", PolicySet { policy });
    let joined = DriverJoined { driver: id("someone"), version: "0".into() };
    add(&mut records, "someone", joined);
    ask(&mut records, "a-four-cores", 4000);
    records
}

#[test]
fn what_would_be_launched() {
    let world = World::of(led().0);
    let plan = |args: &[&str]| world.fleetlog(&[&["fleet", "plan"], args].concat());
    insta::assert_snapshot!(
        [
            plan(&["--memory", "512MiB"]),
            plan(&["--memory", "512MiB", "--count", "6"]),
            plan(&["--cpu", "2", "--market", "on-demand", "--count", "8", "--show", "3"]),
            plan(&["--width", "5"]),
            plan(&["--count", "2", "--policy", "max_hourly_cost=$0.014", "--show", "1"]),
            plan(&["--policy", "max_hourly_cost=lots"]),
            plan(&["--cpu", "2", "--output", "json"]),
            plan(&["--cpu", "2", "--output", "quiet"]),
        ]
        .concat()
    );
}

/// With shipped prices, beside what the cluster's policy names.
#[test]
fn what_would_be_launched_of_all_that_is_sold() {
    let world = World::of(led().0);
    let need = ["--cpu", "4", "--memory", "14GiB", "--region", "eu-west-1"];
    let plan = |args: &[&str]| world.fleetlog(&[&["fleet", "plan"], &need[..], args].concat());
    let table = plan(&["--show", "2000"]);
    for part in [
        "launched  1",
        "in eu-west-1",
        "1 launches in all, $",
        "chosen",
        "not allowed: it is burstable",
        "not allowed: it is bare metal",
        "kept for who asks for an accelerator",
        "too small: cpu 4 asked, 2 there",
        " instead of $",
    ] {
        assert!(table.contains(part), "no {part} in {table}");
    }
    let short = plan(&["--show", "3"]);
    assert!(short.contains("offerings more; --show"), "{short}");
    let mars = world.fleetlog(&["fleet", "plan", "--region", "mars"]);
    assert!(mars.contains("eu-west-1") && mars.contains("[exit code 2]"), "{mars}");
}

/// Only what is in the zones and of the types that are asked for is bought, and else each says why it will not do.
#[test]
fn what_would_be_launched_where_it_is_wanted() {
    let world = World::of(led().0);
    let plan = |args: &[&str]| {
        let sold = ["--region", "eu-west-1", "--policy", "offerings=[]", "--show", "2000"];
        world.fleetlog(&[&["fleet", "plan", "--cpu", "2"][..], &sold, args].concat())
    };
    let table = plan(&["--type", "m6i.*", "--type", "c5.large"]);
    let chosen = table.lines().filter(|line| line.ends_with("chosen"));
    let chosen: Vec<&str> = chosen.collect();
    assert!(!chosen.is_empty(), "{table}");
    let will_do = |line: &&str| line.starts_with("m6i.") || line.starts_with("c5.large ");
    assert!(chosen.iter().all(will_do), "{chosen:?}");
    assert!(table.contains("only c5.large or m6i.* will do"), "{table}");
    let none = plan(&["--zone", "us-east-1a"]);
    for part in ["offerings is in us-east-1a: ", " in another zone", "only us-east-1a will do"] {
        assert!(none.contains(part), "no {part} in {none}");
    }
    for (flag, wrong) in [("--zone", "a.b"), ("--zone", ""), ("--type", "m7 large"), ("--type", "")]
    {
        let told = plan(&[flag, wrong]);
        let said = told.contains(&format!("{wrong:?} is no ")) && told.contains("[exit code 2]");
        assert!(said, "{flag} {wrong:?}: {told}");
    }
}

/// What links are worth is said of what they decide.
#[test]
fn what_would_be_launched_for_its_links() {
    let world = World::of(led().0);
    let plan = |worth: &str| {
        let only = "types.allow=[\"r5.large\",\"r5b.large\"]";
        let named = ["--policy", "offerings=[]", "--policy", only, "--policy", worth];
        let need = ["fleet", "plan", "--memory", "14GiB", "--market", "on-demand"];
        let all = [&need[..], &["--region", "us-east-1", "--show", "2"], &named[..]].concat();
        world.fleetlog(&all)
    };
    let row = |table: &str, kind: &str| {
        let lines = table.lines().skip_while(|line| !line.contains("COMES TO/H"));
        let row = lines.filter(|line| line.starts_with(kind)).last().expect("a row");
        row.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let usual = plan("worth.ebs=0");
    assert!(row(&usual, "r5.large").ends_with(" 1 chosen"), "{usual}");
    assert!(!usual.contains("count for"), "{usual}");
    let worth = plan("worth.ebs=$0.1");
    assert!(row(&worth, "r5b.large").ends_with(" 1 chosen"), "{worth}");
    assert!(worth.contains("once its network and EBS throughput count for $0.03/h"), "{worth}");
    let slow = row(&worth, "r5.large");
    assert!(slow.contains("slower: less what network and EBS throughput are worth $"), "{slow}");
}

/// Where no cluster is known a policy as it is by default is tried.
#[test]
fn a_plan_needs_no_cluster() {
    let home = tempfile::tempdir().expect("a directory");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_fleetlog"));
    command.env("XDG_CONFIG_HOME", home.path()).env_remove("FLEETLOG_LOG");
    command.env_remove("FLEETLOG_CLUSTER").args(["fleet", "plan", "--output", "quiet"]);
    let output = command.output().expect("runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("no cluster is known here") && said.contains("us-east-1"), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 1, "{said}");
}

#[test]
fn what_blocks_who_waits() {
    let mut records = poor(led().0);
    let world = World::of(records.clone());
    let blocked = world.all(&[
        &["why-not", "a-four-cores"],
        &["why-not", "a-four-cores", "--output", "json"],
        &["why-not", "a-four-cores", "--output", "quiet"],
    ]);
    ask(&mut records, "a-core", 1000);
    ask(&mut records, "a-hundred-cores", 100_000);
    let world = World::of(records.clone());
    let soon = world.all(&[
        &["why-not", "a-core"],
        &["why-not", "a-core", "--output", "json"],
        &["why-not", "a-hundred-cores"],
    ]);
    let instance = world.fleetlog(&["instances", "--output", "quiet"]);
    let instance = instance.lines().nth(1).expect("an instance");
    add(&mut records, "operator", InstanceHeld { instance: id(instance) });
    let held = World::of(records).all(&[&["why-not", "a-core", "--show", "1"]]);
    insta::assert_snapshot!([blocked, soon, held].concat());
}

/// Who waits is told why once, and again only when that is something else: its figures are those of now.
#[test]
fn the_figures_are_those_of_now() {
    let (records, resigns) = led();
    let mut records = poor(records);
    let mut record = codec::decode(&resigns.payload).expect("a record");
    let (asked, committed, limit) = (Micros(1), Micros(2), Micros(3));
    let why = PendingWhy::Budget { asked, committed, limit };
    let (alloc, driver) = (id("a-four-cores"), id("someone"));
    record.event = AllocPending { alloc, driver, why }.into();
    let line = Line::of(&id::<ClusterId>("default"), &record).expect("a line");
    let (subject, payload) = (line.subject, line.payload.into());
    let seq = records.last().expect("a record").seq.next();
    records.push(Stored { seq, subject, payload, ..resigns });
    let world = World::of(records);
    let told = world.fleetlog(&["events", "--id", "a-four-cores"]);
    assert!(told.contains(r#""committed":2"#) && !told.contains("void"), "{told}");
    let now = world.fleetlog(&["allocs"]);
    assert!(now.contains("budget $0.03/h is in use ($0.0072/h committed"), "{now}");
    let json = world.fleetlog(&["allocs", "--output", "json"]);
    assert!(json.contains(r#""committed":7200"#), "{json}");
}

#[test]
fn who_does_not_wait_is_told_so() {
    let world = World::of(poor(corpus()));
    let allocs = world.fleetlog(&["allocs", "--output", "quiet"]);
    let ended = allocs.lines().nth(1).expect("an alloc");
    insta::assert_snapshot!(world.all(&[
        &["why-not", ended],
        &["why-not", "a-nobody"],
        &["why-not", "A Nobody"],
        // Its leader has stepped down.
        &["why-not", "a-four-cores", "--output", "quiet"],
    ]));
}
