//! What goes wrong by itself, every second, until it all heals.

use super::{CHAOS, Node, SECOND, What, World};
use crate::faults::Faults;
use schema::id::InstanceId;
use schema::unit::Millis;

/// How long somebody is cut off, or stands still, in milliseconds.
const WHILE: (u64, u64) = (200, 9000);
/// How soon a supervisor starts again what was killed.
const RESTART: (u64, u64) = (50, 3000);
/// How long before it is taken away an instance is told so.
const NOTICE: u64 = 8000;

impl World {
    pub(super) fn mishaps(&mut self) {
        if self.now > CHAOS {
            self.faults = Faults::none();
            self.cut.clear();
            self.stands.clear();
            return;
        }
        self.after(SECOND, What::Mishaps);
        let faults = self.faults.clone();
        let hits = |world: &mut World, rate| world.rng.chance(rate);
        if hits(self, faults.kill_replica) {
            let n = self.any_replica();
            self.start_replica(n);
        }
        if hits(self, faults.pause_replica) {
            let node = Node::Replica(self.any_replica());
            let until = self.now + self.rng.between(WHILE.0, WHILE.1);
            self.stands.insert(node, until);
        }
        if hits(self, faults.cut)
            && let Some(node) = self.anybody()
        {
            let until = self.now + self.rng.between(WHILE.0, WHILE.1);
            self.cut.insert(node, until);
        }
        if hits(self, faults.kill_agent)
            && let Some(id) = self.any_agent()
        {
            self.kill_agent(&id);
        }
        if hits(self, faults.kill_driver) {
            self.kill_driver();
        }
        if hits(self, faults.vanish)
            && let Some(id) = self.any_agent()
        {
            self.cloud.vanish(self.now, &id);
        }
        if hits(self, faults.interrupt)
            && let Some(id) = self.any_agent()
        {
            self.interrupt(&id);
        }
        if hits(self, faults.jump) {
            self.ahead += self.rng.between(SECOND, 30 * SECOND);
        }
    }

    fn any_replica(&mut self) -> usize {
        let count = self.replicas.len() as u64;
        usize::try_from(self.rng.below(count)).unwrap_or(0)
    }

    fn any_agent(&mut self) -> Option<InstanceId> {
        let up: Vec<&InstanceId> =
            self.agents.iter().filter(|(_, agent)| agent.up).map(|(id, _)| id).collect();
        let at = usize::try_from(self.rng.below(up.len() as u64)).unwrap_or(0);
        up.get(at).map(|id| (*id).clone())
    }

    fn anybody(&mut self) -> Option<Node> {
        match self.rng.below(3) {
            0 => Some(Node::Replica(self.any_replica())),
            1 => self.any_agent().map(Node::Agent),
            _ => {
                let n = self.rng.below(self.drivers.len() as u64);
                usize::try_from(n).ok().map(Node::Driver)
            }
        }
    }

    fn again(&mut self, node: Node) {
        let (wait, life) = (self.rng.between(RESTART.0, RESTART.1), self.life(&node));
        self.after(wait, What::Start(node, life));
    }

    fn kill_agent(&mut self, id: &InstanceId) {
        if let Some(agent) = self.agents.get_mut(id) {
            agent.up = false;
            self.again(Node::Agent(id.clone()));
        }
    }

    fn kill_driver(&mut self) {
        let n = usize::try_from(self.rng.below(self.drivers.len() as u64)).unwrap_or(0);
        if let Some(driver) = self.drivers.get_mut(n).filter(|driver| driver.up) {
            driver.up = false;
            self.again(Node::Driver(n));
        }
    }

    fn interrupt(&mut self, id: &InstanceId) {
        let Some(agent) = self.agents.get_mut(id) else { return };
        agent.interrupted(Millis(NOTICE));
        self.turn_after(&Node::Agent(id.clone()), 0);
        // It goes whether anybody has heard or not.
        if let Some(machine) = self.cloud.machines.get_mut(id) {
            let gone = self.now + NOTICE;
            machine.gone = Some(machine.gone.map_or(gone, |at| at.min(gone)));
        }
    }
}
