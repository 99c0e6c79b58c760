//! Nothing is ever given to who is not the agent of his instance.

use crate::forger::{ADDRESS, CAUSE};
use replay_core::State;
use schema::event::Event;
use schema::id::InstanceId;
use schema::record::Record;
use schema::unit::{LogTime, Seq};
use std::collections::{BTreeMap, BTreeSet};

/// What an independent reader keeps of who has said what.
#[derive(Debug, Default)]
pub(super) struct Trusted {
    /// Records that a forger has written.
    forged: BTreeSet<Seq>,
    /// Records that came too late for what is shown with them, and until when they would have been in time.
    late: BTreeMap<Seq, LogTime>,
    /// Instances whose agents have proved themselves.
    verified: BTreeSet<InstanceId>,
}

impl Trusted {
    /// Checks a record that has just had its effect.
    pub(super) fn check(&mut self, state: &State, record: &Record) -> Option<String> {
        let forged = record.cause == CAUSE;
        match &record.event {
            Event::InstanceBooted(e) => {
                let head = &state.head;
                if forged {
                    self.forged.insert(head.applied);
                }
                let made = state.instances.get(&e.instance).map(|instance| instance.created);
                let within = e.proof.as_ref().map(|proof| proof.joins_within);
                let until = made.zip(within).map(|(made, within)| made + within);
                if let Some(until) = until.filter(|until| head.time > *until) {
                    self.late.insert(head.applied, until);
                }
                None
            }
            event if forged => {
                Some(format!("a forger was heard as {}: {}", record.author, event.kind()))
            }
            Event::InstanceVerified(e) => {
                let first = self.verified.insert(e.instance.clone());
                if self.forged.contains(&e.boot) {
                    return Some(format!("{} was verified by what a forger wrote", e.instance));
                }
                let late = self.late.get(&e.boot).filter(|_| first);
                late.map(|until| format!("{} joined, and only could until {until}", e.instance))
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
