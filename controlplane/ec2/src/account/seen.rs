//! The instances of all clusters in an account, told apart.

use super::Account;
use crate::wire::filter;
use controlplane::cloud::Seen;
use ec2_core::account::Asked;
use ec2_core::seen::{Phase, Row, sight};
use ec2_core::tags;
use schema::id::InstanceId;
use schema::unit::Millis;
use smol_str::SmolStr;
use std::time::{SystemTime, UNIX_EPOCH};

/// What there is.
pub struct InAccount {
    /// The cluster's.
    pub ours: Vec<Seen>,
    /// What is there of others': the cluster that each says it is of, and its type.
    pub strangers: Vec<(InstanceId, SmolStr, SmolStr)>,
}

impl Account {
    /// All instances that say they are some cluster's, as EC2 shows them now.
    ///
    /// # Errors
    /// What EC2 said.
    pub async fn seen(&self) -> Asked<InAccount> {
        let named = [filter("tag-key", tags::CLUSTER)];
        let rows = self.patiently(|| self.api.instances(&named)).await?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = Millis::of(now).0;
        let (mut ours, mut strangers) = (Vec::new(), Vec::new());
        for row in &rows {
            let Some(sighting) = sight(&self.cluster, row) else { continue };
            match (sighting.seen(now), sighting.phase) {
                (Some(seen), _) => ours.push(seen),
                (None, Phase::Gone) => {}
                (None, _) => {
                    let kind = sighting.kind.unwrap_or_default();
                    strangers.push((sighting.instance, cluster(row), kind));
                }
            }
        }
        Ok(InAccount { ours, strangers })
    }
}

/// The cluster that a row says it is of.
fn cluster(row: &Row) -> SmolStr {
    let named = row.tags.iter().find(|(key, _)| key == tags::CLUSTER);
    named.map(|(_, value)| SmolStr::new(value)).unwrap_or_default()
}
