//! Instances that take allocs: what each has left, and what is kept beside it so that nobody has to work it
//! out for every request that looks at it.

use replay_core::state::budget::share;
use replay_core::state::instance::Instance;
use schema::id::{AllocId, InstanceId};
use schema::resources::Resources;
use std::collections::BTreeMap;

/// All of them, by id.
pub(super) type Spaces<'a> = BTreeMap<&'a InstanceId, Space<'a>>;

/// Somebody who waits and to whom others give way, and what he asked with.
pub(super) type Promise<'a> = (&'a AllocId, i32);

/// An instance that takes allocs.
#[derive(Debug, Clone)]
pub(super) struct Space<'a> {
    pub(super) instance: &'a Instance,
    /// To whom others give way there: none who asked with no more than he is given anything.
    pub(super) promised: Option<Promise<'a>>,
    free: Resources,
    in_vain: u64,
}

impl<'a> Space<'a> {
    /// What an instance has left before the round gives anything.
    pub(super) fn of(instance: &'a Instance) -> Space<'a> {
        let free = instance.free();
        Space { instance, promised: None, in_vain: in_vain(instance, &free), free }
    }

    /// What is left, after this round's grants.
    pub(super) fn free(&self) -> &Resources {
        &self.free
    }

    /// What is paid for in vain per hour, in micro-dollars.
    pub(super) fn in_vain(&self) -> u64 {
        self.in_vain
    }

    /// Gives so much of it away.
    pub(super) fn take(&mut self, amount: &Resources) {
        self.free = self.free.minus(amount);
        self.in_vain = in_vain(self.instance, &self.free);
    }
}

/// Whether somebody may have what is free where this is promised, or it is kept for another.
pub(super) fn is_open(promised: Option<Promise<'_>>, id: &AllocId, priority: i32) -> bool {
    let kept = promised.filter(|(by, _)| *by != id);
    kept.is_none_or(|(_, than)| than < priority)
}

/// What is paid per hour, in micro-dollars, for what nobody uses of an instance that is less than half in
/// use: it may become empty, and go, if others have room for who comes. Of any other: nothing.
fn in_vain(instance: &Instance, free: &Resources) -> u64 {
    let price = instance.offering.at_most().0;
    let used = share(&instance.resources.minus(free), &instance.offering).0;
    if used.saturating_mul(2) >= price { 0 } else { price - used }
}

/// One number for an amount of resources: a core weighs as much as 8 GiB of memory, 100 GiB of disk
/// or one of a feature.
pub(super) fn size(amount: &Resources) -> u64 {
    weigh([amount.cpu, amount.memory, amount.disk], amount.features.values().copied())
}

/// The same of what stays of an amount from which so much is taken.
pub(super) fn size_without(amount: &Resources, less: &Resources) -> u64 {
    let plain = [
        amount.cpu.saturating_sub(less.cpu),
        amount.memory.saturating_sub(less.memory),
        amount.disk.saturating_sub(less.disk),
    ];
    let features = amount.features.iter();
    weigh(plain, features.map(|(name, count)| count.saturating_sub(less.feature(name))))
}

fn weigh([cpu, memory, disk]: [u64; 3], features: impl Iterator<Item = u64>) -> u64 {
    let features = features.fold(0_u64, u64::saturating_add);
    cpu.saturating_add(memory / ((8 << 30) / 1000))
        .saturating_add(disk / ((100 << 30) / 1000))
        .saturating_add(features.saturating_mul(1000))
}
