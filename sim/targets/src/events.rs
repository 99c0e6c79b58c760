//! An event of any kind, with content out of dice.

mod agent;
mod ctl;
mod why;

use crate::dice::{Dice, Place};
use schema::event::{
    AllocFreed, AllocKilled, AllocRequested, AllocWithdrawn, AllocsKept, Body, DriverBudgetSet,
    DriverJoined, DriverLeft, DriverWeighted, Event, ExecConfig, ExecKillRequested, ExecSubmitted,
    InstanceDrained, InstanceHeld, InstanceKilled, InstanceResumed, LaunchesFrozen, LaunchesThawed,
    PolicySet, ProbeDone,
};
use schema::policy::worth::Links;
use schema::policy::{Offering, Policy};
use schema::requirements::{Constraint, Market, Only, Requirements};
use schema::unit::{Micros, Millis};
use smol_str::{SmolStr, format_smolstr};

/// An event of this kind; none if there is no such kind.
#[must_use]
pub fn event(kind: &str, dice: &mut Dice<'_>) -> Option<Event> {
    let place = dice.place();
    event_at(kind, place, dice)
}

/// An event of this kind about these.
#[must_use]
pub fn event_at(kind: &str, place: Place, dice: &mut Dice<'_>) -> Option<Event> {
    driver(kind, &place, dice)
        .or_else(|| agent::event(kind, &place, dice))
        .or_else(|| ctl::event(kind, &place, dice))
        .or_else(|| ops(kind, place, dice))
}

fn driver(kind: &str, place: &Place, dice: &mut Dice<'_>) -> Option<Event> {
    let Place { exec, alloc, driver, instance, .. } = place.clone();
    Some(match kind {
        DriverJoined::KIND => DriverJoined { driver, version: dice.text().into() }.into(),
        AllocRequested::KIND => requested(place.clone(), dice).into(),
        AllocWithdrawn::KIND => AllocWithdrawn { alloc, driver }.into(),
        AllocsKept::KIND => {
            let others = (0..dice.below(3)).map(|_| dice.alloc());
            let allocs = others.chain([alloc]).collect();
            AllocsKept { driver, allocs, interval: dice.millis() }.into()
        }
        AllocFreed::KIND => AllocFreed { alloc, driver, instance }.into(),
        ExecSubmitted::KIND => {
            ExecSubmitted { exec, alloc, driver, instance, config: config(dice) }.into()
        }
        ExecKillRequested::KIND => {
            let signal = dice.signed();
            ExecKillRequested { exec, alloc, driver, instance, signal }.into()
        }
        DriverLeft::KIND => DriverLeft { driver }.into(),
        _ => return None,
    })
}

fn requested(place: Place, dice: &mut Dice<'_>) -> AllocRequested {
    let Place { alloc, driver, instance, .. } = place;
    let min = dice.resources();
    let max = if dice.rarely(8) { dice.resources() } else { min.clone() };
    let width = if dice.rarely(8) { dice.short() } else { 1 };
    let market = dice.rarely(8).then(|| market(dice));
    let instance = dice.rarely(8).then_some(instance);
    let only = if dice.rarely(8) { dice.only() } else { Only::default() };
    AllocRequested {
        alloc,
        driver,
        requirements: Requirements { min, max, width },
        constraint: Constraint { instance, market, only, alone: None },
        priority: dice.signed(),
        labels: dice
            .rarely(4)
            .then(|| (dice.text().into(), dice.text().into()))
            .into_iter()
            .collect(),
        lease: dice.rarely(2).then(|| dice.millis()),
    }
}

fn config(dice: &mut Dice<'_>) -> ExecConfig {
    ExecConfig {
        image: dice.rarely(4).then(|| dice.text()),
        command: (0..dice.below(3)).map(|_| dice.text()).collect(),
        env: dice.rarely(4).then(|| (dice.text(), dice.text())).into_iter().collect(),
        workdir: dice.rarely(4).then(|| dice.text()),
        limits: dice.rarely(4).then(|| dice.resources()),
        timeout: dice.rarely(4).then(|| dice.millis()),
    }
}

fn ops(kind: &str, place: Place, dice: &mut Dice<'_>) -> Option<Event> {
    let Place { alloc, instance, driver, .. } = place.clone();
    Some(match kind {
        DriverWeighted::KIND => DriverWeighted { driver, weight: dice.short() }.into(),
        DriverBudgetSet::KIND => {
            let max_hourly_cost = dice.rarely(2).then(|| dice.price());
            DriverBudgetSet { driver, max_hourly_cost }.into()
        }
        ProbeDone::KIND => ProbeDone {
            instance,
            launch: place.launch,
            kind: dice.text().into(),
            zone: dice.text().into(),
            market: market(dice),
            promised: dice.resources(),
            resources: dice.resources(),
            accepted: dice.millis(),
            booted: dice.millis(),
            usable: dice.millis(),
        }
        .into(),
        PolicySet::KIND => PolicySet { policy: policy(dice) }.into(),
        InstanceHeld::KIND => InstanceHeld { instance }.into(),
        InstanceDrained::KIND => InstanceDrained { instance }.into(),
        InstanceResumed::KIND => InstanceResumed { instance }.into(),
        InstanceKilled::KIND => InstanceKilled { instance }.into(),
        AllocKilled::KIND => AllocKilled { alloc }.into(),
        LaunchesFrozen::KIND => LaunchesFrozen { reason: dice.text() }.into(),
        LaunchesThawed::KIND => LaunchesThawed {}.into(),
        _ => return None,
    })
}

/// A policy that mostly can be followed, and rarely limits nothing at all.
#[must_use]
pub fn policy(dice: &mut Dice<'_>) -> Policy {
    let unlimited = dice.rarely(4);
    Policy {
        max_hourly_cost: if unlimited { Micros(u64::MAX) } else { dice.price() },
        max_pending: if unlimited { u32::MAX } else { dice.short() },
        max_instances: if unlimited { u32::MAX } else { dice.short() },
        min_instances: u32::from(dice.below(3)),
        max_per_zone: dice.rarely(4).then(|| dice.short()),
        label_budgets: dice.rarely(4).then(|| (label(dice), dice.price())).into_iter().collect(),
        offerings: (0..dice.below(3)).map(|_| offering(dice)).collect(),
        idle_timeout: dice.millis(),
        boot_timeout: Millis(1000).max(dice.millis()),
        unreachable_after: Millis(3000).max(dice.millis()),
        lease: Millis(1).max(dice.millis()),
        max_lease: Millis(1).max(dice.millis()),
        retention: dice.millis(),
        ..Policy::default()
    }
}

fn label(dice: &mut Dice<'_>) -> SmolStr {
    format_smolstr!("{}={}", dice.text(), dice.text())
}

fn offering(dice: &mut Dice<'_>) -> Offering {
    let mut resources = dice.resources();
    resources.cpu = resources.cpu.saturating_mul(4);
    resources.memory = resources.memory.saturating_mul(4);
    let (kind, zone) = (format!("type{}", dice.below(2)).into(), "zone".into());
    let (market, price) = (market(dice), dice.price());
    let cap = dice.rarely(2).then(|| dice.price());
    let links = if dice.rarely(2) {
        Links { network: dice.short().into(), ebs: dice.short().into() }
    } else {
        Links::default()
    };
    Offering { kind, zone, market, price, cap, resources, links }
}

fn market(dice: &mut Dice<'_>) -> Market {
    if dice.rarely(2) { Market::Spot } else { Market::OnDemand }
}
