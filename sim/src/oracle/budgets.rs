//! No record takes a driver or a label over the limit by which its writer decided.

use replay_core::State;
use replay_core::state::budget::Costs;
use schema::event::Event;
use schema::id::DriverId;
use schema::policy::Policy;
use schema::record::Record;
use schema::unit::{Micros, Seq};
use std::collections::BTreeMap;

/// Limits that have been in force, and what all cost before the next record.
#[derive(Debug, Default)]
pub(super) struct Budgets {
    /// From which record on.
    limits: BTreeMap<Seq, (BTreeMap<DriverId, Micros>, Policy)>,
    before: Costs,
}

impl Budgets {
    /// Checks a record that has just had its effect.
    pub(super) fn check(&mut self, state: &State, record: &Record) -> Option<String> {
        let (head, now) = (&state.head, &state.index.costs);
        if record.event.kind() == "driver-budget-set" || record.event.kind() == "policy-set" {
            self.limits.insert(head.applied, (head.budgets.clone(), head.policy.clone()));
        }
        let at = match &record.event {
            // Nobody acts on an intent before it is folded.
            Event::LaunchRequested(_) => head.applied,
            Event::AllocGranted(_) => record.cause,
            _ => {
                let dearer = self.dearer(now);
                self.before = now.clone();
                return dearer.map(|of| format!("{of} costs more by {}", record.event.kind()));
            }
        };
        let limits = self.limits.range(..=at).next_back().map(|(_, limits)| limits);
        let over = limits.and_then(|(drivers, policy)| self.over(now, drivers, policy));
        self.before = now.clone();
        over
    }

    fn over(
        &self,
        now: &Costs,
        drivers: &BTreeMap<DriverId, Micros>,
        policy: &Policy,
    ) -> Option<String> {
        let drivers = drivers.iter().map(|(id, limit)| {
            (id.to_string(), self.before.of_driver(id), now.of_driver(id), limit)
        });
        let labels = policy.label_budgets.iter().map(|(label, limit)| {
            (label.to_string(), self.before.of_label(label), now.of_label(label), limit)
        });
        let over = |(_, before, sum, limit): &(String, i128, i128, &Micros)| {
            sum > before && *sum > i128::from(limit.0)
        };
        let found = drivers.chain(labels).find(over);
        found.map(|(of, before, sum, limit)| format!("{of} went from {before} to {sum} of {limit}"))
    }

    /// A driver that costs more than before.
    fn dearer(&self, now: &Costs) -> Option<String> {
        let dearer = |id: &&DriverId| now.of_driver(id) > self.before.of_driver(id);
        now.drivers().find(dearer).map(ToString::to_string)
    }
}
