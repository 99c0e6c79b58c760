//! Reasons, with figures out of dice.

use crate::dice::Dice;
use schema::resources::{Dimension, Shortage};
use schema::unit::Micros;
use schema::why::{
    DistrustWhy, DoubtClass, DrainWhy, FailureClass, GrantWhy, LaunchWhy, OomConstraint,
    OomProcess, OomSource, OomVictim, PendingWhy, RefusalClass, RefusalScope, RefusedWhy,
    RevokedWhy, TerminateWhy,
};

pub(super) fn grant(dice: &mut Dice<'_>) -> GrantWhy {
    match dice.below(4) {
        0 => GrantWhy::Reserved { launch: dice.place().launch },
        1 => GrantWhy::BestFit {
            candidates: dice.short(),
            left: dice.resources(),
            emptying: dice.short(),
        },
        2 => GrantWhy::Named,
        _ => GrantWhy::Unknown,
    }
}

pub(super) fn pending(dice: &mut Dice<'_>) -> PendingWhy {
    match dice.below(15) {
        0 => {
            let launch = dice.place().launch;
            PendingWhy::Launching { launch, kind: dice.text().into(), price: dice.price() }
        }
        1 => {
            let (asked, committed) = (dice.price(), dice.price());
            PendingWhy::Budget { asked, committed, limit: dice.price() }
        }
        2 => PendingWhy::MaxPending { limit: dice.short() },
        3 => PendingWhy::MaxInstances { limit: dice.short() },
        4 => PendingWhy::NamedInstanceBusy { instance: dice.instance() },
        5 => {
            let (kind, class) = (dice.text().into(), refusal(dice));
            PendingWhy::BackedOff { kind, class: Some(class), message: dice.text() }
        }
        6 => PendingWhy::Frozen,
        7 => {
            let (asked, used) = (dice.price(), dice.price());
            PendingWhy::DriverBudget { asked, used, limit: dice.price() }
        }
        8 => {
            let (label, asked, used) = (dice.text().into(), dice.price(), dice.price());
            PendingWhy::LabelBudget { label, asked, used, limit: dice.price() }
        }
        9 => PendingWhy::MaxPerZone { limit: dice.short() },
        10 => PendingWhy::Breaker { failures: dice.short() },
        11 => {
            let (instance, allocs) = (dice.instance(), dice.short());
            PendingWhy::Preempting { instance, allocs, left: dice.millis() }
        }
        13 => {
            let (launch, kind, price) = (dice.place().launch, dice.text().into(), dice.price());
            PendingWhy::Unanswered { launch, kind, price, class: doubt(dice), message: dice.text() }
        }
        12 => {
            let reason = Box::new(refused(dice));
            PendingWhy::NothingToBuy { reason, busy: dice.short() }
        }
        _ => PendingWhy::Unknown,
    }
}

fn shortage(dice: &mut Dice<'_>) -> Shortage {
    let dimension = match dice.below(4) {
        0 => Dimension::Cpu,
        1 => Dimension::Memory,
        2 => Dimension::Disk,
        _ => Dimension::Feature(dice.text().into()),
    };
    Shortage { dimension, asked: dice.number(), available: dice.number() }
}

pub(super) fn doubt(dice: &mut Dice<'_>) -> DoubtClass {
    match dice.below(5) {
        0 => DoubtClass::NoAnswer,
        1 => DoubtClass::Failed,
        2 => DoubtClass::Forbidden,
        3 => DoubtClass::Unseen,
        _ => DoubtClass::Unknown,
    }
}

pub(super) fn refused(dice: &mut Dice<'_>) -> RefusedWhy {
    match dice.below(8) {
        0 => {
            let (shortage, largest) = (shortage(dice), dice.text().into());
            RefusedWhy::TooLarge { shortage, largest, has: dice.resources(), promised: None }
        }
        1 => RefusedWhy::NoOfferings,
        2 => RefusedWhy::OverBudget { asked: dice.price(), limit: dice.price() },
        3 => RefusedWhy::NoSuchInstance { instance: dice.instance() },
        4 => RefusedWhy::OverDriverBudget { asked: dice.price(), limit: dice.price() },
        5 => {
            let (label, asked) = (dice.text().into(), dice.price());
            RefusedWhy::OverLabelBudget { label, asked, limit: dice.price() }
        }
        6 => RefusedWhy::NoneWithin {
            only: dice.only(),
            offerings: dice.short(),
            other_zone: dice.short(),
            other_type: dice.short(),
            other_market: dice.short(),
            kept: dice.short(),
        },
        _ => RefusedWhy::Unknown,
    }
}

pub(super) fn revoked(dice: &mut Dice<'_>) -> RevokedWhy {
    match dice.below(8) {
        0 => RevokedWhy::Unreachable { silent: dice.millis() },
        1 => RevokedWhy::Interrupted,
        2 => RevokedWhy::InstanceKilled,
        3 => RevokedWhy::AllocKilled,
        4 => RevokedWhy::InstanceLost,
        5 => RevokedWhy::Terminating,
        6 => RevokedWhy::Preempted { by: dice.alloc() },
        _ => RevokedWhy::Unknown,
    }
}

pub(super) fn launch(dice: &mut Dice<'_>) -> LaunchWhy {
    match dice.below(4) {
        0 => LaunchWhy::Demand {
            requests: dice.short(),
            offerings: dice.short(),
            price_per_core: dice.price(),
            links: if dice.rarely(2) { dice.price() } else { Micros(0) },
            committed: dice.price(),
        },
        1 => LaunchWhy::MinInstances { floor: dice.short() },
        2 => LaunchWhy::Replacement { instance: dice.instance() },
        _ => LaunchWhy::Unknown,
    }
}

pub(super) fn terminate(dice: &mut Dice<'_>) -> TerminateWhy {
    match dice.below(9) {
        0 => TerminateWhy::Idle { idle: dice.millis() },
        1 => TerminateWhy::BootTimeout,
        2 => TerminateWhy::Unreachable { silent: dice.millis() },
        3 => TerminateWhy::Drained,
        4 => TerminateWhy::Killed,
        5 => TerminateWhy::Stopping,
        6 => TerminateWhy::MakesRoom { alloc: dice.alloc() },
        7 => TerminateWhy::Distrusted { reason: distrust(dice) },
        _ => TerminateWhy::Unknown,
    }
}

pub(super) fn distrust(dice: &mut Dice<'_>) -> DistrustWhy {
    match dice.below(6) {
        0 => DistrustWhy::Unproven,
        1 => DistrustWhy::Forged,
        2 => DistrustWhy::OtherAttempt { shown: dice.short(), made: dice.short() },
        3 => DistrustWhy::Expired { joins_until: dice.time(), came: dice.time() },
        4 => DistrustWhy::Stranger,
        _ => DistrustWhy::Unknown,
    }
}

pub(super) fn drain(dice: &mut Dice<'_>) -> DrainWhy {
    match dice.below(6) {
        0 => DrainWhy::Interruption,
        1 => DrainWhy::Operator,
        2 => DrainWhy::Stopping,
        3 => DrainWhy::Rebalance,
        4 => DrainWhy::Drift,
        _ => DrainWhy::Unknown,
    }
}

pub(super) fn failure(dice: &mut Dice<'_>) -> FailureClass {
    match dice.below(9) {
        0 => FailureClass::ImageMissing { image: dice.text() },
        1 => FailureClass::CannotStart,
        2 => FailureClass::AllocEnded,
        3 => FailureClass::TooLarge { shortage: shortage(dice) },
        4 => FailureClass::NoRuntime,
        5 => FailureClass::Lost,
        6 => FailureClass::TimedOut,
        7 => FailureClass::Agent,
        _ => FailureClass::Unknown,
    }
}

pub(super) fn refusal(dice: &mut Dice<'_>) -> RefusalClass {
    match dice.below(6) {
        0 => RefusalClass::Capacity,
        1 => RefusalClass::Quota,
        2 => RefusalClass::Configuration,
        3 => RefusalClass::Abandoned,
        4 => RefusalClass::Authorisation,
        _ => RefusalClass::Unknown,
    }
}

pub(super) fn scope(dice: &mut Dice<'_>) -> Option<RefusalScope> {
    Some(match dice.below(7) {
        0 => RefusalScope::Offering,
        1 => RefusalScope::TypeInZone,
        2 => RefusalScope::Zone,
        3 => RefusalScope::QuotaGroup,
        4 => RefusalScope::Account,
        5 => RefusalScope::Unknown,
        _ => return None,
    })
}

pub(super) fn source(dice: &mut Dice<'_>) -> OomSource {
    match dice.below(3) {
        0 => OomSource::Runtime,
        1 => OomSource::Cgroup,
        _ => OomSource::Kernel,
    }
}

pub(super) fn victim(dice: &mut Dice<'_>) -> OomVictim {
    match dice.below(4) {
        0 => OomVictim::Main,
        1 => OomVictim::Child,
        2 => OomVictim::Unspecified,
        _ => OomVictim::Unknown,
    }
}

pub(super) fn constraint(dice: &mut Dice<'_>) -> OomConstraint {
    match dice.below(7) {
        0 => OomConstraint::Exec,
        1 => OomConstraint::Inside,
        2 => OomConstraint::Above,
        3 => OomConstraint::Node,
        4 => OomConstraint::Part,
        5 => OomConstraint::Unspecified,
        _ => OomConstraint::Unknown,
    }
}

pub(super) fn process(dice: &mut Dice<'_>) -> OomProcess {
    OomProcess { pid: dice.short(), name: dice.text().into(), rss: dice.number() }
}
