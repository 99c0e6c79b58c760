//! What is between them: appends that arrive or not, answers that come or not, heartbeats, and calls
//! to the cloud.

use super::{Append, Flight, Node, UNANSWERED, What, World};
use controlplane_core::effects::Call;
use controlplane_core::round::Answer;
use schema::subject;
use schema::unit::LogTime;

/// How long after it was given up an append may still arrive, in milliseconds.
const LATE: u64 = 8000;
/// Longest time that an instance takes to boot, in milliseconds.
const BOOT: u64 = 3000;

impl World {
    /// Sends an append; what becomes of it is drawn here.
    pub(super) fn send(&mut self, from: Node, append: Append) {
        let life = self.life(&from);
        let (there, back) = (self.latency(), self.latency());
        let flight = Flight { from: from.clone(), life, lines: append.lines, fence: append.fence };
        let faults = self.faults.clone();
        let unknown = |node| What::Answer(node, life, Answer::Unknown);
        if self.is_cut(&from) || self.rng.chance(faults.lost_append) {
            self.after(UNANSWERED, unknown(from));
        } else if self.rng.chance(faults.busy) {
            self.after(there, What::Answer(from, life, Answer::Busy));
        } else if self.rng.chance(faults.late_append) {
            let late = UNANSWERED + self.rng.below(LATE);
            self.after(late, What::Arrive(flight, None));
            self.after(UNANSWERED, unknown(from));
        } else if self.rng.chance(faults.lost_answer) {
            self.after(there, What::Arrive(flight, None));
            self.after(UNANSWERED, unknown(from));
        } else {
            self.after(there, What::Arrive(flight, Some(back)));
        }
    }

    /// An append reaches the log; its author hears of it after `answer`, if ever.
    pub(super) fn arrive(&mut self, flight: &Flight, answer: Option<u64>) {
        let election = subject::election(&self.cluster);
        let fence = flight.fence.map(|seq| (election.as_str(), seq));
        let time = LogTime((self.now + self.ahead) * 1_000_000);
        let stored = self.log.append(time, &flight.lines, fence);
        if let Some(back) = answer {
            let answer = stored.map_or(Answer::Fenced, Answer::Stored);
            self.after(back, What::Answer(flight.from.clone(), flight.life, answer));
        }
        if stored.is_some() {
            self.observer.follow(&self.log);
            self.tell_all();
        }
    }

    /// Everybody reads what is new, each after a while of their own.
    fn tell_all(&mut self) {
        let replicas = (0..self.replicas.len()).map(Node::Replica);
        let agents = self.agents.iter().filter(|(_, agent)| agent.up);
        let agents = agents.map(|(id, _)| Node::Agent(id.clone()));
        let drivers = (0..self.drivers.len()).filter(|n| self.drivers[*n].up).map(Node::Driver);
        let all: Vec<Node> = replicas.chain(agents).chain(drivers).collect();
        for node in all {
            let wait = self.latency();
            self.turn_after(&node, wait);
        }
    }

    /// Says something that may be lost.
    pub(super) fn say(&mut self, what: What) {
        let wait = self.latency();
        if !self.rng.chance(self.faults.lost_beat) {
            self.after(wait, what);
        }
    }

    /// A call reaches the cloud, whoever made it and whatever has become of them.
    pub(super) fn call(&mut self, n: usize, life: u64, call: Call) {
        let faults = self.faults.clone();
        let (news, born) = self.cloud.call(self.now, call, &faults, &mut self.rng);
        for id in born {
            let stillborn = self.cloud.machines.get(&id).is_some_and(|m| m.stillborn);
            let wait = self.rng.between(100, BOOT);
            if !stillborn {
                self.after(wait, What::Boot(id));
            }
        }
        let wait = self.latency();
        self.after(wait, What::News(n, life, news));
    }
}
