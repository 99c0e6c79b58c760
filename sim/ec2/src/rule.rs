//! Faults by script: which calls a rule means, how often it applies, and what it does to them.

use crate::error::at_the_door;
use crate::life::Fate;
use crate::request::{Parameters, Request};
use serde::{Deserialize, Serialize};

/// One line of a script.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Which calls it means.
    #[serde(default)]
    pub when: When,
    /// To which of these it applies.
    #[serde(default)]
    pub often: Often,
    /// What it does to them.
    pub effect: Effect,
}

/// Which calls a rule means: all for which everything holds that is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct When {
    /// `RunInstances`, say.
    pub action: Option<String>,
    /// The type asked for, or one of them.
    pub instance_type: Option<String>,
    /// The zone asked for, by name, or that of the subnet asked for.
    pub zone: Option<String>,
    /// The subnet asked for.
    pub subnet: Option<String>,
    /// The market asked for.
    pub market: Option<Market>,
    /// An instance that is named.
    pub instance: Option<String>,
    /// Other parameters, by name.
    pub parameters: Parameters,
}

/// A purchasing option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Market {
    /// At the full price.
    OnDemand,
    /// At the spot price.
    Spot,
}

/// To which of the calls that it means a rule applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Often {
    /// To all.
    #[default]
    Always,
    /// To the next so many.
    Next(u64),
    /// To every so manyth, the first of which is the nth.
    Every(u64),
    /// To so many in a thousand, drawn from a seed.
    Rate {
        /// Of a thousand.
        per_mille: u64,
        /// The same seed, the same calls.
        seed: u64,
    },
}

/// What a rule does to a call. Of two rules that do the same kind of thing the first counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Nothing happens, and the connection is closed.
    LoseRequest,
    /// It waits for so many milliseconds before anything happens.
    Slow(u64),
    /// It fails, and nothing happens.
    Error(Failure),
    /// A launch gives so many instances, if that is between the smallest and the largest number.
    Partial(u64),
    /// What is to become of the instances of a launch.
    Fate(Fate),
    /// A look at instances shows them as they were so many milliseconds ago.
    Stale(u64),
    /// It happens, and then it fails nevertheless.
    ErrorAfter(Failure),
    /// It happens, and the connection is closed without an answer.
    LoseAnswer,
    /// It happens, and the connection is closed in the middle of the answer.
    CutAnswer,
    /// It happens, and the answer waits for so many milliseconds.
    SlowAnswer(u64),
}

/// An error of EC2's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// Such as `InsufficientInstanceCapacity`; the status follows from it.
    pub code: String,
    /// EC2's own if there is none.
    #[serde(default)]
    pub message: Option<String>,
}

/// When in a call an effect takes place. A repetition of a launch never gets as far as the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Door,
    Work,
    Answer,
}

/// A rule, and what has become of it.
#[derive(Clone, Debug, Serialize)]
pub struct Applied {
    /// As it was given.
    pub rule: Rule,
    /// How many calls it meant so far, of those that got as far as this.
    pub met: u64,
    /// To how many of these it applied.
    pub applied: u64,
}

/// All rules of a script, in order.
#[derive(Default)]
pub(crate) struct Script(pub(crate) Vec<Applied>);

impl Rule {
    /// One for an action.
    #[must_use]
    pub fn on(action: &str, often: Often, effect: Effect) -> Rule {
        let when = When { action: Some(action.to_owned()), ..When::default() };
        Rule { when, often, effect }
    }
}

impl Effect {
    /// An error before anything happens.
    #[must_use]
    pub fn error(code: &str) -> Effect {
        Effect::Error(Failure { code: code.to_owned(), message: None })
    }

    /// Nothing is done for the call.
    fn ends(&self) -> bool {
        matches!(self, Effect::LoseRequest | Effect::Error(_))
    }

    fn phase(&self) -> Phase {
        match self {
            Effect::LoseRequest | Effect::Slow(_) => Phase::Door,
            Effect::Error(failure) if at_the_door(&failure.code) => Phase::Door,
            Effect::Error(_) | Effect::Partial(_) | Effect::Fate(_) | Effect::Stale(_) => {
                Phase::Work
            }
            Effect::ErrorAfter(_)
            | Effect::LoseAnswer
            | Effect::CutAnswer
            | Effect::SlowAnswer(_) => Phase::Answer,
        }
    }
}

impl When {
    fn means(&self, request: &Request, zone: Option<&str>) -> bool {
        let unless = |wanted: &Option<String>, holds: &dyn Fn(&str) -> bool| {
            wanted.as_deref().is_none_or(holds)
        };
        unless(&self.action, &|action| request.action == action)
            && unless(&self.zone, &|name| zone == Some(name))
            && unless(&self.subnet, &|id| subnet(request) == Some(id))
            && unless(&self.instance, &|id| request.instances().iter().any(|named| named == id))
            && unless(&self.instance_type, &|name| {
                request.get("InstanceType") == Some(name)
                    || request.list("InstanceType").iter().any(|listed| listed == name)
            })
            && self.market.is_none_or(|wanted| market(request) == wanted)
            && self.parameters.iter().all(|(name, value)| request.get(name) == Some(value))
    }
}

/// The subnet that a launch asks for.
pub(crate) fn subnet(request: &Request) -> Option<&str> {
    let names = ["SubnetId", "NetworkInterface.1.SubnetId"];
    names.into_iter().find_map(|name| request.get(name))
}

fn market(request: &Request) -> Market {
    match request.get("InstanceMarketOptions.MarketType") {
        Some("spot") => Market::Spot,
        _ => Market::OnDemand,
    }
}

impl Applied {
    /// Counts a call that it means; whether it applies to it.
    fn applies(&mut self) -> bool {
        self.met += 1;
        let applies = match self.rule.often {
            Often::Always => true,
            Often::Next(count) => self.met <= count,
            Often::Every(count) => self.met.is_multiple_of(count),
            Often::Rate { per_mille, seed } => drawn(seed, self.met) % 1000 < per_mille,
        };
        self.applied += u64::from(applies);
        applies
    }
}

/// The nth number of a seed: `SplitMix64`.
fn drawn(seed: u64, nth: u64) -> u64 {
    let mut z = seed.wrapping_add(nth.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Script {
    /// What happens to a call in a phase: no two effects of one kind. What keeps it from any work goes
    /// first, and leaves the rules about that work for the next call.
    pub(crate) fn take(
        &mut self,
        phase: Phase,
        request: &Request,
        zone: Option<&str>,
    ) -> Vec<Effect> {
        let mut taken = Vec::new();
        self.take_some(
            &mut taken,
            |effect| effect.phase() == phase && effect.ends(),
            request,
            zone,
        );
        if taken.is_empty() || phase == Phase::Door {
            let rest = |effect: &Effect| effect.phase() == phase && !effect.ends();
            self.take_some(&mut taken, rest, request, zone);
        }
        taken
    }

    fn take_some(
        &mut self,
        taken: &mut Vec<Effect>,
        some: impl Fn(&Effect) -> bool,
        request: &Request,
        zone: Option<&str>,
    ) {
        let kind = |effect: &Effect| std::mem::discriminant(effect);
        for applied in &mut self.0 {
            let effect = &applied.rule.effect;
            let new = !taken.iter().any(|other| kind(other) == kind(effect));
            if new && some(effect) && applied.rule.when.means(request, zone) && applied.applies() {
                taken.push(applied.rule.effect.clone());
            }
        }
    }
}
