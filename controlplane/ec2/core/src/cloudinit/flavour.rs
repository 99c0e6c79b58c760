//! What the reader of cloud-config on an image understands, and how it is told of units.

use super::yaml::{Node, Scalar};
use super::{CloudFile, CloudUnit, Part};
use serde::{Deserialize, Serialize};

/// All that coreos-cloudinit reads; it passes over anything else without a word that anyone sees.
const FLATCAR_KEYS: [&str; 6] =
    ["coreos", "hostname", "manage_etc_hosts", "ssh_authorized_keys", "users", "write_files"];
/// Where units of the machine's owner live.
const UNITS: &str = "/etc/systemd/system";

/// A family of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flavour {
    /// Flatcar: coreos-cloudinit, which installs and starts units itself.
    Flatcar,
    /// Ubuntu, and whatever else runs cloud-init: units are files, started by commands.
    Ubuntu,
}

impl Flavour {
    /// A part as a document.
    #[must_use]
    pub fn document(self, part: &Part) -> Node {
        let mut entries = Vec::new();
        let mut put = |key: &str, nodes: Vec<Node>| {
            if !nodes.is_empty() {
                entries.push((Scalar::plain(key), Node::List(nodes)));
            }
        };
        put("ssh_authorized_keys", part.ssh_keys.iter().map(Node::text).collect());
        let files = part.files.iter().map(|file| self.file(file));
        match self {
            Flavour::Flatcar => {
                put("write_files", files.collect());
                if !part.units.is_empty() {
                    let units = part.units.iter().map(flatcar_unit).collect();
                    entries
                        .push((Scalar::plain("coreos"), Node::map([("units", Node::List(units))])));
                }
            }
            Flavour::Ubuntu => {
                let units = part.units.iter().map(|unit| self.file(&unit_file(unit)));
                put("write_files", files.chain(units).collect());
                put("runcmd", ubuntu_commands(&part.units));
            }
        }
        Node::Map(entries)
    }

    fn file(self, file: &CloudFile) -> Node {
        let owner = match self {
            Flavour::Flatcar => "root",
            Flavour::Ubuntu => "root:root",
        };
        Node::map([
            ("path", Node::text(&file.path)),
            ("permissions", Node::text(&file.permissions)),
            ("owner", Node::text(owner)),
            ("content", Node::text(&file.content)),
        ])
    }

    /// What the image itself must not do: change or restart itself while it serves.
    #[must_use]
    pub fn quiet(self) -> Node {
        let stopped =
            |name: &str| Node::map([("name", Node::text(name)), ("command", Node::text("stop"))]);
        match self {
            Flavour::Flatcar => Node::map([(
                "coreos",
                Node::map([
                    ("update", Node::map([("reboot-strategy", Node::text("off"))])),
                    (
                        "units",
                        Node::List(vec![
                            stopped("update-engine.service"),
                            stopped("locksmithd.service"),
                        ]),
                    ),
                ]),
            )]),
            Flavour::Ubuntu => Node::map([
                ("package_update", Node::Scalar(Scalar::plain("false"))),
                ("package_upgrade", Node::Scalar(Scalar::plain("false"))),
            ]),
        }
    }

    /// Whether this flavour can do what a unit asks for.
    ///
    /// # Errors
    /// Says what it cannot.
    pub fn check_unit(self, unit: &CloudUnit) -> Result<(), String> {
        if self == Flavour::Flatcar && unit.oneshot() && !unit.wait {
            // coreos-cloudinit waits for every unit that it starts.
            return Err(format!("unit {}: flatcar waits for a oneshot; set wait", unit.name));
        }
        Ok(())
    }

    /// Whether the reader understands the keys of the owner's document.
    ///
    /// # Errors
    /// Names the first one that it does not.
    pub fn check_keys(self, owners: &Node) -> Result<(), String> {
        let Node::Map(entries) = owners else {
            return Err("the cloud-config is not a mapping".into());
        };
        let known = |key: &str| match self {
            Flavour::Flatcar => FLATCAR_KEYS.contains(&key),
            Flavour::Ubuntu => key != "coreos",
        };
        match entries.iter().find(|(key, _)| !known(&key.text)) {
            Some((key, _)) => Err(format!("{self:?} does not read the key {:?}", key.text)),
            None => Ok(()),
        }
    }
}

fn flatcar_unit(unit: &CloudUnit) -> Node {
    let mut entries = vec![("name", Node::text(&unit.name))];
    if unit.enabled() {
        entries.push(("enable", Node::Scalar(Scalar::plain("true"))));
    }
    entries.push(("command", Node::text("start")));
    entries.push(("content", Node::text(&unit.content)));
    Node::Map(entries.into_iter().map(|(key, node)| (Scalar::plain(key), node)).collect())
}

fn unit_file(unit: &CloudUnit) -> CloudFile {
    CloudFile {
        path: format!("{UNITS}/{}", unit.name),
        permissions: "0644".into(),
        content: unit.content.clone(),
    }
}

fn ubuntu_commands(units: &[CloudUnit]) -> Vec<Node> {
    if units.is_empty() {
        return Vec::new();
    }
    let mut commands = vec![Node::texts(["systemctl", "daemon-reload"])];
    for unit in units {
        let name = unit.name.as_str();
        if unit.enabled() {
            commands.push(Node::texts(["systemctl", "enable", name]));
        }
        commands.push(match unit.wait {
            true => Node::texts(["systemctl", "start", name]),
            false => Node::texts(["systemctl", "start", "--no-block", name]),
        });
    }
    commands
}
