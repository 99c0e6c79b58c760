//! What there is: one sweep over all instances that carry the cluster's tag, shared by whoever asks at
//! about the same time.

use crate::Ec2Cloud;
use crate::error::ApiError;
use crate::wire::filter;
use controlplane_core::Moment;
use ec2_core::seen::{Sighting, sight};
use ec2_core::tags::{self, Mark};
use schema::id::InstanceId;
use schema::unit::Millis;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Mutex;

/// How old a look may be for those who do not need one of their own.
const LATELY: Millis = Millis(1000);

/// All instances of the cluster, as EC2 showed them.
pub(crate) struct Look {
    at: Moment,
    pub(crate) rows: BTreeMap<InstanceId, Sighting>,
}

/// The last look. Held while the next one is under way: two at once would see the same.
#[derive(Default)]
pub(crate) struct Looks(Mutex<Option<Arc<Look>>>);

/// Where EC2 shows an instance.
pub(crate) enum Found {
    /// Among those of this cluster.
    Ours(Sighting),
    /// Without this cluster's tag.
    Stranger,
    /// Nowhere.
    Nowhere,
}

impl Ec2Cloud {
    /// A look that begins now.
    pub(crate) async fn look_now(&self) -> Result<Arc<Look>, ApiError> {
        let mut last = self.looks.0.lock().await;
        self.look(&mut last).await
    }

    /// The last look, or another one if that is old. Whoever waits for one that is under way takes it.
    async fn look_lately(&self) -> Result<Arc<Look>, ApiError> {
        let mut last = self.looks.0.lock().await;
        match &*last {
            Some(look) if self.api.now().since(look.at) <= LATELY => Ok(look.clone()),
            _ => self.look(&mut last).await,
        }
    }

    async fn look(&self, last: &mut Option<Arc<Look>>) -> Result<Arc<Look>, ApiError> {
        let at = self.api.now();
        let cluster = &self.settings.cluster;
        let of_cluster = filter(&format!("tag:{}", tags::CLUSTER), cluster.as_str());
        let rows = self.api.instances(&[of_cluster]).await?;
        let seen = rows.iter().filter_map(|row| sight(cluster, row));
        let ours = seen.filter(|seen| seen.mark != Mark::Stranger);
        let rows = ours.map(|seen| (seen.instance.clone(), seen)).collect();
        let look = Arc::new(Look { at, rows });
        tell_ends(last.as_deref(), &look);
        *last = Some(look.clone());
        Ok(look)
    }

    /// Looks for one instance.
    pub(crate) async fn find(&self, instance: &InstanceId) -> Result<Found, ApiError> {
        if let Some(seen) = self.look_lately().await?.rows.get(instance) {
            return Ok(Found::Ours(seen.clone()));
        }
        // By a filter: by its id, one that EC2 does not know would be an error.
        let rows = self.api.instances(&[filter("instance-id", instance.as_str())]).await?;
        let mut seen = rows.iter().filter_map(|row| sight(&self.settings.cluster, row));
        Ok(match seen.find(|seen| seen.instance == *instance) {
            None => Found::Nowhere,
            Some(seen) if seen.mark == Mark::Stranger => Found::Stranger,
            Some(seen) => Found::Ours(seen),
        })
    }
}

/// Says of each instance once why it ended.
fn tell_ends(before: Option<&Look>, look: &Look) {
    for (instance, seen) in &look.rows {
        let known = before.and_then(|before| before.rows.get(instance));
        if let (Some(ended), Some(None)) = (seen.ended, known.map(|known| known.ended)) {
            tracing::info!(%instance, ?ended, "an instance ends");
        }
    }
}
