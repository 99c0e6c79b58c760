//! A cluster of one instance and one leader, written by hand, and two drivers of which one watches.

use super::View;
use replay_core::{Message, State};
use schema::codec;
use schema::event::{
    AllocClosed, AllocExpired, AllocFreed, AllocGranted, AllocOpened, AllocPending, AllocPreempted,
    AllocRefused, AllocRequested, AllocRevoked, AllocSpared, AllocWithdrawn, AllocsKept,
    DriverJoined, DriverLeft, Event, ExecConfig, ExecExited, ExecFailed, ExecOomKilled,
    ExecStarted, ExecSubmitted, Genesis, InstanceBooted, LaunchRequested, LeaderElected,
    LeaderRenewed, LeaderResigned, LogDigest, Usage,
};
use schema::id::{AllocId, AuthorId, ClusterId, DriverId, ExecId, InstanceId, LaunchId};
use schema::policy::worth::Links;
use schema::policy::{Offering, Policy};
use schema::record::Record;
use schema::requirements::{Constraint, Market, Requirements};
use schema::resources::Resources;
use schema::subject::{self, Subject};
use schema::unit::{Epoch, LogTime, Micros, Millis, Seq};
use schema::why::{
    FailureClass, GrantWhy, LaunchWhy, OomConstraint, OomVictim, PendingWhy, RefusedWhy, RevokedWhy,
};
use std::collections::BTreeMap;
use uuid::Uuid;

const LEASE: Millis = Millis(5000);

/// One thing that happens; `twist` spoils some of them.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) act: u8,
    pub(super) alloc: u8,
    pub(super) exec: u8,
    pub(super) twist: u8,
    pub(super) pause_ms: u64,
}

pub(super) struct Scene {
    pub(super) state: State,
    pub(super) view: View,
    pub(super) driver: DriverId,
    cluster: ClusterId,
    seq: Seq,
    time: LogTime,
    numbers: BTreeMap<(AuthorId, Uuid), u64>,
    life: u128,
    /// An expiry that the leader decided on, and the last record that it had read.
    expiry: Option<(AllocId, Seq)>,
}

fn id<T: std::str::FromStr<Err = schema::id::IdError>>(text: &str) -> T {
    text.parse().expect("an id")
}

fn amount(count: u64) -> Resources {
    Resources { cpu: 1000 * count, memory: count << 30, ..Resources::default() }
}

fn offering() -> Offering {
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

impl Scene {
    pub(super) fn new() -> Scene {
        let driver: DriverId = id("d-1");
        let mut scene = Scene {
            state: State::default(),
            view: View::new(driver.clone()),
            driver,
            cluster: id("test"),
            seq: Seq(0),
            time: LogTime(1),
            numbers: BTreeMap::new(),
            life: 1,
            expiry: None,
        };
        scene.open();
        scene
    }

    fn open(&mut self) {
        let (launch, instance): (LaunchId, InstanceId) = (id("l-1"), id("i-1"));
        let policy = Policy { offerings: vec![offering()], ..Policy::default() };
        let cluster = self.cluster.clone();
        self.by("r-1", 0, Genesis { cluster, generation: 1, policy, previous: None });
        for epoch in 1..=2 {
            self.by(
                "r-1",
                epoch,
                LeaderElected { replica: id("r-1"), epoch: Epoch(epoch), fold: 0 },
            );
            if epoch == 1 {
                self.by("r-1", epoch, LeaderResigned {});
            }
        }
        self.by(
            "r-1",
            2,
            LaunchRequested {
                launch: launch.clone(),
                attempt: 1,
                offering: offering(),
                count: 1,
                reserved_for: Vec::new(),
                why: LaunchWhy::MinInstances { floor: 1 },
            },
        );
        self.by(
            "i-1",
            0,
            InstanceBooted {
                instance,
                launch,
                resources: amount(64),
                address: "http://127.0.0.1:1".into(),
                version: "0".into(),
                boot: Millis(1),
                runtimes: Vec::new(),
                proof: None,
            },
        );
        // From here on the view has seen the term.
        self.own(DriverJoined { driver: self.driver.clone(), version: "0".into() });
        self.own(self.requested(&id("a-9")));
        self.by("r-1", 2, self.refused(&id("a-9")));
    }

    /// The next record of an author, as it should be.
    fn by(&mut self, author: &str, epoch: u64, event: impl Into<Event>) {
        let (author, incarnation) = (id(author), Uuid::from_u128(1));
        let number = self.next_number(&author, incarnation);
        self.put(author, incarnation, number, epoch, Seq(0), event.into());
    }

    /// The next record of the driver that watches.
    fn own(&mut self, event: impl Into<Event>) {
        let (author, incarnation) = (AuthorId::from(&self.driver), Uuid::from_u128(self.life));
        let number = self.next_number(&author, incarnation);
        self.put(author, incarnation, number, 0, Seq(0), event.into());
    }

    fn next_number(&mut self, author: &AuthorId, incarnation: Uuid) -> u64 {
        let number = self.numbers.entry((author.clone(), incarnation)).or_default();
        *number += 1;
        *number
    }

    fn put(
        &mut self,
        author: AuthorId,
        incarnation: Uuid,
        number: u64,
        epoch: u64,
        cause: Seq,
        event: Event,
    ) {
        let record = Record {
            version: schema::SCHEMA_VERSION,
            author: author.clone(),
            incarnation,
            number,
            cause,
            epoch: Epoch(epoch),
            must_understand: false,
            event,
        };
        self.seq = self.seq.next();
        let subject = Subject::of(&self.cluster, &author, &record.event).to_string();
        let payload = codec::encode(&record).expect("encodes");
        let (seq, time) = (self.seq, self.time);
        self.state.apply(Message { seq, time, subject: &subject, payload: &payload });
        let filter = subject::for_driver(&self.cluster, &self.driver);
        if replay::log::matches(&filter, &subject) {
            self.view.apply(&record, seq, time);
        }
    }

    pub(super) fn play(&mut self, step: &Step) {
        self.time = self.time + Millis(step.pause_ms);
        let (alloc, exec) = (id(&format!("a-{}", step.alloc)), id(&format!("x-{}", step.exec)));
        match step.act {
            0..=7 => self.driver_act(step, alloc, exec),
            8..=14 | 22..=24 => self.leader_act(step, alloc),
            _ => self.agent_act(step, alloc, exec),
        }
    }

    fn driver_act(&mut self, step: &Step, alloc: AllocId, exec: ExecId) {
        let (driver, instance) = (self.driver.clone(), id("i-1"));
        let event: Event = match step.act {
            0 | 1 => self.requested(&alloc).into(),
            2 => AllocWithdrawn { alloc, driver }.into(),
            3 => AllocsKept { driver, allocs: vec![alloc], interval: LEASE }.into(),
            4 => AllocFreed { alloc, driver, instance }.into(),
            5 | 6 => {
                let config = ExecConfig { command: vec!["true".into()], ..ExecConfig::default() };
                ExecSubmitted { exec, alloc, driver, instance, config }.into()
            }
            _ if step.alloc == 0 => DriverLeft { driver }.into(),
            _ => return self.next_life(step, driver),
        };
        let (author, old) = (AuthorId::from(&self.driver), Uuid::from_u128(self.life));
        match step.twist {
            // The same again, from an earlier life, with a number left out, by somebody else.
            0 => {
                self.own(event.clone());
                let number = self.next_number(&author, old) - 1;
                self.numbers.insert((author.clone(), old), number);
                self.put(author, old, number, 0, Seq(0), event);
            }
            1 => self.put(author, Uuid::from_u128(0), 1, 0, Seq(0), event),
            2 => self.put(author, old, u64::MAX, 0, Seq(0), event),
            3 => self.by("d-2", 0, event),
            _ => self.own(event),
        }
    }

    fn next_life(&mut self, step: &Step, driver: DriverId) {
        self.life += u128::from(step.twist != 0);
        self.own(DriverJoined { driver, version: "0".into() });
    }

    fn leader_act(&mut self, step: &Step, alloc: AllocId) {
        let (driver, instance) = (self.driver.clone(), id("i-1"));
        let execs_until = self.time + Millis(1000);
        let event: Event = match step.act {
            8..=10 => AllocGranted {
                alloc,
                driver,
                instance,
                resources: amount(1),
                lease: LEASE,
                grace: AllocGranted::GRACE,
                address: "http://127.0.0.1:1".into(),
                why: GrantWhy::Named,
            }
            .into(),
            11 => AllocPending { alloc, driver, why: PendingWhy::Frozen }.into(),
            12 => self.refused(&alloc).into(),
            13 => {
                let why = RevokedWhy::Interrupted;
                AllocRevoked { alloc, driver, instance, execs_until, why }.into()
            }
            22 => AllocPreempted {
                alloc,
                driver,
                instance,
                by: id("a-9"),
                notice: Millis(step.pause_ms),
                priority: 0,
                over: i32::from(step.exec),
            }
            .into(),
            23 => AllocSpared { alloc, driver, instance }.into(),
            24 => return self.take(execs_until),
            _ => return self.expire(execs_until),
        };
        match step.twist {
            0 => self.by("r-1", 1, event),
            _ => self.by("r-1", 2, event),
        }
    }

    /// Takes an alloc back for another, if its notice is over.
    fn take(&mut self, execs_until: LogTime) {
        let (time, notices) = (self.state.head.time, &self.state.index.notices);
        let due = notices.iter().find(|(until, _)| *until <= time);
        if let Some((_, alloc)) = due.cloned() {
            let (driver, instance) = (self.driver.clone(), id("i-1"));
            let why = RevokedWhy::Preempted { by: id("a-9") };
            self.by("r-1", 2, AllocRevoked { alloc, driver, instance, execs_until, why });
        }
    }

    /// Decides on an expiry, or writes of the one that was decided on.
    fn expire(&mut self, execs_until: LogTime) {
        if let Some((alloc, cause)) = self.expiry.take() {
            let (driver, instance) = (self.driver.clone(), id("i-1"));
            let event = AllocExpired { alloc, driver, instance, execs_until }.into();
            let (author, life) = (id("r-1"), Uuid::from_u128(1));
            let number = self.next_number(&author, life);
            return self.put(author, life, number, 2, cause, event);
        }
        self.by("r-1", 2, LeaderRenewed {});
        let due = self.state.index.leases.iter().find(|(until, _)| *until <= self.state.head.time);
        self.expiry = due.map(|(_, alloc)| (alloc.clone(), self.state.head.applied));
    }

    fn agent_act(&mut self, step: &Step, alloc: AllocId, exec: ExecId) {
        let (driver, instance): (_, InstanceId) = (self.driver.clone(), id("i-1"));
        let forged = step.twist == 0;
        let instance = if forged { id("i-2") } else { instance };
        let by = instance.to_string();
        let event: Event = match step.act {
            15 => AllocOpened { alloc, driver, instance }.into(),
            16 => AllocClosed { alloc, driver, instance }.into(),
            17 | 18 => ExecStarted { exec, alloc, driver, instance, handle: "1".into() }.into(),
            19 => {
                let (usage, logs) = (Usage::default(), LogDigest::default());
                ExecExited { exec, alloc, driver, instance, code: 3, usage, logs }.into()
            }
            20 => {
                let (class, message) = (FailureClass::CannotStart, String::new());
                ExecFailed { exec, alloc, driver, instance, class, message }.into()
            }
            _ => {
                let (limit, peak, sources) = (32, 31, Vec::new());
                let (victim, confidence) = (OomVictim::Main, 100);
                let ids = (exec, alloc, driver, instance);
                let (exec, alloc, driver, instance) = ids;
                ExecOomKilled {
                    exec,
                    alloc,
                    driver,
                    instance,
                    limit,
                    peak,
                    victim,
                    constraint: OomConstraint::Exec,
                    process: None,
                    killed: 1,
                    sources,
                    confidence,
                }
                .into()
            }
        };
        self.by(&by, 0, event.clone());
        if step.twist == 1 {
            let (author, life) = (id(&by), Uuid::from_u128(1));
            let number = self.next_number(&author, life) - 1;
            self.numbers.insert((author.clone(), life), number);
            self.put(author, life, number, 0, Seq(0), event);
        }
    }

    fn requested(&self, alloc: &AllocId) -> AllocRequested {
        AllocRequested {
            alloc: alloc.clone(),
            driver: self.driver.clone(),
            requirements: Requirements::exactly(amount(1)),
            constraint: Constraint::default(),
            priority: 0,
            labels: BTreeMap::new(),
            lease: Some(LEASE),
        }
    }

    fn refused(&self, alloc: &AllocId) -> AllocRefused {
        let (alloc, driver) = (alloc.clone(), self.driver.clone());
        AllocRefused { alloc, driver, why: RefusedWhy::NoOfferings }
    }
}
