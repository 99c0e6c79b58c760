//! What is told at the end: what was found, beside what must not be; what was done, and what could not
//! be or was not; how long failovers took.

use crate::failover::Failovers;
use crate::plan::Mishap;
use crate::print;
use crate::verdict::Over;
use std::collections::BTreeMap;

/// Most that is told of one kind.
const MOST: usize = 10;

/// Prints what was found; says whether all is as it must be, and enough was shown of it.
pub(crate) fn tell(over: &Over<'_>) -> bool {
    let findings = &over.findings;
    let others = findings.given_up.iter().map(|(how, count)| format!("{count} {how}"));
    let ended = std::iter::once(format!("{} ended", findings.ended.len())).chain(others);
    let ended = ended.collect::<Vec<_>>().join(", ");
    line("execs", &format!("{} submitted: {ended}", findings.submitted));
    for (name, found) in over.must_be_none() {
        line(name, &found.len().to_string());
        found.iter().take(MOST).for_each(|found| line("", found));
    }
    line("mishaps", &over.tally.words());
    missed(over).iter().for_each(|(name, words)| line(name, words));
    line("failovers", &Failovers::of(&findings.elections, over.tally).words());
    let log = &over.log;
    let sound = if log.sound { "sound" } else { "NOT SOUND" };
    let (records, checkpoints) = (log.verified, log.checkpoints);
    line("log", &format!("{sound}: {records} records, {checkpoints} checkpoints compared"));
    let not_shown = over.not_shown();
    not_shown.iter().for_each(|what| line("NOT SHOWN", what));
    over.nothing_wrong() && not_shown.is_empty()
}

fn line(name: &str, words: &str) {
    print(&format!("{name:<11}{words}"));
}

/// The kinds of mishaps that did not happen: those that cannot here, by why, and the others.
fn missed(over: &Over<'_>) -> Vec<(&'static str, String)> {
    let mut not_here: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (mishap, why) in over.impossible {
        not_here.entry(why).or_default().push(mishap.name());
    }
    let possible = |mishap: &Mishap| over.impossible.iter().all(|(other, _)| other != mishap);
    let not_done = Mishap::ALL.into_iter().filter(possible);
    let not_done = not_done.filter(|mishap| over.tally.times(*mishap) == 0);
    let not_done: Vec<&str> = not_done.map(Mishap::name).collect();
    let not_here = not_here.into_iter().map(|(why, all)| format!("no {}: {why}", all.join(", ")));
    let mut missed: Vec<_> = not_here.map(|words| ("not here", words)).collect();
    if !not_done.is_empty() {
        let words = format!("no {}: not dealt in this time, or nobody to hit", not_done.join(", "));
        missed.push(("not done", words));
    }
    missed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Far;
    use crate::verdict::tests::{good, tally};

    #[test]
    fn every_kind_of_mishap_that_did_not_happen_is_named_with_why() {
        let tally = tally();
        Mishap::ALL.into_iter().for_each(|mishap| tally.did(mishap));
        assert_eq!(missed(&good(&tally)), []);
        let why = |text: &str| text.to_owned();
        let impossible = [
            (Mishap::Partition(Far::Controller), why("no root")),
            (Mishap::FillDisk, why("no mount")),
            (Mishap::Partition(Far::Driver), why("no root")),
        ];
        let (fresh, mut over) = (crate::tally::Tally::default(), good(&tally));
        (over.tally, over.impossible) = (&fresh, &impossible);
        let found = missed(&over);
        assert_eq!(found[0], ("not here", why("no full disks: no mount")));
        assert_eq!(found[1], ("not here", why("no controllers cut off, drivers cut off: no root")));
        let (name, words) = &found[2];
        let possible = Mishap::ALL.into_iter().filter(|m| impossible.iter().all(|(i, _)| i != m));
        assert!(*name == "not done" && possible.clone().count() == 9, "{words}");
        assert!(possible.clone().all(|mishap| words.contains(mishap.name())), "{words}");
    }
}
