//! What drivers and labels cost per hour, and whether they may cost more.
//!
//! An alloc costs its part of what its instance can cost at most, by the largest of its parts of what
//! was bought: from the launch on that is kept for it (then by what it asks for at least), and from the
//! grant on by what it was given, until it has ended. What was bought, not what the instance turned out
//! to have: so that a grant of what was set aside never costs more than what was.

use super::State;
use super::alloc::{Alloc, AllocStatus};
use crate::void::Void;
use schema::event::{AllocGranted, DriverBudgetSet, LaunchRequested};
use schema::id::{AllocId, DriverId};
use schema::policy::{Offering, Policy};
use schema::resources::Resources;
use schema::unit::{Micros, Seq};
use smol_str::{SmolStr, format_smolstr};
use std::collections::{BTreeMap, BTreeSet};

/// Micro-dollars per hour by driver and by label, or what is added to them: never rounded or cut off, as
/// each alloc adds less than 2^64.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Costs {
    drivers: BTreeMap<DriverId, i128>,
    labels: BTreeMap<SmolStr, i128>,
}

/// A budget that is not enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Short {
    /// Whose it is: the label as `key=value`, or none for the driver's.
    pub label: Option<SmolStr>,
    /// What the others cost that it is for.
    pub used: Micros,
    /// The limit.
    pub limit: Micros,
}

impl Costs {
    /// What all allocs of this driver cost.
    #[must_use]
    pub fn of_driver(&self, driver: &DriverId) -> i128 {
        self.drivers.get(driver).copied().unwrap_or(0)
    }

    /// What all allocs with this label (`key=value`) cost.
    #[must_use]
    pub fn of_label(&self, label: &str) -> i128 {
        self.labels.get(label).copied().unwrap_or(0)
    }

    /// Drivers that have any cost.
    pub fn drivers(&self) -> impl Iterator<Item = &DriverId> {
        self.drivers.keys()
    }

    /// This alloc costs so much more, or less.
    pub fn add(&mut self, alloc: &Alloc, change: i128) {
        if change == 0 {
            return;
        }
        add(&mut self.drivers, alloc.driver.clone(), change);
        for label in labels(alloc) {
            add(&mut self.labels, label, change);
        }
    }
}

fn add<K: Ord>(costs: &mut BTreeMap<K, i128>, of: K, change: i128) {
    let sum = costs.remove(&of).unwrap_or(0) + change;
    if sum != 0 {
        costs.insert(of, sum);
    }
}

/// Its labels as budgets name them; two that read alike are one.
fn labels(alloc: &Alloc) -> BTreeSet<SmolStr> {
    alloc.labels.iter().map(|(key, value)| format_smolstr!("{key}={value}")).collect()
}

/// What so much of an instance costs per hour of which this was bought: the largest of its parts, rounded
/// up, and at most all of it. What was not bought has no price.
#[must_use]
pub fn share(amount: &Resources, of: &Offering) -> Micros {
    let (whole, price) = (&of.resources, u128::from(of.at_most().0));
    let part = |asked: u64, all: u64| match u128::from(all) {
        0 => 0,
        all => (price * u128::from(asked)).div_ceil(all).min(price),
    };
    let plain = [
        part(amount.cpu, whole.cpu),
        part(amount.memory, whole.memory),
        part(amount.disk, whole.disk),
    ];
    let features = amount.features.iter().map(|(name, count)| part(*count, whole.feature(name)));
    // No more than the price, which has as many bits.
    Micros(u64::try_from(plain.into_iter().chain(features).max().unwrap_or(0)).unwrap_or(u64::MAX))
}

/// What of an instance of which this was bought costs no more than so much: of what was not bought,
/// anything.
#[must_use]
pub fn worth(money: Micros, of: &Offering) -> Resources {
    let price = u128::from(of.at_most().0);
    let part = |all: u64| match (all, price) {
        (0, _) | (_, 0) => u64::MAX,
        _ if u128::from(money.0) >= price => u64::MAX,
        _ => u64::try_from(u128::from(all) * u128::from(money.0) / price).unwrap_or(u64::MAX),
    };
    let whole = &of.resources;
    let features = whole.features.iter().map(|(name, count)| (name.clone(), part(*count)));
    Resources {
        cpu: part(whole.cpu),
        memory: part(whole.memory),
        disk: part(whole.disk),
        features: features.collect(),
    }
}

impl State {
    /// What an alloc costs per hour now, in micro-dollars.
    #[must_use]
    pub fn cost_of(&self, alloc: &Alloc) -> Micros {
        let cost = match &alloc.status {
            AllocStatus::Waiting { reserved, .. } => {
                let launch = reserved.as_ref().and_then(|launch| self.launches.get(launch));
                launch.map(|launch| share(&alloc.requirements.floor(), &launch.offering))
            }
            AllocStatus::Granted { grant, .. } | AllocStatus::Ending { grant, .. } => {
                let instance = self.instances.get(&grant.instance);
                instance.map(|instance| share(&grant.resources, &instance.offering))
            }
            AllocStatus::Ended { .. } => None,
        };
        cost.unwrap_or_default()
    }

    /// Changes something by which these allocs may come to cost something else.
    pub(crate) fn repriced(&mut self, allocs: &[AllocId], change: impl FnOnce(&mut State)) {
        self.count_costs(allocs, -1);
        change(self);
        self.count_costs(allocs, 1);
    }

    fn count_costs(&mut self, allocs: &[AllocId], sign: i128) {
        for alloc in allocs.iter().filter_map(|id| self.allocs.get(id)) {
            let cost = self.cost_of(alloc);
            self.index.costs.add(alloc, sign * i128::from(cost.0));
        }
    }

    /// Whether there is any limit on what a driver or a label may cost.
    #[must_use]
    pub fn limits_costs(&self) -> bool {
        !self.head.budgets.is_empty() || !self.head.policy.label_budgets.is_empty()
    }

    /// The limits that hold for an alloc, and what all others cost that they are for, when `added` has
    /// been added to what there is.
    #[must_use]
    pub fn limits_of(&self, alloc: &Alloc, added: &Costs) -> Vec<Short> {
        let head = &self.head;
        if !self.limits_costs() {
            return Vec::new();
        }
        let own = i128::from(self.cost_of(alloc).0);
        let costs = &self.index.costs;
        let used = |sum: i128| Micros(u64::try_from((sum - own).max(0)).unwrap_or(u64::MAX));
        let of_driver = head.budgets.get(&alloc.driver).map(|limit| {
            let sum = costs.of_driver(&alloc.driver) + added.of_driver(&alloc.driver);
            Short { label: None, used: used(sum), limit: *limit }
        });
        let budgets = &head.policy.label_budgets;
        let of_labels = labels(alloc).into_iter().filter_map(|label| {
            let limit = *budgets.get(&label)?;
            let sum = costs.of_label(&label) + added.of_label(&label);
            Some(Short { label: Some(label), used: used(sum), limit })
        });
        of_driver.into_iter().chain(of_labels).collect()
    }

    /// Whether anything that is added to takes more than it may.
    fn affords(&self, added: &Costs) -> bool {
        let (head, costs) = (&self.head, &self.index.costs);
        let within = |limit: Option<&Micros>, sum: i128, more: i128| {
            more <= 0 || limit.is_none_or(|limit| sum + more <= i128::from(limit.0))
        };
        let mut drivers = added.drivers.iter();
        let mut labels = added.labels.iter();
        drivers.all(|(id, more)| within(head.budgets.get(id), costs.of_driver(id), *more))
            && labels.all(|(label, more)| {
                within(head.policy.label_budgets.get(label), costs.of_label(label), *more)
            })
    }

    /// Whether those may be waited for with this launch for whom it is kept.
    pub(super) fn affords_launch(&self, e: &LaunchRequested) -> bool {
        if !self.limits_costs() {
            return true;
        }
        let mut added = Costs::default();
        for id in e.reserved_for.iter().collect::<BTreeSet<_>>() {
            let Some(alloc) = self.allocs.get(id) else { continue };
            if matches!(alloc.status, AllocStatus::Waiting { .. }) {
                let after = share(&alloc.requirements.floor(), &e.offering);
                let before = self.cost_of(alloc);
                added.add(alloc, i128::from(after.0) - i128::from(before.0));
            }
        }
        self.affords(&added)
    }

    /// Whether an alloc may cost what it would with this grant, as far as who had read up to `cause`
    /// could know. Agents and drivers, which see no budgets, act on the grant all the same: one that a
    /// limit has overtaken counts.
    pub(super) fn affords_grant(&self, e: &AllocGranted, cause: Seq) -> bool {
        if !self.limits_costs() || self.head.limited > cause {
            return true;
        }
        let (alloc, instance) = (self.allocs.get(&e.alloc), self.instances.get(&e.instance));
        let (Some(alloc), Some(instance)) = (alloc, instance) else { return true };
        let after = share(&e.resources, &instance.offering);
        let mut added = Costs::default();
        added.add(alloc, i128::from(after.0) - i128::from(self.cost_of(alloc).0));
        self.affords(&added)
    }

    pub(crate) fn budget_set(&mut self, e: &DriverBudgetSet) -> Result<(), Void> {
        match e.max_hourly_cost {
            Some(limit) => self.head.budgets.insert(e.driver.clone(), limit),
            None => self.head.budgets.remove(&e.driver),
        };
        self.head.limited = self.head.applied;
        Ok(())
    }

    pub(crate) fn policy_set(&mut self, policy: &Policy) -> Result<(), Void> {
        policy.check().map_err(|_| Void::Invalid)?;
        if policy.label_budgets != self.head.policy.label_budgets {
            self.head.limited = self.head.applied;
        }
        self.head.policy = policy.clone();
        self.head.policy_first |= self.head.generation == 0;
        Ok(())
    }
}
