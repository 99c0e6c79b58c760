//! A simulated cluster: one log, one leader, an elastic cloud, and whoever asks for capacity.

use controlplane_core::{Effect, Sight, decide, next_deadline, plan};
use replay_core::state::alloc::AllocStatus;
use replay_core::state::instance::Phase;
use replay_core::{Digest, Message, Outcome, State, invariant};
use schema::SCHEMA_VERSION;
use schema::codec;
use schema::event::{
    AllocClosed, AllocFreed, AllocRequested, DriverJoined, Event, Genesis, InstanceBooted,
    InstanceTerminated, LaunchAccepted, LeaderElected, LeaderRenewed,
};
use schema::id::{AllocId, AuthorId, ClusterId, DriverId, InstanceId};
use schema::policy::Policy;
use schema::record::Record;
use schema::requirements::{Constraint, Requirements};
use schema::resources::Resources;
use schema::subject::{Role, Subject};
use schema::unit::{Epoch, LogTime, Micros, Millis, Seq};
use std::collections::BTreeMap;
use uuid::Uuid;

/// A broken invariant, and the record after which it was found.
pub type Breach = (Seq, invariant::Breach);

/// A simulated cluster.
pub struct World {
    /// The state of its only replica.
    pub state: State,
    /// Every broken invariant; empty if the system is sound.
    pub breaches: Vec<Breach>,
    /// How many records had no effect.
    pub voids: u64,
    cluster: ClusterId,
    leader: AuthorId,
    seed: u64,
    now: LogTime,
}

impl World {
    /// A cluster with an elected leader and nothing else.
    #[must_use]
    pub fn new(seed: u64, policy: Policy) -> World {
        let cluster = ClusterId::made(0, seed);
        let leader = AuthorId::made(0, seed);
        let mut world = World {
            state: State::default(),
            breaches: Vec::new(),
            voids: 0,
            cluster: cluster.clone(),
            leader: leader.clone(),
            seed,
            now: LogTime(1_000_000_000),
        };
        let genesis = Genesis { cluster, generation: 1, policy, previous: None };
        world.append(&leader.clone(), Epoch(0), genesis);
        let elected = LeaderElected { replica: leader.clone(), epoch: Epoch(1) };
        world.append(&leader, Epoch(1), elected);
        world
    }

    /// The next random number of this seed.
    fn random(&mut self) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.seed >> 33) ^ self.seed
    }

    /// Lets time pass.
    pub fn pass(&mut self, length: Millis) {
        self.now = self.now + length;
    }

    /// Appends one record as its author would, and folds it.
    pub fn append(&mut self, author: &AuthorId, epoch: Epoch, event: impl Into<Event>) -> Outcome {
        let event = event.into();
        let incarnation = Uuid::from_u128(1);
        let number = self.state.next_number(event.role(), author, incarnation);
        let subject = Subject::of(&self.cluster, author, &event).to_string();
        let (version, cause) = (SCHEMA_VERSION, self.state.head.applied);
        let author = author.clone();
        let must_understand = false;
        let record =
            Record { version, author, incarnation, number, cause, epoch, must_understand, event };
        let payload = codec::encode(&record).unwrap_or_default();
        let seq = cause.next();
        let message = Message { seq, time: self.now, subject: &subject, payload: &payload };
        let outcome = self.state.apply(message);
        self.voids += u64::from(outcome != Outcome::Applied);
        let found = invariant::check(&self.state);
        self.breaches.extend(found.into_iter().map(|breach| (seq, breach)));
        outcome
    }

    /// A driver joins and asks for so many allocs of half a core to four cores.
    pub fn ask(&mut self, driver: &DriverId, allocs: u32) {
        let author = AuthorId::from(driver);
        let joined = DriverJoined { driver: driver.clone(), version: "sim".into() };
        self.append(&author, Epoch(0), joined);
        for _ in 0..allocs {
            let cpu = 500 * (1 + self.random() % 8);
            let need = Resources { cpu, memory: 64 << 20, ..Resources::default() };
            let alloc = AllocId::made(0, self.random());
            let (driver, requirements) = (driver.clone(), Requirements::exactly(need));
            let (constraint, labels) = (Constraint::default(), BTreeMap::new());
            let lease = None;
            let priority = i32::try_from(self.random() % 3).unwrap_or(0);
            self.append(
                &author,
                Epoch(0),
                AllocRequested { alloc, driver, requirements, constraint, priority, labels, lease },
            );
        }
    }

    /// One turn of everyone: the leader decides until it has nothing to say, the cloud does what it
    /// is told, agents boot and close, drivers free what they were given.
    pub fn turn(&mut self) {
        let (leader, epoch) = (self.leader.clone(), self.state.head.leader.epoch);
        self.append(&leader, epoch, LeaderRenewed {});
        loop {
            let sight = Sight { entropy: self.random(), ..Sight::default() };
            let round = decide(&self.state, &sight);
            if round.is_empty() {
                break;
            }
            for event in round {
                self.append(&leader, epoch, event);
            }
        }
        for effect in plan(&self.state) {
            let event = self.effect(effect);
            self.append(&leader, epoch, event);
        }
        self.agents();
        self.drivers();
    }

    fn effect(&self, effect: Effect) -> Event {
        match effect {
            Effect::Launch(launch, intent) => {
                let instance = InstanceId::made(0, self.state.head.applied.0 << 12);
                let (attempt, instances) = (intent.attempt, vec![instance]);
                LaunchAccepted { launch, attempt, instances }.into()
            }
            Effect::Terminate(instance) => InstanceTerminated { instance, cost: Micros(0) }.into(),
        }
    }

    fn agents(&mut self) {
        let booting: Vec<_> =
            self.state.instances.iter().map(|(id, i)| (id.clone(), i.clone())).collect();
        for (instance, found) in booting.into_iter().filter(|(_, i)| i.phase == Phase::Booting) {
            let booted = InstanceBooted {
                instance: instance.clone(),
                launch: found.launch,
                resources: found.resources,
                address: "sim".into(),
                version: "sim".into(),
                boot: Millis(0),
                runtimes: Vec::new(),
            };
            self.append(&AuthorId::from(&instance), Epoch(0), booted);
        }
        for (alloc, found) in self.allocs() {
            if let AllocStatus::Ending { grant, .. } = found.status {
                let (driver, instance) = (found.driver, grant.instance);
                let author = AuthorId::from(&instance);
                self.append(&author, Epoch(0), AllocClosed { alloc, driver, instance });
            }
        }
    }

    fn drivers(&mut self) {
        for (alloc, found) in self.allocs() {
            if let AllocStatus::Granted { grant, .. } = found.status {
                let (driver, instance) = (found.driver, grant.instance);
                let author = AuthorId::from(&driver);
                self.append(&author, Epoch(0), AllocFreed { alloc, driver, instance });
            }
        }
    }

    fn allocs(&self) -> Vec<(AllocId, replay_core::state::alloc::Alloc)> {
        self.state.allocs.iter().map(|(id, alloc)| (id.clone(), alloc.clone())).collect()
    }

    /// Lets time pass to the next moment at which something falls due; false if nothing will.
    pub fn skip(&mut self) -> bool {
        let deadline = next_deadline(&self.state);
        if let Some((at, _)) = deadline {
            self.now = self.now.max(at);
        }
        deadline.is_some()
    }

    /// The digest of the state.
    pub fn digest(&mut self) -> Digest {
        self.state.digest()
    }

    /// How many authors of this role have been heard.
    #[must_use]
    pub fn heard(&self, role: Role) -> usize {
        self.state.authors.iter().filter(|((r, _), _)| *r == role).count()
    }
}
