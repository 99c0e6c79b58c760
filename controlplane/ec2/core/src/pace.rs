//! When the next call may be made: the buckets, and how long calls of a kind rest after EC2 has
//! throttled one.

use crate::bucket::{Buckets, Call, throttle};
use controlplane_core::Moment;
use schema::unit::Millis;
use std::collections::BTreeMap;

/// What is throttled apart from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Run,
    Terminate,
    Describe,
    Change,
    PriceList,
}

/// A rest after a throttled call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rest {
    length: Millis,
    until: Moment,
}

/// The pace of one process's calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    buckets: Buckets,
    rests: BTreeMap<Kind, Rest>,
}

impl Pace {
    /// With full buckets and nothing that rests.
    #[must_use]
    pub fn new(now: Moment) -> Pace {
        Pace { buckets: Buckets::new(now), rests: BTreeMap::new() }
    }

    /// Takes what a call needs.
    ///
    /// # Errors
    /// How long to wait before it is worth asking again; then nothing is taken.
    pub fn take(&mut self, now: Moment, call: Call) -> Result<(), Millis> {
        match self.rests.get(&kind(call)) {
            Some(rest) if rest.until > now => Err(rest.until.since(now)),
            _ => self.buckets.take(now, call),
        }
    }

    /// EC2 throttled this call: nobody knows what its buckets hold, and calls of the kind rest. One that
    /// was under way when the rest began does not make it longer.
    pub fn throttled(&mut self, now: Moment, call: Call) {
        self.buckets.throttled(now, call);
        let before = self.rests.get(&kind(call)).copied();
        if before.is_some_and(|rest| rest.until > now) {
            return;
        }
        let length = throttle(before.map_or(Millis(0), |rest| rest.length));
        self.rests.insert(kind(call), Rest { length, until: now + length });
    }

    /// EC2 gave any other answer to this call: the next rest is a short one again. One that was under
    /// way when the rest began does not end it.
    pub fn answered(&mut self, now: Moment, call: Call) {
        if self.rests.get(&kind(call)).is_some_and(|rest| rest.until <= now) {
            self.rests.remove(&kind(call));
        }
    }
}

fn kind(call: Call) -> Kind {
    match call {
        Call::Run(_) => Kind::Run,
        Call::Terminate(_) => Kind::Terminate,
        Call::Describe => Kind::Describe,
        Call::Change => Kind::Change,
        Call::PriceList => Kind::PriceList,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_grow_until_another_answer_comes_and_others_do_not_rest() {
        let mut pace = Pace::new(Moment(0));
        let mut now = Moment(0);
        for rest in [1000, 2500, 4750] {
            pace.throttled(now, Call::Run(1));
            // Others that were under way change nothing.
            pace.throttled(now, Call::Run(1));
            pace.answered(now, Call::Run(1));
            assert_eq!(pace.take(now, Call::Run(1)), Err(Millis(rest)));
            assert_eq!(pace.take(now, Call::Describe), Ok(()));
            now = now + Millis(rest);
        }
        assert_eq!(pace.take(now, Call::Run(1)), Ok(()));
        pace.answered(now, Call::Run(1));
        pace.throttled(now, Call::Run(1));
        assert_eq!(pace.take(now, Call::Run(1)), Err(Millis(1000)));
    }

    #[test]
    fn without_rests_the_buckets_alone_count() {
        let mut pace = Pace::new(Moment(0));
        assert!((0..5).all(|_| pace.take(Moment(0), Call::Run(1)).is_ok()));
        assert_eq!(pace.take(Moment(0), Call::Run(1)), Err(Millis(500)));
        assert_eq!(pace.take(Moment(500), Call::Run(1)), Ok(()));
    }
}
