//! What is known of a kill for memory.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Where the knowledge of an out-of-memory kill comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OomSource {
    /// The container runtime's flag.
    Runtime,
    /// Cgroup event counters.
    Cgroup,
    /// Kernel messages.
    Kernel,
}

/// Who was killed for memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "victim", rename_all = "kebab-case")]
pub enum OomVictim {
    /// The exec's main process.
    Main,
    /// A child; the exec itself went on.
    Child,
    /// Not known.
    Unspecified,
    /// Written by a newer version.
    #[serde(other)]
    Unknown,
}

/// Whose memory had run out when the kernel killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OomConstraint {
    /// The exec's own limit was reached: with a higher one it would have gone on.
    Exec,
    /// A limit that the exec has set on a part of itself.
    Inside,
    /// A limit on what the exec shares with others was reached.
    Above,
    /// The instance had none left.
    Node,
    /// The part of the instance's memory that the exec may use was used up: a cpuset, or a memory policy.
    Part,
    /// Not known.
    #[default]
    Unspecified,
    /// Written by a newer version.
    #[serde(other)]
    Unknown,
}

/// A process that was killed for memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OomProcess {
    /// Its id on the instance, outside of all namespaces.
    pub pid: u32,
    /// Its name: up to 15 bytes of its own choice.
    pub name: SmolStr,
    /// Resident bytes that it had.
    pub rss: u64,
}
