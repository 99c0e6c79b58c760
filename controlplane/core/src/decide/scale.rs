//! New instances for what cannot be placed: the cheapest mix that holds it, within the hourly budget
//! and the caps on launches under way and on instances. [`pack`] says who goes first when caps bind.

use super::apart;
use super::budget::{self, Affordable, Over};
use super::coming::{covered, launching};
use super::draft::Draft;
use super::fair;
use super::judge::{Verdict, backed_off, judge, named, suits};
use super::offer::{asks, believed, is_for, is_kept};
use super::share::Share;
use super::space::size;
use super::worth::links;
use crate::pack::{Demand, Terms, Unseated, pack};
use replay_core::state::alloc::Alloc;
use replay_core::state::budget::share;
use schema::event::{AllocRefused, LaunchRequested};
use schema::id::{AllocId, LaunchId};
use schema::policy::Offering;
use schema::requirements::{Constraint, Market, Only};
use schema::resources::Resources;
use schema::unit::Micros;
use schema::why::{LaunchWhy, PendingWhy};
use std::collections::BTreeMap;

/// An alloc that waits, by its place in the queue.
type Waiting<'a> = (&'a AllocId, &'a Alloc);

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
    let mut verdicts: BTreeMap<(Resources, Option<Market>, &Only), Verdict> = BTreeMap::new();
    let mut groups = Groups::default();
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
            let key = (need.clone(), market, &alloc.constraint.only);
            verdicts.entry(key).or_insert_with(|| judge(draft, alloc, &need)).clone()
        });
        let verdict = match verdict {
            Ok(None) => affordable.judge(draft, at, alloc, &need),
            told => told,
        };
        reasons.push(match verdict {
            Ok(Some(why)) => Some(why),
            Ok(None) => {
                let only = groups.number(&alloc.constraint.only);
                let terms = Terms { market, kept: asks(&need), only };
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
    let kept = |o: &Offering| is_kept(policy, o);
    let plan = pack(&demands, &known, &groups.all, kept, worth, &limits);
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
        let asked: Vec<&Constraint> =
            made.seats.iter().map(|seat| &uncovered[whose[*seat]].1.constraint).collect();
        let sum = needs.fold(Resources::default(), |sum, demand| sum.plus(&demand.need));
        let offering = &fleet.choose(draft, offering, &sum, &asked);
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

/// Zones and types that are asked for, each by a number.
#[derive(Default)]
struct Groups<'a> {
    numbers: BTreeMap<&'a Only, usize>,
    all: Vec<&'a Only>,
}

impl<'a> Groups<'a> {
    /// The number of these; none if any will do.
    fn number(&mut self, only: &'a Only) -> Option<usize> {
        let new = || {
            self.all.push(only);
            self.all.len() - 1
        };
        (!only.is_any()).then(|| *self.numbers.entry(only).or_insert_with(new))
    }
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
