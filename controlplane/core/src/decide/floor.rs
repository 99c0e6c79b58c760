//! The least number of instances that the policy keeps, whether anybody waits or not.

use super::draft::Draft;
use super::offer::is_for;
use super::scale::{begin, cap};
use super::share::Share;
use crate::deadline::serving;
use schema::id::LaunchId;
use schema::resources::Resources;
use schema::why::LaunchWhy;

/// Launches the cheapest offering until there are as many instances as the policy keeps.
pub(super) fn decide(draft: &mut Draft<'_>) {
    let policy = &draft.state.head.policy;
    // Of a launch that has no answer yet an instance may be up, and counted as such.
    let unborn = |id: &&LaunchId| {
        draft.state.launches.get(id).is_some_and(|launch| launch.instances.is_empty())
    };
    let unborn = draft.state.index.open_launches.iter().filter(unborn).count();
    let known = serving(draft.state) + unborn;
    let begun = draft.instances.saturating_sub(draft.state.head.instances) as usize;
    let missing = known + begun..policy.min_instances as usize;
    if missing.is_empty() {
        return;
    }
    let mut fleet = Share::of(draft.state);
    for _ in missing {
        let open = draft.candidates().iter().copied();
        let open = open.filter(|o| draft.open(o) && is_for(policy, o, &Resources::default()));
        let cheapest = open.min_by_key(|o| (draft.worth(o, o.price), o.kind.clone()));
        let Some(cheapest) = cheapest.cloned() else { return };
        if draft.shut().is_some() || cap(draft, &cheapest).is_some() {
            return;
        }
        let offering = fleet.choose(draft, &cheapest, &Resources::default(), &[]);
        let why = LaunchWhy::MinInstances { floor: policy.min_instances };
        begin(draft, offering, Vec::new(), why);
    }
}
