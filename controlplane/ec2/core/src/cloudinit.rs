//! Cloud-config: files, units and keys of an instance, as YAML for the reader of its image.
//!
//! ```text
//! Parts of ours, first ─┐
//! the owner's own ──────┼─▶ merge ─▶ #cloud-config
//! Parts of ours, last ──┘
//! ```
//!
//! The order and the precedence are told in `docs/cloud-init.md`.

use serde::{Deserialize, Serialize};

pub mod flavour;
pub mod merge;
pub mod template;
pub mod yaml;

pub use flavour::Flavour;

/// A file to write before units start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloudFile {
    /// Where; absolute.
    pub path: String,
    /// Four octal digits.
    #[serde(default = "CloudFile::readable")]
    pub permissions: String,
    /// What is in it.
    pub content: String,
}

impl CloudFile {
    fn readable() -> String {
        "0644".into()
    }
}

/// A systemd unit to install and start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloudUnit {
    /// Its name, with its ending: `scratch.service`.
    pub name: String,
    /// Its text. One with an `[Install]` section is enabled as well.
    pub content: String,
    /// Whether what comes after it waits until it has started; a oneshot has, once it is done.
    #[serde(default)]
    pub wait: bool,
}

impl CloudUnit {
    fn enabled(&self) -> bool {
        self.content.lines().any(|line| line.trim() == "[Install]")
    }

    fn oneshot(&self) -> bool {
        self.content.lines().any(|line| line.trim() == "Type=oneshot")
    }
}

/// What an instance is given, in one go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    /// Public keys of who may log in.
    pub ssh_keys: Vec<String>,
    /// Files.
    pub files: Vec<CloudFile>,
    /// Units, in the order in which they start.
    pub units: Vec<CloudUnit>,
}
