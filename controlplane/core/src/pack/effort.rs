//! How much may be tried. Counted in looks at a shape, not in time: the same input always stops at the
//! same point.

/// What may still be tried.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effort(u64);

impl Effort {
    /// This many looks.
    pub(super) fn of(looks: u64) -> Effort {
        Effort(looks)
    }

    /// Takes note of some looks.
    pub(super) fn spend(&mut self, looks: usize) {
        self.0 = self.0.saturating_sub(looks as u64);
    }

    /// Whether it is used up.
    pub(super) fn spent(self) -> bool {
        self.0 == 0
    }

    /// Parts with a share of what is left, for one attempt; [`Effort::back`] gives back the rest.
    pub(super) fn lend(&mut self, share: u64) -> Effort {
        let lent = self.0 / share.max(1);
        self.0 -= lent;
        Effort(lent)
    }

    /// Takes back what was not used.
    pub(super) fn back(&mut self, lent: Effort) {
        self.0 = self.0.saturating_add(lent.0);
    }
}
