//! A controller: the real replica, and what a process adds to it.

use crate::clock::Clock;
use crate::log::Log;
use controlplane_core::Moment;
use controlplane_core::effects::News;
use controlplane_core::replica::{Do, Halt, Replica};
use controlplane_core::round::{Answer, Me};
use replay_core::State;
use schema::codec;
use schema::id::{AuthorId, ClusterId, InstanceId};
use schema::policy::Policy;
use schema::unit::{Epoch, Seq};
use uuid::Uuid;

pub(crate) struct Controller {
    pub(crate) core: Replica,
    pub(crate) name: AuthorId,
    next: Seq,
    clock: Clock,
}

/// What a new process is told.
pub(crate) struct Start<'a> {
    pub(crate) cluster: &'a ClusterId,
    /// What an empty log begins with.
    pub(crate) policy: &'a Policy,
    /// A number that no process before had.
    pub(crate) life: u64,
    /// What it begins from, if not from the start of the log.
    pub(crate) snapshot: Option<State>,
}

impl Controller {
    /// A new process: a name of its own, and nothing seen yet but what is in the snapshot.
    pub(crate) fn start(now: u64, start: Start<'_>, clock: Clock) -> Controller {
        let name = AuthorId::made(now, start.life << 12);
        let incarnation = Uuid::from_u128(u128::from(start.life));
        let me = Me { cluster: start.cluster.clone(), replica: name.clone(), incarnation };
        let (policy, at) = (start.policy.clone(), moment(now, clock));
        let next = start.snapshot.as_ref().map_or(Seq(1), |state| state.head.applied.next());
        let core = match start.snapshot {
            Some(state) => Replica::resume(at, me, policy, state),
            None => Replica::new(at, me, policy),
        };
        Controller { core, name, next, clock }
    }

    /// Reads what there is, or only so many records of it, and says what it wants done.
    pub(crate) fn turn(
        &mut self,
        now: u64,
        log: Option<(&Log, usize)>,
        entropy: u64,
    ) -> Result<Vec<Do>, Halt> {
        if let Some((log, most)) = log {
            self.read(now, log, most);
        }
        self.core.step(moment(now, self.clock), entropy)
    }

    /// Reads to the end of the log.
    pub(crate) fn catch_up(&mut self, now: u64, log: &Log) {
        self.read(now, log, usize::MAX);
    }

    fn read(&mut self, now: u64, log: &Log, most: usize) {
        for message in log.from(self.next).take(most) {
            let decoded = codec::decode(message.payload);
            self.core.fold(moment(now, self.clock), message, decoded);
            self.next = message.seq.next();
        }
        self.core.folded(log.end().next().0 - self.next.0);
    }

    pub(crate) fn answered(&mut self, now: u64, answer: Answer) {
        self.core.answered(moment(now, self.clock), answer);
    }

    pub(crate) fn news(&mut self, now: u64, news: News) {
        self.core.news(moment(now, self.clock), news);
    }

    pub(crate) fn heard_leader(&mut self, now: u64, epoch: Epoch) {
        self.core.heard_leader(moment(now, self.clock), epoch);
    }

    pub(crate) fn heard_agent(&mut self, now: u64, id: &InstanceId) {
        self.core.heard_agent(moment(now, self.clock), id);
    }
}

fn moment(now: u64, clock: Clock) -> Moment {
    Moment(clock.at(now))
}
