//! What shows that an instance is the one that was launched: a code by the key of its credential over all
//! that its agent says of it, so that what is said cannot be changed, nor taken to another instance, another
//! life of its agent or another number of that life. The key itself is never written down.

use crate::event::InstanceBooted;
use crate::id::ClusterId;
use crate::unit::Millis;
use blake3::{Hash, Hasher};
use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

/// What the code begins with: what it covers is the same for as long as this is.
const FORM: &[u8] = b"fleetlog boot proof 2\n";

/// What an agent shows of its credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The attempt of its launch that it was made for.
    pub attempt: u32,
    /// Who has not joined for so long after the log had the instance does not join any more.
    #[serde(default)]
    pub joins_within: Millis,
    /// Keyed BLAKE3 of what is said with it, 64 hexadecimal digits.
    pub code: String,
}

/// What an agent proves itself with: what it may show of its credential, and the key that follows from it
/// for its instance.
#[derive(Clone)]
pub struct Bearer {
    attempt: u32,
    joins_within: Millis,
    key: [u8; 32],
}

/// There is a key in it.
impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bearer({}, {}, ..)", self.attempt, self.joins_within)
    }
}

impl Bearer {
    /// One with the key of its instance.
    #[must_use]
    pub fn new(attempt: u32, joins_within: Millis, key: [u8; 32]) -> Bearer {
        Bearer { attempt, joins_within, key }
    }

    /// What is said in this life of an agent, as its record of this number, with its proof.
    #[must_use]
    pub fn prove(
        &self,
        cluster: &ClusterId,
        (life, number): (Uuid, u64),
        said: InstanceBooted,
    ) -> InstanceBooted {
        let code = self.code(cluster, (life, number), &said).to_string();
        let proof = Proof { attempt: self.attempt, joins_within: self.joins_within, code };
        InstanceBooted { proof: Some(proof), ..said }
    }

    /// Whether this was said with a proof by this very key.
    #[must_use]
    pub fn proved(
        &self,
        cluster: &ClusterId,
        (life, number): (Uuid, u64),
        said: &InstanceBooted,
    ) -> bool {
        let Some(proof) = &said.proof else { return false };
        let as_shown = (proof.attempt, proof.joins_within) == (self.attempt, self.joins_within);
        // Hashes are compared in constant time.
        let code = Hash::from_hex(&proof.code);
        as_shown && code.is_ok_and(|code| code == self.code(cluster, (life, number), said))
    }

    fn code(
        &self,
        cluster: &ClusterId,
        (life, number): (Uuid, u64),
        said: &InstanceBooted,
    ) -> Hash {
        let InstanceBooted {
            instance, launch, resources, address, version, boot, runtimes, ..
        } = said;
        let mut spelt = Spelt(Hasher::new_keyed(&self.key));
        spelt.0.update(FORM);
        spelt.text(cluster.as_str());
        spelt.text(launch.as_str());
        spelt.number(self.attempt.into());
        spelt.number(self.joins_within.0);
        spelt.text(instance.as_str());
        spelt.0.update(life.as_bytes());
        spelt.number(number);
        spelt.number(resources.cpu);
        spelt.number(resources.memory);
        spelt.number(resources.disk);
        spelt.number(resources.features.len() as u64);
        for (name, count) in &resources.features {
            spelt.text(name);
            spelt.number(*count);
        }
        spelt.text(address);
        spelt.text(version);
        spelt.number(boot.0);
        spelt.number(runtimes.len() as u64);
        runtimes.iter().for_each(|runtime| spelt.text(runtime));
        spelt.0.finalize()
    }
}

/// Texts with their lengths, so that no two statements are spelt alike.
struct Spelt(Hasher);

impl Spelt {
    fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.update(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{InstanceId, LaunchId};
    use crate::resources::Resources;

    const WORD: (Uuid, u64) = (Uuid::from_u128(7), 1);

    fn cluster(name: &str) -> ClusterId {
        ClusterId::new(name).expect("an id")
    }

    fn bearer() -> Bearer {
        Bearer::new(1, Millis(60), [3; 32])
    }

    fn said() -> InstanceBooted {
        InstanceBooted {
            instance: InstanceId::new("i-1").expect("an id"),
            launch: LaunchId::new("l-1").expect("an id"),
            resources: Resources {
                cpu: 2000,
                memory: 4,
                disk: 5,
                features: [("gpu".into(), 1)].into(),
            },
            address: "http://127.0.0.1:1".into(),
            version: "0.1.0".into(),
            boot: Millis(3),
            runtimes: vec!["process".into()],
            proof: None,
        }
    }

    #[test]
    fn what_was_said_is_proved() {
        let shown = bearer().prove(&cluster("c"), WORD, said());
        assert!(bearer().proved(&cluster("c"), WORD, &shown));
        assert!(!bearer().proved(&cluster("c"), WORD, &said()), "no proof is none");
    }

    #[test]
    fn whatever_is_changed_is_not_proved() {
        let shown = bearer().prove(&cluster("c"), WORD, said());
        let changes: Vec<fn(&mut InstanceBooted)> = vec![
            |e| e.instance = InstanceId::new("i-2").expect("an id"),
            |e| e.launch = LaunchId::new("l-2").expect("an id"),
            |e| e.resources.cpu += 1,
            |e| e.resources.memory += 1,
            |e| e.resources.disk += 1,
            |e| e.resources.features.extend([("gpu".into(), 2)]),
            |e| e.resources.features.clear(),
            |e| e.address.push('1'),
            |e| e.version = "0.1.1".into(),
            |e| e.boot = Millis(4),
            |e| e.runtimes.push("docker".into()),
            |e| e.runtimes.clear(),
            |e| e.proof = None,
            |e| e.proof.iter_mut().for_each(|proof| proof.attempt = 2),
            |e| e.proof.iter_mut().for_each(|proof| proof.joins_within = Millis(61)),
            |e| e.proof.iter_mut().for_each(|proof| proof.code = "0".repeat(64)),
            |e| e.proof.iter_mut().for_each(|proof| proof.code.clear()),
        ];
        for (nth, change) in changes.into_iter().enumerate() {
            let mut changed = shown.clone();
            change(&mut changed);
            assert!(!bearer().proved(&cluster("c"), WORD, &changed), "change {nth}");
        }
        assert!(!bearer().proved(&cluster("d"), WORD, &shown), "in another cluster");
        let (life, number) = WORD;
        let other = (Uuid::from_u128(8), number);
        assert!(!bearer().proved(&cluster("c"), other, &shown), "in another life");
        let next = (life, number + 1);
        assert!(!bearer().proved(&cluster("c"), next, &shown), "as another record");
        let key = Bearer::new(1, Millis(60), [4; 32]);
        assert!(!key.proved(&cluster("c"), WORD, &shown), "by another key");
    }

    #[test]
    fn the_key_is_not_shown() {
        assert_eq!(format!("{:?}", bearer()), "Bearer(1, 60, ..)");
        let shown = bearer().prove(&cluster("c"), WORD, said());
        assert!(!format!("{shown:?}").contains("3, 3, 3"));
    }
}
