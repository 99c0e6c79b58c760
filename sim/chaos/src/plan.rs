//! What goes wrong, and when: a sequence that follows from the seed alone. Kinds are dealt like cards,
//! so that each comes up before any comes up again, however short the run.

use sim::Rng;
use std::time::Duration;

/// What can be cut off from the log: each is in a network namespace of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Far {
    /// A controller, and the agents that it starts.
    Controller,
    /// A driver.
    Driver,
}

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mishap {
    /// The leading controller is killed.
    KillLeader,
    /// A controller that does not lead is killed.
    KillStandby,
    /// The leading controller is stopped for longer than its term lasts without it.
    PauseLeader,
    /// The agent of an instance is killed.
    KillAgent,
    /// The agent of an instance is stopped for a while.
    PauseAgent,
    /// A driver is killed.
    KillDriver,
    /// A nats-server is killed, and started again.
    KillServer,
    /// The nats-server that leads the log's stream is killed, and started again.
    KillLeadingServer,
    /// The log's stream is given another leading server.
    StepDown,
    /// A link is down for a while.
    Partition(Far),
    /// The disk under the instances is full for a while.
    FillDisk,
}

impl Mishap {
    /// Every kind.
    pub(crate) const ALL: [Mishap; 12] = [
        Mishap::KillLeader,
        Mishap::KillStandby,
        Mishap::PauseLeader,
        Mishap::KillAgent,
        Mishap::PauseAgent,
        Mishap::KillDriver,
        Mishap::KillServer,
        Mishap::KillLeadingServer,
        Mishap::StepDown,
        Mishap::Partition(Far::Controller),
        Mishap::Partition(Far::Driver),
        Mishap::FillDisk,
    ];

    /// What there is more of once it was done.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Mishap::KillLeader => "leaders killed",
            Mishap::KillStandby => "standbys killed",
            Mishap::PauseLeader => "leaders paused",
            Mishap::KillAgent => "agents killed",
            Mishap::PauseAgent => "agents paused",
            Mishap::KillDriver => "drivers killed",
            Mishap::KillServer => "servers killed",
            Mishap::KillLeadingServer => "leading servers killed",
            Mishap::StepDown => "leading servers stepped down",
            Mishap::Partition(Far::Controller) => "controllers cut off",
            Mishap::Partition(Far::Driver) => "drivers cut off",
            Mishap::FillDisk => "full disks",
        }
    }
}

/// One step of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    /// After the one before it.
    pub(crate) after: Duration,
    pub(crate) mishap: Mishap,
    /// How long it lasts, where it lasts.
    pub(crate) lasts: Duration,
    /// Which one of those that it can hit.
    pub(crate) pick: u64,
}

/// The mishaps of a run; it never ends by itself.
pub(crate) struct Plan {
    rng: Rng,
    servers: usize,
    deck: Vec<Mishap>,
}

impl Plan {
    /// On so many nats-servers.
    pub(crate) fn new(seed: u64, servers: usize) -> Plan {
        Plan { rng: Rng::new(seed), servers, deck: Vec::new() }
    }

    fn draw(&mut self) -> Mishap {
        if self.deck.is_empty() {
            self.deck = kinds(self.servers);
        }
        let at = self.rng.below(self.deck.len() as u64);
        self.deck.swap_remove(usize::try_from(at).unwrap_or(0))
    }
}

fn kinds(servers: usize) -> Vec<Mishap> {
    use Mishap::{
        FillDisk, KillAgent, KillDriver, KillLeader, KillLeadingServer, KillServer, KillStandby,
        Partition, PauseAgent, PauseLeader, StepDown,
    };
    let mut kinds = vec![
        KillLeader,
        KillLeader,
        KillStandby,
        PauseLeader,
        KillAgent,
        KillAgent,
        PauseAgent,
        KillDriver,
        KillDriver,
        KillServer,
        Partition(Far::Controller),
        Partition(Far::Driver),
        FillDisk,
    ];
    if servers > 1 {
        kinds.extend([KillLeadingServer, StepDown, StepDown]);
    }
    kinds
}

/// Shortest and longest, in milliseconds.
fn length(mishap: Mishap) -> (u64, u64) {
    match mishap {
        // A standby challenges after a second and is elected after another.
        Mishap::PauseLeader => (4000, 8000),
        Mishap::PauseAgent | Mishap::Partition(_) => (2000, 12_000),
        Mishap::KillServer | Mishap::KillLeadingServer => (200, 3000),
        Mishap::FillDisk => (2000, 6000),
        // How long it takes until it is started again.
        Mishap::KillLeader | Mishap::KillStandby | Mishap::KillDriver => (100, 2000),
        Mishap::KillAgent | Mishap::StepDown => (0, 0),
    }
}

impl Iterator for Plan {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let mishap = self.draw();
        let (shortest, longest) = length(mishap);
        let mut millis = |low, high| Duration::from_millis(self.rng.between(low, high));
        let (after, lasts) = (millis(300, 2500), millis(shortest, longest));
        Some(Step { after, mishap, lasts, pick: self.rng.draw() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_servers_have_every_kind_of_mishap_and_each_has_a_name_of_its_own() {
        let mut dealt = kinds(3);
        dealt.dedup();
        assert!(Mishap::ALL.iter().all(|kind| dealt.contains(kind)));
        assert_eq!(dealt.len(), Mishap::ALL.len());
        let names: std::collections::BTreeSet<_> = Mishap::ALL.map(Mishap::name).into();
        assert_eq!(names.len(), Mishap::ALL.len());
    }

    #[test]
    fn a_seed_gives_the_same_mishaps_again_and_each_kind_before_any_other_twice() {
        for servers in [1, 3] {
            let kinds = kinds(servers);
            let of = |seed| Plan::new(seed, servers).take(3 * kinds.len()).collect::<Vec<_>>();
            assert_eq!(of(7), of(7));
            assert_ne!(of(7), of(8));
            for deal in of(7).chunks(kinds.len()) {
                assert!(kinds.iter().all(|kind| deal.iter().any(|step| step.mishap == *kind)));
            }
        }
    }
}
