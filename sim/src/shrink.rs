//! A failing history with as few faults as it takes.

use crate::case::{Case, Report};
use crate::faults::{Fault, Hit};
use std::collections::BTreeSet;

/// Most histories that are tried.
const TRIES: u32 = 400;

/// Leaves out what goes wrong, first fault by fault, then ever smaller parts of the list, for as long
/// as something is still found. Returns the smallest case that was met, and its report; the case
/// itself if it is sound.
#[must_use]
pub fn shrink(case: &Case) -> (Case, Report) {
    let report = case.run();
    let mut best = Best { case: case.clone(), report, tries: 0 };
    if best.report.found.is_empty() {
        return (best.case, best.report);
    }
    if case.only.is_none() {
        let all = best.hits();
        best.keeps(all);
    }
    for (fault, _) in Fault::ALL {
        let rest = best.hits().into_iter().filter(|hit| hit.fault != *fault).collect();
        best.keeps(rest);
    }
    best.halve();
    (best.case, best.report)
}

struct Best {
    case: Case,
    report: Report,
    tries: u32,
}

impl Best {
    fn hits(&self) -> BTreeSet<Hit> {
        self.report.hits.iter().map(|(hit, _)| *hit).collect()
    }

    /// Tries these alone; if something is found still, that is the best case from now on.
    fn keeps(&mut self, only: BTreeSet<Hit>) -> bool {
        self.tries += 1;
        let case = Case { only: Some(only), ..self.case.clone() };
        let report = case.run();
        let failed = !report.found.is_empty();
        if failed {
            (self.case, self.report) = (case, report);
        }
        failed
    }

    /// Leaves out parts of the list: halves, quarters, and so on down to single faults.
    fn halve(&mut self) {
        let mut length = self.hits().len().div_ceil(2);
        while length > 0 && self.tries < TRIES {
            let mut from = 0;
            while from < self.hits().len() && self.tries < TRIES {
                let part = |(at, hit)| (!(from..from + length).contains(&at)).then_some(hit);
                let rest = self.hits().into_iter().enumerate().filter_map(part).collect();
                if !self.keeps(rest) {
                    from += length;
                }
            }
            length = if length == 1 { 0 } else { length.div_ceil(2) };
        }
    }
}
