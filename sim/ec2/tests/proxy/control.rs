//! The binary, steered over HTTP; and that moto ends with whoever started it.

use super::world::run_one;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

struct Running {
    child: Child,
    url: String,
    client: reqwest::Client,
}

impl Running {
    fn start(dir: &Path) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleetlog-sim-ec2"));
        command.arg("--dir").arg(dir).arg("--held").stdout(Stdio::piped());
        let mut child = command.spawn().expect("the binary");
        let mut url = String::new();
        let stdout = child.stdout.as_mut().expect("piped");
        BufReader::new(stdout).read_line(&mut url).expect("a line");
        Running { child, url: url.trim().to_owned(), client: reqwest::Client::new() }
    }

    async fn steer(&self, method: &str, what: &str, body: Value) -> (u16, Value) {
        let method = method.parse().expect("a method");
        let sent = self.client.request(method, format!("{}/_{what}", self.url));
        let answer = sent.body(body.to_string()).send().await.expect("an answer");
        let status = answer.status().as_u16();
        (status, answer.json().await.expect("JSON"))
    }

    async fn ask(&self, query: &str) -> String {
        let sent = self.client.post(&self.url).body(query.to_owned()).send().await;
        sent.expect("an answer").text().await.expect("text")
    }
}

/// The processes that run moto for this one.
fn motos(parent: u32) -> Vec<String> {
    let entries = fs::read_dir("/proc").expect("processes").flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let child_of = |pid: &String| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status.lines().any(|line| line == format!("PPid:\t{parent}"))
    };
    names.filter(child_of).collect()
}

#[tokio::test]
async fn the_binary_is_steered_over_http() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut running = Running::start(dir.path());
    let rules = json!([
        { "when": { "action": "RunInstances", "market": "spot" }, "often": { "next": 1 },
          "effect": { "error": { "code": "SpotMaxPriceTooLow" } } },
        { "when": { "action": "RunInstances" },
          "effect": { "fate": { "pending_ms": 1000, "death": { "after_ms": 9000, "code": "Server.InternalError" } } } },
    ]);
    assert_eq!(running.steer("POST", "faults", rules).await, (200, Value::Null));
    let spot = format!("{}&InstanceMarketOptions.MarketType=spot&ClientToken=t", run_one());
    assert!(running.ask(&spot).await.contains("<Code>SpotMaxPriceTooLow</Code>"));
    assert!(running.ask(&spot).await.contains("<name>pending</name>"));
    let (_, truth) = running.steer("GET", "truth", Value::Null).await;
    assert_eq!((&truth[0]["token"], &truth[0]["state"]), (&json!("t"), &json!("running")));
    let (_, faults) = running.steer("GET", "faults", Value::Null).await;
    assert_eq!((&faults[0]["met"], &faults[1]["applied"]), (&json!(2), &json!(1)));

    assert_eq!(running.steer("POST", "time", json!({ "advance_ms": 1000 })).await.0, 200);
    assert!(running.ask("Action=DescribeInstances").await.contains("<name>running</name>"));
    let death = json!({ "instance": truth[0]["id"], "code": "Server.SpotInstanceTermination" });
    assert_eq!(running.steer("POST", "deaths", death.clone()).await, (200, Value::Null));
    assert!(
        running.ask("Action=DescribeInstances").await.contains("Server.SpotInstanceTermination")
    );
    assert_eq!(running.steer("PUT", "market", json!({ "scores": [], "prices": [] })).await.0, 200);
    assert_eq!(running.steer("PUT", "throttle", json!(true)).await.0, 200);
    assert_eq!(running.steer("DELETE", "faults", Value::Null).await.0, 200);
    let (_, ledger) = running.steer("GET", "calls", Value::Null).await;
    assert_eq!(ledger["calls"][1]["launched"][0], death["instance"]);
    for (method, what, body) in [
        ("POST", "faults", json!([{ "effect": "no-such" }])),
        ("POST", "deaths", json!({ "instance": "i-0", "code": "x" })),
        ("GET", "nothing", Value::Null),
    ] {
        assert_eq!(running.steer(method, what, body).await.0, 400, "{what}");
    }
    running.child.kill().expect("it runs");
    running.child.wait().expect("it ends");
}

#[tokio::test]
async fn moto_ends_when_whoever_started_it_is_killed() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut running = Running::start(dir.path());
    let motos = motos(running.child.id());
    assert_eq!(motos.len(), 1);
    let program = fs::read_to_string(format!("/proc/{}/cmdline", motos[0])).expect("it runs");
    assert!(program.contains("moto"));
    running.child.kill().expect("it runs");
    running.child.wait().expect("it ends");
    let since = Instant::now();
    let there = || {
        fs::read_to_string(format!("/proc/{}/cmdline", motos[0])).is_ok_and(|now| now == program)
    };
    while there() {
        assert!(since.elapsed() < PATIENCE, "moto is still there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn a_moto_that_is_missing_or_stale_is_said_in_a_sentence() {
    let dir = tempfile::tempdir().expect("a directory");
    let stale = dir.path().join("moto");
    fs::create_dir(&stale).expect("a package");
    fs::write(stale.join("__init__.py"), "__version__ = '5.0.0'").expect("a file");
    fs::write(stale.join("server.py"), "ThreadedMotoServer = None").expect("a file");
    let expected = [
        ("/nowhere/python3", "No such file"),
        ("python3", "this Python has moto 5.0.0, and 5.2.5 is wanted"),
        ("/bin/false", ""),
    ];
    for (python, why) in expected {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleetlog-sim-ec2"));
        command.env("FLEETLOG_MOTO", python).env("PYTHONPATH", dir.path());
        let output = command.arg("--dir").arg(dir.path()).output().expect("the binary");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success());
        assert!(said.contains("no moto 5.2.5 with") && said.contains(why), "{said}");
        assert!(said.contains("`./dev test` installs it"), "{said}");
    }
}
