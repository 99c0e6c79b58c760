//! New instances for what cannot be placed: the cheapest mix that holds it, within the hourly budget
//! and the caps on launches under way and on instances. [`pack`] says who goes first when caps bind.

use super::apart;
use super::budget::{self, Affordable, Over};
use super::coming::{covered, launching};
use super::draft::Draft;
use super::fair;
use super::offer::{asks, believed, is_for, is_kept, on_market, refused_lately};
use super::share::Share;
use super::space::size;
use super::worth::links;
use crate::deadline::serves;
use crate::pack::{Demand, Terms, Unseated, pack};
use replay_core::State;
use replay_core::state::alloc::Alloc;
use replay_core::state::budget::share;
use replay_core::state::instance::{Instance, Phase};
use schema::event::{AllocRefused, LaunchRequested};
use schema::id::{AllocId, LaunchId};
use schema::policy::Offering;
use schema::requirements::Market;
use schema::resources::Resources;
use schema::unit::Micros;
use schema::why::{LaunchWhy, PendingWhy, RefusedWhy};
use std::collections::BTreeMap;

/// An alloc that waits, by its place in the queue.
type Waiting<'a> = (&'a AllocId, &'a Alloc);

/// What can be said of an amount before anything is packed: None if a launch is to be tried.
pub(super) type Verdict = Result<Option<PendingWhy>, RefusedWhy>;

pub(super) fn decide<'a>(draft: &mut Draft<'a>, unplaced: &[Waiting<'a>]) {
    let mut told: Vec<(Waiting<'_>, PendingWhy)> = Vec::new();
    let mut uncovered: Vec<Waiting<'_>> = Vec::new();
    for waiting in unplaced.iter().copied() {
        match covered(draft, waiting.1) {
            Some(why) => told.push((waiting, why)),
            None => uncovered.push(waiting),
        }
    }
    let reasons = launch(draft, &uncovered);
    let reasons = uncovered.into_iter().zip(reasons);
    told.extend(reasons.filter_map(|(waiting, why)| Some((waiting, why?))));
    draft.waits = told.into_iter().map(|((id, _), why)| (id, why)).collect();
}

/// Refuses those who can never be served, launches for the others what the caps allow, and says what
/// each waits for then; nothing for those who are refused.
fn launch(draft: &mut Draft<'_>, uncovered: &[Waiting<'_>]) -> Vec<Option<PendingWhy>> {
    let mut reasons: Vec<Option<PendingWhy>> = Vec::with_capacity(uncovered.len());
    let mut verdicts: BTreeMap<(Resources, Option<Market>), Verdict> = BTreeMap::new();
    let (mut demands, mut whose, mut later) = (Vec::new(), Vec::new(), Vec::new());
    let mut behind: Option<PendingWhy> = None;
    let mut affordable = Affordable::new(draft);
    for (at, (id, alloc)) in uncovered.iter().enumerate() {
        if let Some(why) = &behind {
            reasons.push(Some(why.clone()));
            continue;
        }
        if alloc.constraint.alone.is_some() {
            let first = demands.is_empty();
            reasons.push(if first { apart::launch(draft, (id, alloc)) } else { None });
            later.extend((!first).then_some(at));
            behind = apart::holds_up(draft, alloc, reasons[at].as_ref());
            continue;
        }
        let (need, market) = (alloc.requirements.floor(), alloc.constraint.market);
        let verdict = named(draft, alloc).unwrap_or_else(|| {
            let key = (need.clone(), market);
            verdicts.entry(key).or_insert_with(|| judge(draft, alloc, &need)).clone()
        });
        let verdict = match verdict {
            Ok(None) => affordable.judge(draft, at, alloc, &need),
            told => told,
        };
        reasons.push(match verdict {
            Ok(Some(why)) => Some(why),
            Ok(None) => {
                let terms = Terms { market, kept: asks(&need) };
                demands.push(Demand { need, terms, firm: fair::is_firm(draft, alloc) });
                whose.push(at);
                None
            }
            Err(why) => {
                let (alloc, driver) = ((*id).clone(), alloc.driver.clone());
                draft.push(AllocRefused { alloc, driver, why });
                None
            }
        });
    }
    if demands.is_empty() {
        return reasons;
    }
    let policy = &draft.state.head.policy;
    let candidates = draft.candidates().iter().filter(|o| draft.open(o));
    let offerings: Vec<Offering> = candidates.map(|o| (*o).clone()).collect();
    let known: Vec<Offering> = offerings.iter().map(|o| believed(draft.state, o)).collect();
    let limits = draft.limits();
    let worth = |o: &Offering| draft.worth(o, o.price);
    let plan = pack(&demands, &known, |o| is_kept(policy, o), worth, &limits);
    let kept = plan.unseated.iter().find(|(demand, _)| demands[*demand].firm);
    let kept = kept.map(|(_, why)| *why);
    let mut dear: Vec<(usize, Over)> = Vec::new();
    let mut fleet = Share::of(draft.state);
    for made in &plan.launches {
        let offering = &offerings[made.offering];
        // By a launch of this plan: whoever is left out is decided on in the next round.
        if !draft.open(offering) {
            continue;
        }
        let needs = made.seats.iter().map(|seat| &demands[*seat]);
        let asked = needs.clone().any(|demand| demand.terms.market.is_some());
        let sum = needs.fold(Resources::default(), |sum, demand| sum.plus(&demand.need));
        let offering = &fleet.choose(draft, offering, &sum, asked);
        // One before it has become dearer than it was in the plan, or nothing is cheap enough.
        if let Some(why) = cap(draft, offering) {
            made.seats.iter().for_each(|seat| reasons[whose[*seat]] = Some(why.clone()));
            continue;
        }
        let mut seats = Vec::with_capacity(made.seats.len());
        for seat in made.seats.iter().copied() {
            let (_, alloc) = uncovered[whose[seat]];
            let cost = share(&demands[seat].need, offering);
            match budget::over(draft, alloc, cost, &draft.costs) {
                Some(over) => dear.push((seat, over)),
                None => {
                    budget::spend(draft, alloc, cost);
                    seats.push(seat);
                }
            }
        }
        if seats.is_empty() {
            continue;
        }
        let reserved_for = seats.iter().map(|seat| uncovered[whose[*seat]].0.clone()).collect();
        let why = demanded(draft, &seats, offering, &demands, plan.candidates);
        let why = begin(draft, offering.clone(), reserved_for, why);
        seats.iter().for_each(|seat| reasons[whose[*seat]] = Some(why.clone()));
    }
    for (seat, over) in dear {
        let alone =
            kept.is_none().then(|| alone(draft, uncovered[whose[seat]], &offerings)).flatten();
        reasons[whose[seat]] = Some(alone.unwrap_or_else(|| over.waits()));
    }
    // With the figures as they are now that it is known what is launched.
    for (at, asked) in affordable.over {
        if let Some(over) = budget::over(draft, uncovered[at].1, asked, &draft.costs) {
            reasons[at] = Some(over.waits());
        }
    }
    for (demand, why) in plan.unseated {
        reasons[whose[demand]] = Some(capped(draft, why));
    }
    for at in later {
        let behind = kept.map(|why| capped(draft, why));
        reasons[at] = behind.or_else(|| apart::launch(draft, uncovered[at]));
    }
    reasons
}

/// Launches the cheapest instance of which it can pay its part, if the caps allow: the one that was
/// cheapest for all was too dear for it.
fn alone(
    draft: &mut Draft<'_>,
    (id, alloc): Waiting<'_>,
    offerings: &[Offering],
) -> Option<PendingWhy> {
    let need = alloc.requirements.floor();
    let most = budget::most(draft, alloc);
    let will_do = |o: &&Offering| suits(alloc, o) && budget::affords(alloc, most, o);
    let offering = cheapest(draft, offerings.iter().filter(will_do), &need)?;
    Some(begin_for(draft, (id, alloc), offering.clone()))
}

/// Launches this for one request alone, and says what it waits for then.
pub(super) fn begin_for(
    draft: &mut Draft<'_>,
    (id, alloc): Waiting<'_>,
    offering: Offering,
) -> PendingWhy {
    let need = alloc.requirements.floor();
    budget::spend(draft, alloc, share(&need, &offering));
    let demand = Demand { need, terms: Terms::default(), firm: false };
    let why = demanded(draft, &[0], &offering, &[demand], 1);
    begin(draft, offering, vec![id.clone()], why)
}

/// The cheapest of these that holds so much and may be launched now, if the caps allow it.
pub(super) fn cheapest<'o>(
    draft: &Draft<'_>,
    offerings: impl Iterator<Item = &'o Offering>,
    need: &Resources,
) -> Option<&'o Offering> {
    let policy = &draft.state.head.policy;
    let will_do = |o: &&Offering| is_for(policy, o, need) && draft.holds(o, need) && draft.open(o);
    let cheapest =
        offerings.filter(will_do).min_by_key(|o| (draft.worth(o, o.at_most()), &o.kind, &o.zone));
    cheapest.filter(|offering| cap(draft, offering).is_none())
}

/// The cap that keeps this from being launched now.
pub(super) fn cap(draft: &Draft<'_>, offering: &Offering) -> Option<PendingWhy> {
    let (limits, policy) = (draft.limits(), &draft.state.head.policy);
    let (asked, committed, limit) = (offering.at_most(), draft.committed, policy.max_hourly_cost);
    // Not by what is left: where a limit has been lowered below what is committed, nothing is cheap enough.
    if committed.plus(asked) > limit {
        return Some(PendingWhy::Budget { asked, committed, limit });
    }
    if limits.instances == 0 {
        return Some(PendingWhy::MaxInstances { limit: policy.max_instances });
    }
    (limits.pending == 0).then(|| capped(draft, Unseated::MaxPending))
}

/// Why an instance is launched for its seats.
fn demanded(
    draft: &Draft<'_>,
    seats: &[usize],
    offering: &Offering,
    demands: &[Demand],
    candidates: usize,
) -> LaunchWhy {
    let needs = seats.iter().map(|seat| &demands[*seat].need);
    let used = size(&needs.fold(Resources::default(), |sum, need| sum.plus(need))).max(1);
    let price = offering.price;
    LaunchWhy::Demand {
        requests: u32::try_from(seats.len()).unwrap_or(u32::MAX),
        offerings: u32::try_from(candidates).unwrap_or(u32::MAX),
        price_per_core: Micros(price.0.saturating_mul(1000) / used),
        links: links(draft.state, offering, price),
        committed: draft.state.head.committed,
    }
}

/// Writes a launch, counts it, and says what those wait for whom it carries.
pub(super) fn begin(
    draft: &mut Draft<'_>,
    offering: Offering,
    reserved_for: Vec<AllocId>,
    why: LaunchWhy,
) -> PendingWhy {
    draft.launches(&offering);
    let unix_ms = draft.state.head.time.0 / 1_000_000;
    let launch = LaunchId::made(unix_ms, draft.random());
    let waits = launching(&launch, &offering);
    draft.push(LaunchRequested { launch, attempt: 1, offering, count: 1, reserved_for, why });
    waits
}

/// What somebody waits for who got no seat.
fn capped(draft: &Draft<'_>, why: Unseated) -> PendingWhy {
    let policy = &draft.state.head.policy;
    match why {
        Unseated::MaxInstances => PendingWhy::MaxInstances { limit: policy.max_instances },
        Unseated::MaxPending => {
            draft.shut().unwrap_or(PendingWhy::MaxPending { limit: policy.max_pending })
        }
        Unseated::Budget { asked, .. } => {
            let (committed, limit) = (draft.committed, policy.max_hourly_cost);
            PendingWhy::Budget { asked, committed, limit }
        }
        Unseated::NoOffering => backed_off(draft, &[]),
    }
}

/// An alloc that names its instance waits for that one, or is refused; nothing is launched for it.
fn named(draft: &Draft<'_>, alloc: &Alloc) -> Option<Verdict> {
    let instance = alloc.constraint.instance.clone()?;
    let floor = alloc.requirements.floor();
    let could = draft
        .state
        .instances
        .get(&instance)
        .filter(|i| matches!(i.phase, Phase::Booting | Phase::Up) && i.resources.holds(&floor));
    let Some(could) = could else { return Some(Err(RefusedWhy::NoSuchInstance { instance })) };
    let over = budget::over(draft, alloc, share(&floor, &could.offering), &draft.costs);
    let busy = || Ok(PendingWhy::NamedInstanceBusy { instance });
    Some(over.map_or_else(busy, Over::verdict).map(Some))
}

pub(super) fn suits(alloc: &Alloc, offering: &Offering) -> bool {
    let alone = alloc.constraint.alone.as_ref();
    on_market(alloc.constraint.market, offering)
        && alone.is_none_or(|alone| alone.takes(&offering.kind, &offering.zone))
}

/// Offerings that are large enough, or why none may ever be bought: what is told then. What runs already may
/// be larger than anything that may be bought now, so nobody is refused whom a living instance could hold.
fn fitting<'a>(
    draft: &Draft<'a>,
    alloc: &Alloc,
    floor: &Resources,
) -> Result<Vec<&'a Offering>, Verdict> {
    let policy = &draft.state.head.policy;
    let suits_it = |o: &&Offering| suits(alloc, o) && is_for(policy, o, floor);
    let allowed: Vec<&Offering> = draft.candidates().iter().copied().filter(suits_it).collect();
    let fitting: Vec<&Offering> =
        allowed.iter().copied().filter(|o| draft.holds(o, floor)).collect();
    let Some(why) = refusal(draft.state, floor, &allowed, &fitting) else { return Ok(fitting) };
    // Looks at every instance: only for somebody who would be refused.
    let could = |i: &Instance| serves(i) && suits(alloc, &i.offering) && i.resources.holds(floor);
    // Nobody who is to have one alone is given what runs.
    let any = alloc.constraint.alone.is_none();
    let busy = draft.live().filter(|(_, instance)| any && could(instance)).count();
    let busy = u32::try_from(busy).unwrap_or(u32::MAX);
    let waits = |reason| Ok(Some(PendingWhy::NothingToBuy { reason: Box::new(reason), busy }));
    Err(if busy > 0 { waits(why) } else { Err(why) })
}

/// Why nothing that may be bought will ever do; none if something will.
fn refusal(
    state: &State,
    floor: &Resources,
    allowed: &[&Offering],
    fitting: &[&Offering],
) -> Option<RefusedWhy> {
    let limit = state.head.policy.max_hourly_cost;
    if let Some(asked) = fitting.iter().map(|o| o.at_most()).min() {
        return (asked > limit).then_some(RefusedWhy::OverBudget { asked, limit });
    }
    let Some(largest) = allowed.iter().max_by_key(|o| size(&state.believed(o))) else {
        return Some(RefusedWhy::NoOfferings);
    };
    let shortfall = allowed.iter().filter_map(|o| state.believed(o).shortage(floor));
    let has = state.believed(largest).into_owned();
    let shortage = has.shortage(floor);
    let shortage = shortage.or_else(|| shortfall.max_by_key(|s| s.asked - s.available));
    let promised = (has != largest.resources).then(|| Box::new(largest.resources.clone()));
    let largest = largest.kind.clone();
    let too_large = |shortage| RefusedWhy::TooLarge { shortage, largest, has, promised };
    Some(shortage.map_or(RefusedWhy::NoOfferings, too_large))
}

/// Whether something may be launched now that is large enough, and what is to be waited for if not.
pub(super) fn judge(draft: &Draft<'_>, alloc: &Alloc, floor: &Resources) -> Verdict {
    let policy = &draft.state.head.policy;
    let will_do =
        |o: &&&Offering| suits(alloc, o) && is_for(policy, o, floor) && draft.holds(o, floor);
    // The cheapest that is open: where that is within the budget there is nothing else to be said.
    let cheapest = draft.opened().iter().find(will_do);
    if cheapest.is_some_and(|offering| offering.at_most() <= policy.max_hourly_cost) {
        return Ok(draft.shut());
    }
    let fitting = match fitting(draft, alloc, floor) {
        Ok(fitting) => fitting,
        Err(told) => return told,
    };
    let head = &draft.state.head;
    if let Some(why) = draft.shut() {
        return Ok(Some(why));
    }
    let rested: Vec<_> = fitting.iter().filter(|o| !draft.resting(o)).collect();
    let open = rested.iter().filter(|o| !draft.zone_full(&o.zone));
    let Some(asked) = open.map(|o| o.at_most()).min() else {
        if let (false, Some(limit)) = (rested.is_empty(), head.policy.max_per_zone) {
            return Ok(Some(PendingWhy::MaxPerZone { limit }));
        }
        return Ok(Some(backed_off(draft, &fitting)));
    };
    // Not before something cheaper has rested: nobody behind it waits for that.
    let (committed, limit) = (draft.committed, head.policy.max_hourly_cost);
    let never = asked > limit;
    Ok(never.then_some(PendingWhy::Budget { asked, committed, limit }))
}

/// Why nothing of this may be launched now: what keeps the one from it that will be tried first.
fn backed_off(draft: &Draft<'_>, fitting: &[&Offering]) -> PendingWhy {
    let known = |o: &Offering| refused_lately(draft.state, o);
    let until = |o: &Offering| known(o).map(|rest| rest.until);
    let first = fitting.iter().min_by_key(|o| (until(o), &o.kind, &o.zone));
    let kind = first.map(|o| o.kind.clone()).unwrap_or_default();
    let refusal = first.and_then(|o| known(o)?.refusal);
    let class = refusal.map(|rest| rest.class.clone());
    let message = refusal.map(|rest| rest.message.clone()).unwrap_or_default();
    PendingWhy::BackedOff { kind, class, message }
}
