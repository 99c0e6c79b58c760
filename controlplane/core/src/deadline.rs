//! When the state should be looked at again though nothing happens, and what for.

use replay_core::State;
use replay_core::state::instance::{Instance, Phase, Reach, Service};
use schema::id::AllocId;
use schema::policy::{Billing, Policy};
use schema::unit::{LogTime, Millis};

/// The next log time at which something falls due, and what. None if nothing will. What has fallen
/// due by now is left out: it was decided on, or waits for something else than log time.
#[must_use]
pub fn next_deadline(state: &State) -> Option<(LogTime, &'static str)> {
    let time = state.head.time;
    let after = (LogTime(time.0.saturating_add(1)), AllocId::lowest());
    let lease = state.index.leases.range(after..).next().map(|(at, _)| (*at, "a lease"));
    let mut notices = state.index.notices.iter().map(|(until, _)| (*until, "a notice"));
    let notice = notices.find(|(until, _)| *until > time);
    let wanted = !state.index.waiting.is_empty()
        || serving(state) < state.head.policy.min_instances as usize;
    let unborn = state.backoffs.iter().map(|(_, backoff)| backoff.until);
    let refused = state.rests.iter().map(|(_, rest)| rest.until);
    let breaker = state.head.breaker.map(|breaker| breaker.until);
    let rests = unborn.chain(refused).chain(breaker).filter(|_| wanted);
    let rests = rests.map(|until| (until, "something that rests"));
    let spare = spare_instances(state) > 0;
    let instances = state
        .index
        .live_instances
        .iter()
        .filter_map(|id| state.instances.get(id))
        .flat_map(|instance| of_instance(state, instance, spare));
    let grace = state.head.policy.orphan_grace;
    let orphans = state.orphans.iter().map(|(_, orphan)| (orphan.found + grace, "an orphan"));
    let all = instances.flatten().chain(lease).chain(notice).chain(rests).chain(orphans);
    all.filter(|(at, _)| *at > time).min_by_key(|(at, _)| *at)
}

fn of_instance(
    state: &State,
    instance: &Instance,
    spare: bool,
) -> [Option<(LogTime, &'static str)>; 2] {
    let policy = &state.head.policy;
    match instance.phase {
        Phase::Booting => [Some((instance.created + policy.boot_timeout, "a boot")), None],
        Phase::Up => {
            let silent = match instance.reach {
                Reach::Silent { since } => {
                    Some((since + policy.unreachable_grace, "a silent agent"))
                }
                Reach::Heard => None,
            };
            let idle = instance.allocs == 0;
            let service = match instance.service {
                Service::Draining { until: Some(until), .. } if !idle => {
                    Some((revoke_at(until), "an interruption"))
                }
                Service::Open if idle && spare && silent.is_none() => {
                    Some((may_go(policy, instance, state.head.time), "an idle instance"))
                }
                Service::Open | Service::Held | Service::Draining { .. } => None,
            };
            [silent, service]
        }
        Phase::Terminating { .. } | Phase::Gone { .. } => [None, None],
    }
}

/// Whether it counts among those that the policy keeps.
pub(crate) fn serves(instance: &Instance) -> bool {
    matches!(instance.phase, Phase::Booting | Phase::Up) && instance.service == Service::Open
}

/// How many of them there are.
pub(crate) fn serving(state: &State) -> usize {
    let live = state.index.live_instances.iter().filter_map(|id| state.instances.get(id));
    live.filter(|instance| serves(instance)).count()
}

/// How many instances there are beyond those that the policy keeps.
#[must_use]
pub fn spare_instances(state: &State) -> usize {
    serving(state).saturating_sub(state.head.policy.min_instances as usize)
}

/// The first log time from `from` on at which an idle instance may be ended: once it has been idle for
/// long enough, and near the end of an hour where it is paid for by the hour.
#[must_use]
pub fn may_go(policy: &Policy, instance: &Instance, from: LogTime) -> LogTime {
    const HOUR: Millis = Millis::from_secs(3600);
    const LAST: Millis = Millis::from_secs(300);
    let idle = from.max(instance.idle_since + policy.idle_timeout);
    match policy.billing {
        Billing::Second => idle,
        Billing::Hour => {
            let begun = idle.since(instance.created).0 % HOUR.0;
            idle + Millis((HOUR.0 - LAST.0).saturating_sub(begun))
        }
    }
}

/// Allocs on an interrupted instance are taken back this long before it goes, so that their execs
/// still end with a true report.
#[must_use]
pub fn revoke_at(until: LogTime) -> LogTime {
    const MARGIN: Millis = Millis::from_secs(5);
    LogTime(until.0.saturating_sub(MARGIN.0 * 1_000_000))
}
