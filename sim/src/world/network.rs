//! What is between them: appends that arrive or not, answers that come or not, heartbeats, and calls
//! to the cloud.

use super::{Append, Flight, Node, UNANSWERED, What, World};
use crate::crash::{self, Names, Point, Who};
use crate::faults::Fault;
use crate::oracle::Truth;
use controlplane_core::effects::{Call, News};
use controlplane_core::round::Answer;
use schema::codec;
use schema::id::{InstanceId, LaunchId};
use schema::subject::{self, Aggregate};
use schema::unit::LogTime;

/// How long after it was given up an append may still arrive, in milliseconds.
const STRAY: u64 = 8000;
/// Longest time that an instance takes to boot, in milliseconds.
const BOOT: u64 = 3000;
/// When the log's clock begins, in milliseconds: it may be set back from there.
const NOON: i64 = 1_000_000;

impl World {
    /// Sends an append; what becomes of it is drawn here.
    pub(super) fn send(&mut self, from: Node, append: Append) {
        let life = self.life(&from);
        let (there, back, now) = (self.latency(), self.latency(), self.now);
        let flight = Flight { from: from.clone(), life, lines: append.lines, fence: append.fence };
        let unknown = What::Answer(from.clone(), life, Answer::Unknown);
        if self.is_cut(&from) || self.faults.strikes(now, Fault::LostAppend).is_some() {
            self.after(UNANSWERED, unknown);
        } else if self.faults.strikes(now, Fault::Busy).is_some() {
            self.after(there, What::Answer(from, life, Answer::Busy));
        } else if let Some(mut rng) = self.faults.strikes(now, Fault::LateAppend) {
            self.after(UNANSWERED + rng.below(STRAY), What::Arrive(flight, None));
            self.after(UNANSWERED, unknown);
        } else if self.faults.strikes(now, Fault::LostAnswer).is_some() {
            self.after(there, What::Arrive(flight, None));
            self.after(UNANSWERED, unknown);
        } else {
            if let Some(mut rng) = self.faults.strikes(now, Fault::TwiceAppend) {
                self.after(there + rng.below(STRAY), What::Arrive(flight.clone(), None));
            }
            self.after(there, What::Arrive(flight, Some(back)));
        }
    }

    /// An append reaches the log; its author hears of it after `answer`, if ever.
    pub(super) fn arrive(&mut self, flight: &Flight, answer: Option<u64>) {
        let election = subject::election(&self.cluster);
        let fence = flight.fence.map(|seq| (election.as_str(), seq));
        let clock = NOON + i64::try_from(self.now).unwrap_or(0) + self.ahead;
        let time = LogTime(u64::try_from(clock).unwrap_or(0) * 1_000_000);
        let stored = self.log.append(time, &flight.lines, fence);
        if stored.is_some() {
            let truth = Truth { now: self.now, cloud: &self.cloud, agents: &self.agents };
            self.observer.follow(&self.log, truth);
            self.tell_all();
            if flight.life == self.life(&flight.from)
                && self.dies_with(&flight.from, &flight.lines, Point::Stored)
            {
                return;
            }
        }
        if let Some(back) = answer {
            let answer = stored.map_or(Answer::Fenced, Answer::Stored);
            self.after(back, What::Answer(flight.from.clone(), flight.life, answer));
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
        if self.faults.strikes(self.now, Fault::LostBeat).is_none() {
            self.after(wait, what);
        }
    }

    /// A call reaches the cloud, whoever made it and whatever has become of them.
    pub(super) fn call(&mut self, n: usize, life: u64, call: Call) {
        let (name, about) = (name(&call), self.about(&call));
        let (news, born) = self.cloud.call(self.now, call, &mut self.faults);
        for id in born {
            let stillborn = self.cloud.machines.get(&id).is_some_and(|m| m.stillborn);
            let wait = self.rng.between(100, BOOT);
            if !stillborn && self.may_boot(&id, wait) {
                self.after(wait, What::Boot(id));
            }
        }
        let node = Node::Replica(n);
        if life == self.life(&node) && self.dies(&node, Point::Called(name), about) {
            return;
        }
        let wait = self.latency();
        self.after(wait, What::News(n, life, news));
    }

    /// What came of a call reaches the caller.
    pub(super) fn news(&mut self, n: usize, news: News) {
        let (name, about) = match &news {
            News::Launched(launch, ..) => ("launch", self.about_launch(launch)),
            News::Terminated(instance, _) => ("terminate", about_instance(instance)),
            News::Console(instance, _) => ("console", about_instance(instance)),
            News::Listed(_) => ("list", Names::new()),
            News::Priced(_) => ("prices", Names::new()),
            News::Scored(_) => ("scores", Names::new()),
            News::Typed(_) => ("types", Names::new()),
        };
        if !self.dies(&Node::Replica(n), Point::Heard(name), vec![about]) {
            self.replicas[n].news(self.now, news);
            self.turn_after(&Node::Replica(n), 0);
        }
    }

    /// Whether somebody dies here whose round holds the kind of event at which they are to die.
    pub(super) fn dies_with(
        &mut self,
        node: &Node,
        lines: &[replay_core::author::Line],
        at: fn(&'static str) -> Point,
    ) -> bool {
        let Some(point) = self.crash.as_ref().map(|crash| crash.at) else { return false };
        let events = lines.iter().filter_map(|line| codec::decode(&line.payload).ok());
        let here = events.map(|record| record.event).filter(|event| at(event.kind()) == point);
        let interrupted: Vec<Names> = here.map(|event| crash::names(&event)).collect();
        !interrupted.is_empty() && self.dies(node, point, interrupted)
    }

    /// Whether somebody dies here: the first of their kind to come to this point; and what that
    /// interrupts.
    pub(super) fn dies(&mut self, node: &Node, at: Point, interrupted: Vec<Names>) -> bool {
        let who = match node {
            Node::Replica(_) => Who::Replica,
            Node::Agent(_) => Who::Agent,
            Node::Driver(_) => Who::Driver,
            Node::Passer => return false,
        };
        if self.crash.take_if(|crash| crash.who == who && crash.at == at).is_none() {
            return false;
        }
        self.crashed = Some((self.log.end(), interrupted));
        self.kill(node);
        true
    }

    /// What a call is about; nobody asks where nobody is to die.
    pub(super) fn about(&self, call: &Call) -> Vec<Names> {
        if self.crash.is_none() {
            return Vec::new();
        }
        match call {
            Call::Launch(order) => vec![self.about_launch(&order.launch)],
            Call::Terminate(instance) | Call::Console(instance) => vec![about_instance(instance)],
            Call::List | Call::Prices(_) | Call::Scores(_) | Call::Types(_) => Vec::new(),
        }
    }

    /// A launch, and for whom it is.
    fn about_launch(&self, id: &LaunchId) -> Names {
        let launch = self.observer.state.launches.get(id);
        let allocs = launch.iter().flat_map(|launch| &launch.reserved_for);
        let allocs = allocs.map(|alloc| (Aggregate::Alloc, alloc.to_string()));
        allocs.chain([(Aggregate::Launch, id.to_string())]).collect()
    }
}

fn about_instance(id: &InstanceId) -> Names {
    Names::from([(Aggregate::Instance, id.to_string())])
}

/// What a call is called.
pub(super) fn name(call: &Call) -> &'static str {
    match call {
        Call::Launch(_) => "launch",
        Call::Terminate(_) => "terminate",
        Call::Console(_) => "console",
        Call::List => "list",
        Call::Prices(_) => "prices",
        Call::Scores(_) => "scores",
        Call::Types(_) => "types",
    }
}
