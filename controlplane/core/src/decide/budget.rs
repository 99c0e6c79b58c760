//! What drivers and labels may still cost. Who is over a budget waits, and stands in nobody's way.

use super::draft::Draft;
use super::judge::{Verdict, suits};
use super::offer::is_for;
use replay_core::state::alloc::Alloc;
use replay_core::state::budget::{Costs, Short, share};
use replay_core::state::instance::Instance;
use schema::policy::Offering;
use schema::requirements::{Market, Only};
use schema::resources::Resources;
use schema::unit::Micros;
use schema::why::{PendingWhy, RefusedWhy};
use std::collections::BTreeMap;

/// A cost that a budget does not leave room for.
pub(super) struct Over {
    asked: Micros,
    short: Short,
}

impl Over {
    /// What is told of it, unless it can never be: then why not.
    pub(super) fn verdict(self) -> Result<PendingWhy, RefusedWhy> {
        let (asked, limit) = (self.asked, self.short.limit);
        match &self.short.label {
            _ if asked <= limit => Ok(self.waits()),
            None => Err(RefusedWhy::OverDriverBudget { asked, limit }),
            Some(label) => Err(RefusedWhy::OverLabelBudget { label: label.clone(), asked, limit }),
        }
    }

    /// What is told of it to who is to wait.
    pub(super) fn waits(self) -> PendingWhy {
        let (asked, Short { label, used, limit }) = (self.asked, self.short);
        match label {
            None => PendingWhy::DriverBudget { asked, used, limit },
            Some(label) => PendingWhy::LabelBudget { label, asked, used, limit },
        }
    }
}

fn left(of: &Short) -> Micros {
    of.limit.minus(of.used)
}

/// The most that this alloc may come to cost per hour; none if nothing limits it.
pub(super) fn most(draft: &Draft<'_>, alloc: &Alloc) -> Option<Micros> {
    let limits = draft.state.limits_of(alloc, &draft.costs);
    let least = limits.iter().map(left).min()?;
    // What it costs already is counted, whatever the limit has become since.
    Some(least.max(draft.state.cost_of(alloc)))
}

/// Whether it may have the least that it asks for of an instance of which this was bought.
pub(super) fn affords(alloc: &Alloc, most: Option<Micros>, of: &Offering) -> bool {
    most.is_none_or(|most| share(&alloc.requirements.floor(), of) <= most)
}

/// The tightest budget that does not leave so much to this alloc, when `added` has been added to what
/// there is.
pub(super) fn over(draft: &Draft<'_>, alloc: &Alloc, asked: Micros, added: &Costs) -> Option<Over> {
    if !draft.state.limits_costs() || asked <= draft.state.cost_of(alloc) {
        return None;
    }
    let limits = draft.state.limits_of(alloc, added).into_iter();
    let short = limits.filter(|limit| asked > left(limit));
    let short = short.min_by_key(|short| (asked <= short.limit, left(short)))?;
    Some(Over { asked, short })
}

/// This round makes an alloc cost so much.
pub(super) fn spend(draft: &mut Draft<'_>, alloc: &Alloc, cost: Micros) {
    let more = more(draft, alloc, cost);
    draft.costs.add(alloc, more);
}

/// By how much more an alloc costs then.
fn more(draft: &Draft<'_>, alloc: &Alloc, cost: Micros) -> i128 {
    i128::from(cost.0) - i128::from(draft.state.cost_of(alloc).0)
}

/// What is asked for, and on which market, in which zones and of which types.
type Amount<'a> = (Resources, Option<Market>, &'a Only);

/// What those may still be launched for whose budgets are limited, each counted at what it costs where
/// it costs least.
pub(super) struct Affordable<'a> {
    costs: Costs,
    least: BTreeMap<Amount<'a>, [Option<Micros>; 2]>,
    /// Who is over a budget, and what it asks for.
    pub(super) over: Vec<(usize, Micros)>,
}

impl<'a> Affordable<'a> {
    pub(super) fn new(draft: &Draft<'_>) -> Affordable<'a> {
        Affordable { costs: draft.costs.clone(), least: BTreeMap::new(), over: Vec::new() }
    }

    /// Whether one is to be tried for this alloc, and what it is told if not.
    pub(super) fn judge(
        &mut self,
        draft: &Draft<'_>,
        at: usize,
        alloc: &'a Alloc,
        need: &Resources,
    ) -> Verdict {
        if !draft.state.limits_costs() {
            return Ok(None);
        }
        let key = (need.clone(), alloc.constraint.market, &alloc.constraint.only);
        let least = self.least.entry(key).or_insert_with(|| least_costs(draft, alloc, need));
        let [Some(now), ever] = *least else { return Ok(None) };
        if let Some(short) = over(draft, alloc, now, &self.costs) {
            let never = ever.and_then(|ever| over(draft, alloc, ever, &self.costs));
            let refused = never.and_then(|never| never.verdict().err());
            if refused.is_none() {
                self.over.push((at, now));
            }
            return refused.map_or_else(|| Ok(Some(short.waits())), Err);
        }
        self.costs.add(alloc, more(draft, alloc, now));
        Ok(None)
    }
}

/// What so much costs per hour where it costs least: of what may be launched now, and of all that may be
/// bought or is there. What costs more than the whole cluster may is never bought.
fn least_costs(draft: &Draft<'_>, alloc: &Alloc, need: &Resources) -> [Option<Micros>; 2] {
    let policy = &draft.state.head.policy;
    let buyable = |o: &&Offering| is_for(policy, o, need) && o.at_most() <= policy.max_hourly_cost;
    let candidates = || draft.candidates().iter().copied().filter(buyable);
    let holds = |o: &&Offering| suits(alloc, o) && draft.holds(o, need);
    let now = candidates().filter(holds).filter(|o| draft.open(o)).map(|o| share(need, o)).min();
    let could = |i: &&Instance| suits(alloc, &i.offering) && i.resources.holds(need);
    let living = draft.live().map(|(_, instance)| instance).filter(could).map(|i| &i.offering);
    let ever = candidates().filter(holds).chain(living).map(|o| share(need, o)).min();
    [now, ever]
}
