//! What an instance proves itself with.
//!
//! ```text
//! cluster key ──launch, attempt, deadline──▶ credential     (in user-data, the same for every leader)
//! credential ──instance──▶ author's key                     (never travels)
//! ```
//!
//! The credential says for which launch an instance was made. It admits an agent for the first time only
//! until its deadline, and after that for as long as the log has its instance alive. Which instances a
//! launch has, the fold says: it takes no more of them than were asked for, and none but those of the
//! cloud's answer. Instances of one launch share a credential; to tell them apart beyond that takes the
//! cloud's own word, its signed identity document.

use crate::Intent;
use blake3::Hash;
use schema::id::{AuthorId, ClusterId, InstanceId, LaunchId};
use schema::subject::{self, Role};
use schema::unit::{LogTime, Millis};
use std::fmt;

/// What a credential begins with.
const FORM: &str = "fl1";

/// The secret of a cluster: whoever has it can be any instance.
#[derive(Clone)]
pub struct ClusterKey([u8; 32]);

impl ClusterKey {
    /// A key from its bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> ClusterKey {
        ClusterKey(bytes)
    }
}

impl fmt::Debug for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterKey(..)")
    }
}

/// What the agents of one attempt are let in with.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// The cluster.
    pub cluster: ClusterId,
    /// The launch.
    pub launch: LaunchId,
    /// Its attempt.
    pub attempt: u32,
    /// Whoever has not joined by this log time does not join any more.
    pub joins_until: LogTime,
    secret: Hash,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({} {} {}, ..)", self.cluster, self.launch, self.attempt)
    }
}

/// The credential of an intent: the same whoever leads. Its agents have `joins_within` from the intent's
/// log time on.
#[must_use]
pub fn credential(key: &ClusterKey, intent: &Intent, joins_within: Millis) -> Credential {
    let joins_until = intent.requested() + joins_within;
    let (cluster, launch) = (intent.cluster().clone(), intent.launch().clone());
    let secret = secret(key, &cluster, &launch, intent.attempt(), joins_until);
    Credential { cluster, launch, attempt: intent.attempt(), joins_until, secret }
}

fn secret(
    key: &ClusterKey,
    cluster: &ClusterId,
    launch: &LaunchId,
    attempt: u32,
    joins_until: LogTime,
) -> Hash {
    let mut hasher = blake3::Hasher::new_keyed(&key.0);
    hasher.update(b"fleetlog instance credential 1\n");
    // No id holds a line's end, so no two inputs are spelt alike.
    hasher.update(format!("{cluster}\n{launch}\n{attempt}\n{joins_until}\n").as_bytes());
    hasher.finalize()
}

impl Credential {
    /// As it stands in the instance's file.
    #[must_use]
    pub fn text(&self) -> String {
        let Credential { cluster, launch, attempt, joins_until, secret } = self;
        format!("{FORM}.{cluster}.{launch}.{attempt}.{joins_until}.{secret}")
    }

    /// Reads what [`Credential::text`] writes; nothing else. Whether it is genuine is for [`verify`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Credential> {
        let parts: Vec<&str> = text.splitn(7, '.').collect();
        let [FORM, cluster, launch, attempt, joins_until, secret] = parts[..] else { return None };
        let read = Credential {
            cluster: ClusterId::new(cluster).ok()?,
            launch: LaunchId::new(launch).ok()?,
            attempt: attempt.parse().ok()?,
            joins_until: LogTime(joins_until.parse().ok()?),
            secret: Hash::from_hex(secret).ok()?,
        };
        (read.text() == text).then_some(read)
    }

    /// The key with which the agent of this instance signs what it writes.
    #[must_use]
    pub fn author_key(&self, instance: &InstanceId) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(self.secret.as_bytes());
        hasher.update(b"fleetlog author key 1\n");
        hasher.update(instance.as_str().as_bytes());
        *hasher.finalize().as_bytes()
    }
}

/// What the log says of the instance that shows a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It has not joined.
    New,
    /// It has joined, for the launch and attempt of its credential, and is alive.
    Joined,
    /// It has ended.
    Ended,
}

/// Why a credential lets nobody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// It is none, or not one of this cluster's key.
    #[error("the credential is not one of this cluster")]
    Forged,
    /// Its instance did not join in time.
    #[error("the credential has expired: its instance did not join in time")]
    Expired,
    /// Its instance has ended.
    #[error("the instance of this credential has ended")]
    Ended,
}

/// Whether a credential lets its bearer in at this log time. The answer names the launch: that the
/// instance is one of it is for the fold.
///
/// # Errors
/// [`Rejected`] says why not.
pub fn verify(
    key: &ClusterKey,
    cluster: &ClusterId,
    text: &str,
    standing: Standing,
    now: LogTime,
) -> Result<Credential, Rejected> {
    let shown = Credential::parse(text).ok_or(Rejected::Forged)?;
    let Credential { launch, attempt, joins_until, .. } = &shown;
    // Hashes are compared in constant time.
    if shown.cluster != *cluster
        || shown.secret != secret(key, cluster, launch, *attempt, *joins_until)
    {
        return Err(Rejected::Forged);
    }
    match standing {
        Standing::Ended => Err(Rejected::Ended),
        Standing::New if now > shown.joins_until => Err(Rejected::Expired),
        Standing::New | Standing::Joined => Ok(shown),
    }
}

/// The subjects of an instance: all that its agent may write to, and all that it may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subjects {
    /// May be written to.
    pub writes: String,
    /// May be read.
    pub reads: String,
}

/// What an admitted agent is limited to.
#[must_use]
pub fn subjects(cluster: &ClusterId, instance: &InstanceId) -> Subjects {
    let author = AuthorId::from(instance);
    Subjects {
        writes: subject::by_author(cluster, Role::Agent, &author),
        reads: subject::for_instance(cluster, instance),
    }
}
