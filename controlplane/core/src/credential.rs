//! What an instance proves itself with.
//!
//! ```text
//! cluster key ──launch, attempt, time to join──▶ credential     (told at launch, the same for every leader)
//! credential ──instance──▶ author's key                         (never travels)
//! author's key ──all that the agent says──▶ proof               (on the log)
//! ```
//!
//! The credential says for which launch an instance was made. It admits an agent for the first time only
//! in its time, which runs from when the log had the instance (a launch may have waited for its turn for
//! long), and after that for as long as the log has its instance alive. Which instances a
//! launch has, the fold says: it takes no more of them than were asked for, and none but those of the
//! cloud's answer. Instances of one launch share a credential; to tell them apart beyond that takes the
//! cloud's own word, its signed identity document.

use blake3::Hash;
use replay_core::state::launch::Launch;
use replay_core::state::trust::Claim;
use schema::id::{ClusterId, InstanceId, LaunchId};
use schema::proof::Bearer;
use schema::unit::{LogTime, Millis};
use schema::why::DistrustWhy;
use smol_str::SmolStr;
use std::fmt;

/// What a credential begins with.
const FORM: &str = "fl2";
/// Hexadecimal digits of what a key is known by.
const FINGERPRINT: usize = 32;

/// The secret of a cluster: whoever has it can be any instance.
#[derive(Clone)]
pub struct ClusterKey([u8; 32]);

impl ClusterKey {
    /// A key from its bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> ClusterKey {
        ClusterKey(bytes)
    }

    /// What it is known by in this cluster: it tells one key from another, and nothing of either.
    #[must_use]
    pub fn fingerprint(&self, cluster: &ClusterId) -> SmolStr {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(b"fleetlog cluster key 1\n");
        hasher.update(cluster.as_str().as_bytes());
        hasher.finalize().to_hex()[..FINGERPRINT].into()
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
    /// Whoever has not joined for so long after the log had the instance does not join any more.
    pub joins_within: Millis,
    secret: Hash,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({} {} {}, ..)", self.cluster, self.launch, self.attempt)
    }
}

fn secret(
    key: &ClusterKey,
    cluster: &ClusterId,
    launch: &LaunchId,
    attempt: u32,
    joins_within: Millis,
) -> Hash {
    let mut hasher = blake3::Hasher::new_keyed(&key.0);
    hasher.update(b"fleetlog instance credential 2\n");
    // No id holds a line's end, so no two inputs are spelt alike.
    hasher.update(format!("{cluster}\n{launch}\n{attempt}\n{}\n", joins_within.0).as_bytes());
    hasher.finalize()
}

impl Credential {
    /// The credential of an attempt: the same whoever leads.
    #[must_use]
    pub fn of(
        key: &ClusterKey,
        cluster: &ClusterId,
        launch: &LaunchId,
        attempt: u32,
        joins_within: Millis,
    ) -> Credential {
        let secret = secret(key, cluster, launch, attempt, joins_within);
        let (cluster, launch) = (cluster.clone(), launch.clone());
        Credential { cluster, launch, attempt, joins_within, secret }
    }

    /// As it stands in the instance's file.
    #[must_use]
    pub fn text(&self) -> String {
        let Credential { cluster, launch, attempt, joins_within, secret } = self;
        format!("{FORM}.{cluster}.{launch}.{attempt}.{}.{secret}", joins_within.0)
    }

    /// Reads what [`Credential::text`] writes; nothing else. Whether it is genuine shows when something is
    /// proved by it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Credential> {
        let parts: Vec<&str> = text.splitn(7, '.').collect();
        let [FORM, cluster, launch, attempt, joins_within, secret] = parts[..] else { return None };
        let read = Credential {
            cluster: ClusterId::new(cluster).ok()?,
            launch: LaunchId::new(launch).ok()?,
            attempt: attempt.parse().ok()?,
            joins_within: Millis(joins_within.parse().ok()?),
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

    /// What the agent of this instance proves itself with.
    #[must_use]
    pub fn bearer(&self, instance: &InstanceId) -> Bearer {
        Bearer::new(self.attempt, self.joins_within, self.author_key(instance))
    }
}

/// Whether whoever says that an instance of this launch has booted has its credential, and may join by it.
/// `made` says when the log had the instance: none if it has none yet, or its agent has joined before. Then
/// there is no deadline.
///
/// # Errors
/// What is wrong with his proof.
pub fn judge(
    key: &ClusterKey,
    cluster: &ClusterId,
    claim: &Claim,
    launch: &Launch,
    made: Option<LogTime>,
) -> Result<(), DistrustWhy> {
    let said = &claim.booted;
    let proof = said.proof.as_ref().ok_or(DistrustWhy::Unproven)?;
    let (attempt, within) = (proof.attempt, proof.joins_within);
    let credential = Credential::of(key, cluster, &said.launch, attempt, within);
    if !credential.bearer(&said.instance).proved(cluster, (claim.life, claim.number), said) {
        return Err(DistrustWhy::Forged);
    }
    if attempt != launch.attempt {
        return Err(DistrustWhy::OtherAttempt { shown: attempt, made: launch.attempt });
    }
    match made.map(|made| made + within) {
        Some(joins_until) if claim.at > joins_until => {
            Err(DistrustWhy::Expired { joins_until, came: claim.at })
        }
        Some(_) | None => Ok(()),
    }
}
