//! One cluster of the account: its settings, its controller, its drivers.

use super::account::{Account, ZONES, between};
use super::instance::{Agent, Files, files};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(50);
const SECRET: &str = "c0ffee11";

pub(crate) struct Cluster {
    pub(crate) name: String,
    log: String,
    dir: tempfile::TempDir,
    controller: Child,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.controller.kill();
        let _ = self.controller.wait();
    }
}

impl Cluster {
    /// One with these names, and a file of so many bytes on each instance.
    pub(crate) fn start(account: &Account, name: &str, flavour: &str, bytes: usize) -> Cluster {
        Cluster::by(account, name, &settings(account, flavour, bytes))
    }

    /// One with these settings.
    pub(crate) fn by(account: &Account, name: &str, settings: &Value) -> Cluster {
        let dir = tempfile::tempdir().expect("a directory");
        let log = account.log_url();
        let write = |file: &str, text: &str| {
            let path = dir.path().join(file);
            std::fs::write(&path, text).expect("written");
        };
        write("ec2.json", &settings.to_string());
        write("key", &format!("{}\n", SECRET.repeat(8)));
        let mut command = command(&log, name, dir.path());
        account.admit(&mut command);
        let controller = controller(command, dir.path(), "key", "controller.log");
        let cluster = Cluster { name: name.to_owned(), log, dir, controller };
        // Before that it writes down the policy that it begins with.
        cluster.until("it sells", || cluster.events().contains("price-seen"));
        cluster.fleetlog(&["policy", "set", "types.allow=[\"m5.large\"]", "idle_timeout=1h"]);
        cluster
    }

    /// A second controller, whose secret is another; what it has said once it has said this.
    pub(crate) fn with_another_secret(&self, account: &Account, says: &str) -> String {
        std::fs::write(self.file("other"), "0ddba11".repeat(9) + "0\n").expect("written");
        let mut command = command(&self.log, &self.name, self.dir.path());
        account.admit(&mut command);
        let mut other = controller(command, self.dir.path(), "other", "other.log");
        let said = || std::fs::read_to_string(self.file("other.log")).unwrap_or_default();
        self.until(says, || said().contains(says));
        other.kill().expect("killed");
        other.wait().expect("reaped");
        said()
    }

    fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let since = Instant::now();
        while !holds() {
            let said = std::fs::read_to_string(self.dir.path().join("controller.log"));
            let said = said.unwrap_or_default();
            assert!(since.elapsed() < PATIENCE, "{} not in time: {what}\n{said}", self.name);
            std::thread::sleep(POLL);
        }
    }

    fn try_fleetlog(&self, args: &[&str]) -> Output {
        command(&self.log, &self.name, self.dir.path()).args(args).output().expect("runs")
    }

    /// What a verb prints.
    pub(crate) fn fleetlog(&self, args: &[&str]) -> String {
        let output = self.try_fleetlog(args);
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {err}");
        String::from_utf8(output.stdout).expect("text")
    }

    fn events(&self) -> String {
        let output = self.try_fleetlog(&["events", "--output", "json"]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The records whose kind has this in its name.
    pub(crate) fn all(&self, kind: &str) -> Vec<Value> {
        let events = self.events();
        let records = events.lines().map(|line| serde_json::from_str(line).expect("JSON"));
        let of = |record: &Value| record["kind"].as_str().is_some_and(|of| of.contains(kind));
        records.filter(of).collect()
    }

    /// Where a file of this cluster may be.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A driver that asks for an alloc and runs this in it.
    pub(crate) fn begin(&self, script: &str) -> Child {
        let mut command = command(&self.log, &self.name, self.dir.path());
        command.args(["run", "--cpu", "2", "--memory", "1GiB", "--", "sh", "-c", script]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts")
    }

    /// Somebody who wants a whole instance of his own.
    pub(crate) fn begin_alone(&self) -> Child {
        let mut command = command(&self.log, &self.name, self.dir.path());
        command.args(["start", "--type", "m5.large"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts")
    }

    /// What was launched is what was intended, and where and how the settings say.
    pub(crate) fn has_launched(&self, account: &Account, id: &str) {
        let events = self.events();
        let intended = events.lines().find(|line| line.contains("launch-requested"));
        let intended = intended.expect("an intent on the log");
        let truth = account.truth();
        let one = truth.iter().find(|one| one.id == id).expect("it was launched");
        let means = |what: &str| intended.contains(&format!("\"{what}\""));
        assert!(means(&one.instance_type) && one.instance_type == "m5.large", "{intended}");
        let tale: Vec<&str> = events.lines().filter(|l| l.contains("launch-")).collect();
        assert!(means(&one.zone), "{tale:#?}: {one:?}");
        let launch = one.tags.get("fleetlog:launch").expect("a tag");
        assert!(means(launch), "{intended}: {launch}");
        assert_eq!(one.tags.get("fleetlog:cluster"), Some(&self.name));
        assert_eq!(one.tags.get("team").map(String::as_str), Some(self.name.as_str()));
        let subnet = account.subnet(&one.zone);
        let there = account.filtered("DescribeInstances", "subnet-id", &subnet);
        assert!(there.contains(&format!("<instanceId>{id}</instanceId>")), "not in {subnet}");
        let volumes = account.filtered("DescribeVolumes", "attachment.instance-id", id);
        let mut sizes = between(&volumes, "<size>", "</size>");
        sizes.sort_unstable();
        assert_eq!(sizes, ["100", "100", "100", "200"], "three slices and the root");
    }

    /// What `fleet sync` says of each instance: how it stands, and its type.
    pub(crate) fn real(&self, account: &Account) -> BTreeMap<String, (String, String)> {
        let mut command = command(&self.log, &self.name, self.dir.path());
        account.admit(&mut command);
        command.args(["--output", "json", "fleet", "sync", "--ec2"]);
        let output = command.arg(self.dir.path().join("ec2.json")).output().expect("runs");
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "nothing differs: {err}");
        let text = |row: &Value, key: &str| row[key].as_str().expect("a text").to_owned();
        let rows = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let rows = rows.map(|line| serde_json::from_slice::<Value>(line).expect("JSON"));
        rows.map(|row| (text(&row, "id"), (text(&row, "fate"), text(&row, "kind")))).collect()
    }

    /// Starts the agent of an instance as its user-data says.
    pub(crate) fn bring_up(&self, account: &Account, id: &str) -> Agent {
        self.bring_up_with(id, &files(&account.user_data(id)))
    }

    /// The same with these files in the place of those in its user-data.
    pub(crate) fn bring_up_with(&self, id: &str, files: &Files) -> Agent {
        Agent::start(id, files)
    }

    /// Waits until the log has the end of an instance.
    pub(crate) fn until_gone(&self, id: &str) {
        self.until("the log has its end", || {
            let shown = self.fleetlog(&["instances"]);
            shown.lines().any(|line| line.contains(id) && line.contains("gone"))
        });
    }
}

/// Starts a controller by the settings and the key in these files.
fn controller(mut command: Command, dir: &Path, key: &str, said: &str) -> Child {
    let said = std::fs::File::create(dir.join(said)).expect("a file");
    command.arg("controller").arg("--ec2").arg(dir.join("ec2.json"));
    command.arg("--key").arg(dir.join(key));
    command.stdout(said.try_clone().expect("a file")).stderr(said);
    command.spawn().expect("starts")
}

pub(crate) fn command(log: &str, cluster: &str, dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleetlog"));
    command.env("XDG_CONFIG_HOME", dir).env("USER", "tester").stdin(Stdio::null());
    command.args(["--log", log, "--cluster", cluster]);
    command
}

/// Settings of a cluster; `bytes` of a file that no compression makes much smaller.
pub(crate) fn settings(account: &Account, flavour: &str, bytes: usize) -> Value {
    let subnets =
        ZONES.map(|zone| serde_json::json!({"zone": zone, "subnet": account.subnet(zone)}));
    let digits = (0_u64..).map(|nth| format!("{:016x}", nth.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    let content: String = digits.take(bytes / 16).collect();
    serde_json::json!({
        "region": "us-east-1",
        "subnets": subnets,
        "security_groups": [account.security_group()],
        "images": {"x86_64": {"id": "ami-12c6146b"}},
        "flavour": flavour,
        "data": {"size": 300, "slicing": {"count": 3}},
        "labels": {"team": if flavour == "flatcar" { "genomics" } else { "proteomics" }},
        "agent": {"x86_64": {
            "url": "https://example.org/fleetlog-x86_64",
            "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        }},
        "files": [{"path": "/etc/motd", "content": content}],
        "log": {"url": account.log.url(), "ca": account.ca},
    })
}

/// The exit code and the output of what was begun.
pub(crate) fn end(run: Child) -> (i32, String) {
    let output = run.wait_with_output().expect("ends");
    let err = String::from_utf8_lossy(&output.stderr);
    let code = output.status.code().unwrap_or_else(|| panic!("{err}"));
    (code, String::from_utf8(output.stdout).expect("text"))
}
