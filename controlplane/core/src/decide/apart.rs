//! Instances for those who are to have one alone: each is launched for one request, of the type and in the
//! zone that it names, and nothing of it is given to anybody else.

use super::budget;
use super::draft::Draft;
use super::fair;
use super::judge::{Verdict, judge, suits};
use super::scale::{begin_for, cap};
use replay_core::state::alloc::Alloc;
use replay_core::state::budget::share;
use schema::event::AllocRefused;
use schema::id::AllocId;
use schema::policy::Offering;
use schema::why::PendingWhy;

/// Launches the cheapest instance that will do, if the caps allow, and says what the request waits for then;
/// nothing if it is refused.
pub(super) fn launch(draft: &mut Draft<'_>, (id, alloc): (&AllocId, &Alloc)) -> Option<PendingWhy> {
    let offering = match chosen(draft, alloc) {
        Ok(offering) => offering,
        Err(Ok(why)) => return why,
        Err(Err(why)) => {
            let (alloc, driver) = (id.clone(), alloc.driver.clone());
            draft.push(AllocRefused { alloc, driver, why });
            return None;
        }
    };
    Some(begin_for(draft, (id, alloc), offering))
}

/// What those wait for who come behind it: nothing is bought for them if it has waited for long, and the caps
/// leave too little for it.
pub(super) fn holds_up(
    draft: &Draft<'_>,
    alloc: &Alloc,
    why: Option<&PendingWhy>,
) -> Option<PendingWhy> {
    let why = why.filter(|_| fair::is_firm(draft, alloc))?;
    match why {
        PendingWhy::Budget { .. }
        | PendingWhy::MaxPending { .. }
        | PendingWhy::MaxInstances { .. } => Some(why.clone()),
        PendingWhy::Launching { .. }
        | PendingWhy::Unanswered { .. }
        | PendingWhy::NamedInstanceBusy { .. }
        | PendingWhy::BackedOff { .. }
        | PendingWhy::Frozen
        | PendingWhy::Breaker { .. }
        | PendingWhy::DriverBudget { .. }
        | PendingWhy::LabelBudget { .. }
        | PendingWhy::MaxPerZone { .. }
        | PendingWhy::Preempting { .. }
        | PendingWhy::NothingToBuy { .. }
        | PendingWhy::Unknown => None,
    }
}

/// What is launched for it; what it waits for or why it is refused, if nothing is.
fn chosen(draft: &Draft<'_>, alloc: &Alloc) -> Result<Offering, Verdict> {
    let need = alloc.requirements.floor();
    match judge(draft, alloc, &need) {
        Ok(None) => {}
        told => return Err(told),
    }
    let open = draft.candidates().iter().copied().filter(|o| draft.open(o));
    let fits = open.filter(|o| suits(alloc, o) && draft.holds(o, &need));
    let cheapest = fits.min_by_key(|o| (o.at_most(), &o.kind, &o.zone));
    // Something is open, or it would have been told so.
    let Some(offering) = cheapest else { return Err(Ok(None)) };
    if let Some(over) = budget::over(draft, alloc, share(&need, offering), &draft.costs) {
        return Err(over.verdict().map(Some));
    }
    match cap(draft, offering) {
        Some(why) => Err(Ok(Some(why))),
        None => Ok(offering.clone()),
    }
}
