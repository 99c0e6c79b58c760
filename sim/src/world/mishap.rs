//! What goes wrong by itself, every second, until it all heals.

use super::{CHAOS, Flight, Node, SECOND, What, World};
use crate::faults::Fault;
use crate::forger;
use crate::operator;
use crate::rng::Rng;
use crate::stranger;
use replay_core::author::Line;
use replay_core::state::launch::key;
use schema::event::{Event, Interruption};
use schema::id::InstanceId;
use schema::requirements::Market;
use schema::unit::Millis;
use std::sync::Arc;

/// How long somebody is cut off, or stands still, in milliseconds.
const WHILE: (u64, u64) = (200, 15_000);
/// How long somebody may be cut off for once, in milliseconds: longer than leases run.
const LONG: u64 = 60_000;
/// How long a replica stays away, in milliseconds.
const AWAY: (u64, u64) = (60_000, 120_000);
/// How soon a supervisor starts again what was killed.
const RESTART: (u64, u64) = (50, 3000);
/// How long before it is taken away an instance is told so: two minutes, or what is left of them when
/// anybody looks.
const NOTICE: (u64, u64) = (2 * SECOND, 120 * SECOND);
/// By how much the log's clock may jump.
const JUMP: (u64, u64) = (SECOND, 30 * SECOND);

fn somewhere(rng: &mut Rng, count: usize) -> usize {
    usize::try_from(rng.below(count as u64)).unwrap_or(0)
}

impl World {
    pub(super) fn mishaps(&mut self) {
        if self.now > self.chaos {
            return self.heal();
        }
        self.after(SECOND, What::Mishaps);
        for (fault, _) in Fault::ALL {
            if by_itself(*fault)
                && let Some(mut rng) = self.faults.strikes(self.now, *fault)
            {
                self.mishap(*fault, &mut rng);
            }
        }
    }

    /// Nothing new goes wrong. Whoever is cut off comes back in time.
    fn heal(&mut self) {
        self.faults.heal();
        self.stands.values_mut().for_each(|until| *until = self.now.min(*until));
        let says = operator::clears_up(&self.observer.state);
        self.say_in_passing(says);
        // What was booted since, or held while that was on its way, is looked at again.
        if self.now < self.chaos + CHAOS {
            self.after(10 * SECOND, What::Mishaps);
        }
    }

    fn mishap(&mut self, fault: Fault, rng: &mut Rng) {
        match fault {
            Fault::KillReplica => {
                let n = somewhere(rng, self.replicas.len());
                if !self.away.contains(&n) {
                    self.start_replica(n);
                }
            }
            Fault::StopReplica => {
                let n = somewhere(rng, self.replicas.len());
                self.replicas[n].core.stop();
            }
            Fault::PauseReplica => {
                let n = somewhere(rng, self.replicas.len());
                let until = self.now + rng.between(WHILE.0, WHILE.1);
                self.stands.insert(Node::Replica(n), until);
            }
            Fault::AwayReplica => {
                let n = somewhere(rng, self.replicas.len());
                let (node, wait) = (Node::Replica(n), rng.between(AWAY.0, AWAY.1));
                let life = self.new_life(&node);
                self.away.insert(n);
                self.after(wait, What::Start(node, life));
            }
            Fault::PauseAgent => {
                if let Some(id) = self.any_agent(rng) {
                    self.pause(Node::Agent(id), rng);
                }
            }
            Fault::FullDisk => {
                if let Some(id) = self.any_agent(rng)
                    && let Some(agent) = self.agents.get_mut(&id)
                {
                    agent.full = self.now + rng.between(WHILE.0, LONG);
                }
            }
            Fault::Drought => {
                let offerings = &self.observer.state.head.policy.offerings;
                if let Some(offering) = offerings.get(somewhere(rng, offerings.len())) {
                    let until = self.now + rng.between(WHILE.1, LONG);
                    self.cloud.dry.insert(key(offering), until);
                }
            }
            Fault::Outcast => self.cast_out(rng),
            Fault::PauseDriver => {
                let n = somewhere(rng, self.drivers.len());
                self.pause(Node::Driver(n), rng);
            }
            Fault::Cut => {
                if let Some(node) = self.anybody(rng) {
                    let most = if rng.chance(300) { LONG } else { WHILE.1 };
                    let until = self.now + rng.between(WHILE.0, most);
                    self.cut.insert(node, until);
                }
            }
            Fault::Deaf => {
                if let Some(id) = self.any_agent(rng) {
                    let until = self.now + rng.between(WHILE.0, LONG);
                    self.deaf.insert(Node::Agent(id), until);
                }
            }
            Fault::StopAgent => {
                if let Some(id) = self.any_agent(rng)
                    && let Some(agent) = self.agents.get_mut(&id)
                {
                    agent.stop();
                    self.turn_after(&Node::Agent(id), 0);
                }
            }
            Fault::KillAgent | Fault::Reboot => {
                if let Some(id) = self.any_agent(rng) {
                    self.kill_agent(&id, rng, fault == Fault::Reboot);
                }
            }
            Fault::KillDriver => {
                let n = somewhere(rng, self.drivers.len());
                self.kill_driver(n, rng);
            }
            Fault::LoseDriver => {
                let n = somewhere(rng, self.drivers.len());
                self.new_life(&Node::Driver(n));
                (self.drivers[n].up, self.drivers[n].done) = (false, true);
            }
            Fault::Vanish => {
                if let Some(id) = self.any_agent(rng) {
                    self.cloud.take(&id, self.now);
                }
            }
            Fault::Interrupt => self.interrupt(rng),
            Fault::Unborn => self.abort(rng),
            Fault::Stray => self.cloud.stray(self.now),
            Fault::JumpAhead => {
                self.ahead += i64::try_from(rng.between(JUMP.0, JUMP.1)).unwrap_or(0)
            }
            Fault::JumpBack => {
                self.ahead -= i64::try_from(rng.between(JUMP.0, JUMP.1)).unwrap_or(0)
            }
            Fault::Operate => {
                let says = operator::says(rng, &self.observer.state, self.scale);
                self.say_in_passing(says.into_iter().collect());
            }
            Fault::Stranger => {
                let life = self.new_life(&Node::Passer);
                let (state, log) = (&self.observer.state, &self.log);
                // Where nobody has to prove anything, who may write in another's name is that one.
                let forges = state.head.fingerprint.is_some() && rng.chance(500);
                let says = if forges { forger::says } else { stranger::says };
                match says(rng, &self.cluster, life, state, log) {
                    Ok(lines) => self.pass(lines),
                    Err(error) => self.errors.push(format!("a stranger cannot write: {error}")),
                }
            }
            _ => {}
        }
    }

    fn say_in_passing(&mut self, events: Vec<Event>) {
        let life = self.new_life(&Node::Passer);
        match operator::lines(&self.cluster, life, events) {
            Ok(lines) => self.pass(lines),
            Err(error) => self.errors.push(error),
        }
    }

    /// Somebody writes without waiting for an answer.
    fn pass(&mut self, lines: Vec<Line>) {
        let (wait, lines) = (self.latency(), Arc::new(lines));
        if !lines.is_empty() {
            let flight = Flight { from: Node::Passer, life: 0, lines, fence: None };
            self.after(wait, What::Arrive(flight, None));
        }
    }

    /// Somebody stands still, now and then for longer than leases run.
    fn pause(&mut self, node: Node, rng: &mut Rng) {
        let most = if rng.chance(300) { LONG } else { WHILE.1 };
        self.stands.insert(node, self.now + rng.between(WHILE.0, most));
    }

    fn any_agent(&mut self, rng: &mut Rng) -> Option<InstanceId> {
        let up = self.agents.iter().filter(|(_, agent)| agent.up);
        let up: Vec<&InstanceId> = up.map(|(id, _)| id).collect();
        up.get(somewhere(rng, up.len())).map(|id| (*id).clone())
    }

    fn anybody(&mut self, rng: &mut Rng) -> Option<Node> {
        match rng.below(3) {
            0 => Some(Node::Replica(somewhere(rng, self.replicas.len()))),
            1 => self.any_agent(rng).map(Node::Agent),
            _ => Some(Node::Driver(somewhere(rng, self.drivers.len()))),
        }
    }

    /// A supervisor starts again what was killed.
    fn again(&mut self, node: Node, rng: &mut Rng) {
        let (wait, life) = (rng.between(RESTART.0, RESTART.1), self.life(&node));
        self.after(wait, What::Start(node, life));
    }

    /// An agent that has died by itself is started again, too.
    pub(super) fn revive(&mut self, id: &InstanceId) {
        if self.agents.get(id).is_some_and(|agent| !agent.up && !agent.done) {
            let mut rng = Rng::new(self.now);
            self.again(Node::Agent(id.clone()), &mut rng);
        }
    }

    pub(super) fn kill_agent(&mut self, id: &InstanceId, rng: &mut Rng, reboot: bool) {
        if let Some(agent) = self.agents.get_mut(id).filter(|agent| agent.up) {
            agent.killed(self.now, reboot);
            self.again(Node::Agent(id.clone()), rng);
        }
    }

    pub(super) fn kill_driver(&mut self, n: usize, rng: &mut Rng) {
        if let Some(driver) = self.drivers.get_mut(n).filter(|driver| driver.up) {
            driver.up = false;
            self.again(Node::Driver(n), rng);
        }
    }

    /// A spot instance is taken away some time after it was told so, or is told late, or never.
    fn interrupt(&mut self, rng: &mut Rng) {
        let now = self.now;
        let spot = |id: &InstanceId| {
            let machine = self.cloud.machines.get(id);
            machine.is_some_and(|m| m.there(now) && m.offering.market == Market::Spot)
        };
        let spots: Vec<InstanceId> = self.agents.keys().filter(|id| spot(id)).cloned().collect();
        let Some(id) = spots.get(somewhere(rng, spots.len())).cloned() else { return };
        let left = rng.between(NOTICE.0, NOTICE.1);
        self.cloud.take(&id, now + left);
        if !rng.chance(100) {
            let late = rng.below(left / 2);
            self.after(late, What::Notice(id.clone(), Interruption::Spot, left - late));
        }
        // Before, or without it: what the cloud says first is that it may come to that.
        if rng.chance(300) {
            self.after(rng.below(left) / 4, What::Notice(id, Interruption::Rebalance, 0));
        }
    }

    /// An agent is cut off for longer than anybody waits for it, and back before its instance goes.
    fn cast_out(&mut self, rng: &mut Rng) {
        let Some(id) = self.any_agent(rng) else { return };
        let policy = &self.observer.state.head.policy;
        let given_up = policy.unreachable_after.0 + policy.unreachable_grace.0;
        let back = self.now + given_up + rng.between(SECOND, WHILE.1);
        self.cloud.hold(&id, back + rng.between(SECOND, WHILE.1));
        self.cut.insert(Node::Agent(id), back);
    }

    /// An instance that has not booted vanishes, or will be taken away, and hears so when it boots.
    fn abort(&mut self, rng: &mut Rng) {
        let booted = |id: &InstanceId| self.agents.contains_key(id);
        let machines = self.cloud.machines.iter();
        let unborn = machines.filter(|(id, m)| m.there(self.now) && !booted(id)).map(|(id, _)| id);
        let unborn: Vec<InstanceId> = unborn.cloned().collect();
        let Some(id) = unborn.get(somewhere(rng, unborn.len())) else { return };
        let left = if rng.chance(500) { 0 } else { rng.between(NOTICE.0, NOTICE.1) };
        self.cloud.take(id, self.now + left);
    }

    /// The instance hears that it will be taken away.
    pub(super) fn notice(&mut self, id: &InstanceId, what: Interruption, left: u64) {
        if let Some(agent) = self.agents.get_mut(id).filter(|agent| agent.up) {
            agent.interrupted(what, Millis(left));
            self.turn_after(&Node::Agent(id.clone()), 0);
        }
    }
}

/// Whether it happens by itself, at any second, and not to something that is under way.
fn by_itself(fault: Fault) -> bool {
    matches!(
        fault,
        Fault::KillReplica
            | Fault::StopReplica
            | Fault::PauseReplica
            | Fault::Cut
            | Fault::Deaf
            | Fault::KillAgent
            | Fault::StopAgent
            | Fault::Reboot
            | Fault::KillDriver
            | Fault::Vanish
            | Fault::Interrupt
            | Fault::JumpAhead
            | Fault::JumpBack
            | Fault::Operate
            | Fault::Stranger
            | Fault::AwayReplica
            | Fault::PauseAgent
            | Fault::PauseDriver
            | Fault::LoseDriver
            | Fault::FullDisk
            | Fault::Drought
            | Fault::Outcast
            | Fault::Unborn
            | Fault::Stray
    )
}
