//! Who says that an instance has booted, and whether it is so: whoever has the cluster's secret can tell.

use super::draft::Draft;
use crate::credential::{ClusterKey, judge};
use replay_core::State;
use replay_core::state::trust::{Claim, Trust};
use schema::event::{InstanceDistrusted, InstanceVerified};
use schema::why::DistrustWhy;
use std::collections::BTreeSet;

/// Judges what waits for it. Without the secret, or with another than the launch was made under, nothing
/// can be said: that is no reason to distrust anybody. What comes of others depends on who is believed:
/// whatever is said of the same instance, or takes a place in the same launch, waits for the next round.
pub(super) fn decide(draft: &mut Draft<'_>) {
    let Some(key) = &draft.sight.key else { return };
    let mut joined = BTreeSet::new();
    for ((instance, boot), claim) in draft.state.claims.iter() {
        if draft.full() {
            return;
        }
        let launch = &claim.booted.launch;
        let unknown = !draft.state.instances.contains(instance);
        if draft.verified.contains(instance) || (unknown && joined.contains(launch)) {
            continue;
        }
        let (id, life, boot) = (instance, claim.life, *boot);
        let instance = id.clone();
        match judged(key, draft.state, claim) {
            Some(Ok(())) => {
                draft.verified.insert(id);
                joined.extend(unknown.then_some(launch));
                draft.push(InstanceVerified { instance, life, boot });
            }
            Some(Err(why)) => draft.push(InstanceDistrusted { instance, life, boot, why }),
            None => {}
        }
    }
}

fn judged(key: &ClusterKey, state: &State, claim: &Claim) -> Option<Result<(), DistrustWhy>> {
    let cluster = state.head.cluster.as_ref()?;
    // A launch that is forgotten has no instance any more.
    let Some(launch) = state.launches.get(&claim.booted.launch) else {
        return Some(Err(DistrustWhy::Stranger));
    };
    if launch.fingerprint.as_ref() != Some(&key.fingerprint(cluster)) {
        return None;
    }
    let known = state.instances.get(&claim.booted.instance);
    let made = known.filter(|known| !matches!(known.trust, Trust::Proven { .. }));
    let genuine = judge(key, cluster, claim, launch, made.map(|known| known.created));
    let placed = || state.has_place_for(claim).then_some(()).ok_or(DistrustWhy::Stranger);
    Some(genuine.and_then(|()| placed()))
}
