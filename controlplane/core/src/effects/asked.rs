//! A question that the cloud is asked every so often, and never twice at once.

use crate::moment::Moment;
use schema::unit::Millis;

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
