//! Rules about what depends on what, and under which licences, as `cargo metadata` tells it.

use super::{none, read, root};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// The cores, and the only crates that each may name.
const CORES: [(&str, &[&str]); 7] = [
    (
        "fleetlog-schema",
        &["blake3", "rmp-serde", "serde", "serde_bytes", "smol_str", "thiserror", "uuid"],
    ),
    (
        "fleetlog-replay-core",
        &["blake3", "fleetlog-schema", "rmp-serde", "serde", "smol_str", "thiserror", "uuid"],
    ),
    (
        "fleetlog-controlplane-core",
        &[
            "blake3",
            "fleetlog-replay-core",
            "fleetlog-schema",
            "serde",
            "smol_str",
            "thiserror",
            "uuid",
        ],
    ),
    (
        "fleetlog-controlplane-ec2-core",
        &[
            "blake3",
            "flate2",
            "fleetlog-catalogue",
            "fleetlog-controlplane-core",
            "fleetlog-schema",
            "saphyr-parser",
            "serde",
            "serde_json",
            "smol_str",
            "thiserror",
        ],
    ),
    ("fleetlog-catalogue", &["fleetlog-schema", "smol_str", "thiserror"]),
    ("fleetlog-agent-core", &["fleetlog-schema", "serde", "smol_str", "uuid"]),
    ("fleetlog-driver-core", &["fleetlog-schema", "uuid"]),
];
/// What no core may reach, however indirectly: runtimes, networks, files, clocks, dice.
const BANNED: [&str; 19] = [
    "async-nats",
    "aws-config",
    "aws-sdk-ec2",
    "axum",
    "bollard",
    "chrono",
    "hyper",
    "jiff",
    "mio",
    "nix",
    "rand",
    "reqwest",
    "rustix",
    "sled",
    "socket2",
    "tempfile",
    "time",
    "tokio",
    "tracing-subscriber",
];
/// These meet on the log alone.
const STRANGERS: [&str; 3] = ["fleetlog-controlplane", "fleetlog-agent", "fleetlog-driver"];
/// Licences under which code may be linked.
const LICENCES: [&str; 12] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Zlib",
];

struct Metadata {
    packages: BTreeMap<String, Value>,
    /// Package id -> package ids that it links.
    links: BTreeMap<String, BTreeSet<String>>,
}

fn metadata() -> Metadata {
    let value = cargo(&["metadata", "--locked", "--offline", "--format-version", "1"]);
    let id = |value: &Value, key: &str| value[key].as_str().expect("an id").to_owned();
    let list = |value: &Value| value.as_array().expect("a list").clone();
    let packages = list(&value["packages"]).into_iter().map(|p| (id(&p, "id"), p)).collect();
    let linked = |node: &Value| {
        let deps = list(&node["deps"]).into_iter().filter(is_normal);
        deps.map(|dep| id(&dep, "pkg")).collect()
    };
    let nodes = list(&value["resolve"]["nodes"]);
    let links = nodes.iter().map(|node| (id(node, "id"), linked(node))).collect();
    Metadata { packages, links }
}

/// Neither for tests nor for build scripts alone.
fn is_normal(dep: &Value) -> bool {
    dep["dep_kinds"].as_array().is_some_and(|kinds| kinds.iter().any(|k| k["kind"].is_null()))
}

/// What is built on this platform: packages for others need not have been fetched.
fn cargo(args: &[&str]) -> Value {
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO")).args(args).current_dir(root()).output();
        let output = output.expect("cargo runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    let version = run(&["--version", "--verbose"]);
    let platform = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host");
    let args = [args, &["--filter-platform", platform]].concat();
    serde_json::from_str(&run(&args)).expect("JSON")
}

impl Metadata {
    fn name(&self, id: &str) -> &str {
        self.packages[id]["name"].as_str().expect("a name")
    }

    fn id(&self, name: &str) -> &str {
        let found = self.packages.keys().find(|id| self.name(id) == name);
        found.unwrap_or_else(|| panic!("there is no {name}"))
    }

    fn direct(&self, name: &str) -> BTreeSet<&str> {
        self.links[self.id(name)].iter().map(|id| self.name(id)).collect()
    }

    /// Everything that a crate links, itself left out.
    fn reached(&self, name: &str) -> BTreeSet<&str> {
        let (mut found, mut open) = (BTreeSet::new(), vec![self.id(name).to_owned()]);
        while let Some(id) = open.pop() {
            for link in &self.links[&id] {
                if found.insert(self.name(link)) {
                    open.push(link.clone());
                }
            }
        }
        found
    }
}

#[test]
fn cores_name_only_what_they_may() {
    let metadata = metadata();
    let mut found = Vec::new();
    for (core, may) in CORES {
        let direct = metadata.direct(core);
        found.extend(direct.iter().filter(|d| !may.contains(*d)).map(|d| format!("{core}: {d}")));
    }
    none(found);
}

#[test]
fn cores_reach_no_runtime() {
    let metadata = metadata();
    let mut found = Vec::new();
    for (core, _) in CORES {
        let reached = metadata.reached(core);
        found
            .extend(BANNED.iter().filter(|b| reached.contains(*b)).map(|b| format!("{core}: {b}")));
    }
    none(found);
}

#[test]
fn controlplane_agent_and_driver_meet_only_on_the_log() {
    let metadata = metadata();
    let mut found = Vec::new();
    for one in STRANGERS {
        let reached = metadata.reached(one);
        let others = STRANGERS.iter().filter(|other| reached.contains(*other));
        found.extend(others.map(|other| format!("{one} imports {other}")));
    }
    none(found);
}

#[test]
fn every_licence_is_known() {
    let metadata = metadata();
    let mut found = Vec::new();
    for package in metadata.packages.values() {
        let name = package["name"].as_str().unwrap_or_default();
        let licence = package["license"].as_str().unwrap_or("none");
        if !may_link(licence) {
            found.push(format!("{name}: {licence}"));
        }
    }
    none(found);
}

/// Whether one of the alternatives is allowed; where several apply at once, whether all are.
fn may_link(expression: &str) -> bool {
    let plain = expression.replace(['(', ')'], "").replace('/', " OR ");
    let mut known = plain.split(" OR ").flat_map(|part| part.split(" AND ")).map(|licence| {
        let licence = licence.trim();
        LICENCES.contains(&licence)
    });
    if plain.contains(" AND ") { known.all(|known| known) } else { known.any(|known| known) }
}

#[test]
fn every_dependency_has_a_reason() {
    let explained = explained();
    let declared = declared();
    let silent = declared.difference(&explained).map(|name| format!("{name}: no reason"));
    let gone = explained.difference(&declared).map(|name| format!("{name}: no such dependency"));
    none(silent.chain(gone).collect());
}

/// The names in `docs/dependencies.md`, each in an entry `- **name**: why`.
fn explained() -> BTreeSet<String> {
    let text = read("docs/dependencies.md");
    let entries = text.lines().filter_map(|line| line.strip_prefix("- **"));
    entries.filter_map(|line| Some(line.split_once("**")?.0.to_owned())).collect()
}

/// What the workspace takes from elsewhere, and what fuzzing does.
fn declared() -> BTreeSet<String> {
    let mut declared = section("Cargo.toml", "\n[workspace.dependencies]");
    declared.extend(section("sim/fuzz/Cargo.toml", "\n[dependencies]"));
    declared
}

/// What a section of a manifest names, but for what is beside it in the tree.
fn section(manifest: &str, head: &str) -> BTreeSet<String> {
    let text = read(manifest);
    let section = text.split(head).nth(1).expect("a section");
    let section = section.split("\n[").next().expect("lines");
    let lines = section.lines().filter(|line| !line.starts_with('#') && !line.contains("path ="));
    lines.filter_map(|line| Some(line.split_once(" =")?.0.to_owned())).collect()
}
