//! What is told at the end: what was found, beside what must not be, and how long failovers took.

use crate::judge::{Election, Findings};
use crate::print;
use crate::tally::Tally;
use schema::unit::Epoch;
use std::time::Duration;

/// Most that is told of one kind.
const MOST: usize = 10;

/// How long a leader was missed, and the term that it led.
type Missed = (Duration, Epoch);

/// How long leaders that were hit were missed, in order; those that were while a server was away, too,
/// apart.
struct Failovers {
    plain: Vec<Missed>,
    while_away: Vec<Missed>,
}

impl Failovers {
    fn of(elections: &[Election], tally: &Tally) -> Failovers {
        let (mut plain, mut while_away) = (Vec::new(), Vec::new());
        let blows = tally.blows();
        for Election { after, at } in elections {
            // The last that hit that term: an earlier one may have been too short to end it.
            let hit = |blow: &&crate::tally::Blow| blow.epoch == *after && blow.at <= *at;
            let Some(blow) = blows.iter().rev().find(hit) else { continue };
            let took = Duration::from_nanos(at.0 - blow.at.0);
            let away = tally.away(blow.at, *at);
            if away { &mut while_away } else { &mut plain }.push((took, *after));
        }
        plain.sort_unstable();
        while_away.sort_unstable();
        Failovers { plain, while_away }
    }

    fn words(&self) -> String {
        let told = |name: &str, all: &[Missed]| {
            let at = |percent| percentile(all, percent).0.as_secs_f64();
            let (half, most, worst) = (at(50), at(99), at(100));
            let (count, term) = (all.len(), percentile(all, 100).1);
            format!(
                "{name}{count}: p50 {half:.2} s, p99 {most:.2} s, max {worst:.2} s (after term {term})"
            )
        };
        let mut words = vec![told("", &self.plain)];
        if !self.while_away.is_empty() {
            words.push(told("while a server was away, too, ", &self.while_away));
        }
        words.join("; ")
    }
}

/// The least that so many percent of these, which are in order, do not exceed; zero if there are none.
fn percentile(all: &[Missed], percent: usize) -> Missed {
    let rank = (all.len() * percent).div_ceil(100).max(1);
    all.get(rank - 1).copied().unwrap_or_default()
}

/// Prints what was found; says whether all is as it must be.
pub(crate) fn tell(findings: &Findings, tally: &Tally, leaked: &[String], sound: bool) -> bool {
    let Findings { submitted, ended, given_up, lost, doubled, unfenced, elections } = findings;
    let others = given_up.iter().map(|(how, count)| format!("{count} {how}"));
    let ended = std::iter::once(format!("{ended} ended")).chain(others).collect::<Vec<_>>();
    print(&format!("execs      {submitted} submitted: {}", ended.join(", ")));
    let zero = [("lost", lost), ("doubled", doubled), ("unfenced", unfenced)];
    let leaked = leaked.to_vec();
    for (name, found) in zero.into_iter().chain([("leaked", &leaked)]) {
        print(&format!("{name:<11}{}", found.len()));
        found.iter().take(MOST).for_each(|found| print(&format!("           {found}")));
    }
    print(&format!("mishaps    {}", tally.words()));
    print(&format!("failovers  {}", Failovers::of(elections, tally).words()));
    print(&format!("log        {}", if sound { "sound" } else { "NOT SOUND" }));
    zero_all(findings) && leaked.is_empty() && sound
}

fn zero_all(findings: &Findings) -> bool {
    let Findings { submitted, lost, doubled, unfenced, .. } = findings;
    *submitted > 0 && lost.is_empty() && doubled.is_empty() && unfenced.is_empty()
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
}
