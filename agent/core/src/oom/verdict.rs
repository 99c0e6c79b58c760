//! Whether an exec ran out of memory, and whose limit it was: what its runtime, its cgroup and the kernel say,
//! compared. An exit code of 137 says only that something sent a SIGKILL.

use super::kills::Kill;
use super::line::Constraint;
use schema::why::{OomConstraint, OomProcess, OomSource, OomVictim};

/// An exit code of a process that was ended by SIGKILL, or that says so of another.
const KILLED: i32 = 137;
/// Microseconds by which the clock of the kernel's log may be off from the one that times were taken with.
const SLACK: u64 = 1_000_000;

/// By what the kernel's words are known to be about an exec.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Own {
    /// Its main process, by its id outside of all namespaces.
    pub main: Option<u32>,
    /// Its cgroup, from the root of the hierarchy. None where it shares one with others.
    pub cgroup: Option<String>,
    /// What the name of its cgroup holds wherever that is: the id of its container.
    pub id: Option<String>,
    /// When it began and ended, in microseconds since the machine was started: process ids are used again.
    pub ran: (u64, u64),
}

/// Where a cgroup is, as seen from an exec's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Own,
    Inside,
    Elsewhere,
}

impl Own {
    /// Whether it was a process of this exec that was killed.
    #[must_use]
    pub fn is(&self, kill: &Kill) -> bool {
        match &kill.task_cgroup {
            Some(path) if self.has_its_own() => self.place(path) != Place::Elsewhere,
            _ => self.main == Some(kill.pid) && self.ran_at(kill.at),
        }
    }

    fn has_its_own(&self) -> bool {
        self.cgroup.is_some() || self.id.is_some()
    }

    fn ran_at(&self, at: u64) -> bool {
        let (from, to) = self.ran;
        (from.saturating_sub(SLACK)..=to.saturating_add(SLACK)).contains(&at)
    }

    fn place(&self, path: &str) -> Place {
        let below = |rest: &str| match rest {
            "" => Place::Own,
            rest if rest.starts_with('/') => Place::Inside,
            _ => Place::Elsewhere,
        };
        let by_path = self.cgroup.as_ref().and_then(|own| path.strip_prefix(own.as_str()));
        let place = by_path.map_or(Place::Elsewhere, below);
        if place != Place::Elsewhere {
            return place;
        }
        let Some(id) = self.id.as_deref().filter(|id| !id.is_empty()) else {
            return Place::Elsewhere;
        };
        match path.rsplit_once(id) {
            // A name ends with the id, or with what kind of unit it is.
            Some((_, rest)) => below(rest.strip_prefix(".scope").unwrap_or(rest)),
            None => Place::Elsewhere,
        }
    }

    fn constraint(&self, kill: &Kill) -> OomConstraint {
        match (kill.constraint, &kill.limit_cgroup) {
            (Constraint::Node, _) => OomConstraint::Node,
            (Constraint::Part, _) => OomConstraint::Part,
            (_, Some(limit)) => match self.place(limit) {
                Place::Own => OomConstraint::Exec,
                Place::Inside => OomConstraint::Inside,
                Place::Elsewhere => OomConstraint::Above,
            },
            (Constraint::Cgroup, None) if !self.has_its_own() => OomConstraint::Above,
            (Constraint::Cgroup | Constraint::Unknown, None) => OomConstraint::Unspecified,
        }
    }
}

/// What there is to judge an exec by that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Evidence {
    /// Its exit code.
    pub code: i32,
    /// Its limit in bytes; 0 if it has none.
    pub limit: u64,
    /// The most that it was seen to use, in bytes; 0 if nobody looked.
    pub peak: u64,
    /// What its runtime says; none of one that says nothing of memory.
    pub flag: Option<bool>,
    /// How many kills its cgroup had counted when it was last looked at; none if it has none of its own.
    pub counted: Option<u64>,
    /// What the kernel says of its processes; none where it may have said what was not seen.
    pub kills: Option<Vec<Kill>>,
}

/// That processes of an exec were killed for memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oom {
    /// Who was killed.
    pub victim: OomVictim,
    /// Whose memory had run out.
    pub constraint: OomConstraint,
    /// The process that was killed: the main one if that is among them, else the first.
    pub process: Option<OomProcess>,
    /// How many were killed, at least.
    pub killed: u32,
    /// Who says so.
    pub sources: Vec<OomSource>,
    /// How sure this is, in percent.
    pub confidence: u8,
}

impl Evidence {
    /// What follows: nothing, if nobody says that anything was killed for memory. Docker's flag counts for nothing
    /// against the kernel: where a limit on several is reached, it is up for all of them (cgroups of the first
    /// version).
    #[must_use]
    pub fn verdict(&self, own: &Own) -> Option<Oom> {
        let sources = self.sources();
        if sources.is_empty() {
            return None;
        }
        let kills = self.kills.as_deref().unwrap_or_default();
        let main = kills.iter().find(|kill| own.main == Some(kill.pid));
        let told = main.or(kills.first());
        let counted = self.counted.unwrap_or(0).max(kills.len() as u64).max(1);
        Some(Oom {
            victim: self.victim(own, main),
            constraint: told.map_or(OomConstraint::Unspecified, |kill| own.constraint(kill)),
            process: told.map(|kill| OomProcess {
                pid: kill.pid,
                name: kill.name.as_str().into(),
                rss: kill.rss,
            }),
            killed: u32::try_from(counted).unwrap_or(u32::MAX),
            confidence: self.confidence(&sources),
            sources,
        })
        .map(|oom| self.by_peak(oom))
    }

    fn sources(&self) -> Vec<OomSource> {
        let kernel = self.kills.as_ref().is_some_and(|kills| !kills.is_empty());
        let cgroup = self.counted.is_some_and(|counted| counted > 0);
        let denied = self.kills.is_some() && self.counted.is_some();
        let all = [
            (kernel, OomSource::Kernel),
            (cgroup, OomSource::Cgroup),
            (self.flag == Some(true) && (kernel || cgroup || !denied), OomSource::Runtime),
        ];
        all.into_iter().filter_map(|(says, source)| says.then_some(source)).collect()
    }

    fn victim(&self, own: &Own, main: Option<&Kill>) -> OomVictim {
        // Of many kills at once the kernel says only who was killed, and not in which cgroup: it was not the
        // main process, if that is none of them.
        let killed = self.counted.is_some_and(|counted| counted > 0);
        let named = self.kills.as_ref().is_some_and(|kills| killed || !kills.is_empty());
        match main {
            Some(_) => OomVictim::Main,
            None if named && own.main.is_some() => OomVictim::Child,
            // Its main process may have been killed, or says so of the one that was.
            None if self.code == KILLED => OomVictim::Unspecified,
            None => OomVictim::Child,
        }
    }

    /// Whoever was killed without a word on whose limit it was, and had used all of its own.
    fn by_peak(&self, oom: Oom) -> Oom {
        let all = self.limit > 0 && self.peak >= self.limit;
        match oom.constraint {
            OomConstraint::Unspecified if all => Oom { constraint: OomConstraint::Exec, ..oom },
            _ => oom,
        }
    }

    /// The kernel knows best whom it killed, then the counter; the runtime's flag may be about something else.
    /// Who could have said so as well and did not takes something off that.
    fn confidence(&self, sources: &[OomSource]) -> u8 {
        let says = |source| sources.contains(&source);
        let silent = self.kills.is_some() && !says(OomSource::Kernel);
        match (says(OomSource::Kernel), says(OomSource::Cgroup), says(OomSource::Runtime)) {
            (true, true, _) | (true, _, true) => 100,
            (true, false, false) => 95,
            (false, true, true) => {
                if silent {
                    85
                } else {
                    95
                }
            }
            (false, true, false) => {
                if silent {
                    80
                } else {
                    90
                }
            }
            (false, false, _) => {
                if silent {
                    50
                } else {
                    80
                }
            }
        }
    }
}
