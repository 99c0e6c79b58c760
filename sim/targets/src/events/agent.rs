//! What agents state, with content out of dice.

use super::why;
use crate::dice::{Dice, Place};
use schema::event::{
    AllocClosed, AllocOpened, Body, Event, ExecExited, ExecFailed, ExecOomKilled, ExecStarted,
    InstanceBooted, InstanceStopping, Interruption, InterruptionNoticed, LogDigest, Usage,
};
use schema::proof::Proof;

pub(super) fn event(kind: &str, place: &Place, dice: &mut Dice<'_>) -> Option<Event> {
    let Place { exec, alloc, driver, instance, launch } = place.clone();
    Some(match kind {
        InstanceBooted::KIND => InstanceBooted {
            instance,
            launch,
            resources: dice.resources().times(4),
            address: dice.text(),
            version: dice.text().into(),
            boot: dice.millis(),
            runtimes: (0..dice.below(3)).map(|_| dice.text().into()).collect(),
            proof: dice.rarely(4).then(|| proof(dice)),
        }
        .into(),
        AllocOpened::KIND => AllocOpened { alloc, driver, instance }.into(),
        AllocClosed::KIND => AllocClosed { alloc, driver, instance }.into(),
        ExecStarted::KIND => {
            let handle = dice.text().into();
            ExecStarted { exec, alloc, driver, instance, handle }.into()
        }
        ExecExited::KIND => {
            let (code, usage, logs) = (dice.signed(), usage(dice), logs(dice));
            ExecExited { exec, alloc, driver, instance, code, usage, logs }.into()
        }
        ExecFailed::KIND => {
            let (class, message) = (why::failure(dice), dice.text());
            ExecFailed { exec, alloc, driver, instance, class, message }.into()
        }
        ExecOomKilled::KIND => ExecOomKilled {
            exec,
            alloc,
            driver,
            instance,
            limit: dice.number(),
            peak: dice.number(),
            victim: why::victim(dice),
            constraint: why::constraint(dice),
            process: dice.rarely(2).then(|| why::process(dice)),
            killed: dice.short(),
            sources: (0..dice.below(4)).map(|_| why::source(dice)).collect(),
            confidence: dice.byte(),
        }
        .into(),
        InterruptionNoticed::KIND => {
            let (interruption, left) = (interruption(dice), dice.millis());
            InterruptionNoticed { instance, interruption, left }.into()
        }
        InstanceStopping::KIND => InstanceStopping { instance, reason: dice.text() }.into(),
        _ => return None,
    })
}

fn proof(dice: &mut Dice<'_>) -> Proof {
    Proof { attempt: dice.short(), joins_within: dice.millis(), code: dice.text() }
}

fn interruption(dice: &mut Dice<'_>) -> Interruption {
    match dice.below(4) {
        0 => Interruption::Spot,
        1 => Interruption::Rebalance,
        2 => Interruption::Maintenance,
        _ => Interruption::Unknown,
    }
}

fn usage(dice: &mut Dice<'_>) -> Usage {
    Usage { wall: dice.millis(), cpu: dice.millis(), memory_peak: dice.number() }
}

fn logs(dice: &mut Dice<'_>) -> LogDigest {
    LogDigest {
        stdout_bytes: dice.number(),
        stderr_bytes: dice.number(),
        stdout_blake3: dice.text(),
        stderr_blake3: dice.text(),
    }
}
