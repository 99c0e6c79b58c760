//! What `fleet verify` says, and how it exits, where it cannot look at all or not at everything.

use super::account::Account;
use super::cluster::{self, command};
use sim_ec2::{Effect, Often, Rule};
use std::path::Path;

fn verify(account: &Account, dir: &Path, env: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = command("nats://127.0.0.1:1", "genomics", dir);
    account.admit(&mut command);
    for (name, value) in env {
        if value.is_empty() {
            command.env_remove(name)
        } else {
            command.env(name, value)
        };
    }
    let output = command.args(["fleet", "verify", "--ec2", "ec2.json"]).current_dir(dir).output();
    let output = output.expect("runs");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Nobody would start it again and again in the hope that it gets better.
#[test]
fn a_controller_that_can_never_launch_ends_at_once() {
    let account = Account::start();
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("key"), "0a".repeat(32)).expect("written");
    let good = cluster::settings(&account, "flatcar", 0);
    let spoilt = |key: &str, value: serde_json::Value| {
        let mut settings = good.clone();
        settings[key] = value;
        settings
    };
    let nowhere = serde_json::json!({"x86_64": {"id": "ami-00000000"}});
    for (settings, code, sentence) in [
        (spoilt("regoin", "us-east-1".into()), 2, "unknown field `regoin`"),
        (spoilt("security_groups", serde_json::json!([])), 2, "security_groups names no group"),
        (spoilt("images", nowhere), 125, "ami-00000000"),
    ] {
        std::fs::write(dir.path().join("ec2.json"), settings.to_string()).expect("written");
        let mut command = command(&account.log.url(), "genomics", dir.path());
        account.admit(&mut command);
        command.args(["controller", "--ec2", "ec2.json", "--key", "key"]);
        let output = command.current_dir(dir.path()).output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(sentence), "{said}");
    }
    assert_eq!(account.calls("DescribeImages"), 1, "it is asked for once");
    assert!(account.truth().is_empty());
}

#[test]
fn what_could_not_be_looked_at_is_not_passed_over() {
    let account = Account::start();
    let dir = tempfile::tempdir().expect("a directory");
    let settings = cluster::settings(&account, "flatcar", 0).to_string();
    std::fs::write(dir.path().join("ec2.json"), settings).expect("written");
    let (code, said) = verify(&account, dir.path(), &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("could not be looked at"), "{said}");

    // Nobody is there to ask, in three ways.
    let nowhere = [("AWS_ENDPOINT_URL", "http://127.0.0.1:1")];
    let (code, said) = verify(&account, dir.path(), &nowhere);
    assert_eq!(code, Some(1), "{said}");
    let sentence = "credentials us-east-1: could not be looked at: ";
    assert!(said.contains(sentence) && said.contains("nothing else was asked"), "{said}");
    let nobody = [
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_SECRET_ACCESS_KEY", ""),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
    ];
    let (code, said) = verify(&account, dir.path(), &nobody);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("1 missing"), "{said}");
    let fails = |action: &str, code: &str| {
        account.proxy.clear();
        account.proxy.add(Rule::on(action, Often::Always, Effect::error(code)));
        verify(&account, dir.path(), &[])
    };
    let (code, said) = fails("DescribeAvailabilityZones", "Unavailable");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(sentence), "{said}");

    // One thing alone cannot be looked at: nothing is missing, and it is not said that all is well.
    for (action, code, of) in [
        ("DescribeAccountAttributes", "InternalError", "limit instances"),
        ("DescribeSecurityGroups", "UnauthorizedOperation", "security group sg-"),
        ("DescribeInstanceTypeOfferings", "RequestLimitExceeded", "types us-east-1a"),
        ("DescribeImages", "InternalError", "image x86_64"),
        ("TerminateInstances", "InternalError", "end genomics"),
    ] {
        let (exit, said) = fails(action, code);
        assert_eq!(exit, Some(1), "{action}: {said}");
        let sentence = said.lines().find(|line| line.starts_with(of));
        let sentence = sentence.unwrap_or_else(|| panic!("{action}: {said}"));
        assert!(sentence.contains(": could not be looked at: "), "{sentence}");
        assert!(said.contains("nothing is missing of what was looked at"), "{said}");
    }
    let (code, said) = fails("TerminateInstances", "UnauthorizedOperation");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("1 missing"), "{said}");
    assert!(account.truth().is_empty(), "nothing was launched");
}
