//! The world of one seed: who is there, what is under way, and what time it is.

use crate::agent::Agent;
use crate::cloud::Cloud;
use crate::driver::Driver;
use crate::faults::Faults;
use crate::log::Log;
use crate::oracle::Observer;
use crate::replica::Controller;
use crate::rng::Rng;
use controlplane_core::Moment;
use controlplane_core::effects::{Call, News};
use controlplane_core::round::{Answer, Append};
use replay_core::author::Line;
use schema::id::{ClusterId, InstanceId};
use schema::policy::{Offering, Policy};
use schema::requirements::Market;
use schema::resources::Resources;
use schema::unit::{Epoch, Micros, Millis, Seq};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How long things go wrong, and how long all may take to come to rest after that, in milliseconds.
const CHAOS: u64 = 40_000;
const REST: u64 = 400_000;
/// Longest time between two turns of anybody.
const TICK: u64 = 100;
/// How long an author waits for an answer that does not come.
const UNANSWERED: u64 = 2000;
const SECOND: u64 = 1000;

/// Somebody who takes turns.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Node {
    Replica(usize),
    Agent(InstanceId),
    Driver(usize),
}

/// Something that will happen.
enum What {
    Turn(Node),
    Arrive(Flight, Option<u64>),
    Answer(Node, u64, Answer),
    End(usize, u64, Seq),
    Call(usize, u64, Call),
    News(usize, u64, News),
    Leads(usize, Epoch),
    Lives(usize, InstanceId),
    Boot(InstanceId),
    Beat(InstanceId),
    Start(Node, u64),
    Mishaps,
}

/// An append on its way.
struct Flight {
    from: Node,
    life: u64,
    lines: Arc<Vec<Line>>,
    fence: Option<Seq>,
}

/// What came of a seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Everything that must not be; empty if the system is sound.
    pub found: Vec<String>,
    /// Records on the log.
    pub records: u64,
    /// Turns that were taken.
    pub steps: u64,
    /// Virtual time until all was quiet, in milliseconds.
    pub took: u64,
    /// Records without an effect, by reason.
    pub voids: BTreeMap<String, u64>,
    /// The digest of the final state.
    pub digest: String,
}

struct World {
    rng: Rng,
    faults: Faults,
    now: u64,
    ahead: u64,
    queue: BTreeMap<(u64, u64), What>,
    ties: u64,
    turns: BTreeMap<Node, u64>,
    steps: u64,
    cluster: ClusterId,
    policy: Policy,
    log: Log,
    cloud: Cloud,
    observer: Observer,
    replicas: Vec<Controller>,
    agents: BTreeMap<InstanceId, Agent>,
    drivers: Vec<Driver>,
    /// Counts how often each was started; what is told to an earlier life is not heard.
    lives: BTreeMap<Node, u64>,
    in_flight: BTreeSet<Node>,
    cut: BTreeMap<Node, u64>,
    stands: BTreeMap<Node, u64>,
    errors: Vec<String>,
}

fn policy() -> Policy {
    let offering = |name: &str, cores: u64, price, market| Offering {
        kind: name.into(),
        zone: "z".into(),
        market,
        price: Micros(price),
        resources: Resources { cpu: cores * 1000, memory: 8 << 30, ..Resources::default() },
    };
    Policy {
        max_hourly_cost: Micros(700_000),
        max_pending: 3,
        max_instances: 6,
        offerings: vec![
            offering("small", 2, 60_000, Market::OnDemand),
            offering("large", 8, 200_000, Market::OnDemand),
            offering("large", 8, 70_000, Market::Spot),
        ],
        idle_timeout: Millis::from_secs(8),
        boot_timeout: Millis::from_secs(20),
        unreachable_after: Millis::from_secs(5),
        unreachable_grace: Millis::from_secs(5),
        lease: Millis::from_secs(10),
        max_lease: Millis::from_secs(20),
        grace: Millis::from_secs(5),
        ..Policy::default()
    }
}

/// Runs one seed, with the faults that it draws.
#[must_use]
pub fn run(seed: u64) -> Report {
    let mut rng = Rng::new(seed);
    let faults = Faults::draw(&mut rng);
    World::new(rng, faults).run(seed)
}

impl World {
    fn new(mut rng: Rng, faults: Faults) -> World {
        let cluster = ClusterId::made(0, rng.draw());
        let (replicas, drivers) = (rng.between(2, 5), rng.between(1, 5));
        let drivers = (0..drivers).map(|n| Driver::new(&cluster, n, &mut rng)).collect();
        let mut world = World {
            rng,
            faults,
            now: SECOND,
            ahead: 0,
            queue: BTreeMap::new(),
            ties: 0,
            turns: BTreeMap::new(),
            steps: 0,
            cluster,
            policy: policy(),
            log: Log::default(),
            cloud: Cloud::default(),
            observer: Observer::default(),
            replicas: Vec::new(),
            agents: BTreeMap::new(),
            drivers,
            lives: BTreeMap::new(),
            in_flight: BTreeSet::new(),
            cut: BTreeMap::new(),
            stands: BTreeMap::new(),
            errors: Vec::new(),
        };
        for n in 0..usize::try_from(replicas).unwrap_or(2) {
            world.start_replica(n);
        }
        for n in 0..world.drivers.len() {
            let at = world.rng.between(500, 10_000);
            world.after(at, What::Start(Node::Driver(n), 0));
        }
        world.after(SECOND, What::Mishaps);
        world
    }

    fn after(&mut self, wait: u64, what: What) {
        self.ties += 1;
        self.queue.insert((self.now + wait, self.ties), what);
    }

    /// Makes sure that somebody's turn comes after `wait` at the latest.
    fn turn_after(&mut self, node: &Node, wait: u64) {
        let at = self.now + wait;
        if self.turns.get(node).is_none_or(|due| at < *due) {
            self.turns.insert(node.clone(), at);
            self.after(wait, What::Turn(node.clone()));
        }
    }

    fn latency(&mut self) -> u64 {
        1 + self.rng.below(self.faults.latency)
    }

    fn life(&self, node: &Node) -> u64 {
        self.lives.get(node).copied().unwrap_or_default()
    }

    fn is_cut(&self, node: &Node) -> bool {
        self.cut.get(node).is_some_and(|until| self.now < *until)
    }

    fn run(mut self, seed: u64) -> Report {
        let mut quiet = false;
        while let Some(((at, _), what)) = self.queue.pop_first() {
            self.now = at;
            if self.now > CHAOS + REST {
                break;
            }
            self.happen(what);
            self.errors.append(&mut self.observer.broken);
            quiet = self.now > CHAOS && self.is_quiet();
            if quiet || !self.errors.is_empty() {
                break;
            }
        }
        self.finish(seed, quiet)
    }

    fn is_quiet(&self) -> bool {
        self.drivers.iter().all(|driver| driver.done)
            && self.observer.quiet()
            && self.cloud.machines.values().all(|machine| !machine.there(self.now))
            && self.agents.values().all(|agent| !agent.up)
    }

    fn finish(mut self, seed: u64, quiet: bool) -> Report {
        let mut found = std::mem::take(&mut self.errors);
        if !quiet && found.is_empty() {
            found.push(format!("it does not come to rest: {}", self.unrest()));
        }
        let voids = self.observer.voids.iter().map(|(void, count)| (format!("{void:?}"), *count));
        let voids = voids.collect();
        let World { observer, log, cloud, agents, replicas, now, steps, .. } = self;
        let records = log.end().0;
        let (mut state, more) = observer.verdict(now, &log, &cloud, &agents, &replicas);
        if found.is_empty() {
            found.extend(more);
        }
        let digest = state.digest().to_string();
        Report { seed, found, records, steps, took: now, voids, digest }
    }

    fn unrest(&self) -> String {
        let state = &self.observer.state;
        let drivers = self.drivers.iter().filter(|driver| !driver.done).count();
        let there = self.cloud.machines.values().filter(|m| m.there(self.now)).count();
        format!(
            "{drivers} drivers, {} waiting, {} held, {} launches, {} instances, {there} machines, leader {:?}",
            state.index.waiting.len(),
            state.index.on_instance.len(),
            state.index.open_launches.len(),
            state.index.live_instances.len(),
            state.head.leader.holder,
        )
    }

    fn happen(&mut self, what: What) {
        match what {
            What::Turn(node) => {
                if self.turns.get(&node) == Some(&self.now) {
                    self.turns.remove(&node);
                    self.turn(&node);
                }
            }
            What::Arrive(flight, answer) => self.arrive(&flight, answer),
            What::Answer(node, life, answer) if life == self.life(&node) => {
                self.answered(&node, answer);
            }
            What::End(n, life, seq) if life == self.life(&Node::Replica(n)) => {
                self.replicas[n].core.end(Some(seq));
                self.turn_after(&Node::Replica(n), 0);
            }
            What::Call(n, life, call) => self.call(n, life, call),
            What::News(n, life, news) if life == self.life(&Node::Replica(n)) => {
                self.replicas[n].core.news(Moment(self.now), news);
                self.turn_after(&Node::Replica(n), 0);
            }
            What::Leads(n, epoch) => self.replicas[n].core.heard_leader(Moment(self.now), epoch),
            What::Lives(n, id) => self.replicas[n].core.heard_agent(Moment(self.now), &id),
            What::Boot(id) => self.boot(&id),
            What::Beat(id) => self.beat(id),
            What::Start(node, life) if life == self.life(&node) => self.start(&node),
            What::Mishaps => self.mishaps(),
            What::Answer(..) | What::End(..) | What::News(..) | What::Start(..) => {}
        }
    }
}

mod mishap;
mod network;
mod turn;
