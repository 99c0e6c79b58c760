//! Events in a few words, so that a table of them can be read.

use schema::event::Event;
use schema::why::{GrantWhy, LaunchWhy, PendingWhy, RefusedWhy, RevokedWhy, TerminateWhy};

pub(crate) fn tell(event: &Event) -> String {
    match event {
        Event::AllocGranted(e) => format!("{} on {}: {}", e.alloc, e.instance, granted(&e.why)),
        Event::AllocPending(e) => format!("{} waits: {}", e.alloc, pending(&e.why)),
        Event::AllocRefused(e) => format!("{} refused: {}", e.alloc, refused(&e.why)),
        Event::AllocExpired(e) => format!("{} expired", e.alloc),
        Event::AllocPreempted(e) => format!("{} gives way to {}", e.alloc, e.by),
        Event::AllocSpared(e) => format!("{} spared", e.alloc),
        Event::AllocRevoked(e) => format!("{} revoked: {}", e.alloc, revoked(&e.why)),
        Event::LaunchRequested(e) => {
            let whom: Vec<&str> = e.reserved_for.iter().map(|id| id.as_str()).collect();
            match &e.why {
                LaunchWhy::MinInstances { floor } => {
                    format!("launch {} for the least of {floor}", e.offering.kind)
                }
                LaunchWhy::Replacement { instance } => {
                    format!("launch {} in place of {instance}", e.offering.kind)
                }
                LaunchWhy::Demand { .. } | LaunchWhy::Unknown => {
                    format!("launch {} for {}", e.offering.kind, whom.join(" "))
                }
            }
        }
        Event::DrainStarted(e) => format!("{} drains", e.instance),
        Event::TerminateRequested(e) => format!("end {}: {}", e.instance, ended(&e.why)),
        Event::BootTimedOut(e) => format!("{} not up in {}ms", e.instance, e.waited),
        Event::BreakerTripped(e) => format!("breaker: {} did not boot", e.failures),
        Event::InstanceUnreachable(e) => format!("{} silent for {}ms", e.instance, e.silent),
        Event::InstanceReachable(e) => format!("{} heard", e.instance),
        Event::InstanceLost(e) => format!("{} lost", e.instance),
        Event::InstanceVerified(e) => format!("{} verified", e.instance),
        Event::InstanceDistrusted(e) => format!("{} distrusted: {:?}", e.instance, e.why),
        other => other.kind().to_owned(),
    }
}

fn granted(why: &GrantWhy) -> String {
    match why {
        GrantWhy::Reserved { .. } => "kept for it".into(),
        GrantWhy::BestFit { candidates, emptying: 0, .. } => format!("best of {candidates}"),
        GrantWhy::BestFit { candidates, emptying, .. } => {
            format!("best of {candidates}, {emptying} to be emptied")
        }
        GrantWhy::Named => "named".into(),
        GrantWhy::Unknown => "unknown".into(),
    }
}

fn pending(why: &PendingWhy) -> String {
    match why {
        PendingWhy::Launching { kind, .. } => format!("launching {kind}"),
        PendingWhy::Unanswered { kind, class, .. } => format!("{kind} in doubt, {class:?}"),
        PendingWhy::Budget { asked, committed, limit } => {
            format!("budget, {asked} on {committed} of {limit}")
        }
        PendingWhy::MaxPending { limit } => format!("at most {limit} launches"),
        PendingWhy::MaxInstances { limit } => format!("at most {limit} instances"),
        PendingWhy::NamedInstanceBusy { instance } => format!("{instance} busy"),
        PendingWhy::BackedOff { kind, .. } => format!("{kind} rests"),
        PendingWhy::DriverBudget { asked, used, limit } => {
            format!("its driver's budget, {asked} on {used} of {limit}")
        }
        PendingWhy::LabelBudget { label, asked, used, limit } => {
            format!("the budget of {label}, {asked} on {used} of {limit}")
        }
        PendingWhy::MaxPerZone { limit } => format!("at most {limit} in each zone"),
        PendingWhy::Breaker { failures } => format!("{failures} did not boot"),
        PendingWhy::Preempting { instance, allocs, .. } => format!("{allocs} to leave {instance}"),
        PendingWhy::NothingToBuy { reason, busy } => {
            format!("nothing to buy ({}), {busy} busy", refused(reason))
        }
        PendingWhy::Frozen => "frozen".into(),
        PendingWhy::Unknown => "unknown".into(),
    }
}

fn refused(why: &RefusedWhy) -> String {
    match why {
        RefusedWhy::TooLarge { shortage, largest, .. } => {
            let (asked, has) = (shortage.asked, shortage.available);
            format!("{} {asked} of {has} in {largest}", shortage.dimension)
        }
        RefusedWhy::NoOfferings => "no offerings".into(),
        RefusedWhy::NoneWithin { only, offerings, other_zone, other_type, other_market, kept } => {
            let lost = [other_zone, other_type, other_market, kept];
            format!("none of {offerings} {only}: {lost:?}")
        }
        RefusedWhy::OverBudget { asked, limit } => format!("costs {asked} of {limit}"),
        RefusedWhy::OverDriverBudget { asked, limit } => {
            format!("costs {asked} of its driver's {limit}")
        }
        RefusedWhy::OverLabelBudget { label, asked, limit } => {
            format!("costs {asked} of {limit} for {label}")
        }
        RefusedWhy::NoSuchInstance { instance } => format!("no {instance}"),
        RefusedWhy::Killed => "killed".into(),
        RefusedWhy::Unknown => "unknown".into(),
    }
}

fn revoked(why: &RevokedWhy) -> String {
    match why {
        RevokedWhy::Unreachable { silent } => format!("silent for {silent}ms"),
        RevokedWhy::Interrupted => "interrupted".into(),
        RevokedWhy::InstanceKilled => "instance killed".into(),
        RevokedWhy::AllocKilled => "killed".into(),
        RevokedWhy::InstanceLost => "instance lost".into(),
        RevokedWhy::Terminating => "terminating".into(),
        RevokedWhy::Preempted { by } => format!("for {by}"),
        RevokedWhy::Unknown => "unknown".into(),
    }
}

fn ended(why: &TerminateWhy) -> String {
    match why {
        TerminateWhy::Idle { idle } => format!("idle for {idle}ms"),
        TerminateWhy::MakesRoom { alloc } => format!("room for {alloc}"),
        TerminateWhy::BootTimeout => "not up".into(),
        TerminateWhy::Unreachable { silent } => format!("silent for {silent}ms"),
        TerminateWhy::Drained => "drained".into(),
        TerminateWhy::Killed => "killed".into(),
        TerminateWhy::Stopping => "stopping".into(),
        TerminateWhy::Distrusted { reason } => format!("distrusted: {reason:?}"),
        TerminateWhy::Unknown => "unknown".into(),
    }
}
