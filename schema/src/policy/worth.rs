//! What the owner of a cluster finds network and EBS throughput worth.

use super::Offering;
use crate::unit::Micros;
use serde::{Deserialize, Serialize};

/// What is usual for each core, in megabits per second: an `m5.large` has 650 to EBS and 750 of network.
const USUAL_EBS: u64 = 325;
const USUAL_NETWORK: u64 = 400;
/// What Reflow pays more for a type of 1.5 times the throughput: 0.03 $ an hour, or 15 % of what the other
/// costs, which is 13 % of what this one does.
const MOST: Micros = Micros(30_000);
const MOST_PERCENT: u32 = 13;
/// What comes to less than half of its price has lost all measure.
const HALF: u32 = 50;

/// How fast an instance reaches others and its volumes at all times, in megabits per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Links {
    /// Its network.
    #[serde(skip_serializing_if = "is_none")]
    pub network: u64,
    /// Its link to EBS.
    #[serde(skip_serializing_if = "is_none")]
    pub ebs: u64,
}

fn is_none(mbps: &u64) -> bool {
    *mbps == 0
}

/// What network and EBS throughput are worth: what an instance has of them beyond what is usual counts as
/// money when offerings are ranked. What is paid, and what counts against budgets, is the price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorthRule {
    /// What each gigabit per second of network is worth, in micro-dollars per hour. Zero: nothing.
    pub network: Micros,
    /// So many megabits per second of network for each core are usual, and worth nothing.
    pub network_beyond: u64,
    /// What each gigabit per second of throughput to EBS is worth, in micro-dollars per hour. Zero: nothing.
    pub ebs: Micros,
    /// So many megabits per second to EBS for each core are usual, and worth nothing.
    pub ebs_beyond: u64,
    /// Both together are worth no more than this for one instance, in micro-dollars per hour, or than the
    /// next if that is more.
    pub most: Micros,
    /// So many per cent of its price.
    pub most_percent: u32,
}

impl Default for WorthRule {
    fn default() -> WorthRule {
        WorthRule {
            network: Micros(0),
            network_beyond: USUAL_NETWORK,
            ebs: Micros(0),
            ebs_beyond: USUAL_EBS,
            most: MOST,
            most_percent: MOST_PERCENT,
        }
    }
}

impl WorthRule {
    /// What the network and the EBS throughput of an offering are worth if its price is this, in
    /// micro-dollars per hour: never more than half of that. Rounded down.
    #[must_use]
    pub fn of(&self, offering: &Offering, price: Micros) -> Micros {
        let cpu = offering.resources.cpu;
        let network = beyond(offering.links.network, self.network_beyond, cpu);
        let ebs = beyond(offering.links.ebs, self.ebs_beyond, cpu);
        let worth = value(network, self.network).saturating_add(value(ebs, self.ebs));
        let part = |percent: u32| u128::from(price.0) * u128::from(percent) / 100;
        let most = u128::from(self.most.0).max(part(self.most_percent)).min(part(HALF));
        Micros(u64::try_from(worth.min(most)).unwrap_or(u64::MAX))
    }

    /// Whether the rule can be followed.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn check(&self) -> Result<(), String> {
        if self.most_percent > HALF {
            return Err(format!("worth.most_percent is more than {HALF}"));
        }
        Ok(())
    }
}

/// How much of this is more than what is usual for so many millicores.
fn beyond(mbps: u64, usual: u64, cpu: u64) -> u128 {
    let usual = u128::from(usual) * u128::from(cpu) / 1000;
    u128::from(mbps).saturating_sub(usual)
}

/// What so many megabits per second are worth.
fn value(mbps: u128, gigabit: Micros) -> u128 {
    mbps * u128::from(gigabit.0) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requirements::Market;
    use crate::resources::Resources;

    /// Two cores.
    fn offering(network: u64, ebs: u64) -> Offering {
        let (kind, zone, market) = ("m5.large".into(), "z".into(), Market::OnDemand);
        let resources = Resources { cpu: 2000, memory: 8 << 30, ..Resources::default() };
        let (price, links) = (Micros(100_000), Links { network, ebs });
        Offering { kind, zone, market, price, cap: None, resources, links }
    }

    #[test]
    fn what_is_beyond_the_usual_is_worth_something_up_to_a_limit() {
        let none = WorthRule::default();
        let network = WorthRule { network: Micros(10_000), ..WorthRule::default() };
        let both = WorthRule { ebs: Micros(20_000), ..network.clone() };
        let dear = WorthRule { ebs: Micros(u64::MAX), ..WorthRule::default() };
        let all = WorthRule { network_beyond: 0, ..network.clone() };
        for (what, rule, (mbps, ebs), price, worth) in [
            ("nothing, if the owner says nothing", &none, (25_000, 19_000), 100_000, 0),
            ("what is usual", &both, (800, 650), 100_000, 0),
            ("less", &both, (0, 0), 100_000, 0),
            ("a gigabit of network more", &network, (1800, 0), 100_000, 10_000),
            ("a part of one", &network, (801, 0), 100_000, 10),
            ("both", &both, (1800, 1150), 100_000, 20_000),
            ("from nothing on", &all, (1000, 0), 100_000, 10_000),
            ("no more than the most", &both, (25_000, 19_000), 100_000, 30_000),
            ("or than a part of the price", &both, (250_000, 0), 1_000_000, 130_000),
            ("but half of the price", &both, (25_000, 0), 10_000, 5000),
            ("what is free of charge", &both, (25_000, 0), 0, 0),
            ("beyond all measure", &dear, (u64::MAX, u64::MAX), 100_000, 30_000),
        ] {
            let found = rule.of(&offering(mbps, ebs), Micros(price));
            assert_eq!(found, Micros(worth), "{what}");
        }
    }

    #[test]
    fn what_nobody_knows_is_not_written() {
        let written = |network: u64, ebs: u64| {
            let bytes = rmp_serde::to_vec_named(&offering(network, ebs)).expect("writes");
            let said = |name: &str| bytes.windows(name.len()).any(|part| part == name.as_bytes());
            (said("links"), said("network"), said("ebs"))
        };
        assert_eq!(written(0, 0), (false, false, false));
        assert_eq!(written(750, 0), (true, true, false));
        assert_eq!(written(750, 650), (true, true, true));
        let wrong = WorthRule { most_percent: 51, ..WorthRule::default() };
        assert!(wrong.check().is_err_and(|said| said.contains("most_percent")));
        assert_eq!(WorthRule::default().check(), Ok(()));
    }
}
