//! Why nobody knows what came of a call to the cloud.

use serde::{Deserialize, Serialize};

/// Why nobody knows what came of a call to the cloud: it is repeated until there is an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DoubtClass {
    /// No answer came: the connection failed, it took too long, there are no credentials to ask with.
    NoAnswer,
    /// The cloud answered that it failed.
    Failed,
    /// The leader may not ask now whether an earlier call has made something.
    Forbidden,
    /// An earlier call may have made something that the cloud does not show yet.
    Unseen,
    /// Written by a newer version.
    #[serde(other)]
    Unknown,
}
