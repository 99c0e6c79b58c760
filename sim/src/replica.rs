//! A controller: the real replica, and what a process adds to it.

use crate::log::Log;
use controlplane_core::Moment;
use controlplane_core::effects::News;
use controlplane_core::replica::{Do, Halt, Replica};
use controlplane_core::round::{Answer, Me};
use schema::codec;
use schema::id::{AuthorId, ClusterId, InstanceId};
use schema::policy::Policy;
use schema::unit::{Epoch, Seq};
use uuid::Uuid;

pub(crate) struct Controller {
    pub(crate) core: Replica,
    pub(crate) name: AuthorId,
    next: Seq,
    /// By how much its clock is fast, in thousandths.
    fast: u64,
}

impl Controller {
    /// A new process: a name of its own, and nothing seen yet.
    pub(crate) fn start(
        now: u64,
        cluster: &ClusterId,
        life: u64,
        policy: &Policy,
        fast: u64,
    ) -> Controller {
        let name = AuthorId::made(now, life << 12);
        let incarnation = Uuid::from_u128(u128::from(life));
        let me = Me { cluster: cluster.clone(), replica: name.clone(), incarnation };
        let core = Replica::new(moment(now, fast), me, policy.clone());
        Controller { core, name, next: Seq(1), fast }
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
        self.core.step(moment(now, self.fast), entropy)
    }

    /// Reads to the end of the log.
    pub(crate) fn catch_up(&mut self, now: u64, log: &Log) {
        self.read(now, log, usize::MAX);
    }

    fn read(&mut self, now: u64, log: &Log, most: usize) {
        for message in log.from(self.next).take(most) {
            let decoded = codec::decode(message.payload);
            self.core.fold(moment(now, self.fast), message, decoded);
            self.next = message.seq.next();
        }
        self.core.folded(log.end().next().0 - self.next.0);
    }

    pub(crate) fn answered(&mut self, now: u64, answer: Answer) {
        self.core.answered(moment(now, self.fast), answer);
    }

    pub(crate) fn news(&mut self, now: u64, news: News) {
        self.core.news(moment(now, self.fast), news);
    }

    pub(crate) fn heard_leader(&mut self, now: u64, epoch: Epoch) {
        self.core.heard_leader(moment(now, self.fast), epoch);
    }

    pub(crate) fn heard_agent(&mut self, now: u64, id: &InstanceId) {
        self.core.heard_agent(moment(now, self.fast), id);
    }
}

/// What a clock that is fast shows.
fn moment(now: u64, fast: u64) -> Moment {
    Moment(now + now * fast / 1000)
}
