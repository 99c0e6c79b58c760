//! What goes wrong, and how often. Each seed draws its own rates: most faults are off in most seeds, so
//! that one does not hide what another would show.
//!
//! Whether the nth opportunity for a fault is taken depends on the seed, the fault and n alone, so that
//! a fault can be left out of a history without moving the others: that is what shrinking does.

use crate::rng::Rng;
use controlplane_core::sight::split_mix;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident $text:literal $most:literal,)*) => {
        /// Something that goes wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault {
            $($(#[$doc])* $name,)*
        }

        impl Fault {
            /// All there are, with the highest rate that a seed may draw, in thousandths of the
            /// opportunities: an append, a call, a heartbeat, or a second that passes.
            pub const ALL: &'static [(Fault, u64)] = &[$((Fault::$name, $most)),*];

            pub(crate) fn text(self) -> &'static str {
                match self { $(Fault::$name => $text),* }
            }
        }
    };
}

faults! {
    /// An append never arrives.
    LostAppend "lost-append" 100,
    /// An append is stored and its answer is lost.
    LostAnswer "lost-answer" 100,
    /// An append arrives long after its author has given up on it.
    LateAppend "late-append" 60,
    /// An append arrives twice.
    TwiceAppend "twice-append" 60,
    /// The log asks to try again.
    Busy "busy" 100,
    /// A heartbeat is lost.
    LostBeat "lost-beat" 300,
    /// A launch is refused for want of capacity.
    Capacity "capacity" 500,
    /// A launch is refused because a quota is used up.
    Quota "quota" 300,
    /// A launch is refused for what it asks.
    Misconfigured "misconfigured" 100,
    /// A call to the cloud is throttled: it does nothing, and says so.
    Throttled "throttled" 300,
    /// A call to the cloud does nothing, and its answer is lost.
    LostCall "lost-call" 300,
    /// A call to the cloud does its work, and its answer is lost.
    LostNews "lost-news" 300,
    /// The cloud lists what there was some seconds ago.
    StaleList "stale-list" 500,
    /// A termination fails.
    Unending "unending" 500,
    /// An instance never boots.
    Stillborn "stillborn" 200,
    /// A replica is killed, and another one started.
    KillReplica "kill-replica" 150,
    /// A replica is told to stop, and another one started.
    StopReplica "stop-replica" 60,
    /// A replica stands still for a while.
    PauseReplica "pause-replica" 150,
    /// A replica reads but a part of what is new.
    SlowReplica "slow-replica" 200,
    /// Somebody is cut off from the log for a while.
    Cut "cut" 150,
    /// An agent neither reads nor writes the log for a while, and is heard all the same.
    Deaf "deaf" 400,
    /// An agent is killed, and started again.
    KillAgent "kill-agent" 150,
    /// An agent is told to go, with all that it runs.
    StopAgent "stop-agent" 60,
    /// An instance reboots: its processes are gone, its disk is not.
    Reboot "reboot" 60,
    /// A driver is killed, and started again under its id.
    KillDriver "kill-driver" 100,
    /// An instance vanishes.
    Vanish "vanish" 50,
    /// An instance is told that it will be taken away, and is.
    Interrupt "interrupt" 100,
    /// The log's clock jumps ahead by some seconds.
    JumpAhead "jump-ahead" 30,
    /// The log's clock is set back by some seconds.
    JumpBack "jump-back" 30,
    /// An operator does something.
    Operate "operate" 200,
    /// A stranger writes what has no business on the log.
    Stranger "stranger" 300,
    /// A replica is killed, and another one started a minute or two later.
    AwayReplica "away-replica" 8,
    /// A replica that starts begins from a snapshot, which may be old.
    Snapshot "snapshot" 600,
    /// An agent stands still for a while.
    PauseAgent "pause-agent" 150,
    /// A driver stands still for a while.
    PauseDriver "pause-driver" 100,
    /// The disk under an agent's journal is full for a while.
    FullDisk "full-disk" 150,
    /// A driver dies for good.
    LoseDriver "lose-driver" 30,
    /// The clock of a process runs at another rate than the log's.
    Drift "drift" 700,
    /// The cloud has none of an offering for a long while.
    Drought "drought" 60,
    /// A list lacks some of what there is.
    PatchyList "patchy-list" 400,
    /// An agent is cut off until it is given up, and comes back while its instance cannot be ended.
    Outcast "outcast" 60,
    /// An instance vanishes, or is told that it will be taken away, before it has booted.
    Unborn "unborn" 200,
    /// Somebody starts an instance by hand that says it is the cluster's.
    Stray "stray" 60,
}

/// One opportunity that was taken: the nth of its fault, from 0. Written `lost-append#3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hit {
    /// What went wrong.
    pub fault: Fault,
    /// Which opportunity for it.
    pub nth: u32,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl fmt::Display for Hit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.fault, self.nth)
    }
}

impl FromStr for Hit {
    type Err = String;

    fn from_str(text: &str) -> Result<Hit, String> {
        let wrong = || format!("{text:?} is no fault; one is written like lost-append#3");
        let (name, nth) = text.split_once('#').ok_or_else(wrong)?;
        let known = Fault::ALL.iter().find(|(fault, _)| fault.text() == name);
        let (fault, _) = known.ok_or_else(wrong)?;
        Ok(Hit { fault: *fault, nth: nth.parse().map_err(|_| wrong())? })
    }
}

/// The faults of one history.
#[derive(Debug, Clone)]
pub(crate) struct Faults {
    seed: u64,
    rates: Vec<u64>,
    tries: Vec<u32>,
    /// Nothing else goes wrong, if this is said.
    only: Option<BTreeSet<Hit>>,
    /// Longest delay of anything on the network, in milliseconds.
    pub(crate) latency: u64,
    healed: bool,
    /// What has gone wrong, in order, and when, in milliseconds.
    pub(crate) hits: Vec<(Hit, u64)>,
}

impl Faults {
    /// What this seed draws, or these alone of it.
    pub(crate) fn draw(rng: &mut Rng, only: Option<BTreeSet<Hit>>) -> Faults {
        let mut some = |most: u64| if rng.chance(400) { rng.between(1, most) } else { 0 };
        let rates: Vec<u64> = Fault::ALL.iter().map(|(_, most)| some(*most)).collect();
        let latency = 1 + some(80);
        let tries = vec![0; rates.len()];
        Faults { seed: rng.draw(), rates, tries, only, latency, healed: false, hits: Vec::new() }
    }

    /// These alone, at these rates in thousandths.
    pub(crate) fn given(rng: &mut Rng, some: &[(Fault, u64)]) -> Faults {
        let rate = |fault: &Fault| some.iter().find(|(other, _)| other == fault).map_or(0, |f| f.1);
        let rates: Vec<u64> = Fault::ALL.iter().map(|(fault, _)| rate(fault)).collect();
        Faults { rates, latency: 20, ..Faults::draw(rng, None) }
    }

    /// Nothing goes wrong any more.
    pub(crate) fn heal(&mut self) {
        (self.healed, self.latency) = (true, 5);
    }

    /// When one of these last went wrong, in milliseconds.
    pub(crate) fn last(&self, faults: &[Fault]) -> Option<u64> {
        let last = self.hits.iter().rfind(|(hit, _)| faults.contains(&hit.fault));
        last.map(|(_, at)| *at)
    }

    /// Whether the next opportunity for this fault is taken; if so, with the randomness for how.
    pub(crate) fn strikes(&mut self, now: u64, fault: Fault) -> Option<Rng> {
        if self.healed {
            return None;
        }
        let at = fault as usize;
        let nth = self.tries[at];
        self.tries[at] += 1;
        let mut rng = Rng::new(split_mix(split_mix(self.seed, at as u64), u64::from(nth)));
        let drawn = rng.chance(self.rates[at]);
        let hit = Hit { fault, nth };
        let taken = self.only.as_ref().map_or(drawn, |only| only.contains(&hit));
        taken.then(|| {
            self.hits.push((hit, now));
            rng
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hit_is_read_as_it_is_written() {
        for (at, (fault, _)) in Fault::ALL.iter().enumerate() {
            assert_eq!(*fault as usize, at);
            let hit = Hit { fault: *fault, nth: 7 };
            assert_eq!(hit.to_string().parse(), Ok(hit));
        }
        for wrong in ["lost-append", "lost-append#", "lost-append#x", "nonsense#1", ""] {
            assert!(wrong.parse::<Hit>().unwrap_err().contains("lost-append#3"), "{wrong}");
        }
    }

    #[test]
    fn leaving_one_out_does_not_move_the_others() {
        let taken = |only| {
            let mut faults = Faults::draw(&mut Rng::new(3), only);
            for now in 0..500 {
                for (fault, _) in Fault::ALL {
                    faults.strikes(now, *fault);
                }
            }
            faults.hits
        };
        let mut all = taken(None);
        assert!(all.len() > 20, "{} hits", all.len());
        all.remove(10);
        assert_eq!(taken(Some(all.iter().map(|(hit, _)| *hit).collect())), all);
    }
}
