//! How long failovers took: from what hit a leader to the election of the next, by the log's clock.

use crate::judge::Election;
use crate::tally::{Blow, Tally};
use schema::unit::Epoch;
use std::time::Duration;

/// How long a leader was missed, and the term that it led.
type Missed = (Duration, Epoch);

/// How long leaders that were hit were missed, in order; those that were while a server was away, too,
/// apart.
pub(crate) struct Failovers {
    plain: Vec<Missed>,
    while_away: Vec<Missed>,
}

impl Failovers {
    /// Those that end in one of these elections.
    pub(crate) fn of(elections: &[Election], tally: &Tally) -> Failovers {
        let (mut plain, mut while_away) = (Vec::new(), Vec::new());
        let blows = tally.blows();
        for Election { after, at } in elections {
            // The last that hit that term: an earlier one may have been too short to end it.
            let hit = |blow: &&Blow| blow.epoch == *after && blow.at <= *at;
            let Some(blow) = blows.iter().rev().find(hit) else { continue };
            let took = Duration::from_nanos(at.0 - blow.at.0);
            let away = tally.away(blow.at, *at);
            if away { &mut while_away } else { &mut plain }.push((took, *after));
        }
        plain.sort_unstable();
        while_away.sort_unstable();
        Failovers { plain, while_away }
    }

    /// How many there were.
    pub(crate) fn count(&self) -> usize {
        self.plain.len() + self.while_away.len()
    }

    /// Their figures, in words; a figure only where something was measured.
    pub(crate) fn words(&self) -> String {
        let told = |name: &str, all: &[Missed]| {
            let at = |percent| percentile(all, percent).0.as_secs_f64();
            let (half, most, worst) = (at(50), at(99), at(100));
            let (count, term) = (all.len(), percentile(all, 100).1);
            format!(
                "{name}{count}: p50 {half:.2} s, p99 {most:.2} s, max {worst:.2} s (after term {term})"
            )
        };
        let kinds = [("", &self.plain), ("while a server was away, too, ", &self.while_away)];
        let measured = kinds.into_iter().filter(|(_, all)| !all.is_empty());
        let words: Vec<String> = measured.map(|(name, all)| told(name, all)).collect();
        if words.is_empty() { "none measured".to_owned() } else { words.join("; ") }
    }
}

/// The least that so many percent of these, which are in order, do not exceed; zero if there are none.
fn percentile(all: &[Missed], percent: usize) -> Missed {
    let rank = (all.len() * percent).div_ceil(100).max(1);
    all.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use schema::unit::LogTime;

    #[test]
    fn percentiles_are_of_what_was_measured() {
        let all: Vec<_> = (1..=200).map(|n| (Duration::from_secs(n), Epoch(n))).collect();
        let of = |percent| percentile(&all, percent).0.as_secs();
        assert_eq!((of(50), of(99), of(100)), (100, 198, 200));
        assert_eq!(percentile(&all[..1], 50), all[0]);
        assert_eq!(percentile(&[], 99), Missed::default());
    }

    #[test]
    fn a_failover_is_measured_from_what_hit_that_term() {
        let tally = Tally::default();
        tally.hit(Epoch(3));
        let at = LogTime(tally.blows()[0].at.0 + 2_000_000_000);
        let of = |after| Failovers::of(&[Election { after: Epoch(after), at }], &tally).plain;
        assert_eq!(of(3), [(Duration::from_secs(2), Epoch(3))]);
        assert!(of(4).is_empty());
    }

    #[test]
    fn there_is_no_figure_where_nothing_was_measured() {
        let tally = Tally::default();
        assert_eq!(Failovers::of(&[], &tally).words(), "none measured");
        let from = crate::tally::now();
        tally.hit(Epoch(3));
        tally.was_away(from);
        let at = LogTime(tally.blows()[0].at.0 + 2_000_000_000);
        let away = Failovers::of(&[Election { after: Epoch(3), at }], &tally);
        let figures = "1: p50 2.00 s, p99 2.00 s, max 2.00 s (after term 3)";
        assert_eq!(away.words(), format!("while a server was away, too, {figures}"));
        assert_eq!(away.count(), 1);
    }
}
