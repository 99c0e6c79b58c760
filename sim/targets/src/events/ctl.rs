//! What controllers write, with content out of dice.

use super::{offering, policy, why};
use crate::dice::{Dice, Place};
use schema::event::{
    AllocExpired, AllocGranted, AllocPending, AllocPreempted, AllocRefused, AllocRevoked,
    AllocSpared, Body, BootTimedOut, BreakerTripped, Checkpoint, CloudConfigured, ConsoleSeen,
    Devices, DrainStarted, Event, Genesis, Hardware, InstanceDistrusted, InstanceLost,
    InstanceReachable, InstanceTerminated, InstanceUnreachable, InstanceVerified, LaunchAccepted,
    LaunchRefused, LaunchRequested, LaunchUnanswered, LeaderChallenged, LeaderElected,
    LeaderRenewed, LeaderResigned, OrphanFound, OwnDisks, Previous, PriceSeen, PriceSource,
    ReplicaStarted, RolledOver, SchemaActivated, Scored, TerminateRequested, TypeSeen, Withdrawn,
};
use schema::policy::types::Arch;
use schema::policy::worth::Links;
use schema::unit::{Epoch, Seq};

pub(super) fn event(kind: &str, place: &Place, dice: &mut Dice<'_>) -> Option<Event> {
    cluster(kind, dice).or_else(|| launch(kind, place, dice)).or_else(|| alloc(kind, place, dice))
}

fn cluster(kind: &str, dice: &mut Dice<'_>) -> Option<Event> {
    Some(match kind {
        Genesis::KIND => Genesis {
            cluster: dice.cluster(),
            generation: dice.short(),
            policy: policy(dice),
            previous: dice.rarely(2).then(|| previous(dice)),
        }
        .into(),
        ReplicaStarted::KIND => {
            let (replica, version) = (dice.replica(), dice.text().into());
            ReplicaStarted { replica, version, schema: dice.short() }.into()
        }
        LeaderChallenged::KIND => {
            LeaderChallenged { replica: dice.replica(), epoch: Epoch(dice.number()) }.into()
        }
        LeaderElected::KIND => LeaderElected {
            replica: dice.replica(),
            epoch: Epoch(dice.number()),
            fold: u32::try_from(dice.number() % 16).unwrap_or(0),
        }
        .into(),
        LeaderRenewed::KIND => LeaderRenewed {}.into(),
        LeaderResigned::KIND => LeaderResigned {}.into(),
        SchemaActivated::KIND => SchemaActivated { version: dice.short() }.into(),
        Checkpoint::KIND => {
            Checkpoint { seq: Seq(dice.number()), digest: dice.text().into_bytes() }.into()
        }
        RolledOver::KIND => RolledOver { next: dice.short() }.into(),
        _ => return None,
    })
}

fn previous(dice: &mut Dice<'_>) -> Previous {
    Previous {
        stream: dice.text(),
        seq: Seq(dice.number()),
        digest: dice.text().into_bytes(),
        snapshot: dice.text().into_bytes(),
    }
}

fn launch(kind: &str, place: &Place, dice: &mut Dice<'_>) -> Option<Event> {
    let Place { instance, launch, .. } = place.clone();
    Some(match kind {
        PriceSeen::KIND => price_seen(dice).into(),
        CloudConfigured::KIND => {
            let fingerprint = dice.rarely(8).then(|| dice.text().into());
            CloudConfigured { settings: dice.text(), fingerprint }.into()
        }
        BreakerTripped::KIND => {
            BreakerTripped { failures: dice.short(), until: dice.time() }.into()
        }
        OrphanFound::KIND => OrphanFound {
            instance,
            launch: (!dice.rarely(3)).then_some(launch),
            kind: dice.text().into(),
            price: dice.price(),
            age: dice.millis(),
        }
        .into(),
        LaunchRequested::KIND => LaunchRequested {
            launch,
            attempt: attempt(dice),
            offering: offering(dice),
            count: if dice.rarely(4) { dice.short() } else { 1 },
            reserved_for: (0..dice.below(3)).map(|_| dice.alloc()).collect(),
            why: why::launch(dice),
        }
        .into(),
        LaunchAccepted::KIND => {
            let attempt = attempt(dice);
            let mut instances: Vec<_> = (0..dice.below(3)).map(|_| dice.instance()).collect();
            if !dice.rarely(8) {
                instances = vec![instance];
            }
            LaunchAccepted { launch, attempt, instances }.into()
        }
        LaunchRefused::KIND => LaunchRefused {
            launch,
            attempt: attempt(dice),
            class: why::refusal(dice),
            message: dice.text(),
            until: dice.time(),
            scope: why::scope(dice),
        }
        .into(),
        LaunchUnanswered::KIND => LaunchUnanswered {
            launch,
            attempt: attempt(dice),
            class: why::doubt(dice),
            message: dice.text(),
        }
        .into(),
        InstanceLost::KIND => InstanceLost { instance, message: dice.text() }.into(),
        BootTimedOut::KIND => {
            BootTimedOut { instance, waited: dice.millis(), until: dice.time() }.into()
        }
        InstanceVerified::KIND => {
            let (life, boot) = (dice.life(), Seq(dice.number()));
            InstanceVerified { instance, life, boot }.into()
        }
        InstanceDistrusted::KIND => {
            let (life, boot) = (dice.life(), Seq(dice.number()));
            InstanceDistrusted { instance, life, boot, why: why::distrust(dice) }.into()
        }
        ConsoleSeen::KIND => ConsoleSeen { instance, text: dice.text() }.into(),
        InstanceUnreachable::KIND => InstanceUnreachable { instance, silent: dice.millis() }.into(),
        InstanceReachable::KIND => InstanceReachable { instance }.into(),
        DrainStarted::KIND => DrainStarted { instance, why: why::drain(dice) }.into(),
        TerminateRequested::KIND => {
            TerminateRequested { instance, why: why::terminate(dice) }.into()
        }
        InstanceTerminated::KIND => InstanceTerminated { instance, cost: dice.price() }.into(),
        _ => return None,
    })
}

fn price_seen(dice: &mut Dice<'_>) -> PriceSeen {
    let source = match dice.below(3) {
        0 => PriceSource::Shipped,
        1 => PriceSource::Api,
        _ => PriceSource::Unknown,
    };
    let offerings: Vec<_> = (0..dice.below(3)).map(|_| offering(dice)).collect();
    let zone = if dice.rarely(8) { dice.text().into() } else { "zone".into() };
    let gone = (0..dice.below(2)).map(|_| offering(dice));
    let withdrawn = gone.map(|o| Withdrawn { kind: o.kind, market: o.market }).collect();
    // One is too low, one too high.
    let class = || "type".into();
    let scores = (0..dice.below(2)).map(|_| Scored { class: class(), score: dice.below(12) });
    let scores = scores.collect();
    let types = (0..dice.below(2)).map(|_| type_seen(dice)).collect();
    PriceSeen { source, zone, offerings, withdrawn, scores, types }
}

/// Now and then one that has no cpu, which nothing is.
fn type_seen(dice: &mut Dice<'_>) -> TypeSeen {
    let hardware = Hardware {
        arch: Arch::X86,
        vcpu: dice.below(3).into(),
        memory_mib: dice.number(),
        disks: dice.rarely(2).then(|| OwnDisks { count: 1, gb: dice.number(), ssd: true }),
        gpu: dice.rarely(4).then(|| Devices { count: 1, name: "A100".into() }),
        accelerator: None,
        links: Links { network: dice.short().into(), ebs: 0 },
        spot: dice.rarely(2),
    };
    let hardware = (!dice.rarely(3)).then_some(hardware);
    let on_demand = dice.rarely(2).then(|| dice.price());
    TypeSeen { kind: "type".into(), sold: !dice.rarely(4), hardware, on_demand }
}

fn attempt(dice: &mut Dice<'_>) -> u32 {
    if dice.rarely(16) { dice.short() } else { 1 }
}

fn alloc(kind: &str, place: &Place, dice: &mut Dice<'_>) -> Option<Event> {
    let Place { alloc, driver, instance, .. } = place.clone();
    Some(match kind {
        AllocGranted::KIND => AllocGranted {
            alloc,
            driver,
            instance,
            resources: dice.resources(),
            lease: dice.millis(),
            grace: dice.millis(),
            address: dice.text(),
            why: why::grant(dice),
        }
        .into(),
        AllocPending::KIND => AllocPending { alloc, driver, why: why::pending(dice) }.into(),
        AllocRefused::KIND => AllocRefused { alloc, driver, why: why::refused(dice) }.into(),
        AllocExpired::KIND => {
            AllocExpired { alloc, driver, instance, execs_until: dice.time() }.into()
        }
        AllocPreempted::KIND => AllocPreempted {
            alloc,
            driver,
            instance,
            by: dice.alloc(),
            notice: dice.millis(),
            priority: dice.signed(),
            over: dice.signed(),
        }
        .into(),
        AllocSpared::KIND => AllocSpared { alloc, driver, instance }.into(),
        AllocRevoked::KIND => {
            let (execs_until, why) = (dice.time(), why::revoked(dice));
            AllocRevoked { alloc, driver, instance, execs_until, why }.into()
        }
        _ => return None,
    })
}
