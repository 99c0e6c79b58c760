//! Somebody's turn: read, think, and want things done.

use super::network::name;
use super::{Node, SECOND, TICK, What, World};
use crate::agent::Agent;
use crate::crash::Point;
use crate::faults::Fault;
use crate::replica::Controller;
use crate::rng::Rng;
use controlplane_core::replica::Do;
use controlplane_core::round::Answer;
use schema::id::{AllocId, InstanceId};
use std::sync::Arc;

/// Pause before a round is sent again.
const AGAIN: u64 = 20;
/// By how much execs may outlast what a driver was told: rounds take a while to land, and an agent that
/// was killed to come back.
const LATE: u64 = 3 * SECOND;
/// How often an agent says that it lives, in milliseconds.
const BEAT: u64 = 1000;
/// By how much a replica's clock may be fast, in thousandths.
const FAST: u64 = 3;

impl World {
    pub(super) fn start_replica(&mut self, n: usize) {
        let node = Node::Replica(n);
        // Names are for one process each.
        let name = self.new_life(&node) * 16 + n as u64 + 1;
        let fast = self.rng.below(FAST + 1);
        let mut controller = Controller::start(self.now, &self.cluster, name, &self.policy, fast);
        self.prices.iter().for_each(|prices| controller.core.prices(prices.clone()));
        match self.replicas.get_mut(n) {
            Some(old) => *old = controller,
            None => self.replicas.push(controller),
        }
        self.turns.remove(&node);
        self.turn_after(&node, 0);
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
        self.new_life(node);
        self.in_flight.remove(node);
        match node {
            Node::Agent(id) => {
                let there = self.cloud.machines.get(id).is_some_and(|m| m.there(self.now));
                if let Some(agent) = self.agents.get_mut(id)
                    && there
                    && !agent.done
                {
                    agent.start(self.now, &self.log);
                }
            }
            Node::Driver(n) => {
                self.drivers[*n].start(self.now, &self.log);
            }
            Node::Replica(_) | Node::Passer => {}
        }
        self.turn_after(node, 0);
    }

    /// A new instance comes up.
    pub(super) fn boot(&mut self, id: &InstanceId) {
        let Some(machine) = self.cloud.machines.get(id).filter(|m| m.there(self.now)) else {
            return;
        };
        let (launch, resources) = (machine.launch.clone(), machine.offering.resources.clone());
        let agent = Agent::new(&self.cluster, id.clone(), launch, resources);
        self.agents.insert(id.clone(), agent);
        self.start(&Node::Agent(id.clone()));
        self.beat(id.clone());
    }

    /// The agent says that it lives, every second.
    pub(super) fn beat(&mut self, id: InstanceId) {
        if !self.cloud.machines.get(&id).is_some_and(|m| m.there(self.now)) {
            return;
        }
        let up = self.agents.get(&id).is_some_and(|agent| agent.up);
        let heard = if up { self.replicas.len() } else { 0 };
        for n in 0..heard {
            if !self.is_mute(&Node::Agent(id.clone())) && !self.is_mute(&Node::Replica(n)) {
                self.say(What::Lives(n, id.clone()));
            }
        }
        self.after(BEAT, What::Beat(id));
    }

    pub(super) fn turn(&mut self, node: &Node) {
        self.steps += 1;
        if let Some(until) = self.stands.get(node).copied().filter(|until| self.now < *until) {
            return self.turn_after(node, until - self.now);
        }
        match node {
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
                if !self.dies(&node, Point::Calling(name(&call))) {
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
        let there = self.cloud.machines.get(id).is_some_and(|m| m.there(self.now));
        let cut = self.is_cut(&node);
        let Some(agent) = self.agents.get_mut(id) else { return };
        if !there {
            agent.up = false;
        }
        if !agent.up {
            return;
        }
        let before = agent.spawned();
        agent.turn(self.now, (!cut).then_some(&self.log));
        self.errors.append(&mut agent.broken);
        let up = agent.up;
        let died =
            (agent.spawned() > before && self.dies(&node, Point::Spawned)) || self.dies_writing(id);
        self.hold_to_promise(id);
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
        agent.writing().any(|kind| Point::Writing(kind) == point)
            && self.dies(&Node::Agent(id.clone()), point)
    }

    /// Nothing of an alloc that was taken back runs for longer than its driver was told.
    fn hold_to_promise(&mut self, id: &InstanceId) {
        let (Some(agent), now) = (self.agents.get(id), self.now) else { return };
        // Who was told a time by a clock that has jumped since, or had just done so, knows nothing.
        let steady =
            self.faults.last(&[Fault::JumpAhead, Fault::JumpBack]).map_or(0, |at| at + LATE);
        let late = |id: &&AllocId| {
            let by = self.observer.promised(id, steady);
            by.is_some_and(|by| by.max(agent.since) + LATE < now)
        };
        if let Some(alloc) = agent.runs(now).find(late) {
            self.errors.push(format!("{alloc} runs on, longer than its driver was told"));
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
            Node::Agent(id) => self.agents.get_mut(id).map(Agent::round).unwrap_or_default(),
            Node::Driver(n) => self.drivers[*n].round(),
            Node::Replica(_) | Node::Passer => Vec::new(),
        };
        if !lines.is_empty() && !self.dies_with(node, &lines, Point::Sending) {
            self.in_flight.insert(node.clone());
            let append = controlplane_core::round::Append { lines: Arc::new(lines), fence: None };
            self.send(node.clone(), append);
        }
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
        self.turn_after(node, if answer == Answer::Busy { AGAIN } else { 0 });
    }
}
