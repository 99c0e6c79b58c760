//! Whether a run is good: nothing was lost, doubled or left behind, and it has shown so. A run in which
//! nothing ended, nobody was hit, or little was read again finds nothing wrong either.

use crate::failover::Failovers;
use crate::judge::Findings;
use crate::plan::Mishap;
use crate::tally::Tally;
use schema::unit::LogTime;

/// A run that is over, and what is known of it.
pub(crate) struct Over<'a> {
    pub(crate) findings: Findings,
    pub(crate) tally: &'a Tally,
    /// What could not be done here, and why.
    pub(crate) impossible: &'a [(Mishap, String)],
    /// Every driver of the run.
    pub(crate) drivers: Vec<String>,
    /// What is left of it.
    pub(crate) leaked: Vec<String>,
    pub(crate) log: Reread,
}

/// The log, read once more when everything was at rest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reread {
    /// How many records the servers say that it holds.
    pub(crate) held: u64,
    /// How many of them `verify` has folded.
    pub(crate) verified: u64,
    /// How many digests of leaders `verify` has compared with its own.
    pub(crate) checkpoints: u64,
    /// Whether `verify` found nothing wrong.
    pub(crate) sound: bool,
}

impl Over<'_> {
    /// What must not be, by name.
    pub(crate) fn must_be_none(&self) -> [(&'static str, &[String]); 4] {
        let Findings { lost, doubled, unfenced, .. } = &self.findings;
        [("lost", lost), ("doubled", doubled), ("unfenced", unfenced), ("leaked", &self.leaked)]
    }

    /// Whether nothing was found that must not be.
    pub(crate) fn nothing_wrong(&self) -> bool {
        self.must_be_none().iter().all(|(_, found)| found.is_empty()) && self.log.sound
    }

    /// What this run was to show and did not, each as a sentence.
    pub(crate) fn not_shown(&self) -> Vec<String> {
        [self.demand(), self.trouble(), self.reread()].concat()
    }

    /// Drivers were served.
    fn demand(&self) -> Vec<String> {
        let Findings { granted, submitted, ended, heard, .. } = &self.findings;
        let early = self.tally.early();
        let early = early.iter().map(|name| format!("{name} ended before it was told to"));
        let mut missing: Vec<String> = early.collect();
        if *granted == 0 {
            missing.push("no alloc was granted: demand was never served".to_owned());
        } else if *submitted == 0 {
            missing.push("no exec was submitted: there was nothing to lose".to_owned());
        } else if ended.is_empty() {
            missing.push(format!("none of {submitted} execs ended by itself"));
        } else {
            let idle = |name: &&String| ended.iter().all(|(driver, _)| driver.as_str() != **name);
            let idle = self.drivers.iter().filter(idle);
            missing.extend(idle.map(|name| format!("no exec of driver {name} ended by itself")));
        }
        if *heard == 0 {
            missing.push("no driver heard of the end of an exec".to_owned());
        }
        missing
    }

    /// Things went wrong, the leader among them, while there was something to lose.
    fn trouble(&self) -> Vec<String> {
        let Findings { ended, elections, .. } = &self.findings;
        let mut missing = Vec::new();
        let killed = self.tally.times(Mishap::KillLeader);
        if killed == 0 {
            missing.push("no leader was killed".to_owned());
        } else if Failovers::of(elections, self.tally).count() == 0 {
            missing.push(format!("of {killed} leaders that were killed none was replaced"));
        }
        let meanwhile = |(_, at): &(_, LogTime)| self.tally.troubled(*at);
        if !ended.is_empty() && !ended.iter().any(meanwhile) {
            missing.push("no exec ended while things went wrong".to_owned());
        }
        missing
    }

    /// All of the log was looked at.
    fn reread(&self) -> Vec<String> {
        let Reread { held, verified, checkpoints, .. } = self.log;
        let mut missing = Vec::new();
        for (who, read) in [("this run", self.findings.folded), ("verify", verified)] {
            if read != held {
                missing.push(format!("{who} has read {read} records, and the log holds {held}"));
            }
        }
        if checkpoints == 0 {
            missing.push("verify had no checkpoint to compare".to_owned());
        }
        missing
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::judge::Election;
    use crate::tally::now;
    use schema::id::DriverId;
    use schema::unit::Epoch;

    /// A leader was killed, and nothing else.
    pub(crate) fn tally() -> Tally {
        let tally = Tally::default();
        tally.did(Mishap::KillLeader);
        tally.hit(Epoch(1));
        tally.calm();
        tally
    }

    /// A run of two drivers that is as it must be.
    pub(crate) fn good(tally: &Tally) -> Over<'_> {
        let at = tally.blows().first().map_or_else(now, |blow| blow.at);
        let driver = |name: &str| DriverId::new(name).expect("an id");
        let findings = Findings {
            folded: 9,
            granted: 2,
            submitted: 2,
            ended: vec![(driver("d-0"), at), (driver("d-1"), LogTime(u64::MAX))],
            heard: 2,
            elections: vec![Election { after: Epoch(1), at: LogTime(at.0 + 1) }],
            ..Findings::default()
        };
        let log = Reread { held: 9, verified: 9, checkpoints: 1, sound: true };
        let drivers = vec!["d-0".to_owned(), "d-1".to_owned()];
        Over { findings, tally, impossible: &[], drivers, leaked: Vec::new(), log }
    }

    /// What a run has not shown that is as it must be but for this.
    fn without(change: impl FnOnce(&mut Over<'_>)) -> Vec<String> {
        let tally = tally();
        let mut over = good(&tally);
        assert!(over.nothing_wrong() && over.not_shown().is_empty());
        change(&mut over);
        over.not_shown()
    }

    #[test]
    fn a_run_without_demand_shows_nothing() {
        let nothing = without(|over| over.findings.granted = 0);
        assert_eq!(nothing, ["no alloc was granted: demand was never served"]);
        let nothing = without(|over| over.findings.submitted = 0);
        assert_eq!(nothing, ["no exec was submitted: there was nothing to lose"]);
        let nothing = without(|over| over.findings.ended.clear());
        assert_eq!(nothing, ["none of 2 execs ended by itself"]);
        let nothing = without(|over| over.findings.heard = 0);
        assert_eq!(nothing, ["no driver heard of the end of an exec"]);
    }

    #[test]
    fn a_driver_that_gave_everything_up_or_left_is_named() {
        let gave_up = without(|over| over.findings.ended.truncate(1));
        assert_eq!(gave_up, ["no exec of driver d-1 ended by itself"]);
        let tally = tally();
        tally.left_early("d-0".to_owned());
        assert_eq!(good(&tally).not_shown(), ["d-0 ended before it was told to"]);
    }

    #[test]
    fn a_run_whose_leader_was_left_alone_shows_nothing() {
        let unhurt = Tally::default();
        unhurt.did(Mishap::KillStandby);
        let mut over = good(&unhurt);
        over.findings.ended[0].1 = now();
        unhurt.calm();
        assert_eq!(over.not_shown(), ["no leader was killed"]);
        let same = without(|over| over.findings.elections.clear());
        assert_eq!(same, ["of 1 leaders that were killed none was replaced"]);
        let calm = without(|over| over.findings.ended[0].1 = LogTime(1));
        assert_eq!(calm, ["no exec ended while things went wrong"]);
    }

    #[test]
    fn a_log_that_was_read_in_part_shows_nothing() {
        let judged = without(|over| over.findings.folded = 8);
        assert_eq!(judged, ["this run has read 8 records, and the log holds 9"]);
        let verified = without(|over| over.log.verified = 0);
        assert_eq!(verified, ["verify has read 0 records, and the log holds 9"]);
        let compared = without(|over| over.log.checkpoints = 0);
        assert_eq!(compared, ["verify had no checkpoint to compare"]);
    }

    #[test]
    fn what_must_not_be_is_wrong() {
        let tally = tally();
        let wrong = |change: fn(&mut Over<'_>)| {
            let mut over = good(&tally);
            change(&mut over);
            !over.nothing_wrong()
        };
        assert!(wrong(|over| over.findings.lost.push(String::new())));
        assert!(wrong(|over| over.findings.doubled.push(String::new())));
        assert!(wrong(|over| over.findings.unfenced.push(String::new())));
        assert!(wrong(|over| over.leaked.push(String::new())));
        assert!(wrong(|over| over.log.sound = false));
    }
}
