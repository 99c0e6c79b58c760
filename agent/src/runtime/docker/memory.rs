//! What is seen of a container's memory while it runs, for its cgroup goes with it; and what follows once it
//! has ended.

use super::{between, time};
use crate::cgroup::{Cgroup, Counted};
use crate::kernel::Kernel;
use agent_core::oom::{Evidence, Oom, Own};
use bollard::models::{ContainerInspectResponse, ContainerState};
use jiff::Timestamp;
use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const LOOK: Duration = Duration::from_millis(20);

/// A container whose memory is looked at.
pub(super) struct Memory {
    own: Own,
    cgroup: Option<Cgroup>,
    counted: Mutex<Counted>,
}

impl Memory {
    pub(super) fn of(found: &ContainerInspectResponse) -> Memory {
        let pid = found.state.as_ref().and_then(|state| state.pid);
        let main = pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid > 0);
        let cgroup = main.and_then(Cgroup::of);
        let path = cgroup.as_ref().map(|cgroup| cgroup.path.clone());
        let own = Own { main, cgroup: path, id: found.id.clone(), ran: (0, 0) };
        Memory { own, cgroup, counted: Mutex::default() }
    }

    /// Keeps looking for as long as it is asked to.
    pub(super) async fn look(&self) -> Infallible {
        loop {
            if let Some(cgroup) = &self.cgroup {
                let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
                *counted = counted.with(cgroup.counted());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The most memory that was seen, and what of it was killed for memory.
    pub(super) fn judged(
        self,
        kernel: &Kernel,
        ended: &ContainerState,
        code: i32,
        limit: u64,
    ) -> (u64, Option<Oom>) {
        let counted = self.counted.into_inner().unwrap_or_else(PoisonError::into_inner);
        let own = Own { ran: ran(ended), ..self.own };
        let peak = counted.peak.unwrap_or(0);
        let kills = kernel.kills(&own);
        let flag = Some(ended.oom_killed.unwrap_or(false));
        let evidence = Evidence { code, limit, peak, flag, counted: counted.kills, kills };
        (peak, evidence.verdict(&own))
    }
}

/// From its start to its end, by the kernel's clock.
fn ran(ended: &ContainerState) -> (u64, u64) {
    let (now, clock) = (Timestamp::now(), Kernel::now());
    let at = |text: Option<&str>| {
        let ago = between(time(text)?, now);
        Some(clock.saturating_sub(ago.0.saturating_mul(1000)))
    };
    let (from, to) = (at(ended.started_at.as_deref()), at(ended.finished_at.as_deref()));
    (from.unwrap_or(clock), to.unwrap_or(clock))
}
