//! Reasons as sentences for people.

use crate::view::OverWhy;
use schema::resources::{Dimension, Shortage, show_bytes, show_cpu};
use schema::why::{
    DoubtClass, FailureClass, OomConstraint, PendingWhy, RefusalClass, RefusedWhy, RevokedWhy,
};

/// An amount in the words of its dimension.
fn amount(dimension: &Dimension, value: u64) -> String {
    match dimension {
        Dimension::Cpu => show_cpu(value),
        Dimension::Memory | Dimension::Disk => show_bytes(value),
        Dimension::Feature(_) => value.to_string(),
    }
}

/// What there is too little of.
#[must_use]
pub fn shortage(Shortage { dimension, asked, available }: &Shortage) -> String {
    let (asked, there) = (amount(dimension, *asked), amount(dimension, *available));
    format!("{dimension} {asked} asked, {there} there")
}

/// What came of memory: bytes of the limit, and of the most that was used.
#[must_use]
pub fn killed_for_memory(constraint: OomConstraint, limit: u64, peak: u64) -> String {
    let whose = match constraint {
        OomConstraint::Exec | OomConstraint::Unspecified | OomConstraint::Unknown => "",
        OomConstraint::Inside => " by a limit of its own making",
        OomConstraint::Above => " by a limit on what it shares with others",
        OomConstraint::Node => ", of which its instance had none left",
        OomConstraint::Part => ", of which its part of the instance had none left",
    };
    let peak = if peak > 0 { show_bytes(peak) } else { "unknown".to_owned() };
    format!("killed for memory{whose}: limit {}, peak {peak}", show_bytes(limit))
}

/// What a request waits for.
#[must_use]
pub fn pending(why: &PendingWhy) -> String {
    match why {
        PendingWhy::Launching { kind, price, .. } => {
            format!("launching 1 x {kind}, {}/h", price.dollars())
        }
        PendingWhy::Unanswered { kind, price, class, message, .. } => format!(
            "pending: 1 x {kind}, {}/h, was asked for, and nobody knows what came of it: {}: {message}",
            price.dollars(),
            doubt(class)
        ),
        PendingWhy::Budget { asked, committed, limit } => format!(
            "pending: budget {}/h is in use ({}/h committed, the cheapest that would do costs {}/h)",
            limit.dollars(),
            committed.dollars(),
            asked.dollars()
        ),
        PendingWhy::MaxPending { limit } => {
            format!("pending: {limit} launches are under way, as many as allowed")
        }
        PendingWhy::MaxInstances { limit } => {
            format!("pending: there are {limit} instances, as many as allowed")
        }
        PendingWhy::NamedInstanceBusy { instance } => {
            format!("pending: {instance} has no room now")
        }
        PendingWhy::BackedOff { kind, class: Some(class), message } => {
            let class = refusal(class);
            format!(
                "pending: the cloud refuses {kind} ({class}: {message}) and everything else that would do"
            )
        }
        PendingWhy::BackedOff { kind, class: None, .. } => {
            format!(
                "pending: the cloud has lately refused {kind} and everything else that would do"
            )
        }
        PendingWhy::DriverBudget { asked, used, limit } => format!(
            "pending: the driver's budget of {}/h is in use ({}/h used, this would add {}/h)",
            limit.dollars(),
            used.dollars(),
            asked.dollars()
        ),
        PendingWhy::LabelBudget { label, asked, used, limit } => format!(
            "pending: the budget of {}/h for {label} is in use ({}/h used, this would add {}/h)",
            limit.dollars(),
            used.dollars(),
            asked.dollars()
        ),
        PendingWhy::MaxPerZone { limit } => {
            format!("pending: there are {limit} instances in each zone, as many as allowed")
        }
        PendingWhy::Frozen => "pending: launches are frozen".to_owned(),
        PendingWhy::Breaker { failures } => format!(
            "pending: the last {failures} instances did not boot; one at a time is tried, and now and then"
        ),
        PendingWhy::Preempting { instance, allocs: 0, .. } => {
            format!("pending: others of lower priority are leaving {instance}")
        }
        PendingWhy::Preempting { instance, allocs, left } => format!(
            "pending: {allocs} of lower priority have {} s to leave {instance}",
            left.0.div_ceil(1000)
        ),
        PendingWhy::NothingToBuy { reason, busy } => {
            let one = if *busy == 1 {
                "the one instance".to_owned()
            } else {
                format!("one of {busy} instances")
            };
            format!("pending: {one} that would do is to have room; {}", refused(reason))
        }
        PendingWhy::Unknown => "pending, for a reason that a newer version knows".to_owned(),
    }
}

/// Why nobody knows what came of a call to the cloud.
#[must_use]
pub fn doubt(class: &DoubtClass) -> &'static str {
    match class {
        DoubtClass::NoAnswer => "no answer came",
        DoubtClass::Failed => "the cloud failed",
        DoubtClass::Forbidden => "it may not be asked",
        DoubtClass::Unseen => "the cloud does not show it yet",
        DoubtClass::Unknown => "for a reason that a newer version knows",
    }
}

/// What kind of refusal of the cloud it was.
#[must_use]
pub fn refusal(class: &RefusalClass) -> &'static str {
    match class {
        RefusalClass::Capacity => "no capacity",
        RefusalClass::Quota => "a quota is used up",
        RefusalClass::Configuration => "the settings are wrong",
        RefusalClass::Authorisation => "not allowed",
        RefusalClass::Abandoned => "it took too long",
        RefusalClass::Unknown => "for a reason that a newer version knows",
    }
}

/// Why a request will not be met.
#[must_use]
pub fn refused(why: &RefusedWhy) -> String {
    match why {
        RefusedWhy::TooLarge { shortage: too_little, largest, has, promised } => {
            let promised = promised.as_ref().map_or_else(String::new, |promised| {
                format!(", as the last one that booted; promised was {promised}")
            });
            format!(
                "no allowed instance type is large enough: {}; the largest type, {largest}, has {has}{promised}",
                shortage(too_little),
            )
        }
        RefusedWhy::NoOfferings => "the policy allows no instance type that would do".to_owned(),
        RefusedWhy::NoneWithin { only, offerings, other_zone, other_type, other_market, kept } => {
            let lost = [
                (*other_zone, "in another zone"),
                (*other_type, "of another type"),
                (*other_market, "on another market"),
                (*kept, "kept for who asks for an accelerator"),
            ];
            let lost = lost.into_iter().filter(|(count, _)| *count > 0);
            let lost: Vec<_> = lost.map(|(count, why)| format!("{count} {why}")).collect();
            format!("none of {offerings} offerings is {only}: {}", lost.join(", "))
        }
        RefusedWhy::OverBudget { asked, limit } => format!(
            "one instance that would do costs {}/h, more than the whole budget of {}/h",
            asked.dollars(),
            limit.dollars()
        ),
        RefusedWhy::OverDriverBudget { asked, limit } => format!(
            "it alone would cost {}/h, more than the driver's whole budget of {}/h",
            asked.dollars(),
            limit.dollars()
        ),
        RefusedWhy::OverLabelBudget { label, asked, limit } => format!(
            "it alone would cost {}/h, more than the whole budget of {}/h for {label}",
            asked.dollars(),
            limit.dollars()
        ),
        RefusedWhy::NoSuchInstance { instance } => {
            format!("{instance} is not there, or is too small")
        }
        RefusedWhy::Killed => "an operator killed the request".to_owned(),
        RefusedWhy::Unknown => "refused, for a reason that a newer version knows".to_owned(),
    }
}

/// Why an alloc is over.
#[must_use]
pub fn over(why: &OverWhy) -> String {
    match why {
        OverWhy::Freed => "the alloc was freed".to_owned(),
        OverWhy::Expired => "the lease of the alloc ran out".to_owned(),
        OverWhy::Closed => "the agent closed the alloc".to_owned(),
        OverWhy::Revoked(why) => format!("the alloc was taken back: {}", revoked(why)),
    }
}

/// Why an alloc was taken back.
#[must_use]
pub fn revoked(why: &RevokedWhy) -> String {
    match why {
        RevokedWhy::Unreachable { silent } => {
            format!("its instance has been silent for {} s", silent.0 / 1000)
        }
        RevokedWhy::Interrupted => "its instance is being taken away".to_owned(),
        RevokedWhy::InstanceKilled => "an operator killed its instance".to_owned(),
        RevokedWhy::AllocKilled => "an operator killed it".to_owned(),
        RevokedWhy::InstanceLost => "its instance is gone".to_owned(),
        RevokedWhy::Terminating => "its instance is being terminated".to_owned(),
        RevokedWhy::Preempted { by } => format!("it gave way to {by}, of higher priority"),
        RevokedWhy::Unknown => "for a reason that a newer version knows".to_owned(),
    }
}

/// What kept an exec from its own end.
#[must_use]
pub fn failure(class: &FailureClass, message: &str) -> String {
    let what = match class {
        FailureClass::ImageMissing { image } => {
            return format!("image {image} is not there: {message}");
        }
        FailureClass::CannotStart => "the command cannot be started",
        FailureClass::AllocEnded => "the alloc was over",
        FailureClass::TooLarge { shortage } => {
            return format!(
                "the exec asks for more {} than its alloc has: {} of {}",
                shortage.dimension,
                amount(&shortage.dimension, shortage.asked),
                amount(&shortage.dimension, shortage.available)
            );
        }
        FailureClass::NoRuntime => "the instance has no runtime for it",
        FailureClass::Lost => "its end cannot be known",
        FailureClass::TimedOut => "it ran for too long",
        FailureClass::Agent => "the agent failed",
        FailureClass::Unknown => "it failed in a way that a newer version knows",
    };
    format!("{what}: {message}")
}
