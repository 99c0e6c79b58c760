//! A controller: the real replica, and what a process adds to it.

use crate::log::Log;
use controlplane_core::Moment;
use controlplane_core::replica::{Do, Halt, Replica};
use controlplane_core::round::Me;
use schema::codec;
use schema::id::{AuthorId, ClusterId};
use schema::policy::Policy;
use schema::unit::Seq;
use uuid::Uuid;

pub(crate) struct Controller {
    pub(crate) core: Replica,
    pub(crate) name: AuthorId,
    next: Seq,
}

impl Controller {
    /// A new process: a name of its own, and nothing seen yet.
    pub(crate) fn start(now: u64, cluster: &ClusterId, life: u64, policy: &Policy) -> Controller {
        let name = AuthorId::made(now, life << 12);
        let incarnation = Uuid::from_u128(u128::from(life));
        let me = Me { cluster: cluster.clone(), replica: name.clone(), incarnation };
        Controller { core: Replica::new(Moment(now), me, policy.clone()), name, next: Seq(1) }
    }

    /// Reads what there is (nothing if it is cut off), and says what it wants done.
    pub(crate) fn turn(
        &mut self,
        now: u64,
        log: Option<&Log>,
        entropy: u64,
    ) -> Result<Vec<Do>, Halt> {
        if let Some(log) = log {
            self.read(now, log);
        }
        self.core.step(Moment(now), entropy)
    }

    fn read(&mut self, now: u64, log: &Log) {
        for message in log.from(self.next) {
            let decoded = codec::decode(message.payload);
            self.core.fold(Moment(now), message, decoded);
        }
        self.next = log.end().next();
        self.core.folded(0);
    }
}
