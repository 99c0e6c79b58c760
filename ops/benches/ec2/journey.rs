//! From a request to its first exec, part by part, as the log has it.

use crate::host::Begun;
use schema::event::Event;
use schema::id::{AllocId, LaunchId};
use schema::record::Record;
use schema::unit::LogTime;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long each part took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Journey {
    /// From the request to the intent to launch.
    pub(crate) decision: Duration,
    /// From there until it was noted that the cloud had made the instance.
    pub(crate) call: Duration,
    /// From the start of the agent's process until it had booted.
    pub(crate) boot: Duration,
    /// From there to the grant.
    pub(crate) grant: Duration,
    /// From there until the exec had started.
    pub(crate) exec: Duration,
}

impl Journey {
    /// All of them: what there was between call and boot is the cloud's.
    pub(crate) fn own(&self) -> Duration {
        self.decision + self.call + self.boot + self.grant + self.exec
    }
}

/// When what happened to one request.
#[derive(Default)]
struct Times {
    asked: Option<LogTime>,
    intended: Option<LogTime>,
    accepted: Option<LogTime>,
    begun: Option<LogTime>,
    booted: Option<LogTime>,
    granted: Option<LogTime>,
    started: Option<LogTime>,
}

impl Times {
    /// None if it was not launched for, or has not come so far.
    fn journey(&self) -> Option<Journey> {
        Some(Journey {
            decision: between(self.asked?, self.intended?),
            call: between(self.intended?, self.accepted?),
            boot: between(self.begun?, self.booted?),
            grant: between(self.booted?, self.granted?),
            exec: between(self.granted?, self.started?),
        })
    }
}

/// From one time to another; nothing if that was before.
pub(crate) fn between(from: LogTime, to: LogTime) -> Duration {
    Duration::from_nanos(to.0.saturating_sub(from.0))
}

/// The journeys of all requests of a cluster for which instances were launched, in order of their ids.
pub(crate) fn journeys(records: &[(LogTime, Record)], begun: &Begun) -> Vec<Journey> {
    let mut all: BTreeMap<AllocId, Times> = BTreeMap::new();
    let mut launched: BTreeMap<LaunchId, Vec<AllocId>> = BTreeMap::new();
    for (time, record) in records {
        let at = Some(*time);
        match &record.event {
            Event::AllocRequested(e) => all.entry(e.alloc.clone()).or_default().asked = at,
            Event::LaunchRequested(e) => {
                launched.insert(e.launch.clone(), e.reserved_for.clone());
                each(&mut all, &e.reserved_for, |times| times.intended = at);
            }
            Event::LaunchAccepted(e) => {
                let whose = launched.get(&e.launch).map(Vec::as_slice).unwrap_or_default();
                each(&mut all, whose, |times| times.accepted = at);
            }
            Event::InstanceBooted(e) => {
                let whose = launched.get(&e.launch).map(Vec::as_slice).unwrap_or_default();
                let begun = begun.get(e.instance.as_str()).copied();
                each(&mut all, whose, |times| (times.begun, times.booted) = (begun, at));
            }
            Event::AllocGranted(e) => all.entry(e.alloc.clone()).or_default().granted = at,
            Event::ExecStarted(e) => all.entry(e.alloc.clone()).or_default().started = at,
            _ => {}
        }
    }
    all.values().filter_map(Times::journey).collect()
}

fn each(all: &mut BTreeMap<AllocId, Times>, whose: &[AllocId], mut note: impl FnMut(&mut Times)) {
    for alloc in whose {
        note(all.entry(alloc.clone()).or_default());
    }
}
