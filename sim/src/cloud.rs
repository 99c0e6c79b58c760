//! A cloud with the habits of EC2: launches are idempotent by their token, what it lists may be
//! seconds old, what is gone is forgotten after a while, calls are throttled, refused or lost, an
//! instance may never boot, and goes some time after it was told to. It keeps its own books.

use crate::faults::{Fault, Faults};
use crate::rng::Rng;
use crate::scenario::Scenario;
use controlplane_core::cloud::{
    Doubt, LaunchAnswer, LaunchOrder, Seen, SeenState, TerminateAnswer,
};
use controlplane_core::effects::{Call, News};
use controlplane_core::prices::{Prices, SpotScore, TypeTold, TypesTold};
use replay_core::state::launch::{OfferingKey, key};
use schema::event::{Hardware, PriceSource, Scored, TypeSeen};
use schema::id::{InstanceId, LaunchId};
use schema::policy::Offering;
use schema::policy::kind::KindName;
use schema::policy::types::Arch;
use schema::requirements::Market;
use schema::unit::{Micros, Millis};
use schema::why::{RefusalClass, RefusalScope};
use std::collections::BTreeMap;

/// Longest time that an instance takes to go, in milliseconds.
const GOING: u64 = 1500;
/// Longest time by which a list may be late, in milliseconds.
const STALE: u64 = 5000;
/// How long an instance that is gone is still listed, in milliseconds.
const LISTED: u64 = 20_000;

/// An instance, as the cloud has it.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) launch: LaunchId,
    /// The attempt that it was made for.
    pub(crate) made_for: u32,
    pub(crate) offering: Offering,
    pub(crate) stillborn: bool,
    /// Since when it is there.
    pub(crate) since: u64,
    /// When it is, or was, no more.
    pub(crate) gone: Option<u64>,
    /// Until when it cannot be ended.
    held: u64,
}

#[derive(Default)]
pub(crate) struct Cloud {
    pub(crate) machines: BTreeMap<InstanceId, Machine>,
    /// What is there without an order: somebody made it by hand.
    pub(crate) strays: BTreeMap<InstanceId, Machine>,
    /// What was asked for under each token, and what was made for it.
    made: BTreeMap<String, (LaunchOrder, Vec<InstanceId>)>,
    /// Until when there is nothing to be had of an offering.
    pub(crate) dry: BTreeMap<OfferingKey, u64>,
    /// How many launches another offering has served while one was dry.
    pub(crate) siblings: u64,
    /// What it sells, and what that costs before prices move.
    prices: Option<Prices>,
    /// How many instances it has room for.
    quota: Option<usize>,
    /// A type of which it never has any.
    never: Option<String>,
    /// What nobody may ask of a cloud.
    pub(crate) misused: Vec<String>,
}

/// What becomes of a call beside what it does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Clear,
    /// It is not its turn.
    NotYet,
    Undone(&'static str),
    Unheard,
}

impl Machine {
    pub(crate) fn there(&self, now: u64) -> bool {
        self.gone.is_none_or(|at| now < at)
    }
}

impl Cloud {
    /// One with nothing yet, that sells this.
    pub(crate) fn selling(prices: Option<Prices>, scenario: Option<&Scenario>) -> Cloud {
        let quota = scenario.and_then(|scenario| scenario.quota);
        let never = scenario.and_then(|scenario| scenario.never.clone());
        Cloud { prices, quota, never, ..Cloud::default() }
    }

    /// Whether it has this instance.
    pub(crate) fn there(&self, id: &InstanceId, now: u64) -> bool {
        self.get(id).is_some_and(|machine| machine.there(now))
    }

    /// An instance that it has or had, whoever made it.
    pub(crate) fn get(&self, id: &InstanceId) -> Option<&Machine> {
        self.machines.get(id).or_else(|| self.strays.get(id))
    }

    /// Somebody makes an instance by hand, like one that was ordered once.
    pub(crate) fn stray(&mut self, now: u64) {
        let Some(like) = self.machines.values().next_back() else { return };
        let machine = Machine { stillborn: true, since: now, gone: None, held: 0, ..like.clone() };
        let id = InstanceId::new(format!("i-stray-{:04x}", self.strays.len()));
        self.strays.extend(id.ok().map(|id| (id, machine)));
    }

    /// Does what is asked, and answers; newly made instances come second.
    pub(crate) fn call(
        &mut self,
        now: u64,
        call: Call,
        faults: &mut Faults,
    ) -> (News, Vec<InstanceId>) {
        let way = way(now, faults);
        match call {
            Call::Launch(order) => {
                let (launch, attempt) = (order.launch.clone(), order.attempt);
                let (answer, born) = match way {
                    Way::NotYet => (LaunchAnswer::NotYet(THROTTLED.into()), Vec::new()),
                    Way::Undone(why) => (LaunchAnswer::Unknown(Doubt::no_answer(why)), Vec::new()),
                    Way::Clear => self.launch(now, *order, faults),
                    Way::Unheard => {
                        let (_, born) = self.launch(now, *order, faults);
                        (LaunchAnswer::Unknown(Doubt::no_answer(UNHEARD)), born)
                    }
                };
                (News::Launched(launch, attempt, answer), born)
            }
            Call::Terminate(instance) => {
                let answer = match way {
                    Way::NotYet => TerminateAnswer::NotYet(THROTTLED.into()),
                    Way::Undone(why) => TerminateAnswer::Unknown(why.into()),
                    Way::Clear => self.terminate(now, &instance, faults),
                    Way::Unheard => {
                        self.terminate(now, &instance, faults);
                        TerminateAnswer::Unknown(UNHEARD.into())
                    }
                };
                (News::Terminated(instance, answer), Vec::new())
            }
            Call::Prices(_) => {
                let prices = (way == Way::Clear).then(|| self.prices(now)).flatten();
                (News::Priced(prices), Vec::new())
            }
            Call::Scores(_) => {
                let scores = (way == Way::Clear).then(|| self.scores(now)).flatten();
                (News::Scored(scores), Vec::new())
            }
            Call::Types(_) => {
                let told = (way == Way::Clear).then(|| self.types(now)).flatten();
                (News::Typed(told), Vec::new())
            }
            // One whose answer is lost is answered with nothing: the caller waits for only so long.
            Call::Console(instance) => {
                let shown = (way == Way::Clear).then(|| format!("{instance} hangs"));
                (News::Console(instance, shown), Vec::new())
            }
            Call::List => {
                let late = faults.strikes(now, Fault::StaleList).map(|mut rng| rng.below(STALE));
                let mut seen = self.list(now, now.saturating_sub(late.unwrap_or(0)));
                if let Some(mut rng) = faults.strikes(now, Fault::PatchyList) {
                    seen.retain(|_| rng.chance(500));
                }
                (News::Listed((way == Way::Clear).then_some(seen)), Vec::new())
            }
        }
    }

    fn launch(
        &mut self,
        now: u64,
        order: LaunchOrder,
        faults: &mut Faults,
    ) -> (LaunchAnswer, Vec<InstanceId>) {
        let token = order.token();
        if let Some((before, made)) = self.made.get(&token) {
            // The term is a label: everything else must be as it was.
            let same = LaunchOrder { epoch: before.epoch, ..order.clone() };
            if same != *before {
                let launch = &order.launch;
                self.misused.push(format!("the token of {launch} was used for another order"));
                return (
                    refused(RefusalClass::Configuration, RefusalScope::Offering, Millis(1000)),
                    Vec::new(),
                );
            }
            return (LaunchAnswer::Accepted(made.clone()), Vec::new());
        }
        if let Some(refused) = self.drought(now, &order).or_else(|| refusal(now, faults)) {
            return (refused, Vec::new());
        }
        self.siblings += u64::from(self.dry.values().any(|until| now < *until));
        let known = self.machines.len();
        let name = |n: u32| InstanceId::new(format!("i-{:08x}", known + n as usize)).ok();
        let born: Vec<InstanceId> = (0..order.count).filter_map(name).collect();
        for instance in &born {
            let machine = Machine {
                launch: order.launch.clone(),
                made_for: order.attempt,
                offering: order.offering.clone(),
                stillborn: faults.strikes(now, Fault::Stillborn).is_some(),
                since: now,
                gone: None,
                held: 0,
            };
            self.machines.insert(instance.clone(), machine);
        }
        self.made.insert(token, (order, born.clone()));
        (LaunchAnswer::Accepted(born.clone()), born)
    }

    fn terminate(&mut self, now: u64, id: &InstanceId, faults: &mut Faults) -> TerminateAnswer {
        let failed = faults.strikes(now, Fault::Unending);
        let made = self.machines.get_mut(id).or_else(|| self.strays.get_mut(id));
        let Some(machine) = made else { return TerminateAnswer::Gone };
        if machine.gone.is_none() && (failed.is_some() || now < machine.held) {
            return TerminateAnswer::Unknown("an internal error occurred".into());
        }
        let wait = || Rng::new(now).below(GOING);
        let gone = *machine.gone.get_or_insert_with(|| now + wait());
        if now >= gone { TerminateAnswer::Gone } else { TerminateAnswer::Going }
    }

    /// What it sells now: spot for anything between half and one and a half of what it did.
    fn prices(&self, now: u64) -> Option<Prices> {
        let mut rng = Rng::new(now);
        let mut prices = self.prices.clone()?;
        let spot = prices.offers.iter_mut().filter(|(_, offer)| offer.market == Market::Spot);
        for (source, offer) in spot {
            *source = PriceSource::Api;
            offer.price = Micros(offer.price.0 * rng.between(500, 1500) / 1000);
        }
        Some(prices)
    }

    /// How likely spot is to be had, by classes of what it sells: anything.
    fn scores(&self, now: u64) -> Option<Vec<SpotScore>> {
        let mut rng = Rng::new(now);
        let mut score = || u8::try_from(rng.between(1, 10)).unwrap_or(1);
        let offers = self.prices.as_ref()?.offers.iter();
        let spot = offers.filter(|(_, offer)| offer.market == Market::Spot);
        let scored = spot.map(|(_, offer)| {
            let class = KindName::parse(&offer.kind).class.into();
            SpotScore { zone: offer.zone.clone(), scored: Scored { class, score: score() } }
        });
        Some(scored.collect())
    }

    /// What it has of the types that it sells: of each other ones than the last time, or none of it any more.
    fn types(&self, now: u64) -> Option<TypesTold> {
        let mut rng = Rng::new(now);
        let told = self.prices.as_ref()?.offers.iter().map(|(_, offer)| {
            let hardware = Hardware {
                arch: Arch::X86,
                vcpu: u32::try_from(rng.between(1, 96)).unwrap_or(1),
                memory_mib: offer.resources.memory >> 20,
                disks: None,
                gpu: None,
                accelerator: None,
                links: offer.links,
                spot: true,
            };
            let (kind, sold) = (offer.kind.clone(), rng.chance(900));
            let hardware = sold.then_some(hardware);
            let seen = TypeSeen { kind, sold, hardware, on_demand: Some(offer.price) };
            TypeTold { zone: offer.zone.clone(), seen, shipped: None }
        });
        Some(TypesTold { types: told.collect(), partly: rng.chance(100) })
    }

    /// What there was at `then`.
    fn list(&self, now: u64, then: u64) -> Vec<Seen> {
        let known = self.machines.iter().chain(&self.strays).filter(|(_, machine)| {
            machine.since <= then && machine.gone.is_none_or(|at| now < at + LISTED)
        });
        let seen = known.map(|(instance, machine)| Seen {
            instance: instance.clone(),
            state: if machine.there(then) { SeenState::There } else { SeenState::Gone },
            why: String::new(),
            launch: Some(machine.launch.clone()),
            offering: Some(key(&machine.offering)),
            age: Millis(now.saturating_sub(machine.since)),
        });
        seen.collect()
    }

    /// Whether there is nothing to be had of what is asked for.
    fn drought(&self, now: u64, order: &LaunchOrder) -> Option<LaunchAnswer> {
        let there = self.machines.values().filter(|machine| machine.there(now)).count();
        if self.quota.is_some_and(|quota| there >= quota) {
            let scope = RefusalScope::QuotaGroup;
            return Some(refused(RefusalClass::Quota, scope, Millis(1000)));
        }
        let never = self.never.as_deref() == Some(order.offering.kind.as_str());
        let dry = self.dry.get(&key(&order.offering)).is_some_and(|until| now < *until);
        (dry || never)
            .then(|| refused(RefusalClass::Capacity, RefusalScope::Offering, Millis(1000)))
    }

    /// Nobody can end an instance before this time; it may go by itself.
    pub(crate) fn hold(&mut self, id: &InstanceId, until: u64) {
        if let Some(machine) = self.machines.get_mut(id) {
            machine.held = until;
        }
    }

    /// Takes an instance away at this time, whatever else was to become of it.
    pub(crate) fn take(&mut self, id: &InstanceId, at: u64) {
        if let Some(machine) = self.machines.get_mut(id) {
            machine.gone = Some(machine.gone.map_or(at, |gone| gone.min(at)));
        }
    }

    /// Micro-dollars per hour of all that is there.
    pub(crate) fn hourly(&self, now: u64) -> Micros {
        let there = self.machines.values().filter(|machine| machine.there(now));
        there.map(|machine| machine.offering.price).fold(Micros(0), Micros::plus)
    }
}

const THROTTLED: &str = "request limit exceeded";
const UNHEARD: &str = "no answer came";

fn way(now: u64, faults: &mut Faults) -> Way {
    if faults.strikes(now, Fault::Throttled).is_some() {
        Way::NotYet
    } else if faults.strikes(now, Fault::LostCall).is_some() {
        Way::Undone(UNHEARD)
    } else if faults.strikes(now, Fault::LostNews).is_some() {
        Way::Unheard
    } else {
        Way::Clear
    }
}

fn refusal(now: u64, faults: &mut Faults) -> Option<LaunchAnswer> {
    let classes = [
        (Fault::Capacity, RefusalClass::Capacity),
        (Fault::Quota, RefusalClass::Quota),
        (Fault::Misconfigured, RefusalClass::Configuration),
    ];
    let class = |(fault, class)| {
        let mut rng = faults.strikes(now, fault)?;
        let forbidden = fault == Fault::Misconfigured && rng.chance(300);
        let class = if forbidden { RefusalClass::Authorisation } else { class };
        let scope = scope(&class, &mut rng);
        Some(refused(class, scope, Millis(rng.between(500, 2000))))
    };
    classes.into_iter().find_map(class)
}

/// How far a refusal reaches, of those that EC2 knows for its kind.
fn scope(class: &RefusalClass, rng: &mut Rng) -> RefusalScope {
    use RefusalScope::{Account, Offering, QuotaGroup, TypeInZone, Zone};
    let (near, wider, widest) = match class {
        RefusalClass::Capacity => (Offering, TypeInZone, Zone),
        RefusalClass::Quota => (QuotaGroup, QuotaGroup, Account),
        _ => (Offering, Zone, Account),
    };
    match rng.below(20) {
        0 => widest,
        1..=3 => wider,
        _ => near,
    }
}

fn refused(class: RefusalClass, scope: RefusalScope, back_off: Millis) -> LaunchAnswer {
    let message = format!("{class:?}");
    LaunchAnswer::Refused { class, message, scope, back_off }
}
