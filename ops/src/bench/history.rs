//! A made-up history of a busy cluster, every record of which counts: drivers that ask, allocs that
//! are granted and kept, execs that run and end.

use anyhow::ensure;
use bytes::Bytes;
use replay::fold::message;
use replay::log::{Entry, Stored};
use replay_core::State;
use replay_core::snapshot::FOLD_VERSION;
use schema::codec;
use schema::event::{
    AllocClosed, AllocFreed, AllocGranted, AllocOpened, AllocRequested, AllocsKept, DriverJoined,
    Event, ExecConfig, ExecExited, ExecStarted, ExecSubmitted, Genesis, InstanceBooted,
    LaunchRequested, LeaderElected, LogDigest, Usage,
};
use schema::id::{AllocId, AuthorId, ClusterId, DriverId, ExecId, InstanceId, LaunchId};
use schema::policy::worth::Links;
use schema::policy::{Offering, Policy};
use schema::record::Record;
use schema::requirements::{Constraint, Market, Requirements};
use schema::resources::Resources;
use schema::subject::Subject;
use schema::unit::{Epoch, LogTime, Micros, Millis};
use schema::why::{GrantWhy, LaunchWhy};
use std::collections::BTreeMap;
use uuid::Uuid;

const DRIVERS: usize = 20;
const INSTANCES: usize = 60;
/// Allocs that are there at the same time.
const WAVE: usize = 240;
const EXECS: usize = 8;
const KEEPALIVES: usize = 4;
const LEASE: Millis = Millis::from_secs(120);
/// Log time from one record to the next, in nanoseconds.
const STEP: u64 = 1_000_000;

/// Appends records as their authors would.
#[derive(Clone)]
pub(super) struct Writer {
    cluster: ClusterId,
    pub(super) state: State,
    pub(super) records: Vec<Stored>,
    numbers: BTreeMap<AuthorId, u64>,
}

/// An alloc on its way.
struct Work {
    alloc: AllocId,
    driver: DriverId,
    instance: InstanceId,
}

/// The whole history, at least `count` records long; ids, sizes and their shares are those of a
/// workflow with many short tasks.
pub(super) fn history(cluster: &ClusterId, count: usize) -> anyhow::Result<Vec<Stored>> {
    let mut writer = Writer::new(cluster);
    writer.records.reserve(count);
    let policy = Policy { offerings: vec![offering()], ..Policy::default() };
    let (drivers, instances) = writer.open(policy, INSTANCES)?;
    let mut made = 0;
    while writer.records.len() < count {
        writer.wave(&drivers, &instances, &mut made)?;
    }
    Ok(writer.records)
}

/// The same records, to be appended.
pub(super) fn entries(records: &[Stored]) -> Vec<Entry> {
    let entry = |stored: &Stored| Entry {
        subject: stored.subject.clone(),
        payload: stored.payload.clone(),
    };
    records.iter().map(entry).collect()
}

impl Writer {
    /// Of an empty log.
    pub(super) fn new(cluster: &ClusterId) -> Writer {
        Writer {
            cluster: cluster.clone(),
            state: State::default(),
            records: Vec::new(),
            numbers: BTreeMap::new(),
        }
    }

    /// One record, which must have its effect.
    pub(super) fn put(
        &mut self,
        author: &AuthorId,
        epoch: u64,
        event: impl Into<Event>,
    ) -> anyhow::Result<()> {
        let number = self.numbers.entry(author.clone()).or_default();
        *number += 1;
        let record = Record {
            version: schema::SCHEMA_VERSION,
            author: author.clone(),
            incarnation: Uuid::from_u128(1),
            number: *number,
            cause: self.state.head.applied,
            epoch: Epoch(epoch),
            must_understand: false,
            event: event.into(),
        };
        let seq = self.state.head.applied.next();
        let stored = Stored {
            seq,
            time: LogTime(seq.0 * STEP),
            subject: Subject::of(&self.cluster, author, &record.event).to_string(),
            payload: Bytes::from(codec::encode(&record)?),
        };
        let outcome = self.state.apply(message(&stored));
        ensure!(outcome == replay_core::Outcome::Applied, "{outcome:?}: {:?}", record.event);
        self.records.push(stored);
        Ok(())
    }

    /// Begins the log: a leader, drivers, and so many instances that are up.
    pub(super) fn open(
        &mut self,
        policy: Policy,
        count: usize,
    ) -> anyhow::Result<(Vec<DriverId>, Vec<InstanceId>)> {
        let (leader, offering) = (AuthorId::new("r-1")?, offering());
        let cluster = self.cluster.clone();
        self.put(&leader, 0, Genesis { cluster, generation: 1, policy, previous: None })?;
        self.put(
            &leader,
            1,
            LeaderElected { replica: leader.clone(), epoch: Epoch(1), fold: FOLD_VERSION },
        )?;
        let mut instances = Vec::new();
        for n in 0..count {
            let (launch, instance) =
                (LaunchId::new(format!("l-{n}"))?, InstanceId::new(format!("i-{n}"))?);
            let requested = LaunchRequested {
                launch: launch.clone(),
                attempt: 1,
                offering: offering.clone(),
                count: 1,
                reserved_for: Vec::new(),
                why: LaunchWhy::MinInstances { floor: 1 },
            };
            self.put(&leader, 1, requested)?;
            let booted = InstanceBooted {
                instance: instance.clone(),
                launch,
                resources: offering.resources.clone(),
                address: "http://10.0.0.1:4000".into(),
                version: "1".into(),
                boot: Millis(1),
                runtimes: vec!["process".into()],
                proof: None,
            };
            self.put(&AuthorId::from(&instance), 0, booted)?;
            instances.push(instance);
        }
        let mut drivers = Vec::new();
        for n in 0..DRIVERS {
            let driver = DriverId::new(format!("d-{n}"))?;
            let joined = DriverJoined { driver: driver.clone(), version: "1".into() };
            self.put(&AuthorId::from(&driver), 0, joined)?;
            drivers.push(driver);
        }
        Ok((drivers, instances))
    }

    /// Many allocs, each from its request to its end.
    pub(super) fn wave(
        &mut self,
        drivers: &[DriverId],
        instances: &[InstanceId],
        made: &mut u64,
    ) -> anyhow::Result<()> {
        let mut all = Vec::with_capacity(WAVE);
        for n in 0..WAVE {
            *made += 1;
            let (driver, instance) = (&drivers[n % DRIVERS], &instances[n % INSTANCES]);
            let alloc = AllocId::made(*made, *made);
            all.push(Work { alloc, driver: driver.clone(), instance: instance.clone() });
        }
        all.iter().try_for_each(|work| self.ask(work))?;
        all.iter().try_for_each(|work| self.grant(work))?;
        for turn in 0..EXECS {
            if turn % (EXECS / KEEPALIVES) == 0 {
                self.keep(drivers, &all)?;
            }
            for work in &all {
                *made += 1;
                self.exec(work, &ExecId::made(*made, *made))?;
            }
        }
        all.iter().try_for_each(|work| self.end(work))
    }

    fn ask(&mut self, work: &Work) -> anyhow::Result<()> {
        let requested = AllocRequested {
            alloc: work.alloc.clone(),
            driver: work.driver.clone(),
            requirements: Requirements::exactly(amount(1)),
            constraint: Constraint::default(),
            priority: 0,
            labels: BTreeMap::new(),
            lease: Some(LEASE),
        };
        self.put(&AuthorId::from(&work.driver), 0, requested)
    }

    fn grant(&mut self, work: &Work) -> anyhow::Result<()> {
        let Work { alloc, driver, instance } = work;
        let granted = AllocGranted {
            alloc: alloc.clone(),
            driver: driver.clone(),
            instance: instance.clone(),
            resources: amount(1),
            lease: LEASE,
            address: "http://10.0.0.1:4000".into(),
            grace: AllocGranted::GRACE,
            why: GrantWhy::Named,
        };
        self.put(&AuthorId::new("r-1")?, 1, granted)?;
        let (alloc, driver, instance) = (alloc.clone(), driver.clone(), instance.clone());
        self.put(&AuthorId::from(&work.instance), 0, AllocOpened { alloc, driver, instance })
    }

    fn keep(&mut self, drivers: &[DriverId], all: &[Work]) -> anyhow::Result<()> {
        for driver in drivers {
            let own = all.iter().filter(|work| work.driver == *driver);
            let allocs = own.map(|work| work.alloc.clone()).collect();
            let kept = AllocsKept { driver: driver.clone(), allocs, interval: LEASE };
            self.put(&AuthorId::from(driver), 0, kept)?;
        }
        Ok(())
    }

    fn exec(&mut self, work: &Work, exec: &ExecId) -> anyhow::Result<()> {
        let ids = || (exec.clone(), work.alloc.clone(), work.driver.clone(), work.instance.clone());
        let command = ["sh", "-c", "align --threads 1 reads.fastq > aligned.bam"];
        let command = command.map(str::to_owned).to_vec();
        let (exec, alloc, driver, instance) = ids();
        let config = ExecConfig { command, ..ExecConfig::default() };
        let submitted = ExecSubmitted { exec, alloc, driver, instance, config };
        self.put(&AuthorId::from(&work.driver), 0, submitted)?;
        let agent = AuthorId::from(&work.instance);
        let (exec, alloc, driver, instance) = ids();
        let handle = "4242".into();
        self.put(&agent, 0, ExecStarted { exec, alloc, driver, instance, handle })?;
        let (exec, alloc, driver, instance) = ids();
        let usage = Usage { wall: Millis(900), cpu: Millis(850), memory_peak: 64 << 20 };
        let logs = LogDigest::default();
        self.put(&agent, 0, ExecExited { exec, alloc, driver, instance, code: 0, usage, logs })
    }

    fn end(&mut self, work: &Work) -> anyhow::Result<()> {
        let ids = || (work.alloc.clone(), work.driver.clone(), work.instance.clone());
        let (alloc, driver, instance) = ids();
        self.put(&AuthorId::from(&work.driver), 0, AllocFreed { alloc, driver, instance })?;
        let (alloc, driver, instance) = ids();
        self.put(&AuthorId::from(&work.instance), 0, AllocClosed { alloc, driver, instance })
    }
}

pub(super) fn amount(count: u64) -> Resources {
    Resources { cpu: 1000 * count, memory: count << 30, ..Resources::default() }
}

/// What every instance is bought as.
pub(super) fn offering() -> Offering {
    let (kind, zone, market) = ("local.large".into(), "local-a".into(), Market::OnDemand);
    Offering {
        kind,
        zone,
        market,
        price: Micros(96_000),
        cap: None,
        resources: amount(64),
        links: Links::default(),
    }
}
