//! When the state should be looked at again though nothing happens, and what for.

use replay_core::State;
use replay_core::state::instance::{Instance, Phase, Reach, Service};
use schema::unit::{LogTime, Millis};

/// The next log time at which something falls due, and what. None if nothing will.
#[must_use]
pub fn next_deadline(state: &State) -> Option<(LogTime, &'static str)> {
    let lease = state.index.leases.first().map(|(at, _)| (*at, "a lease"));
    let backoff = (!state.index.waiting.is_empty())
        .then(|| {
            state.backoffs.iter().map(|(_, b)| b.until).filter(|at| *at > state.head.time).min()
        })
        .flatten()
        .map(|at| (at, "an offering that rests"));
    let instances = state
        .index
        .live_instances
        .iter()
        .filter_map(|id| state.instances.get(id))
        .filter_map(|instance| of_instance(state, instance));
    instances.chain(lease).chain(backoff).min_by_key(|(at, _)| *at)
}

fn of_instance(state: &State, instance: &Instance) -> Option<(LogTime, &'static str)> {
    let policy = &state.head.policy;
    match (&instance.phase, &instance.reach, &instance.service) {
        (Phase::Booting, _, _) => Some((instance.created + policy.boot_timeout, "a boot")),
        (Phase::Up, Reach::Silent { since }, _) => {
            Some((*since + policy.unreachable_grace, "a silent agent"))
        }
        (Phase::Up, Reach::Heard, Service::Draining { until: Some(until), .. })
            if instance.allocs > 0 =>
        {
            Some((revoke_at(*until), "an interruption"))
        }
        (Phase::Up, Reach::Heard, Service::Open)
            if instance.allocs == 0 && spare_instances(state) > 0 =>
        {
            Some((instance.idle_since + policy.idle_timeout, "an idle instance"))
        }
        (Phase::Up | Phase::Terminating { .. } | Phase::Gone { .. }, _, _) => None,
    }
}

/// How many instances there are beyond those that the policy keeps.
#[must_use]
pub fn spare_instances(state: &State) -> usize {
    let serving = |instance: &&Instance| {
        matches!(instance.phase, Phase::Booting | Phase::Up) && instance.service == Service::Open
    };
    let ids = state.index.live_instances.iter();
    let live = ids.filter_map(|id| state.instances.get(id)).filter(serving).count();
    live.saturating_sub(state.head.policy.min_instances as usize)
}

/// Allocs on an interrupted instance are taken back this long before it goes, so that their execs
/// still end with a true report.
#[must_use]
pub fn revoke_at(until: LogTime) -> LogTime {
    const MARGIN: Millis = Millis::from_secs(5);
    LogTime(until.0.saturating_sub(MARGIN.0 * 1_000_000))
}
