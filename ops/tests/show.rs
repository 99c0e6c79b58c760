//! What people see of a cluster: the verbs that show something, on a log that was recorded once.

#[path = "show/ahead.rs"]
mod ahead;
#[path = "show/types.rs"]
mod types;

use async_trait::async_trait;
use bytes::Bytes;
use replay::log::{
    AppendError, Batch, Entry, Fence, Identity, Log, OpenError, ReadError, Reader, Stored,
    embedded, matches, remote,
};
use replay_core::State;
use replay_core::author::Line;
use schema::codec;
use schema::event::{Checkpoint, CloudConfigured, Event};
use schema::id::ClusterId;
use schema::record::Record;
use schema::unit::{LogTime, Seq};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../schema/corpus/v1-run-and-oom.log");

/// A log to which nothing is added.
struct Recorded {
    records: Arc<Vec<Stored>>,
    identity: Identity,
}

struct Pages {
    rest: Vec<Stored>,
}

#[async_trait]
impl Reader for Pages {
    async fn next_batch(&mut self, wait: Duration) -> Result<Batch, ReadError> {
        if self.rest.is_empty() {
            let _ = tokio::time::timeout(wait, std::future::pending::<()>()).await;
        }
        Ok(Batch { records: std::mem::take(&mut self.rest), pending: 0 })
    }
}

#[async_trait]
impl Log for Recorded {
    async fn append(&self, _: &[Entry], _: Option<&Fence>) -> Result<Seq, AppendError> {
        Err(AppendError::Refused("this log is a record of the past".into()))
    }

    async fn read(&self, from: Seq, filter: Option<&str>) -> Result<Box<dyn Reader>, ReadError> {
        let wanted = |stored: &&Stored| {
            stored.seq >= from && filter.is_none_or(|filter| matches(filter, &stored.subject))
        };
        Ok(Box::new(Pages { rest: self.records.iter().filter(wanted).cloned().collect() }))
    }

    async fn last_seq(&self) -> Result<Seq, ReadError> {
        Ok(self.records.last().map_or(Seq(0), |stored| stored.seq))
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }

    async fn roll_over(&self, _: &Entry) -> Result<Box<dyn Log>, OpenError> {
        Err(OpenError::Broken { url: "recorded".into(), reason: "it is over".into() })
    }

    async fn successor(&self) -> Result<Option<Box<dyn Log>>, OpenError> {
        Ok(None)
    }
}

fn corpus() -> Vec<Stored> {
    let bytes = std::fs::read(CORPUS).expect("the corpus");
    rmp_serde::from_slice(&bytes).expect("records")
}

struct World {
    url: String,
    _runtime: Runtime,
}

impl World {
    fn new() -> World {
        World::of(corpus())
    }

    fn of(records: Vec<Stored>) -> World {
        let runtime = Runtime::new().expect("a runtime");
        let cluster = ClusterId::new("default").expect("an id");
        let records = Arc::new(records);
        let (stream, generation, created) = ("FLEETLOG_default_G1".into(), 1, LogTime(0));
        let log = Recorded { records, identity: Identity { stream, generation, created } };
        let url = runtime.block_on(async {
            let (_, telemetry) = embedded::temporary(&cluster).expect("telemetry");
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let url = format!("http://{}", listener.local_addr().expect("an address"));
            tokio::spawn(remote::serve(Arc::new(log), telemetry, listener));
            url
        });
        World { url, _runtime: runtime }
    }

    /// What a verb prints: stdout, and what is said beside it.
    fn fleetlog(&self, args: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleetlog"));
        command.args(["--log", &self.url, "--cluster", "default"]).args(args);
        command.env_remove("FLEETLOG_LOG").env_remove("FLEETLOG_CLUSTER");
        let output = command.output().expect("runs");
        let (out, err) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let code = output.status.code().expect("an exit code");
        format!("$ fleetlog {}\n{out}{err}[exit code {code}]\n\n", args.join(" "))
    }

    fn all(&self, verbs: &[&[&str]]) -> String {
        verbs.iter().map(|args| self.fleetlog(args)).collect()
    }
}

#[test]
fn what_there_is() {
    let world = World::new();
    insta::assert_snapshot!(world.all(&[
        &["instances"],
        &["allocs"],
        &["execs"],
        &["instances", "--output", "json"],
        &["execs", "--output", "quiet"],
        &["policy", "get"],
    ]));
}

#[test]
fn what_was() {
    let world = World::new();
    let execs = world.fleetlog(&["execs", "--output", "quiet"]);
    let exec = execs.lines().nth(1).expect("an exec");
    insta::assert_snapshot!(world.all(&[
        &["state"],
        &["state", "--at", "12"],
        &["events", "--id", exec],
        &["events", "--id", exec, "--output", "json"],
    ]));
}

#[test]
fn whether_it_can_be_trusted() {
    let mut records = corpus();
    let last = records.last().expect("a record").clone();
    let garbage = Bytes::from_static(b"\xc1\xff not a record");
    records.push(Stored { seq: last.seq.next(), payload: garbage, ..last });
    let world = World::of(records);
    insta::assert_snapshot!(world.all(&[
        &["verify"],
        &["verify", "--output", "json"],
        &["verify", "--output", "quiet"],
    ]));
}

/// Whoever writes as the leader can say anything of the past: what does not follow from it is found.
#[test]
fn a_forged_checkpoint_is_found() {
    let true_one = World::of(with_checkpoint(|digest| digest.to_vec()));
    insta::assert_snapshot!("a_true_checkpoint_agrees", true_one.fleetlog(&["verify"]));
    let forged = World::of(with_checkpoint(|_| vec![7; 32]));
    insta::assert_snapshot!(forged.all(&[&["verify"], &["verify", "--output", "json"]]));
}

/// Instead of stepping down the last leader writes down what this makes of the digest at its election.
fn with_checkpoint(claim: impl Fn([u8; 32]) -> Vec<u8>) -> Vec<Stored> {
    led(|state| {
        let (seq, digest) = *state.marks.back().expect("a digest at the election");
        vec![Checkpoint { seq, digest: claim(digest.0) }.into()]
    })
}

/// The corpus up to where its last leader steps down. Instead of that it writes what this makes of the state.
fn led(events: impl Fn(&State) -> Vec<Event>) -> Vec<Stored> {
    let mut records = corpus();
    let decoded = |stored: &Stored| codec::decode(&stored.payload);
    let resigned = |stored: &Stored| {
        decoded(stored).is_ok_and(|record| matches!(record.event, Event::LeaderResigned(_)))
    };
    let last = records.iter().rposition(resigned).expect("its leader steps down");
    let instead = records[last].clone();
    records.truncate(last);
    let mut state = State::default();
    replay::fold::fold(&mut state, &records, |_, _, _, _| {});
    let first = decoded(&instead).expect("a record");
    for (n, event) in (0..).zip(events(&state)) {
        let record = Record { number: first.number + n, event, ..first.clone() };
        let line = Line::of(&ClusterId::new("default").expect("an id"), &record).expect("a line");
        let (subject, payload) = (line.subject, line.payload.into());
        records.push(Stored { seq: Seq(instead.seq.0 + n), subject, payload, ..instead.clone() });
    }
    records
}

/// This machine has none of them: that is no reason to call them missing.
#[test]
fn instances_on_ec2_are_not_looked_for_on_this_machine() {
    let on_ec2 = led(|_| vec![CloudConfigured { settings: "{}".into(), fingerprint: None }.into()]);
    let world = World::of(on_ec2);
    let dir = tempfile::tempdir().expect("a directory");
    let here = dir.path().join("up");
    let here = here.to_str().expect("text");
    for args in [&["fleet", "sync"][..], &["fleet", "sync", "--dir", here]] {
        let told = world.fleetlog(args);
        let [_, said, code] = told.trim().lines().collect::<Vec<_>>()[..] else { panic!("{told}") };
        let sentence = "fleetlog: this cluster's instances are on EC2, and were not looked at: ";
        assert!(said.starts_with(sentence) && said.contains("--ec2"), "{told}");
        assert_eq!(code, "[exit code 2]");
    }
    assert_eq!(std::fs::read_dir(dir.path()).expect("it is there").count(), 0, "nothing is made");
}

/// As where the disk is full on which an agent's log is: what it does must not depend on what it says.
#[test]
fn what_cannot_be_logged_harms_nothing() {
    let world = World::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleetlog"));
    command.args(["--log", &world.url, "--cluster", "default", "-vv", "execs"]);
    let full = std::fs::File::options().write(true).open("/dev/full").expect("a device");
    let output = command.stderr(full).output().expect("runs");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 4);
}

#[test]
fn why_it_was() {
    let world = World::new();
    let execs = world.fleetlog(&["execs", "--output", "quiet"]);
    let exec = execs.lines().nth(1).expect("an exec");
    insta::assert_snapshot!(world.all(&[
        &["why", exec],
        &["why", "7"],
        &["why", exec, "--output", "quiet"],
    ]));
}

#[test]
fn what_is_not_there() {
    let world = World::new();
    insta::assert_snapshot!(world.all(&[
        &["why", "x-none"],
        &["logs", "x-none"],
        &["logs", "X NONE"],
        &["state", "--at", "yesterday"],
        &["policy", "set", "max_hourly_cost=lots"],
        &["kill", "nothing"],
    ]));
}

#[test]
fn what_can_be_done() {
    let world = World::new();
    insta::assert_snapshot!(world.all(&[
        &["--help"],
        &["run", "--help"],
        &["alloc", "--help"],
        &["fleet", "plan", "--help"],
        &["why-not", "--help"],
    ]));
}
