//! A large fleet made up record by record: instances with allocs on each, and a queue before them.

use super::history::{Writer, amount, offering};
use anyhow::Context;
use schema::event::{AllocGranted, AllocOpened, AllocPending, AllocRequested, PolicySet};
use schema::id::{AllocId, AuthorId, ClusterId, DriverId, InstanceId};
use schema::policy::{Offering, Policy, Preemption};
use schema::requirements::{Constraint, Requirements};
use schema::resources::Resources;
use schema::unit::{Micros, Millis};
use schema::why::{GrantWhy, PendingWhy};
use std::collections::BTreeMap;

/// Allocs on each instance; they leave four cores and 4 GiB of it.
const ALLOCS: u64 = 8;
/// How many offerings there are to choose from when more is to be bought.
const OFFERINGS: u64 = 20;
/// Launches that may be under way then.
pub(super) const PENDING: u32 = 100;

/// Instances with allocs on each, and nothing that waits.
pub(super) struct Crowd {
    writer: Writer,
    pub(super) drivers: Vec<DriverId>,
    pub(super) instances: Vec<InstanceId>,
    limit: u32,
}

impl Crowd {
    /// Of so many instances, and no more may be bought.
    pub(super) fn new(cluster: &ClusterId, instances: usize) -> anyhow::Result<Crowd> {
        let limit = u32::try_from(instances)?;
        let policy = Policy {
            offerings: vec![offering()],
            max_instances: limit,
            max_hourly_cost: Micros(u64::MAX),
            ..Policy::default()
        };
        let mut writer = Writer::new(cluster);
        let (drivers, instances) = writer.open(policy, instances)?;
        let mut crowd = Crowd { writer, drivers, instances: instances.clone(), limit };
        for (at, instance) in (0..).zip(&instances) {
            for n in at * ALLOCS..(at + 1) * ALLOCS {
                crowd.occupy(instance, n)?;
            }
        }
        Ok(crowd)
    }

    fn driver(&self, n: u64) -> anyhow::Result<&DriverId> {
        let index = usize::try_from(n)? % self.drivers.len();
        self.drivers.get(index).context("there are drivers")
    }

    fn occupy(&mut self, instance: &InstanceId, n: u64) -> anyhow::Result<()> {
        let resources = Resources { cpu: 7500, memory: 15 << 29, ..Resources::default() };
        let driver = self.driver(n)?.clone();
        let alloc = ask(&mut self.writer, &driver, n, 0, resources.clone())?;
        let granted = AllocGranted {
            alloc: alloc.clone(),
            driver: driver.clone(),
            instance: instance.clone(),
            resources,
            lease: Millis::from_secs(120),
            grace: AllocGranted::GRACE,
            address: "http://10.0.0.1:4000".into(),
            why: GrantWhy::Named,
        };
        self.writer.put(&AuthorId::new("r-1")?, 1, granted)?;
        let opened = AllocOpened { alloc, driver, instance: instance.clone() };
        self.writer.put(&AuthorId::from(instance), 0, opened)
    }

    /// The same with so many requests of this priority that wait; no two ask for the same.
    pub(super) fn queue(
        &self,
        count: u64,
        priority: i32,
        need: impl Fn(u64) -> Resources,
    ) -> anyhow::Result<(Writer, Vec<AllocId>)> {
        let mut writer = self.writer.clone();
        let first = 1 << 32;
        let ask = |n| ask(&mut writer, self.driver(n)?, first + n, priority, need(n));
        let asked = (0..count).map(ask).collect::<anyhow::Result<_>>()?;
        Ok((writer, asked))
    }
}

pub(super) fn need(cpu: u64, n: u64) -> Resources {
    Resources { cpu, memory: (64 << 20) + n * 7919 % 4000 * (1 << 20) + n, ..Resources::default() }
}

fn ask(
    writer: &mut Writer,
    driver: &DriverId,
    n: u64,
    priority: i32,
    amount: Resources,
) -> anyhow::Result<AllocId> {
    let alloc = AllocId::made(n, n);
    let requested = AllocRequested {
        alloc: alloc.clone(),
        driver: driver.clone(),
        requirements: Requirements::exactly(amount),
        constraint: Constraint::default(),
        priority,
        labels: BTreeMap::new(),
        lease: None,
    };
    writer.put(&AuthorId::from(driver), 0, requested)?;
    Ok(alloc)
}

/// The same cluster when it may buy more, and has much to choose from.
pub(super) fn buying(full: &Writer) -> anyhow::Result<Writer> {
    let mut writer = full.clone();
    let offering = |n: u64| Offering {
        kind: format!("local.{n}").into(),
        price: Micros(n * 10_000 + n % 3),
        resources: amount(8 + 4 * n),
        ..offering()
    };
    let policy = Policy {
        offerings: (1..=OFFERINGS).map(offering).collect(),
        max_instances: u32::MAX,
        max_pending: PENDING,
        ..full.state.head.policy.clone()
    };
    writer.put(&AuthorId::new("o-1")?, 0, PolicySet { policy })?;
    Ok(writer)
}

/// The same cluster when those who wait may have what others hold who asked with a lower priority.
pub(super) fn preempting(full: &Writer) -> anyhow::Result<Writer> {
    let mut writer = full.clone();
    let mut policy = full.state.head.policy.clone();
    policy.fairness.preemption = Preemption::Lower;
    writer.put(&AuthorId::new("o-1")?, 0, PolicySet { policy })?;
    Ok(writer)
}

/// Tells everybody who waits what for: afterwards there is nothing more to say.
pub(super) fn tell(full: &mut Writer, crowd: &Crowd, asked: &[AllocId]) -> anyhow::Result<()> {
    let (leader, why) = (AuthorId::new("r-1")?, PendingWhy::MaxInstances { limit: crowd.limit });
    for (n, alloc) in (0..).zip(asked) {
        let (alloc, driver) = (alloc.clone(), crowd.driver(n)?.clone());
        full.put(&leader, 1, AllocPending { alloc, driver, why: why.clone() })?;
    }
    Ok(())
}
