//! Nothing is ever given to who is not the agent of his instance.

use crate::forger::ADDRESS;
use replay_core::State;
use schema::event::Event;
use schema::id::InstanceId;
use schema::unit::Seq;
use std::collections::BTreeSet;

/// What an independent reader keeps of who has said what.
#[derive(Debug, Default)]
pub(super) struct Trusted {
    /// Records that a forger has written.
    forged: BTreeSet<Seq>,
    /// Instances whose agents have proved themselves.
    verified: BTreeSet<InstanceId>,
}

impl Trusted {
    /// Checks a record that has just had its effect.
    pub(super) fn check(&mut self, state: &State, event: &Event) -> Option<String> {
        match event {
            Event::InstanceBooted(e) if e.address == ADDRESS => {
                self.forged.insert(state.head.applied);
                None
            }
            Event::InstanceStopping(e) if e.reason == ADDRESS => {
                Some(format!("a forger was heard, who stops {}", e.instance))
            }
            Event::InstanceVerified(e) => {
                self.verified.insert(e.instance.clone());
                let forged = self.forged.contains(&e.boot);
                forged.then(|| format!("{} was verified by what a forger wrote", e.instance))
            }
            Event::InstanceDistrusted(e) => {
                let late = matches!(e.why, schema::why::DistrustWhy::Expired { .. });
                let stranger = e.why == schema::why::DistrustWhy::Stranger;
                let genuine = !self.forged.contains(&e.boot) && !late && !stranger;
                genuine.then(|| format!("{} was distrusted, and is genuine", e.instance))
            }
            Event::AllocGranted(e) => {
                let launch = state.instances.get(&e.instance).map(|instance| &instance.launch);
                let launch = launch.and_then(|launch| state.launches.get(launch));
                let asked = launch.is_some_and(|launch| launch.fingerprint.is_some());
                let trusted = self.verified.contains(&e.instance) && e.address != ADDRESS;
                (asked && !trusted).then(|| format!("{} was given to a forger", e.alloc))
            }
            _ => None,
        }
    }
}
