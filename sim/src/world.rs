//! The world of one history: who is there, what is under way, and what time it is.

use crate::agent::Agent;
use crate::case::{Case, Report};
use crate::cloud::Cloud;
use crate::crash::{self, After, Crash, Names};
use crate::driver::Driver;
use crate::faults::Faults;
use crate::log::Log;
use crate::oracle::{Observer, Truth, verdict};
use crate::replica::Controller;
use crate::rng::Rng;
use crate::scenario::Ailment;
use crate::setting::{HUGE, Setting};
use crate::story;
use controlplane_core::effects::{Call, News};
use controlplane_core::prices::Prices;
use controlplane_core::round::{Answer, Append};
use replay_core::author::Line;
use schema::event::Interruption;
use schema::id::{ClusterId, InstanceId};
use schema::policy::Policy;
use schema::unit::{Epoch, Seq};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

mod mishap;
mod network;
mod trials;
mod turn;

use trials::Trials;

/// How long things go wrong, and how long all may take to come to rest after that, in milliseconds.
const CHAOS: u64 = 40_000;
const REST: u64 = 400_000;
/// Longest time between two turns of anybody.
const TICK: u64 = 100;
/// How long an author waits for an answer that does not come.
const UNANSWERED: u64 = 2000;
const SECOND: u64 = 1000;

/// Somebody who takes turns, or at least writes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Node {
    Replica(usize),
    Agent(InstanceId),
    Driver(usize),
    /// An operator, or a stranger: they say something once and do not wait for an answer.
    Passer,
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
    Notice(InstanceId, Interruption, u64),
    /// What an instance suffers from shows.
    Ail(InstanceId, Ailment),
    Halve,
    Mishaps,
}

/// An append on its way.
#[derive(Clone)]
struct Flight {
    from: Node,
    life: u64,
    lines: Arc<Vec<Line>>,
    fence: Option<Seq>,
}

pub(crate) struct World {
    rng: Rng,
    faults: Faults,
    crash: Option<Crash>,
    /// Where the log ended when it came to the crash that was asked for, and what that has interrupted.
    crashed: Option<(Seq, Vec<Names>)>,
    now: u64,
    /// How far the log's clock is ahead, in milliseconds.
    ahead: i64,
    queue: BTreeMap<(u64, u64), What>,
    ties: u64,
    turns: BTreeMap<Node, u64>,
    steps: u64,
    cluster: ClusterId,
    policy: Policy,
    scale: u64,
    prices: Option<Prices>,
    /// How long things go wrong, in milliseconds.
    chaos: u64,
    /// What a scenario does to instances.
    trials: Trials,
    log: Log,
    cloud: Cloud,
    observer: Observer,
    replicas: Vec<Controller>,
    agents: BTreeMap<InstanceId, Agent>,
    drivers: Vec<Driver>,
    /// Most agents that were up at once.
    most: usize,
    /// Counts how often each was started; what is told to an earlier life is not heard.
    lives: BTreeMap<Node, u64>,
    in_flight: BTreeSet<Node>,
    /// Who is cut off from everybody, and until when, and who from the log alone.
    cut: BTreeMap<Node, u64>,
    deaf: BTreeMap<Node, u64>,
    /// Who stands still, and until when, or stood still until then.
    stands: BTreeMap<Node, u64>,
    /// Replicas that are down.
    away: BTreeSet<usize>,
    errors: Vec<String>,
}

impl World {
    pub(crate) fn new(case: &Case) -> World {
        let mut rng = Rng::new(case.seed);
        let setting = match case {
            Case { scenario: Some(scenario), .. } => Setting::of(scenario),
            Case { crowd: true, .. } => Setting::crowd(&mut rng),
            Case { seed, .. } if seed % HUGE == HUGE / 2 => Setting::huge(&mut rng),
            Case { .. } => Setting::draw(&mut rng),
        };
        let faults = match &case.scenario {
            Some(scenario) => Faults::given(&mut rng, &scenario.faults),
            None => Faults::draw(&mut rng, case.only.clone()),
        };
        let cluster = ClusterId::made(0, rng.draw());
        let driver = |n| Driver::new(&cluster, n, &setting, &mut rng);
        let drivers = (0..setting.drivers).map(driver).collect();
        let mut world = World {
            rng,
            faults,
            crash: case.crash.clone(),
            crashed: None,
            now: SECOND,
            ahead: 0,
            queue: BTreeMap::new(),
            ties: 0,
            turns: BTreeMap::new(),
            steps: 0,
            cluster,
            policy: setting.policy,
            scale: setting.scale,
            chaos: case.scenario.as_ref().map_or(CHAOS, |scenario| scenario.until),
            cloud: Cloud::selling(setting.prices.clone(), case.scenario.as_ref()),
            trials: Trials::of(case.scenario.as_ref()),
            prices: setting.prices,
            log: Log::default(),
            observer: Observer::default(),
            replicas: Vec::new(),
            agents: BTreeMap::new(),
            drivers,
            most: 0,
            lives: BTreeMap::new(),
            in_flight: BTreeSet::new(),
            cut: BTreeMap::new(),
            deaf: BTreeMap::new(),
            stands: BTreeMap::new(),
            away: BTreeSet::new(),
            errors: Vec::new(),
        };
        for n in 0..usize::try_from(setting.replicas).unwrap_or(2) {
            world.start_replica(n);
        }
        for n in 0..world.drivers.len() {
            let at = world.rng.between(500, 10_000);
            world.after(at, What::Start(Node::Driver(n), 0));
        }
        world.after(SECOND, What::Mishaps);
        if let Some(at) = case.scenario.as_ref().and_then(|scenario| scenario.halved) {
            world.after(at, What::Halve);
        }
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

    fn new_life(&mut self, node: &Node) -> u64 {
        let life = self.lives.entry(node.clone()).or_default();
        *life += 1;
        *life
    }

    /// Whether somebody is out of reach of the log.
    fn is_cut(&self, node: &Node) -> bool {
        self.is_mute(node) || self.deaf.get(node).is_some_and(|until| self.now < *until)
    }

    /// Whether nobody hears them either.
    fn is_mute(&self, node: &Node) -> bool {
        self.cut.get(node).is_some_and(|until| self.now < *until)
    }

    /// Lets it all happen.
    pub(crate) fn run(mut self, case: &Case) -> Report {
        let mut quiet = false;
        while let Some(((at, _), what)) = self.queue.pop_first() {
            self.now = at;
            if self.now > self.chaos + REST {
                break;
            }
            self.happen(what);
            self.errors.append(&mut self.observer.broken);
            quiet = self.now > self.chaos && self.is_quiet();
            if quiet || !self.errors.is_empty() {
                break;
            }
        }
        self.finish(case, quiet)
    }

    fn is_quiet(&self) -> bool {
        self.away.is_empty()
            && self.drivers.iter().all(|driver| driver.done)
            && self.observer.quiet()
            && self.cloud.machines.values().all(|machine| !machine.there(self.now))
            && self.cloud.strays.values().all(|machine| !machine.there(self.now))
            && self.agents.values().all(|agent| !agent.up)
    }

    fn finish(mut self, case: &Case, quiet: bool) -> Report {
        let mut found = std::mem::take(&mut self.errors);
        if !quiet && found.is_empty() {
            found.push(format!("it does not come to rest: {}", self.unrest()));
        }
        let truth = Truth { now: self.now, cloud: &self.cloud, agents: &self.agents };
        let more = verdict(&mut self.observer, &self.log, truth, &mut self.replicas);
        if found.is_empty() {
            found.extend(more);
        }
        let mut coverage = std::mem::take(&mut self.observer.coverage);
        coverage.hits(&self.faults.hits);
        coverage.siblings(self.cloud.siblings);
        Report {
            seed: case.seed,
            work: self.work(),
            story: if found.is_empty() { Vec::new() } else { story::tail(&self.log) },
            found,
            records: self.log.end().0,
            steps: self.steps,
            agents: self.most,
            took: self.now,
            coverage,
            hits: std::mem::take(&mut self.faults.hits),
            digest: self.observer.state.digest().to_string(),
            bytes: self.log.hash(),
            after: self.crashed.map(|(seq, interrupted)| After {
                interrupted,
                records: crash::told(&self.log, seq),
            }),
        }
    }

    /// Until when what happens to a process has to wait that stands still: it learns of it when it goes
    /// on, and by then all of it comes at once.
    fn standstill(&self, what: &What) -> Option<u64> {
        let node = match what {
            What::Answer(node, ..) => node.clone(),
            What::End(n, ..) | What::News(n, ..) | What::Leads(n, _) | What::Lives(n, _) => {
                Node::Replica(*n)
            }
            _ => return None,
        };
        self.stands_until(&node)
    }

    /// Until when somebody stands still, if they do.
    fn stands_until(&self, node: &Node) -> Option<u64> {
        self.stands.get(node).copied().filter(|until| self.now < *until)
    }

    fn unrest(&self) -> String {
        let state = &self.observer.state;
        let drivers = self.drivers.iter().filter(|driver| !driver.done).count();
        let there = self.cloud.machines.values().filter(|m| m.there(self.now)).count();
        let agents = self.agents.values().filter(|agent| agent.up).count();
        format!(
            "{drivers} drivers, {} waiting, {} held, {} launches, {} instances, {there} machines, \
             {agents} agents, leader {:?}",
            state.index.waiting.len(),
            state.index.on_instance.len(),
            state.index.open_launches.len(),
            state.index.live_instances.len(),
            state.head.leader.holder,
        )
    }

    fn happen(&mut self, what: What) {
        if let Some(until) = self.standstill(&what) {
            return self.after(until - self.now, what);
        }
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
                self.news(n, news);
            }
            What::Leads(n, epoch) => self.replicas[n].heard_leader(self.now, epoch),
            What::Lives(n, id) => self.replicas[n].heard_agent(self.now, &id),
            What::Boot(id) => self.boot(&id),
            What::Beat(id) => self.beat(id),
            What::Start(node, life) if life == self.life(&node) => self.start(&node),
            What::Notice(id, what, left) => self.notice(&id, what, left),
            What::Ail(id, ailment) => self.ail(&id, ailment),
            What::Halve => self.halve(),
            What::Mishaps => self.mishaps(),
            What::Answer(..) | What::End(..) | What::News(..) | What::Start(..) => {}
        }
    }
}
