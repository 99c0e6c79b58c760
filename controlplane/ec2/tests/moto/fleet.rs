//! A whole controller over the real SDK: its core, a log in memory, agents that boot and are heard, and a
//! driver that asks. Time is EC2's: it goes, and the test puts it forward.

use crate::world::World;
use controlplane::cloud::{Cloud as _, Seen};
use controlplane_core::Moment;
use controlplane_core::effects::{Call, News};
use controlplane_core::replica::{Do, Replica};
use controlplane_core::round::{Answer, Append, Me};
use ec2::Ec2Cloud;
use futures::future::join_all;
use replay_core::author::Line;
use replay_core::state::alloc::AllocStatus;
use replay_core::{Message, State};
use schema::codec;
use schema::event::{
    AllocClosed, AllocFreed, AllocRequested, AllocsKept, DriverJoined, Event, InstanceBooted,
    PolicySet,
};
use schema::id::{AllocId, AuthorId, ClusterId, DriverId, InstanceId};
use schema::policy::Policy;
use schema::requirements::{Constraint, Market, Requirements};
use schema::resources::Resources;
use schema::subject::Role;
use schema::unit::{LogTime, Millis, Seq};
use schema::why::PendingWhy;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;
use targets::history::said;
use uuid::Uuid;

/// How far one turn goes, in milliseconds.
const TURN: u64 = 2000;
/// How long an instance takes to boot.
const BOOT: u64 = 4000;
/// When EC2's clock stands at 0, the log's is here.
const BEGIN: u64 = 1_790_000_000_000;

pub(crate) struct Fleet {
    core: Replica,
    cloud: Ec2Cloud,
    now: u64,
    kept: u64,
    appended: u64,
    lines: Vec<Line>,
    /// The number and time of each.
    stamps: Vec<(Seq, LogTime)>,
    /// When each instance was first on the log.
    born: BTreeMap<InstanceId, u64>,
    up: BTreeSet<InstanceId>,
    /// What the cloud was last asked by what it sells; none while nothing is sold but what the policy names.
    sells: Option<Sells>,
}

/// What the log says that a cloud sells by.
#[derive(Default, PartialEq)]
struct Sells {
    policy: Option<Policy>,
    typed: Seq,
}

impl Fleet {
    /// One that nobody has asked for anything, and that buys what its cloud sells.
    pub(crate) async fn buying(world: &World, policy: Policy) -> Fleet {
        Fleet::begin(world, policy, Some(Sells::default())).await
    }

    /// One that nobody has asked for anything.
    pub(crate) async fn start(world: &World, policy: Policy) -> Fleet {
        Fleet::begin(world, policy, None).await
    }

    async fn begin(world: &World, policy: Policy, sells: Option<Sells>) -> Fleet {
        let cluster: ClusterId = "genomics".parse().expect("an id");
        let cloud = world.cloud().await;
        let replica: AuthorId = "r-1".parse().expect("an id");
        let me = Me { cluster, replica, incarnation: Uuid::from_u128(1) };
        let mut core = Replica::new(Moment(0), me, policy);
        core.settings(cloud.settings().expect("settings"));
        core.list_every(cloud.list_every());
        let mut fleet = Fleet {
            core,
            cloud,
            now: 0,
            kept: 0,
            appended: 0,
            lines: Vec::new(),
            stamps: Vec::new(),
            born: BTreeMap::new(),
            up: BTreeSet::new(),
            sells,
        };
        fleet.turns(world, 4).await;
        fleet.say(DriverJoined { driver: driver(), version: "0".into() });
        fleet
    }

    pub(crate) fn state(&self) -> &State {
        self.core.state()
    }

    /// Somebody wants this, on a market or on any.
    pub(crate) fn ask(&mut self, name: &str, what: Resources, market: Option<Market>) {
        self.say(AllocRequested {
            alloc: name.parse().expect("an id"),
            driver: driver(),
            requirements: Requirements::exactly(what),
            constraint: Constraint { market, ..Constraint::default() },
            priority: 0,
            labels: BTreeMap::new(),
            lease: Some(Millis::from_secs(3600)),
        });
    }

    /// The driver gives back what it holds, and the agent says that nothing of it runs.
    pub(crate) fn free(&mut self, name: &str) {
        let alloc: AllocId = name.parse().expect("an id");
        let instance = match self.state().allocs.get(&alloc).map(|alloc| &alloc.status) {
            Some(AllocStatus::Granted { grant, .. }) => grant.instance.clone(),
            other => panic!("{name} is not held: {other:?}"),
        };
        let (driver, at) = (driver(), instance.clone());
        self.say(AllocFreed { alloc: alloc.clone(), driver: driver.clone(), instance: at });
        self.say(AllocClosed { alloc, driver, instance });
    }

    pub(crate) fn policy(&mut self, change: impl FnOnce(&mut Policy)) {
        let mut policy = self.state().head.policy.clone();
        change(&mut policy);
        self.say(PolicySet { policy });
    }

    /// So many seconds go by; `look` looks after each turn.
    pub(crate) async fn seconds(&mut self, world: &World, seconds: u64, look: impl Fn(&Fleet)) {
        let until = self.now + seconds * 1000;
        while self.now < until {
            self.turns(world, 1).await;
            look(self);
        }
    }

    async fn turns(&mut self, world: &World, count: u64) {
        for _ in 0..count {
            (self.now, self.appended) = (self.now + TURN, 0);
            world.proxy.advance(TURN);
            self.agents();
            self.keep();
            // Rounds follow one another until nothing is left but to wait.
            while self.turn().await {}
        }
    }

    /// What the controller wants now; whether there was anything that may lead on.
    async fn turn(&mut self) -> bool {
        let (began, now) = (Instant::now(), Moment(self.now));
        self.core.folded(0);
        self.sell();
        let wanted = self.core.step(now, self.lines.len() as u64).expect("it goes on");
        let (mut calls, mut more) = (Vec::new(), false);
        for wanted in wanted {
            match wanted {
                Do::Append(append) => {
                    more = true;
                    let last = self.append(&append);
                    self.core.answered(now, Answer::Stored(last));
                }
                Do::Call(call) => calls.push(call),
                Do::Beat(epoch) => self.core.heard_leader(now, epoch),
                Do::AskEnd => self.core.end(Some(Seq(self.lines.len() as u64))),
                Do::Stopped => {}
            }
        }
        let (cloud, sells) = (&self.cloud, self.sells.is_some());
        for news in join_all(calls.into_iter().map(|call| news(cloud, call, sells))).await {
            more |= match news {
                News::Listed(_) | News::Priced(_) | News::Scored(_) | News::Typed(None) => false,
                News::Launched(..) | News::Terminated(..) | News::Console(..) | News::Typed(_) => {
                    true
                }
            };
            self.core.news(now, news);
        }
        self.now += Millis::of(began.elapsed()).0;
        more && self.appended < 1000
    }

    /// As a process does that folds the log: what its cloud sells is asked for when that may be new.
    fn sell(&mut self) {
        let state = self.core.state();
        let policy = state.head.policy.clone();
        let now = Sells { policy: Some(policy.clone()), typed: state.head.typed };
        if self.sells.as_ref().is_none_or(|before| *before == now) {
            return;
        }
        self.cloud.types_known(state);
        self.cloud.prices(&policy).into_iter().for_each(|prices| self.core.prices(prices));
        self.sells = Some(now);
    }

    /// All that is on the log, folded up to before a record.
    pub(crate) fn replayed(&self, until: Seq) -> State {
        let mut state = State::default();
        for (line, (seq, time)) in self.lines.iter().zip(&self.stamps) {
            if *seq == until {
                break;
            }
            let (subject, payload) = (&line.subject, &line.payload);
            let message = Message { seq: *seq, time: *time, subject, payload };
            state.apply_decoded(message, codec::decode(&line.payload));
        }
        state
    }

    /// Every record with its number.
    pub(crate) fn records(&self) -> Vec<(Seq, Event)> {
        let read = |line: &Line| codec::decode(&line.payload).expect("a record").event;
        let stamps = self.stamps.iter().map(|(seq, _)| *seq);
        stamps.zip(self.lines.iter().map(read)).collect()
    }

    fn append(&mut self, append: &Append) -> Seq {
        append.lines.iter().for_each(|line| self.store(line.clone()));
        Seq(self.lines.len() as u64)
    }

    fn store(&mut self, line: Line) {
        self.lines.push(line);
        self.appended += 1;
        let line = &self.lines[self.lines.len() - 1];
        let stamp = (Seq(self.lines.len() as u64), LogTime((BEGIN + self.now) * 1_000_000));
        self.stamps.push(stamp);
        let message =
            Message { seq: stamp.0, time: stamp.1, subject: &line.subject, payload: &line.payload };
        self.core.fold(Moment(self.now), message, codec::decode(&line.payload));
    }

    fn say(&mut self, event: impl Into<Event>) {
        let event = event.into();
        let route = event.route();
        let author: AuthorId = match event.role() {
            Role::Driver => route.driver.expect("a driver").into(),
            Role::Agent => route.instance.expect("an instance").into(),
            Role::Ctl | Role::Ops => "o-1".parse().expect("an id"),
        };
        let told = said(self.state(), author, event);
        self.store(told.line);
    }

    /// Instances boot some time after they were made, and are heard from then on.
    fn agents(&mut self) {
        let live: Vec<InstanceId> = self.state().index.live_instances.iter().cloned().collect();
        for id in live {
            let born = *self.born.entry(id.clone()).or_insert(self.now);
            if self.now >= born + BOOT && self.up.insert(id.clone()) {
                let instance = self.state().instances.get(&id).expect("it is there");
                let booted = InstanceBooted {
                    instance: id.clone(),
                    launch: instance.launch.clone(),
                    resources: instance.offering.resources.clone(),
                    address: "here".into(),
                    version: "0".into(),
                    boot: Millis(BOOT),
                    runtimes: Vec::new(),
                    proof: None,
                };
                self.say(booted);
            }
            self.core.heard_agent(Moment(self.now), &id);
        }
    }

    /// The driver keeps what it holds, once a minute.
    fn keep(&mut self) {
        if self.now >= self.kept + 60_000 {
            self.kept = self.now;
            let (allocs, interval) = (self.held(), Millis::from_secs(3600));
            if !allocs.is_empty() {
                self.say(AllocsKept { driver: driver(), allocs, interval });
            }
        }
    }

    pub(crate) fn held(&self) -> Vec<AllocId> {
        let held = self.state().allocs.iter();
        let held = held.filter(|(_, a)| matches!(a.status, AllocStatus::Granted { .. }));
        held.map(|(id, _)| id.clone()).collect()
    }

    /// What each request that waits was told.
    pub(crate) fn waiting(&self) -> BTreeMap<AllocId, Option<PendingWhy>> {
        let why = |status: &AllocStatus| match status {
            AllocStatus::Waiting { why, .. } => Some(why.clone()),
            _ => None,
        };
        let all = self.state().allocs.iter();
        all.filter_map(|(id, alloc)| Some((id.clone(), why(&alloc.status)?))).collect()
    }
}

async fn news(cloud: &Ec2Cloud, call: Call, sells: bool) -> News {
    match call {
        Call::Prices(policy) if sells => News::Priced(cloud.prices_now(&policy).await),
        Call::Types(policy) if sells => News::Typed(cloud.types_now(&policy).await),
        Call::Types(_) => News::Typed(None),
        Call::Launch(order) => {
            let answer = cloud.launch(&order).await;
            News::Launched(order.launch, order.attempt, answer)
        }
        Call::Terminate(instance) => {
            let answer = cloud.terminate(&instance).await;
            News::Terminated(instance, answer)
        }
        // Nothing is sold but what the policy names.
        Call::Prices(_) => News::Priced(None),
        Call::Scores(policy) => News::Scored(cloud.scores_now(&policy).await),
        Call::Console(instance) => {
            let shown = cloud.console(&instance).await;
            News::Console(instance, shown)
        }
        Call::List => {
            let seen: Option<Vec<Seen>> = cloud.list().await.ok();
            News::Listed(seen)
        }
    }
}

fn driver() -> DriverId {
    "d-1".parse().expect("an id")
}
