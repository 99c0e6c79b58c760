//! A network of a cluster's own: made in an account that has none, completed where it was left half done,
//! and good enough for its controller.

use super::account::{Account, ZONES, between};
use super::cluster::{self, Cluster, command};
use serde_json::{Value, json};
use sim_ec2::{Effect, Often, Rule};
use std::path::Path;
use std::process::Output;

const NAME: &str = "genomics";
/// Whoever has the other half.
const PUBLIC_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFhmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZm user@example";

fn fleet(account: &Account, dir: &Path, args: &[&str]) -> Output {
    let mut command = command(&account.log.url(), NAME, dir);
    account.admit(&mut command);
    command.arg("fleet").args(args).current_dir(dir).output().expect("runs")
}

fn said(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

/// Settings that say nothing of a network.
fn bare(account: &Account) -> Value {
    let mut settings = cluster::settings(account, "flatcar", 0);
    for part in ["region", "subnets", "security_groups"] {
        settings.as_object_mut().expect("an object").remove(part);
    }
    settings
}

#[test]
fn a_network_is_made_once_whatever_interrupts_it_and_launches_go_there() {
    let account = Account::start();
    let dir = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text);
    write("bare.json", &bare(&account).to_string()).expect("written");
    write("key.pub", PUBLIC_KEY).expect("written");
    let [one, two] = ZONES;
    let look = ["setup", "--from", "bare.json", "--region", "us-east-1"];
    let zones = ["--zone", one, "--zone", two, "--public-key", "key.pub"];
    let look = [&look[..], &zones[..]].concat();
    let make = [&look[..], &["--make", "--write", "ec2.json"]].concat();

    let output = fleet(&account, dir.path(), &look);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert_eq!(account.calls("Create"), 0, "a look makes nothing");

    // It is interrupted: once before EC2 did anything, once after.
    let proxy = &account.proxy;
    proxy.add(Rule::on("CreateRouteTable", Often::Next(1), Effect::error("InternalError")));
    proxy.add(Rule::on("CreateSecurityGroup", Often::Next(1), Effect::LoseAnswer));
    for _ in 0..2 {
        let output = fleet(&account, dir.path(), &make);
        assert_eq!(output.status.code(), Some(125), "{}", said(&output));
        assert!(!dir.path().join("ec2.json").exists());
    }
    let output = fleet(&account, dir.path(), &make);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let made = account.calls("Create");
    for (action, count) in [("CreateVpc", 1), ("CreateSubnet", 2), ("CreateSecurityGroup", 1)] {
        assert_eq!(account.calls(action), count, "{action}");
    }
    let output = fleet(&account, dir.path(), &make);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(account.calls("Create"), made, "nothing new");

    let output = fleet(&account, dir.path(), &["verify", "--ec2", "ec2.json"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let text = std::fs::read_to_string(dir.path().join("ec2.json")).expect("written");
    let settings: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(settings["key_name"], json!("fleetlog-genomics"));
    let cluster = Cluster::by(&account, NAME, &settings);
    let mut run = cluster.begin("true");
    let id = account.instance_of(NAME);
    let subnets = settings["subnets"].as_array().expect("subnets").iter();
    let inside = subnets.map(|one| one["subnet"].as_str().expect("an id")).any(|subnet| {
        assert_ne!(subnet, account.subnet(one), "not one that the account had");
        let there = account.filtered("DescribeInstances", "subnet-id", subnet);
        between(&there, "<instanceId>", "</instanceId>").contains(&id.as_str())
    });
    assert!(inside, "{id} is not in its cluster's subnets");
    run.kill().expect("killed");
    run.wait().expect("reaped");
}

#[test]
fn what_another_made_is_not_used() {
    let account = Account::start();
    let dir = tempfile::tempdir().expect("a directory");
    let make = ["setup", "--region", "us-east-1", "--zone", ZONES[0], "--make"];
    let run = |name: &str| {
        let mut command = command(&account.log.url(), name, dir.path());
        account.admit(&mut command);
        let output = command.args(["--output", "json", "fleet"]).args(make).output();
        let output = output.expect("runs");
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let last = String::from_utf8_lossy(&output.stdout).lines().last().map(str::to_owned);
        let said: Value = serde_json::from_str(&last.expect("a line")).expect("JSON");
        said["settings"]["subnets"][0]["subnet"].as_str().expect("a subnet").to_owned()
    };
    let (mine, theirs) = (run("genomics"), run("proteomics"));
    assert_ne!(mine, theirs);
    assert_eq!(account.calls("CreateVpc"), 2);
    assert_eq!(run("genomics"), mine);
    assert_eq!(account.calls("CreateVpc"), 2);
}
