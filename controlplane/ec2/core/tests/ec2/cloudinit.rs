//! What the reader of cloud-config itself says of ours: Debian's cloud-init, with its schema.

use crate::world::{FLAVOURS, full, plain, text};
use ec2_core::cloudinit::yaml::{self, Node};
use ec2_core::cloudinit::{CloudUnit, Flavour};
use ec2_core::config::Config;
use std::io::Write as _;
use std::process::{Command, Output};

/// Each way in which the settings of a flavour change its document.
fn variants(flavour: Flavour) -> Vec<(&'static str, Config)> {
    let (plain, full) = (plain(flavour), full(flavour));
    let unit = CloudUnit {
        name: "watch.service".into(),
        content:
            "[Service]\nType=simple\nExecStart=/bin/cat\n\n[Install]\nWantedBy=multi-user.target\n"
                .into(),
        wait: false,
    };
    vec![
        ("plain", plain.clone()),
        ("full", full.clone()),
        ("immortal", Config { immortal: true, ..full.clone() }),
        ("keys", Config { ssh_keys: full.ssh_keys.clone(), ..plain.clone() }),
        ("data", Config { data: full.data.clone(), ..plain.clone() }),
        ("metrics", Config { node_exporter: full.node_exporter.clone(), ..plain.clone() }),
        ("certificates", Config { log: full.log.clone(), ..plain.clone() }),
        ("files", Config { files: full.files.clone(), ..plain.clone() }),
        ("units", Config { units: vec![unit], ..plain.clone() }),
        ("cloud-config", Config { cloud_config: full.cloud_config, ..plain }),
    ]
}

fn schema(text: &str) -> Output {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(text.as_bytes()).expect("written");
    #[expect(clippy::disallowed_methods, reason = "the judge is a program")]
    let output = Command::new("cloud-init")
        .args(["schema", "--config-file"])
        .arg(file.path())
        .output()
        .expect("cloud-init runs: ./dev test installs it");
    output
}

/// What of a document cloud-init knows: `coreos` is coreos-cloudinit's alone.
fn shared(text: &str) -> String {
    let Node::Map(mut entries) = yaml::parse(text).expect("YAML") else { panic!("no mapping") };
    entries.retain(|(key, _)| key.text != "coreos");
    format!("#cloud-config\n{}", yaml::print(&Node::Map(entries)))
}

fn takes_every_document(flavour: Flavour) {
    for (name, config) in variants(flavour) {
        let Output { status, stdout, stderr } = schema(&shared(&text(&config)));
        let said = String::from_utf8_lossy(&stdout) + String::from_utf8_lossy(&stderr);
        assert!(status.success() && said.contains("Valid"), "{flavour:?} {name}: {said}");
    }
}

#[test]
fn cloud_init_takes_every_document() {
    takes_every_document(Flavour::Ubuntu);
}

#[test]
fn cloud_init_takes_what_flatcar_shares_with_it() {
    takes_every_document(Flavour::Flatcar);
}

/// The judge judges.
#[test]
fn cloud_init_refuses_what_it_should() {
    let good = text(&plain(Flavour::Ubuntu));
    let bad = good.replace("permissions: \"0644\"", "permissions: 420");
    assert_ne!(good, bad);
    assert!(!schema(&bad).status.success());
}

/// coreos-cloudinit has no schema to ask: its fields are these, and a field that it does not know it
/// passes over.
#[test]
fn flatcars_own_part_holds_what_coreos_cloudinit_reads() {
    let known = ["name", "mask", "enable", "runtime", "content", "command", "drop_ins"];
    for (name, config) in variants(Flavour::Flatcar) {
        let document = yaml::parse(&text(&config)).expect("YAML");
        let units = document.get("coreos").and_then(|coreos| coreos.get("units"));
        let units = units.expect("units").list().to_vec();
        let last = |node: &Node| node.get("name").and_then(Node::as_text).map(str::to_owned);
        let names: Vec<String> = units.iter().filter_map(last).collect();
        assert!(names.contains(&"fleetlog-agent.service".to_owned()), "{name}: {names:?}");
        for unit in units {
            let Node::Map(entries) = &unit else { panic!("{name}: a unit is a mapping") };
            assert!(entries.iter().all(|(key, _)| known.contains(&key.text.as_str())), "{name}");
        }
    }
}

/// In which order units start: the deadline, the data volume, the owner's own, the agent.
#[test]
fn the_agent_comes_after_what_the_owner_adds() {
    for flavour in FLAVOURS {
        let text = text(&full(flavour));
        let started = |name: &str| match flavour {
            Flavour::Flatcar => text.find(&format!("- name: \"{name}\"")),
            Flavour::Ubuntu => {
                let start = text.find("runcmd:").expect("commands");
                let waits = format!("- \"start\"\n    - \"{name}\"");
                let goes_on = format!("- \"--no-block\"\n    - \"{name}\"");
                text[start..].find(&waits).or_else(|| text[start..].find(&goes_on))
            }
        };
        let order = [
            "fleetlog-expiry.timer",
            "fleetlog-data.service",
            "scratch.service",
            "fleetlog-agent.service",
            "fleetlog-exporter.service",
        ];
        let at = order.map(|name| started(name).unwrap_or_else(|| panic!("no {name}: {text}")));
        assert!(at.is_sorted(), "{flavour:?}: {at:?}");
    }
}

#[test]
fn the_owners_texts_win_and_lists_are_joined() {
    let flatcar = yaml::parse(&text(&full(Flavour::Flatcar))).expect("YAML");
    let update = flatcar.get("coreos").and_then(|coreos| coreos.get("update"));
    let strategy = update.and_then(|update| update.get("reboot-strategy"));
    assert_eq!(strategy.and_then(Node::as_text), Some("best-effort"));
    let ubuntu = text(&full(Flavour::Ubuntu));
    assert!(ubuntu.contains("\npackage_update: yes\n"), "as it was written: {ubuntu}");
    assert!(ubuntu.contains("\npackages:\n  - docker.io\n  - \"lvm2\"\n"), "{ubuntu}");
}
