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

/// What somebody wrote into the file by hand is nowhere else.
#[test]
fn settings_that_were_completed_by_hand_stay_so() {
    let account = Account::start();
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("ec2.json");
    let read = || std::fs::read_to_string(&file).expect("it is there");
    let run = |args: &[&str]| {
        let args = [&["setup", "--zone", ZONES[0], "--make", "--write", "ec2.json"], args].concat();
        fleet(&account, dir.path(), &args)
    };
    // Nothing that could be read wrongly is taken for nothing, and nothing is made for it.
    let spoilt = "{\"labels\": {\"team\": \"x\"},}";
    std::fs::write(&file, spoilt).expect("written");
    let output = run(&["--region", "us-east-1"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(
        said(&output).contains("ec2.json: these are no settings: trailing comma"),
        "{}",
        said(&output)
    );
    assert_eq!((read().as_str(), account.calls("Create")), (spoilt, 0));

    std::fs::write(&file, "{\"labels\": {\"team\": \"x\"}, \"list_every\": 9000}")
        .expect("written");
    let output = run(&["--region", "us-east-1"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let mut settings: Value = serde_json::from_str(&read()).expect("JSON");
    assert_eq!((&settings["labels"]["team"], &settings["list_every"]), (&json!("x"), &json!(9000)));
    let made = settings["security_groups"][0].clone();
    assert!(made.as_str().is_some_and(|id| id.starts_with("sg-")), "{settings}");

    settings["security_groups"] = json!([made, "sg-0123456789abcdef0"]);
    settings["agent"] = cluster::settings(&account, "flatcar", 0)["agent"].clone();
    let by_hand = format!("\n{settings}\n");
    std::fs::write(&file, &by_hand).expect("written");
    let from = json!({ "list_every": 1000, "log": { "url": "nats://log.internal:4222" } });
    std::fs::write(dir.path().join("from.json"), from.to_string()).expect("written");
    let output = run(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(read(), by_hand, "there was nothing to fill");
    assert!(said(&output).contains("security_groups stays as it is"), "{}", said(&output));
    let output = run(&["--from", "from.json"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(
        said(&output).contains("list_every stays as it is in --write; --from has 1000"),
        "{}",
        said(&output)
    );
    settings["log"] = from["log"].clone();
    assert_eq!(serde_json::from_str::<Value>(&read()).expect("JSON"), settings);

    let output = run(&["--region", "eu-west-1"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("the settings are of region us-east-1"), "{}", said(&output));
}

/// A role that allows nothing, in a profile: made once, whatever interrupts it, and left alone where it is another's.
#[test]
fn an_instance_profile_is_made_if_the_settings_name_one_that_there_is_not() {
    let account = Account::start();
    let dir = tempfile::tempdir().expect("a directory");
    let mut settings = bare(&account);
    settings["instance_profile"] = json!("agents");
    std::fs::write(dir.path().join("bare.json"), settings.to_string()).expect("written");
    let look = ["setup", "--from", "bare.json", "--region", "us-east-1", "--zone", ZONES[0]];
    let make = [&look[..], &["--make", "--write", "ec2.json"]].concat();
    let output = fleet(&account, dir.path(), &look);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("instance profile"), "{}", said(&output));
    assert_eq!(account.calls("Create"), 0, "a look makes nothing");

    let proxy = &account.proxy;
    proxy.add(Rule::on("CreateInstanceProfile", Often::Next(1), Effect::LoseAnswer));
    proxy.add(Rule::on("AddRoleToInstanceProfile", Often::Next(1), Effect::error("InternalError")));
    for _ in 0..2 {
        let output = fleet(&account, dir.path(), &make);
        assert_eq!(output.status.code(), Some(125), "{}", said(&output));
    }
    for _ in 0..2 {
        let output = fleet(&account, dir.path(), &make);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        for action in ["CreateRole", "CreateInstanceProfile"] {
            assert_eq!(account.calls(action), 1, "{action}");
        }
        assert_eq!(account.calls("AddRoleToInstanceProfile"), 2, "one of them failed");
    }
    assert_eq!(account.calls("PutRolePolicy") + account.calls("AttachRolePolicy"), 0);
    let output = fleet(&account, dir.path(), &["verify", "--ec2", "ec2.json"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("its role is agents"), "{}", said(&output));

    // Another cluster may use it, and completes nothing.
    let theirs = |args: &[&str]| {
        let mut command = command(&account.log.url(), "proteomics", dir.path());
        account.admit(&mut command);
        command.arg("fleet").args(args).current_dir(dir.path()).output().expect("runs")
    };
    let output = theirs(&[&look[..], &["--make"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(account.calls("CreateRole"), 1);

    // What may not be looked at is neither there nor missing.
    proxy.clear();
    proxy.add(Rule::on("GetInstanceProfile", Often::Always, Effect::error("AccessDenied")));
    for args in [&make[..], &["verify", "--ec2", "ec2.json"]] {
        let output = fleet(&account, dir.path(), args);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        let sentence = "instance profile agents: could not be looked at: these credentials may not";
        assert!(said(&output).contains(sentence), "{}", said(&output));
    }
    assert_eq!(account.calls("CreateRole"), 1);
}
