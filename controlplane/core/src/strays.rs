//! Instances that the cloud has and that nothing on the log accounts for. A list may be late, and so may
//! the log: only what has been unaccounted for over a while, by this process's own clock, is a stray.

use crate::cloud::Seen;
use crate::moment::Moment;
use replay_core::State;
use schema::id::InstanceId;
use schema::unit::Millis;
use std::collections::BTreeMap;

/// How long an instance must have been unaccounted for.
const LONG: Millis = Millis::from_secs(30);

/// What the cloud has, as it was last listed, and since when nothing accounts for it.
#[derive(Debug, Default)]
pub(crate) struct Strays {
    /// The last list, until it has been held against the state.
    listed: Option<(Moment, Vec<Seen>)>,
    since: BTreeMap<InstanceId, Moment>,
    found: BTreeMap<InstanceId, Seen>,
}

impl Strays {
    /// The cloud has these.
    pub(crate) fn seen(&mut self, now: Moment, there: Vec<Seen>) {
        self.listed = Some((now, there));
    }

    /// Those that are strays by the last list. One that a list leaves out begins anew.
    pub(crate) fn of(&mut self, state: &State) -> &BTreeMap<InstanceId, Seen> {
        if let Some((now, there)) = self.listed.take() {
            let unknown: Vec<Seen> =
                there.into_iter().filter(|seen| !seen.is_known(state)).collect();
            let before = |seen: &Seen| self.since.get(&seen.instance).copied().unwrap_or(now);
            let since = unknown.iter().map(|seen| (seen.instance.clone(), before(seen))).collect();
            let long = |seen: &Seen| now.since(before(seen)) >= LONG;
            let found = unknown.iter().filter(|seen| long(seen));
            self.found = found.map(|seen| (seen.instance.clone(), seen.clone())).collect();
            self.since = since;
        }
        &self.found
    }
}
