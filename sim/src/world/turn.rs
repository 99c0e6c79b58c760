//! Somebody's turn: read, think, and want things done.

use super::network::name;
use super::{Node, SECOND, TICK, What, World};
use crate::agent::Agent;
use crate::clock::Clock;
use crate::crash::{self, Names, Point};
use crate::driver::GivenUp;
use crate::faults::Fault;
use crate::forger;
use crate::replica::{Controller, Start};
use crate::rng::Rng;
use crate::setting;
use controlplane_core::replica::Do;
use controlplane_core::round::Answer;
use replay_core::State;
use replay_core::author::Line;
use schema::event::Interruption;
use schema::id::{AllocId, ExecId, InstanceId};
use schema::unit::Seq;
use std::sync::Arc;

/// Pause before a round is sent again.
const BUSY_PAUSE: u64 = 20;
/// By how much execs may outlast what a driver was told: rounds take a while to land, and an agent that
/// was killed to come back.
const OVERTIME: u64 = 3 * SECOND;
/// How often an agent says that it lives, in milliseconds.
const BEAT: u64 = 1000;
/// By how much a clock may be fast or slow, in thousandths.
const DRIFT: i64 = 50;

impl World {
    pub(super) fn start_replica(&mut self, n: usize) {
        let node = Node::Replica(n);
        // Names are for one process each.
        let name = self.new_life(&node) * 16 + n as u64 + 1;
        let clock = self.drift();
        let snapshot = self.snapshot();
        let start = Start { cluster: &self.cluster, policy: &self.policy, life: name, snapshot };
        let mut controller = Controller::start(self.now, start, clock);
        self.prices.iter().for_each(|prices| controller.core.prices(prices.clone()));
        // Where the cloud has settings, not every process was started with the same.
        if self.policy.max_hourly_cost.0.is_multiple_of(3) {
            controller.core.settings(format!("settings {}", name % 2));
        }
        if self.proves() {
            controller.core.key(forger::key());
        }
        self.away.remove(&n);
        self.stands.remove(&node);
        match self.replicas.get_mut(n) {
            Some(old) => *old = controller,
            None => self.replicas.push(controller),
        }
        self.turns.remove(&node);
        self.turn_after(&node, 0);
    }

    /// Whether instances have credentials, and have to prove themselves by them.
    pub(super) fn proves(&self) -> bool {
        self.policy.max_hourly_cost.0.is_multiple_of(6)
    }

    /// Somebody's clock.
    fn drift(&mut self) -> Clock {
        let drawn = self.faults.strikes(self.now, Fault::Drift);
        let most = DRIFT.unsigned_abs();
        Clock::fast(drawn.map_or(0, |mut rng| rng.below(2 * most + 1).cast_signed() - DRIFT))
    }

    /// What a replica that starts begins from, if that is a snapshot: of whatever age.
    fn snapshot(&mut self) -> Option<State> {
        let end = self.log.end().0;
        if end == 0 {
            return None;
        }
        let mut rng = self.faults.strikes(self.now, Fault::Snapshot)?;
        let state = self.log.state(Seq(rng.between(1, end)));
        let restored = State::restore(&state.snapshot());
        self.errors.extend(restored.as_ref().err().map(|e| format!("a snapshot is lost: {e}")));
        restored.ok()
    }

    /// Kills a process at once; a supervisor starts it again.
    pub(super) fn kill(&mut self, node: &Node) {
        let mut rng = Rng::new(self.now);
        match node {
            Node::Replica(n) => self.start_replica(*n),
            Node::Agent(id) => self.kill_agent(&id.clone(), &mut rng, false),
            Node::Driver(n) => self.kill_driver(*n, &mut rng),
            Node::Passer => {}
        }
    }

    /// An agent or a driver comes up.
    pub(super) fn start(&mut self, node: &Node) {
        // Nobody can come up who cannot read the log, nor join before there is one.
        if self.is_cut(node) || (matches!(node, Node::Driver(_)) && self.log.end().0 == 0) {
            let life = self.life(node);
            return self.after(TICK, What::Start(node.clone(), life));
        }
        if let Node::Replica(n) = node {
            return self.start_replica(*n);
        }
        self.new_life(node);
        self.in_flight.remove(node);
        self.stands.remove(node);
        match node {
            Node::Agent(id) => {
                let there = self.cloud.there(id, self.now);
                if let Some(agent) = self.agents.get_mut(id)
                    && there
                    && !agent.done
                {
                    agent.start(self.now, &self.log);
                    self.revive(id);
                    self.count_agents();
                }
            }
            Node::Driver(n) => {
                let clock = self.drift();
                self.drivers[*n].start(self.now, &self.log, clock);
            }
            Node::Replica(_) | Node::Passer => {}
        }
        self.turn_after(node, 0);
    }

    fn count_agents(&mut self) {
        let up = |id: &InstanceId, agent: &Agent| agent.up && self.cloud.there(id, self.now);
        let up = self.agents.iter().filter(|(id, agent)| up(id, agent)).count();
        self.most = self.most.max(up);
    }

    /// A new instance comes up.
    pub(super) fn boot(&mut self, id: &InstanceId) {
        let Some(machine) = self.cloud.machines.get(id).filter(|m| m.there(self.now)) else {
            return;
        };
        let launch = machine.launch.clone();
        let resources = setting::found(&self.policy, id, &machine.offering);
        let bearer = forger::bearer(&self.cluster, &launch, machine.made_for, id);
        if let Some(gone) = machine.gone {
            self.after(0, What::Notice(id.clone(), Interruption::Spot, gone - self.now));
        }
        let clock = self.drift();
        let mut agent = Agent::new(&self.cluster, id.clone(), launch, resources, clock, self.now);
        agent.bearer = self.proves().then_some(bearer);
        self.agents.insert(id.clone(), agent);
        self.start(&Node::Agent(id.clone()));
        self.beat(id.clone());
    }

    /// The agent says that it lives, every second.
    pub(super) fn beat(&mut self, id: InstanceId) {
        if !self.cloud.there(&id, self.now) {
            return;
        }
        let stands = self.stands_until(&Node::Agent(id.clone())).is_some();
        let up = self.agents.get(&id).is_some_and(|agent| agent.up);
        let heard = if up && !stands { self.replicas.len() } else { 0 };
        for n in 0..heard {
            if !self.is_mute(&Node::Agent(id.clone())) && !self.is_mute(&Node::Replica(n)) {
                self.say(What::Lives(n, id.clone()));
            }
        }
        self.after(BEAT, What::Beat(id));
    }

    pub(super) fn turn(&mut self, node: &Node) {
        self.steps += 1;
        if let Some(until) = self.stands_until(node) {
            return self.turn_after(node, until - self.now);
        }
        match node {
            Node::Replica(n) if self.away.contains(n) => {}
            Node::Replica(n) => self.replica(*n),
            Node::Agent(id) => self.agent(id),
            Node::Driver(n) => self.driver(*n),
            Node::Passer => {}
        }
    }

    fn replica(&mut self, n: usize) {
        let node = Node::Replica(n);
        let (life, entropy) = (self.life(&node), self.rng.draw());
        let slow = self.faults.strikes(self.now, Fault::SlowReplica);
        let most = slow.map_or(usize::MAX, |mut rng| usize::try_from(rng.below(4)).unwrap_or(0));
        let log = (!self.is_cut(&node)).then_some((&self.log, most));
        match self.replicas[n].turn(self.now, log, entropy) {
            Ok(wanted) => {
                for wanted in wanted {
                    // A process that has died on the way does no more of what it wanted.
                    if life == self.life(&node) {
                        self.have(n, life, wanted);
                    }
                }
            }
            Err(halt) => self.errors.push(format!("replica {n} stopped: {halt}")),
        }
        self.turn_after(&node, TICK);
    }

    fn have(&mut self, n: usize, life: u64, wanted: Do) {
        let node = Node::Replica(n);
        match wanted {
            Do::Append(append) => {
                if !self.dies_with(&node, &append.lines, Point::Sending) {
                    self.send(node, append);
                }
            }
            Do::AskEnd => {
                let wait = self.latency();
                if !self.is_cut(&node) {
                    let end = self.log.end();
                    self.after(wait, What::End(n, life, end));
                }
            }
            Do::Call(call) => {
                let about = self.about(&call);
                if !self.dies(&node, Point::Calling(name(&call)), about) {
                    let wait = self.latency();
                    self.after(wait, What::Call(n, life, call));
                }
            }
            Do::Beat(epoch) => {
                for to in 0..self.replicas.len() {
                    if to == n || !(self.is_cut(&node) || self.is_cut(&Node::Replica(to))) {
                        self.say(What::Leads(to, epoch));
                    }
                }
            }
            Do::Stopped => self.start_replica(n),
        }
    }

    fn agent(&mut self, id: &InstanceId) {
        let node = Node::Agent(id.clone());
        let there = self.cloud.there(id, self.now);
        // The first thing that it sees when it goes on after a standstill is how late it is.
        let wakes = self.stands.get(&node) == Some(&self.now);
        let cut = self.is_cut(&node) || wakes;
        let Some(agent) = self.agents.get_mut(id) else { return };
        if !there {
            agent.up = false;
        }
        if !agent.up {
            return;
        }
        let before = self.crash.as_ref().map(|_| agent.starts());
        agent.turn(self.now, (!cut).then_some(&self.log));
        self.errors.append(&mut agent.broken);
        let (up, spawned) = (agent.up, before.map(|b| agent.spawned_since(&b)).unwrap_or_default());
        let died = (!spawned.is_empty() && self.dies(&node, Point::Spawned, spawned))
            || self.dies_writing(id);
        self.look_at(id);
        if !died {
            self.write(&node);
        }
        if up {
            self.turn_after(&node, TICK);
        }
    }

    /// Whether an agent dies here, with something written that is not durable.
    fn dies_writing(&mut self, id: &InstanceId) -> bool {
        let (Some(agent), Some(crash)) = (self.agents.get(id), &self.crash) else { return false };
        let point = crash.at;
        let here = agent.writing().filter(|event| Point::Writing(event.kind()) == point);
        let interrupted: Vec<Names> = here.map(crash::names).collect();
        !interrupted.is_empty() && self.dies(&Node::Agent(id.clone()), point, interrupted)
    }

    /// What runs on an instance is what the log has given it, and runs for no longer than its driver was
    /// told.
    fn look_at(&mut self, id: &InstanceId) {
        let (Some(agent), now) = (self.agents.get(id), self.now) else { return };
        // Who was told a time by a clock that has jumped since, or had just done so, knows nothing.
        let jumps = [Fault::JumpAhead, Fault::JumpBack];
        let steady = self.faults.last(&jumps).map_or(0, |at| at + OVERTIME);
        self.errors.extend(self.observer.room(agent, now));
        let since = self.since(agent);
        let late = |id: &&AllocId| {
            let told = self.observer.promised(id, steady);
            let by = told.map(|(from, until)| until + agent.clock.slow_by(until - from));
            by.is_some_and(|by| by.max(since) + OVERTIME < now)
        };
        if let Some(alloc) = agent.runs(now).find(late) {
            self.errors.push(format!("{alloc} runs on, longer than its driver was told"));
        }
    }

    /// Since when this agent does what it should: what is dead or stands still ends nothing.
    fn since(&self, agent: &Agent) -> u64 {
        let woke = self.stands.get(&Node::Agent(agent.instance.clone()));
        agent.since.max(woke.copied().unwrap_or_default())
    }

    /// Nothing runs that its driver no longer waits for.
    fn hold_to_end(&mut self, n: usize) {
        // Who was told a time by a clock that has jumped knows nothing.
        if self.faults.last(&[Fault::JumpAhead, Fault::JumpBack]).is_some() {
            return;
        }
        let late = |(exec, left): &(&ExecId, &GivenUp)| {
            let agent = self.agents.get(&left.instance).filter(|agent| agent.up);
            agent.is_some_and(|agent| {
                let by = (left.at + agent.clock.slow_by(left.length)).max(self.since(agent));
                agent.runs_exec(exec, self.now) && by + OVERTIME < self.now
            })
        };
        if let Some((exec, _)) = self.drivers[n].given_up.iter().find(late) {
            self.errors.push(format!("{exec} runs on, and its driver no longer waits for it"));
        }
    }

    fn driver(&mut self, n: usize) {
        let node = Node::Driver(n);
        let cut = self.is_cut(&node);
        let driver = &mut self.drivers[n];
        if !driver.up {
            return;
        }
        driver.turn(self.now, (!cut).then_some(&self.log));
        let up = driver.up;
        self.errors.append(&mut driver.broken);
        self.hold_to_end(n);
        self.write(&node);
        if up {
            self.turn_after(&node, TICK);
        }
    }

    /// Sends what an agent or driver has written, one round at a time.
    pub(super) fn write(&mut self, node: &Node) {
        if self.in_flight.contains(node) {
            return;
        }
        let lines = match node {
            Node::Agent(id) => self.round_of(id),
            Node::Driver(n) => self.drivers[*n].round(),
            Node::Replica(_) | Node::Passer => Vec::new(),
        };
        if !lines.is_empty() && !self.dies_with(node, &lines, Point::Sending) {
            self.in_flight.insert(node.clone());
            let append = controlplane_core::round::Append { lines: Arc::new(lines), fence: None };
            self.send(node.clone(), append);
        }
    }

    /// What an agent has written; if its journal took none of it, it has died of that.
    fn round_of(&mut self, id: &InstanceId) -> Vec<Line> {
        let Some(agent) = self.agents.get_mut(id) else { return Vec::new() };
        let lines = agent.round(self.now);
        self.errors.append(&mut agent.broken);
        self.revive(id);
        lines
    }

    pub(super) fn answered(&mut self, node: &Node, answer: Answer) {
        match node {
            Node::Replica(n) => {
                self.replicas[*n].answered(self.now, answer);
                return self.turn_after(node, 0);
            }
            Node::Agent(id) => {
                if let (Answer::Stored(_), Some(agent)) = (answer, self.agents.get_mut(id)) {
                    agent.landed();
                }
            }
            Node::Driver(n) => {
                if let Answer::Stored(_) = answer {
                    self.drivers[*n].landed(self.now);
                }
            }
            Node::Passer => {}
        }
        self.in_flight.remove(node);
        self.turn_after(node, if answer == Answer::Busy { BUSY_PAUSE } else { 0 });
    }
}
