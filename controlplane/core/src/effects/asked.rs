//! A question that the cloud is asked every so often, and never twice at once.

use crate::moment::Moment;
use schema::policy::types::TypeRules;
use schema::unit::Millis;

/// How often what changes seldom is asked for.
const DAY: Millis = Millis::from_secs(24 * 3600);
/// How long after it was first not answered. Each time that it is not, it is twice as long.
const AGAIN: Millis = Millis::from_secs(300);

/// When a question was asked last, and whether it is under way.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Asked {
    under_way: bool,
    last: Option<Moment>,
}

impl Asked {
    /// Whether it is to be asked now.
    pub(super) fn is_due(&self, now: Moment, every: Millis) -> bool {
        !self.under_way && self.last.is_none_or(|at| now.since(at) >= every)
    }

    /// Begins to ask, if it is due; says whether it does.
    pub(super) fn begin(&mut self, now: Moment, every: Millis) -> bool {
        let due = self.is_due(now, every);
        if due {
            *self = Asked { under_way: true, last: Some(now) };
        }
        due
    }

    /// It was answered, or will not be.
    pub(super) fn done(&mut self) {
        self.under_way = false;
    }

    /// The same as if it had never been asked, but that what is under way still is.
    pub(super) fn anew(self) -> Asked {
        Asked { last: None, ..self }
    }
}

/// A question that is asked once a day, of what is allowed by some rules: at once by other rules, and after
/// it was not answered sooner, and then more and more seldom.
#[derive(Debug, Default)]
pub(super) struct Daily {
    asked: Asked,
    rules: Option<TypeRules>,
    /// How often in a row it was not answered.
    failures: u32,
}

impl Daily {
    /// Begins to ask, if it is due; says whether it does.
    pub(super) fn begin(&mut self, now: Moment, rules: &TypeRules) -> bool {
        let new = self.rules.as_ref() != Some(rules);
        let every = if new { Millis(0) } else { self.every() };
        let begins = self.asked.begin(now, every);
        if begins && new {
            (self.rules, self.failures) = (Some(rules.clone()), 0);
        }
        begins
    }

    /// It was answered, all of it or not.
    pub(super) fn done(&mut self, wholly: bool) {
        self.asked.done();
        self.failures = if wholly { 0 } else { self.failures.saturating_add(1) };
    }

    fn every(&self) -> Millis {
        match self.failures {
            0 => DAY,
            often => Millis((AGAIN.0 << (often - 1).min(16)).min(DAY.0)),
        }
    }
}
